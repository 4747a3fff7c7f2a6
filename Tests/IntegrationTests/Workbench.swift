import Foundation
import MillracePostgres
import Testing

/// All tests against a real broker, a real PostgreSQL and the built program; one at a time, since they stop servers and
/// measure time.
@Suite(
    .serialized, .enabled(if: TestBroker.shared != nil, "no broker: see the line that starts with skipped:"),
    .enabled(if: Workbench.server != nil, "no PostgreSQL server programs"))
enum IntegrationTests {}

/// What one test works with: a topic, a database, a `.sql` file, all its own.
final class Workbench {
    /// One for the test run. Made once; used by one test at a time.
    nonisolated(unsafe) static let server: PrivatePostgres? = {
        let server = try? PrivatePostgres()
        atexit { Workbench.server?.close() }
        return server
    }()

    let broker: TestBroker
    let server: PrivatePostgres
    let topic: String
    let database: String
    let directory: URL

    init(partitions: Int = 1, broker: TestBroker? = TestBroker.shared) throws {
        self.broker = try #require(broker)
        server = try #require(Workbench.server)
        let name = unique()
        topic = "topic-" + name
        database = "db_" + name
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-test-" + name)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try self.broker.createTopic(topic, partitions: partitions)
        try server.createDatabase(database)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// Writes a pipeline file; `$BROKER`, `$TOPIC` and `$DATABASE` stand for this test's.
    func pipeline(_ sql: String, name: String = "pipeline") throws -> String {
        let text = sql.replacingOccurrences(of: "$BROKER", with: broker.bootstrap)
            .replacingOccurrences(of: "$TOPIC", with: topic)
            .replacingOccurrences(of: "$DATABASE", with: server.url(database: database))
            .replacingOccurrences(of: "$MODELS", with: MillraceProcess.repository.path + "/pipelines/models")
        let file = directory.appendingPathComponent(name + ".sql")
        try Data(text.utf8).write(to: file)
        return file.path
    }

    func producer() throws -> TestProducer { try TestProducer(broker.bootstrap, topic: topic) }

    func run(_ file: String, _ more: String...) throws -> MillraceProcess { try MillraceProcess(["run", file] + more) }

    /// Runs SQL in the test's database; rows as text.
    @discardableResult
    func sql(_ text: String) throws -> [[String?]] {
        try PostgresCommand.run(address: PostgresAddress(url: server.url(database: database)), text)
    }

    /// The one value of a query; nil also when the table is not there yet.
    func value(_ text: String) -> String? { (try? sql(text))?.first?.first ?? nil }

    func count(_ table: String) -> Int { value("SELECT count(*) FROM \(table)").flatMap { Int($0) } ?? 0 }
}

/// A repeatable sequence; the seed is printed by the test.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    // SplitMix64 (Steele, Lea, Flood 2014).
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// `MILLRACE_SEED` or a new one.
    static var seed: UInt64 {
        ProcessInfo.processInfo.environment["MILLRACE_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...0xFFFF_FFFF)
    }
}
