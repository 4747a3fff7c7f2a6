import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceKafka

/// A Kafka-protocol broker in another process: `MILLRACE_TEST_BOOTSTRAP`, else one that `Scripts/test-broker` starts
/// (once a test run, ended with it).
enum RealBroker {
    /// nil when there is none to be had; the reason has been printed then.
    static let bootstrap: String? = {
        if let given = ProcessInfo.processInfo.environment["MILLRACE_TEST_BOOTSTRAP"], !given.isEmpty { return given }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let script = root.appendingPathComponent("Scripts/test-broker")
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "millrace-broker-\(ProcessInfo.processInfo.processIdentifier)")
        let process = Process()
        process.executableURL = script
        process.arguments = ["start", "0", directory.path]
        let output = Pipe()
        process.standardOutput = output
        do { try process.run() } catch {
            print("skipped: tests against a real broker, \(script.path) does not run: \(error)")
            return nil
        }
        // The broker writes to its own log, so this ends when the script does.
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("bootstrap=") }) else {
            print("skipped: tests against a real broker, Scripts/test-broker could not start one")
            return nil
        }
        scriptPath = script.path
        directoryPath = directory.path
        atexit {
            let stop = Process()
            stop.executableURL = URL(fileURLWithPath: RealBroker.scriptPath)
            stop.arguments = ["stop", RealBroker.directoryPath]
            try? stop.run()
            stop.waitUntilExit()
            try? FileManager.default.removeItem(atPath: RealBroker.directoryPath)
        }
        return String(line.dropFirst("bootstrap=".count))
    }()
    /// Written once, before `bootstrap` is there; read at exit.
    nonisolated(unsafe) private static var scriptPath = ""
    nonisolated(unsafe) private static var directoryPath = ""
}

@Suite(.enabled(if: RealBroker.bootstrap != nil, "no broker process: see the line that starts with skipped:"))
struct RealBrokerTests {
    let bootstrap = RealBroker.bootstrap!
    let topic = "t-\(UInt64.random(in: 0 ... .max))"

    func options(_ more: [String: String] = [:]) -> [String: String] {
        [
            "topic": topic, "properties.bootstrap.servers": bootstrap, "scan.startup.mode": "earliest-offset",
        ].merging(more) { $1 }
    }

    /// Writes `a = i` with timestamp `1_000_000 + i` ms, through the sink.
    func produce(_ range: Range<Int64>) throws {
        let schema = Schema([Field("a", .integer), Field("ts", .timestampLTZ(precision: 3))])
        let (sink, session) = try KafkaConnector.makeSink(
            plan: SinkPlan(
                name: "out", connector: "kafka",
                options: options(["format": "fake", "sink.partitioner": "round-robin"]), schema: schema,
                metadata: ["ts": "timestamp"]),
            formats: FakeFormats(), limits: Limits(), log: .silent)
        let batch = ColumnBatch(schema)
        for i in range {
            batch.columns[0].append(int: i)
            batch.columns[1].append(int: (1_000_000 + i) * 1000)
        }
        batch.count = range.count
        try sink.write(batch) { row, code, detail in Issue.record("row \(row): \(code) \(detail)") }
        try session.submit(ticket: 1, positions: [], deadLetters: [])
        try session.close(deadlineMicroseconds: SystemClock().monotonicMicroseconds() + 20_000_000)
    }

    @Test func sinkToSource() throws {
        try KafkaConnector.createTopic(topic, partitions: 3, options: options())
        try produce(0..<3000)
        let harness = try SourceHarness(options(["scan.bounded.mode": "latest-offset"])).start()
        #expect(try harness.run { $0.isFinished })
        #expect(harness.a.sorted() == Array(0..<3000))
        #expect(harness.offsets.mapValues(\.count) == [0: 1000, 1: 1000, 2: 1000])
        for list in harness.offsets.values { #expect(list == Array(0..<1000)) }
    }

    @Test(
        arguments: [
            (["scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": "1000006"], Array(6..<10)),
            (["scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": "9000000000"], []),
            (["scan.bounded.mode": "timestamp", "scan.bounded.timestamp-millis": "1000004"], Array(0..<4)),
        ] as [([String: String], [Int64])])
    func timestamps(more: [String: String], expected: [Int64]) throws {
        try KafkaConnector.createTopic(topic, partitions: 1, options: options())
        try produce(0..<10)
        let harness = try SourceHarness(options(["scan.bounded.mode": "latest-offset"].merging(more) { $1 })).start()
        #expect(try harness.run { $0.isFinished })
        #expect(harness.a == expected)
    }

    @Test func groupOffsetsStartAndBound() throws {
        try KafkaConnector.createTopic(topic, partitions: 1, options: options())
        try produce(0..<10)
        let group = ["scan.startup.mode": "group-offsets", "properties.group.id": "g-" + topic]
        let first = try SourceHarness(options(group)).start()
        #expect(try first.run { $0.a.count == 10 })
        first.source.committed([position(topic, 0, next: 6)])
        first.source.close()
        let second = try SourceHarness(options(group)).start()
        #expect(try second.run { $0.a == [6, 7, 8, 9] && $0.isAtEnd })
        let bounded = try SourceHarness(
            options(["scan.bounded.mode": "group-offsets", "properties.group.id": "g-" + topic]))
        try bounded.start()
        #expect(try bounded.run { $0.isFinished })
        #expect(bounded.a == Array(0..<6))
    }

    @Test func unknownTopicIsNamed() throws {
        try KafkaConnector.createTopic(topic, partitions: 1, options: options())
        let error = #expect(throws: Diagnostic.self) {
            try SourceHarness(options(["topic": topic + "x"])).start()
        }
        #expect(error?.message == "unknown Kafka topic \"\(topic)x\"")
        #expect(error?.hint == "Did you mean \"\(topic)\"?")
    }
}
