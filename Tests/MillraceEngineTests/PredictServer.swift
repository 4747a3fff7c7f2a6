import Foundation
import Glibc

/// `Scripts/predict-server` in a process of its own, and what it was asked.
final class PredictServer: @unchecked Sendable {
    // Constant after init.
    let port: Int
    private let process = Process()
    private let log: URL

    struct DidNotStart: Error {}
    struct Request: Decodable {
        var id: String
        var connection: Int
        var active: Int
        var path: String
        var body: String
        var authorization: String?
    }

    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().standardizedFileURL
    /// One for the test run.
    static let shared: PredictServer? = {
        let server = try? PredictServer()
        atexit { PredictServer.shared?.close() }
        return server
    }()

    init(_ more: [String] = []) throws {
        log = FileManager.default.temporaryDirectory.appendingPathComponent("predict-\(UUID().uuidString).log")
        process.executableURL = Self.repository.appendingPathComponent("Scripts/predict-server")
        let fixtures = Self.repository.appendingPathComponent("Tests/MillraceModelsTests/Fixtures/natality")
        process.arguments =
            ["--with-parent", "--log", log.path, "--trees", fixtures.appendingPathComponent("natality_xgb.json").path]
            + more
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        var text = ""
        while !text.hasSuffix("\n") {
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { throw DidNotStart() }
            text += String(decoding: data, as: UTF8.self)
        }
        guard text.hasPrefix("port="), let port = Int(text.dropFirst(5).dropLast()) else { throw DidNotStart() }
        self.port = port
    }

    func close() {
        process.terminate()
        try? FileManager.default.removeItem(at: log)
    }

    /// A port where nothing listens.
    static func freePort() -> Int {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(socket, $0, length)
                _ = getsockname(socket, $0, &length)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// The address of a model, with a name for this test's requests and what is to happen to them.
    func url(_ model: String, id: String, script: String = "ok") -> String {
        "http://127.0.0.1:\(port)/v1/models/\(model):predict?id=\(id)&script=\(script)"
    }

    func requests(_ id: String) throws -> [Request] {
        try String(contentsOf: log, encoding: .utf8).split(separator: "\n")
            .map { try JSONDecoder().decode(Request.self, from: Data($0.utf8)) }.filter { $0.id == id }
    }
}
