import CMillraceCurl
import CMillraceLinux
import Glibc
import MillraceCore
import MillraceFormats
import MillraceRuntime

/// Requests of one shard through libcurl's multi-socket interface: no thread of its own, connections are kept.
///
/// libcurl's sockets stand in an epoll of their own, whose descriptor the shard's loop watches like any other. (A host name is
/// looked up by libcurl in a thread that lives as long as the look-up; an address needs none.)
final class HTTPClient: RemoteClient {
    private let options: HTTPOptions
    private let encoder: PredictRequestEncoder
    private let decoder: PredictAnswerDecoder
    fileprivate let answerBytesMax: Int
    private let clock: any Clock
    private let multi: UnsafeMutableRawPointer
    private let epoll: Int32
    private var headers: UnsafeMutableRawPointer?
    private var token: HTTPToken
    /// Monotonic microseconds when the token was last read.
    private var tokenRead: Int64
    /// Handed out by number, which is the call's `place`.
    private var transfers: [HTTPTransfer] = []
    private var free: [Int] = []
    /// When libcurl wants to be called; 0: at once, nil: not before a socket is ready.
    fileprivate var timer: Int64?
    /// Attempts that have ended without libcurl.
    private var refused: [RemoteCall] = []
    private var hasRejectedToken = false
    private var isClosed = false

    private static let tokenIntervalMicroseconds: Int64 = 60_000_000

    init(
        _ options: HTTPOptions, encoder: PredictRequestEncoder, decoder: PredictAnswerDecoder, answerBytesMax: Int,
        clock: any Clock
    ) throws(Diagnostic) {
        self.options = options
        self.encoder = encoder
        self.decoder = decoder
        self.answerBytesMax = answerBytesMax
        self.clock = clock
        token = options.token
        tokenRead = clock.monotonicMicroseconds()
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw Diagnostic("no descriptors left for HTTP", fault: .external) }
        guard
            let multi = HTTPClient.makeMulti(connections: options.remote.callsInFlight)
        else { throw Diagnostic("libcurl could not start", fault: .external) }
        self.multi = multi.handle
        context = multi.context
        context.client = self
        makeHeaders()
    }

    /// What libcurl's callbacks are given: it outlives the client's own initialiser.
    private final class Context { unowned(unsafe) var client: HTTPClient! }
    private let context: Context

    private static func makeMulti(connections: Int) -> (handle: UnsafeMutableRawPointer, context: Context)? {
        let context = Context()
        let pointer = Unmanaged.passUnretained(context).toOpaque()
        guard
            let handle = millrace_curl_multi_create(
                pointer,
                { _, socket, what, context, _ in
                    Unmanaged<Context>.fromOpaque(context!).takeUnretainedValue().client.watch(socket, what)
                    return 0
                },
                { _, milliseconds, context in
                    Unmanaged<Context>.fromOpaque(context!).takeUnretainedValue().client.setTimer(milliseconds)
                    return 0
                }, connections)
        else { return nil }
        return (handle, context)
    }

    deinit {
        close()
        if let headers { millrace_curl_list_free(headers) }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        for transfer in transfers {
            if transfer.call != nil { _ = millrace_curl_multi_remove(multi, transfer.easy) }
            millrace_curl_easy_destroy(transfer.easy)
        }
        transfers.removeAll()
        millrace_curl_multi_destroy(multi)
        Glibc.close(epoll)
    }

    var descriptor: Int32 { epoll }
    var deadline: Int64? { refused.isEmpty ? timer : 0 }

    // MARK: - What libcurl asks for

    private func watch(_ socket: Int32, _ what: Int32) {
        if what == MILLRACE_CURL_POLL_REMOVE.number {
            _ = millrace_epoll_forget(epoll, socket)
            return
        }
        var mask: UInt32 = 0
        if what & MILLRACE_CURL_POLL_IN.number != 0 { mask |= EPOLLIN.rawValue }
        if what & MILLRACE_CURL_POLL_OUT.number != 0 { mask |= EPOLLOUT.rawValue }
        _ = millrace_epoll_watch(epoll, socket, mask)
    }

    private func setTimer(_ milliseconds: Int) {
        timer =
            milliseconds < 0 ? nil : milliseconds == 0 ? 0 : clock.monotonicMicroseconds() + Int64(milliseconds) * 1000
    }

    // MARK: - Calls

    func begin(_ call: RemoteCall, now: Int64) {
        if call.request.count == 0 {
            do {
                try encoder.encode(call.inputs, into: call.request)
            } catch {
                refuse(call, error.message)
                return
            }
        }
        if token.canBeReadAgain, hasRejectedToken || now - tokenRead >= HTTPClient.tokenIntervalMicroseconds {
            hasRejectedToken = false
            tokenRead = now
            let before = token.value
            token.readAgain()
            // Headers must not change under requests that are on their way.
            if token.value != before, free.count == transfers.count {
                makeHeaders()
            } else if token.value != before {
                tokenRead = 0
            }
        }
        guard let place = free.popLast() ?? makeTransfer() else {
            refuse(call, "libcurl has no memory")
            return
        }
        let transfer = transfers[place]
        transfer.call = call
        transfer.retryAfter = nil
        transfer.isTooLong = false
        call.place = place
        let easy = transfer.easy
        _ = millrace_curl_set_pointer(easy, MILLRACE_CURL_HTTPHEADER.number, headers)
        _ = millrace_curl_set_number(easy, MILLRACE_CURL_POSTFIELDSIZE.number, call.request.count)
        _ = millrace_curl_set_pointer(easy, MILLRACE_CURL_POSTFIELDS.number, call.request.start)
        if millrace_curl_multi_add(multi, easy) != 0 {
            release(place)
            refuse(call, "libcurl refused the request")
        }
    }

    private func refuse(_ call: RemoteCall, _ detail: String) {
        call.outcome = .failed(RemoteFailure(detail, isRetryable: false, isServerFault: false, mayBeOneRow: true))
        refused.append(call)
    }

    func cancel(_ call: RemoteCall) {
        if let index = refused.firstIndex(where: { $0 === call }) {
            refused.remove(at: index)
            return
        }
        guard transfers.indices.contains(call.place), transfers[call.place].call === call else { return }
        _ = millrace_curl_multi_remove(multi, transfers[call.place].easy)
        release(call.place)
    }

    private func release(_ place: Int) {
        transfers[place].call?.place = -1
        transfers[place].call = nil
        free.append(place)
    }

    func drive(now: Int64, ended: inout [RemoteCall]) {
        guard !isClosed else { return }
        var sockets: (Int32, Int32, Int32, Int32, Int32, Int32, Int32, Int32) = (0, 0, 0, 0, 0, 0, 0, 0)
        withUnsafeMutableBytes(of: &sockets) { bytes in
            let ready = bytes.bindMemory(to: Int32.self)
            while true {
                let count = Int(millrace_epoll_wait(epoll, ready.baseAddress!, Int32(ready.count), 0))
                // Which of reading and writing is possible, libcurl finds out by trying.
                for index in 0..<max(0, count) { _ = millrace_curl_multi_act(multi, ready[index], 0) }
                if count < ready.count { break }
            }
        }
        if let due = timer, due <= now {
            timer = nil
            _ = millrace_curl_multi_act(multi, Int32(MILLRACE_CURL_SOCKET_TIMEOUT), 0)
        }
        var code: Int32 = 0
        while let easy = millrace_curl_multi_ended(multi, &code) {
            guard let pointer = millrace_curl_private(easy) else { continue }
            let transfer = Unmanaged<HTTPTransfer>.fromOpaque(pointer).takeUnretainedValue()
            _ = millrace_curl_multi_remove(multi, easy)
            guard let call = transfer.call else { continue }
            call.outcome = outcome(of: call, transfer, code)
            release(call.place)
            ended.append(call)
        }
        ended += refused
        refused.removeAll(keepingCapacity: true)
    }

    // MARK: - Outcomes

    private func outcome(of call: RemoteCall, _ transfer: HTTPTransfer, _ code: Int32) -> RemoteOutcome {
        guard code == MILLRACE_CURLE_OK.number else { return .failed(broken(transfer, code)) }
        let status = millrace_curl_status(transfer.easy)
        guard status == 200 else { return .failed(refusal(call, transfer, status)) }
        do throws(PredictAnswerDecoder.Fault) {
            try decoder.decode(call.answer.bytes, rows: call.rows, into: call.results, arena: call.arena)
            return .answered
        } catch {
            return .failed(RemoteFailure(error.detail, isRetryable: false, isServerFault: true))
        }
    }

    private func broken(_ transfer: HTTPTransfer, _ code: Int32) -> RemoteFailure {
        if transfer.isTooLong {
            return RemoteFailure(
                "the answer is longer than \(answerBytesMax) bytes", isRetryable: false, isServerFault: true)
        }
        switch code {
        case MILLRACE_CURLE_OPERATION_TIMEDOUT.number:
            return RemoteFailure("timed out", isRetryable: true, isServerFault: true)
        case MILLRACE_CURLE_UNSUPPORTED_PROTOCOL.number, MILLRACE_CURLE_URL_MALFORMAT.number,
            MILLRACE_CURLE_PEER_FAILED_VERIFICATION.number, MILLRACE_CURLE_SSL_CACERT_BADFILE.number:
            return RemoteFailure(
                String(cString: millrace_curl_text(code)).lowercased(), isRetryable: false, isServerFault: true)
        default:
            return RemoteFailure(
                String(cString: millrace_curl_text(code)).lowercased(), isRetryable: true, isServerFault: true)
        }
    }

    private func refusal(_ call: RemoteCall, _ transfer: HTTPTransfer, _ status: Int) -> RemoteFailure {
        // The server's words may hold a value of the row: only what a wrong address or model name gives is shown.
        var detail = "HTTP \(status)"
        if status == 401 || status == 403 || status == 404, let text = PredictAnswerDecoder.error(in: call.answer.bytes)
        {
            detail += ": " + text
        }
        switch status {
        case 408, 425, 429, 500, 502, 503, 504:
            return RemoteFailure(
                detail, isRetryable: true, isServerFault: true, retryAfterMicroseconds: transfer.retryAfter)
        case 401 where token.canBeReadAgain:
            hasRejectedToken = true
            return RemoteFailure(detail, isRetryable: true, isServerFault: true)
        case 400, 413, 422:
            return RemoteFailure(detail, isRetryable: false, isServerFault: false, mayBeOneRow: true)
        default:
            return RemoteFailure(detail, isRetryable: false, isServerFault: true)
        }
    }

    // MARK: - Set-up

    private func makeTransfer() -> Int? {
        guard
            let easy = millrace_curl_easy_create(
                { bytes, size, count, context in HTTPTransfer.receive(bytes, size * count, context) },
                { bytes, size, count, context in HTTPTransfer.receiveHeader(bytes, size * count, context) })
        else { return nil }
        let transfer = HTTPTransfer(easy, answerBytesMax: answerBytesMax)
        let pointer = Unmanaged.passUnretained(transfer).toOpaque()
        _ = millrace_curl_set_pointer(easy, MILLRACE_CURL_PRIVATE.number, pointer)
        _ = millrace_curl_set_pointer(easy, MILLRACE_CURL_WRITEDATA.number, pointer)
        _ = millrace_curl_set_pointer(easy, MILLRACE_CURL_HEADERDATA.number, pointer)
        _ = millrace_curl_set_pointer(easy, MILLRACE_CURL_URL.number, options.url)
        _ = millrace_curl_set_pointer(easy, MILLRACE_CURL_USERAGENT.number, "millrace")
        _ = millrace_curl_set_number(easy, MILLRACE_CURL_POST.number, 1)
        _ = millrace_curl_set_number(easy, MILLRACE_CURL_NOSIGNAL.number, 1)
        _ = millrace_curl_set_number(easy, MILLRACE_CURL_TCP_NODELAY.number, 1)
        _ = millrace_curl_set_number(easy, MILLRACE_CURL_TCP_KEEPALIVE.number, 1)
        // http and https only.
        _ = millrace_curl_set_number(easy, MILLRACE_CURL_PROTOCOLS.number, 3)
        _ = millrace_curl_set_number(easy, MILLRACE_CURL_HTTP_VERSION.number, Int(MILLRACE_CURL_HTTP_2_OVER_TLS))
        if options.url.lowercased().hasPrefix("https") {
            // The first connection may turn out to speak HTTP/2, and then carries the other requests, too.
            _ = millrace_curl_set_number(easy, MILLRACE_CURL_PIPEWAIT.number, 1)
        }
        _ = millrace_curl_set_number(
            easy, MILLRACE_CURL_TIMEOUT_MS.number, Int(max(1, options.timeoutMicroseconds / 1000)))
        _ = millrace_curl_set_number(
            easy, MILLRACE_CURL_CONNECTTIMEOUT_MS.number, Int(max(1, options.connectTimeoutMicroseconds / 1000)))
        if let file = options.caFile { _ = millrace_curl_set_pointer(easy, MILLRACE_CURL_CAINFO.number, file) }
        transfers.append(transfer)
        return transfers.count - 1
    }

    private func makeHeaders() {
        if let headers { millrace_curl_list_free(headers) }
        headers = millrace_curl_list_append(nil, "Content-Type: application/json")
        // Else a long body waits for the server's leave.
        headers = millrace_curl_list_append(headers, "Expect:")
        if let value = token.value { headers = millrace_curl_list_append(headers, "Authorization: Bearer " + value) }
    }

    /// Sleeps until `client` has something to do, at most a second.
    static func wait(_ client: any RemoteClient, clock: any Clock) {
        let due = client.deadline.map { max(0, $0 - clock.monotonicMicroseconds()) } ?? 1_000_000
        var poll = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
        _ = Glibc.poll(&poll, 1, Int32(min(1000, (due + 999) / 1000)))
    }
}

/// One libcurl handle and the call it carries.
final class HTTPTransfer {
    let easy: UnsafeMutableRawPointer
    var call: RemoteCall?
    /// Microseconds, from the header `Retry-After` in seconds.
    var retryAfter: Int64?
    var isTooLong = false
    private let answerBytesMax: Int

    init(_ easy: UnsafeMutableRawPointer, answerBytesMax: Int) {
        self.easy = easy
        self.answerBytesMax = answerBytesMax
    }

    static func receive(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ context: UnsafeMutableRawPointer?) -> Int
    {
        guard let bytes, let context else { return 0 }
        let transfer = Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
        guard let call = transfer.call else { return 0 }
        guard call.answer.count + count <= transfer.answerBytesMax else {
            transfer.isTooLong = true
            return 0
        }
        UnsafeRawPointer(bytes).withMemoryRebound(to: UInt8.self, capacity: count) {
            call.answer.append(ByteRef(start: $0, count: count))
        }
        return count
    }

    static func receiveHeader(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ context: UnsafeMutableRawPointer?)
        -> Int
    {
        guard let bytes, let context else { return 0 }
        let transfer = Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
        let name: StaticString = "retry-after:"
        guard count > name.utf8CodeUnitCount else { return count }
        for index in 0..<name.utf8CodeUnitCount
        where UInt8(bitPattern: bytes[index]) | 0x20 != name.utf8Start[index] | 0x20 { return count }
        var seconds: Int64?
        for index in name.utf8CodeUnitCount..<count {
            let byte = UInt8(bitPattern: bytes[index])
            if byte == 0x20, seconds == nil { continue }
            guard byte &- 0x30 < 10, (seconds ?? 0) < 1_000_000 else { break }
            seconds = (seconds ?? 0) * 10 + Int64(byte &- 0x30)
        }
        transfer.retryAfter = seconds.map { $0 * 1_000_000 }
        return count
    }
}

extension millrace_curl_option { fileprivate var number: Int32 { Int32(rawValue) } }
extension millrace_curl_code { fileprivate var number: Int32 { Int32(bitPattern: rawValue) } }
extension millrace_curl_poll { fileprivate var number: Int32 { Int32(bitPattern: rawValue) } }
