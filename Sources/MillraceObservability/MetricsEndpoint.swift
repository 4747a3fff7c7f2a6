internal import Glibc
public import MillraceCore

/// `GET /metrics` over HTTP: a listening socket whose owner calls `serve` when it is readable.
///
/// Made for a scraper every few seconds: one request at a time, each connection closed after its answer, and a client that
/// says nothing for a second is hung up on. So it needs no thread; the main thread, which waits for signals, serves it.
public final class MetricsEndpoint {
    /// Readable when a client wants to connect.
    public let descriptor: Int32
    /// `host:port` that it listens on.
    public let address: String

    /// A request head may be as long.
    private static let requestBytesMax = 8192

    /// - Parameter address: `host:port` with an IPv4 address or `localhost`; port 0 takes a free one.
    /// - Throws: `.user` for an address of another form, `.external` when it cannot be listened on.
    public init(address: String) throws(Diagnostic) {
        let parts = address.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = UInt16(parts[1]) else {
            throw Diagnostic("metrics address \"\(address)\" is not host:port", hint: "For example 127.0.0.1:9464.")
        }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = number.bigEndian
        let host = parts[0] == "localhost" ? "127.0.0.1" : String(parts[0])
        guard inet_pton(AF_INET, host, &target.sin_addr) == 1 else {
            throw Diagnostic(
                "metrics address \"\(address)\" has no IPv4 address",
                hint: "127.0.0.1:9464 serves this machine, 0.0.0.0:9464 every one that can reach it.")
        }
        let flags = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let descriptor = socket(AF_INET, Int32(flags), 0)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard descriptor >= 0, isListening else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw Diagnostic("could not listen on \(address): \(reason)", fault: .external)
        }
        self.descriptor = descriptor
        self.address = "\(host):\(UInt16(bigEndian: target.sin_port))"
    }

    deinit { close(descriptor) }

    /// Answers the clients that wait.
    ///
    /// - Parameter page: the text of `/metrics`.
    public func serve(_ page: () -> String) {
        while true {
            let client = accept(descriptor, nil, nil)
            guard client >= 0 else { return }
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            answer(client, page)
            close(client)
        }
    }

    private func answer(_ client: Int32, _ page: () -> String) {
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(client, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        var request: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 2048)
        while !MetricsEndpoint.isComplete(request), request.count < MetricsEndpoint.requestBytesMax {
            let count = recv(client, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            request.append(contentsOf: buffer[..<count])
        }
        let response = Array(MetricsEndpoint.response(to: String(decoding: request, as: UTF8.self), page).utf8)
        var sent = 0
        while sent < response.count {
            let count = response[sent...].withUnsafeBytes {
                send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
        // Unread bytes would make the close a reset, which can overtake the answer.
        shutdown(client, Int32(SHUT_WR))
        _ = recv(client, &buffer, buffer.count, 0)
    }

    private static func isComplete(_ request: [UInt8]) -> Bool {
        String(decoding: request.suffix(4), as: UTF8.self) == "\r\n\r\n"
    }

    static func response(to request: String, _ page: () -> String) -> String {
        let words = request.prefix { !$0.isNewline }.split(separator: " ")
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return reply("400 Bad Request", "not HTTP\n") }
        guard words[0] == "GET" || words[0] == "HEAD" else { return reply("405 Method Not Allowed", "GET /metrics\n") }
        guard words[1].prefix(while: { $0 != "?" }) == "/metrics" else {
            return reply("404 Not Found", "GET /metrics\n")
        }
        return reply("200 OK", page(), type: PrometheusText.contentType, hasBody: words[0] == "GET")
    }

    private static func reply(
        _ status: String, _ body: String, type: String = "text/plain", hasBody: Bool = true
    ) -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n"
            + (hasBody ? body : "")
    }
}
