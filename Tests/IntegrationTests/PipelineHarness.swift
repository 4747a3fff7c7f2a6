import Foundation
import MillraceCore
import MillraceEngine
import MillraceKafka
import MillracePostgres
import Testing

/// A pipeline of `pipelines/` on a broker in this process and a database of its own.
final class PipelineHarness {
    /// One private server for the run.
    nonisolated(unsafe) private static let server: PrivatePostgres? = {
        let server = try? PrivatePostgres()
        atexit { PipelineHarness.server?.close() }
        return server
    }()
    static let hasServer = server != nil

    let broker: EmbeddedBroker
    private let address: PostgresAddress
    private let url: String
    private var running: [Pipeline] = []

    /// - Parameter topics: with their number of partitions.
    init(topics: [(name: String, partitions: Int)]) throws {
        let server = try #require(PipelineHarness.server)
        let name = "p" + UUID().uuidString.prefix(8).lowercased()
        try server.createDatabase(name)
        url = server.url(database: name)
        address = PostgresAddress(url: url)
        broker = try EmbeddedBroker(topics: topics)
    }

    /// Sends records in this order and waits until they are in the topic.
    func send(_ records: [(value: String, timestamp: Int64?)], to topic: String) throws {
        for record in records {
            try broker.produce(
                topic: topic, value: Array(record.value.utf8), timestampMilliseconds: record.timestamp)
        }
        #expect(broker.flush())
    }

    /// Starts `pipelines/<name>.sql`.
    @discardableResult
    func start(_ name: String, _ variables: [String: String] = [:], shards: Int = 1) throws -> Pipeline {
        let path = MillraceProcess.repository.appendingPathComponent("pipelines/\(name).sql").path
        return try start(path: path, text: try String(contentsOfFile: path, encoding: .utf8), variables, shards: shards)
    }

    /// Starts a file of this text.
    @discardableResult
    func start(path: String, text: String, _ variables: [String: String] = [:], shards: Int = 1) throws -> Pipeline {
        let given = ["bootstrap": broker.bootstrapServers, "database": url].merging(variables) { $1 }
        let file = PipelineFile(path: path, text: text, variables: given)
        let plan = try #require(file.plan, "\(file.rendered(file.diagnostics))")
        #expect(file.diagnostics.isEmpty, "\(file.rendered(file.diagnostics))")
        var options = PipelineOptions()
        options.baseDirectory = file.directory
        options.shards = shards
        let pipeline = Pipeline(plan: plan, options: options)
        try pipeline.start()
        running.append(pipeline)
        return pipeline
    }

    /// Ends all pipelines; fails the test with what went wrong in one.
    func stop() throws {
        for pipeline in running { pipeline.requestStop() }
        for pipeline in running { try pipeline.wait() }
        running = []
    }

    /// Cells as text, NULL as `NULL`.
    func rows(_ sql: String) throws -> [[String]] {
        try PostgresCommand.run(address: address, sql).map { $0.map { $0 ?? "NULL" } }
    }

    func number(_ sql: String) throws -> Double { try #require(Double(rows(sql)[0][0])) }

    /// Waits until a query of one number gives `value`; the tables may not be there yet.
    func wait(for value: Double, from sql: String) throws {
        try eventually("\(sql) = \(value), is \((try? rows(sql)) ?? [])", seconds: 60) {
            (try? rows(sql)).flatMap { Double($0[0][0]) } == value
        }
    }
}
