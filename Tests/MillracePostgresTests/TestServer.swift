import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillracePostgres

/// One private server for the run; a database a test.
enum TestServer {
    nonisolated(unsafe) static let shared: PrivatePostgres? = {
        let server = try? PrivatePostgres()
        atexit { TestServer.shared?.close() }
        return server
    }()
    static let isMissing = !FileManager.default.fileExists(atPath: "/usr/lib/postgresql")
}

/// A database with a session and helpers to look into it.
final class TestDatabase {
    let server: PrivatePostgres
    let name = "t" + UUID().uuidString.prefix(8).lowercased()
    var url: String { server.url(database: name) }
    var address: PostgresAddress { PostgresAddress(url: url) }

    init(_ server: PrivatePostgres? = TestServer.shared) throws {
        self.server = try #require(server)
        try self.server.createDatabase(name)
    }

    @discardableResult
    func sql(_ text: String) throws -> [[String?]] { try PostgresCommand.run(address: address, text) }

    func session(shard: Int = 0) throws -> PostgresSession { try PostgresSession(address: address, shard: shard) }

    func sinkPlan(_ table: String, _ fields: [Field], key: [String] = [], options: [String: String] = [:]) -> SinkPlan {
        SinkPlan(
            name: table, connector: "postgres",
            options: ["url": url, "table-name": table].merging(options) { $1 }, schema: Schema(fields), primaryKey: key)
    }

    func sourcePlan(_ table: String, _ fields: [Field], keys: [Int]? = nil, options: [String: String] = [:])
        -> SourcePlan
    {
        SourcePlan(
            name: table, connector: "postgres", options: ["url": url, "table-name": table].merging(options) { $1 },
            physicalSchema: Schema(fields),
            fields: fields.map { SourceField(name: $0.name, origin: .physical(path: [$0.name]), type: $0.type) },
            lookupKeys: keys)
    }
}

func batch(_ fields: [Field], _ rows: [[Value]], _ arena: BatchArena) -> ColumnBatch {
    let batch = ColumnBatch(Schema(fields))
    batch.metadata.reserve(rows.count)
    for (i, row) in rows.enumerated() {
        for (column, value) in zip(batch.columns, row) { column.append(value, arena: arena) }
        batch.metadata.origins[i] = Int32(i)
    }
    batch.count = rows.count
    return batch
}

extension PostgresSink {
    /// Writes rows; returns those refused beforehand.
    @discardableResult
    func write(_ rows: [[Value]]) throws -> [(row: Int, code: RowErrorCode)] {
        var refused: [(row: Int, code: RowErrorCode)] = []
        let arena = BatchArena()
        try write(batch(plan.schema.fields, rows, arena)) { row, code, _ in refused.append((row, code)) }
        return refused
    }
}

extension PostgresSink {
    /// Writes changes.
    func write(_ changes: [(kind: RowKind, row: [Value])]) throws {
        let arena = BatchArena()
        let rows = batch(plan.schema.fields, changes.map(\.row), arena)
        rows.metadata.useKinds()
        for (i, change) in changes.enumerated() { rows.metadata.kinds![i] = change.kind }
        try write(rows) { _, _, detail in Issue.record("refused: \(detail)") }
    }
}

extension PostgresSession {
    /// Drives until `ticket` is durable.
    func wait(for ticket: Int64, seconds: Int64 = 20) throws {
        let clock = SystemClock()
        let end = clock.monotonicMicroseconds() + seconds * 1_000_000
        while try drive(now: clock.monotonicMicroseconds()) < ticket {
            try #require(clock.monotonicMicroseconds() < end, "ticket \(ticket) did not become durable")
            waitForSocket(until: deadline ?? .max)
        }
    }
    func submit(_ ticket: Int64, offset: Int64? = nil, letters: [DeadLetter] = []) throws {
        let position = SourcePosition(
            partition: SourcePartition(topic: "bids", partition: 0), nextOffset: offset ?? ticket,
            replayOffset: offset ?? ticket)
        try submit(ticket: ticket, positions: [("bids", [position])], deadLetters: letters)
    }
    @discardableResult
    func open(_ name: String = "p", fingerprint: String = "f", plan: String = "a\nb", reset: Bool = false) throws
        -> [SourceName: [SourcePosition]]
    {
        try open(pipeline: name, fingerprint: fingerprint, planText: plan, resetState: reset)
    }
}
