import Foundation
import MillraceKafka

/// A Kafka-protocol broker in another process, started by `Scripts/test-broker`.
final class TestBroker: @unchecked Sendable {
    // Set in `init`; only `start` and `stop` act, one test at a time.
    let bootstrap: String
    private let directory: String?

    /// `MILLRACE_TEST_BOOTSTRAP`, else one for the whole test run; nil when there is none to be had.
    static let shared: TestBroker? = {
        if let given = ProcessInfo.processInfo.environment["MILLRACE_TEST_BOOTSTRAP"], !given.isEmpty {
            return TestBroker(running: given)
        }
        guard let broker = try? TestBroker() else {
            print("skipped: integration tests, Scripts/test-broker could not start a broker")
            return nil
        }
        atexit { TestBroker.shared?.close() }
        return broker
    }()

    struct DidNotStart: Error { let output: String }

    private init(running bootstrap: String) {
        self.bootstrap = bootstrap
        directory = nil
    }

    /// One of the test's own, which it may stop and start.
    init() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-broker-" + unique())
            .path
        let output = try TestBroker.script(["start", "0", directory])
        guard let line = output.split(separator: "\n").first(where: { $0.hasPrefix("bootstrap=") }) else {
            throw DidNotStart(output: output)
        }
        bootstrap = String(line.dropFirst("bootstrap=".count))
        self.directory = directory
    }

    /// Ends the broker as a shutdown does; topics and records stay on disk.
    func stop() throws { _ = try TestBroker.script(["stop", directory!]) }

    /// Starts it again, on the same port with the same records.
    func start() throws {
        let port = String(bootstrap.split(separator: ":")[1])
        _ = try TestBroker.script(["start", port, directory!])
    }

    func close() {
        guard let directory else { return }
        try? stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    func createTopic(_ name: String, partitions: Int) throws {
        try KafkaConnector.createTopic(
            name, partitions: partitions, options: ["topic": name, "properties.bootstrap.servers": bootstrap])
    }

    private static func script(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = MillraceProcess.repository.appendingPathComponent("Scripts/test-broker")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text
    }
}

/// A name nobody else has.
func unique() -> String { String(UInt64.random(in: 0 ... .max), radix: 36) }
