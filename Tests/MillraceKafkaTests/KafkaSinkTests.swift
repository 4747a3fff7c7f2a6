import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceKafka

@Suite struct KafkaSinkTests {
    let schema = Schema([
        Field("a", .integer, isNullable: false), Field("b", .string), Field("ts", .timestampLTZ(precision: 3)),
        Field("h", .map(key: .string, value: .bytes)),
    ])

    func plan(_ broker: EmbeddedBroker, _ more: [String: String] = [:]) -> SinkPlan {
        SinkPlan(
            name: "out", connector: "kafka",
            options: [
                "topic": "t", "properties.bootstrap.servers": broker.bootstrapServers, "format": "fake",
                "key.format": "fake", "key.fields": "a",
            ].merging(more) { $1 }, schema: schema, metadata: ["ts": "timestamp", "h": "headers"])
    }

    func batch(_ rows: [[Value]]) -> (ColumnBatch, BatchArena) {
        let arena = BatchArena()
        let batch = ColumnBatch(schema)
        for row in rows { for (column, cell) in zip(batch.columns, row) { column.append(cell, arena: arena) } }
        batch.count = rows.count
        return (batch, arena)
    }

    func drive(_ session: KafkaSinkSession, to ticket: Int64, seconds: Double = 10) throws -> Bool {
        let end = Date().addingTimeInterval(seconds)
        while Date() < end {
            if try session.drive(now: 0) >= ticket { return true }
            var watched = pollfd(fd: session.descriptor, events: Int16(POLLIN), revents: 0)
            _ = Foundation.poll(&watched, 1, 100)
        }
        return false
    }

    @Test func roundTrip() throws {
        let broker = try EmbeddedBroker(topics: [("t", 2)])
        let (sink, session) = try KafkaConnector.makeSink(
            plan: plan(broker), formats: FakeFormats(), limits: Limits(), log: .silent)
        let (rows, arena) = batch([
            [.integer(1), .string("x"), .integer(1_700_000_000_123_000), .map([(.string("n"), .bytes(text("v")))])],
            [.integer(2), .string("refuse"), .null, .null], [.null, .string("y"), .null, .null],
            [.integer(4), .string("z"), .integer(1_700_000_000_124_999), .null],
        ])
        var rejected: [String] = []
        try withExtendedLifetime(arena) {
            try sink.write(rows) { row, code, _ in rejected.append("\(row) \(code)") }
        }
        #expect(rejected == ["1 rejectedBySink", "2 notNullViolation"])
        #expect(session.uncommittedRows == 2)
        try session.submit(ticket: 5, positions: [], deadLetters: [])
        #expect(try drive(session, to: 5))
        #expect(session.uncommittedRows == 0 && session.uncommittedBytes == 0)
        try session.close(deadlineMicroseconds: .max)

        let source = try SourceHarness(
            [
                "topic": "t", "properties.bootstrap.servers": broker.bootstrapServers,
                "scan.startup.mode": "earliest-offset", "scan.bounded.mode": "latest-offset",
            ], metadata: [("timestamp", .timestampLTZ(precision: 3)), ("headers", MetadataKey.headers.type)]
        ).start()
        #expect(try source.run { $0.isFinished })
        let expected: [[Value]] = [
            [.integer(1), .string("x"), .integer(1_700_000_000_123_000), .map([(.string("n"), .bytes(text("v")))])],
            [.integer(4), .string("z"), .integer(1_700_000_000_124_000), .map([])],
        ]
        #expect(source.rows.sorted { "\($0)" < "\($1)" } == expected)
    }

    @Test func outageOnlyDelays() throws {
        let broker = try EmbeddedBroker(topics: [("t", 1)])
        let (sink, session) = try KafkaConnector.makeSink(
            plan: plan(broker, ["sink.partitioner": "round-robin"]), formats: FakeFormats(), limits: Limits(),
            log: .silent)
        let (rows, arena) = batch([[.integer(1), .string("x"), .null, .null]])
        try withExtendedLifetime(arena) {
            try sink.write(rows) { _, _, _ in }
            try session.submit(ticket: 1, positions: [], deadLetters: [])
            #expect(try drive(session, to: 1))
            broker.setReachable(false)
            try sink.write(rows) { _, _, _ in }
            try session.submit(ticket: 2, positions: [], deadLetters: [])
            #expect(try !drive(session, to: 2, seconds: 1))
            broker.setReachable(true)
            #expect(try drive(session, to: 2))
        }
    }

    @Test(
        arguments: [
            (["sink.delivery-guarantee": "exactly-onc"], "unknown value", "exactly-once"),
            (["sink.delivery-guarantee": "exactly-once", "topic": "a;b"], "needs one topic", "metadata column"),
            (
                ["sink.delivery-guarantee": "exactly-once", "properties.transactional.id": "x"],
                "names its transactional id", "sink.transactional-id-prefix"
            ),
            (
                [
                    "sink.delivery-guarantee": "exactly-once", "properties.message.timeout.ms": "90000",
                    "properties.transaction.timeout.ms": "60000",
                ], "could not create the Kafka client", "message.timeout.ms"
            ),
        ])
    func wrongOptionsAreFoundWithoutABroker(more: [String: String], message: String, hint: String) throws {
        let plan = SinkPlan(
            name: "out", connector: "kafka",
            options: ["topic": "t", "properties.bootstrap.servers": "127.0.0.1:1", "format": "fake"]
                .merging(more) { $1 }, schema: schema, metadata: ["ts": "timestamp", "h": "headers"])
        let error = #expect(throws: Diagnostic.self) { try KafkaConnector.check(plan: plan, pipeline: "p") }
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
        #expect(error?.hint?.contains(hint) == true, "\(String(describing: error))")
    }

    /// The mock does not isolate transactions, but takes them.
    @Test func transactionsRoundTrip() throws {
        let broker = try EmbeddedBroker(topics: [("t", 2)])
        let once = plan(broker, ["sink.delivery-guarantee": "exactly-once"])
        let session = try KafkaConnector.makeCheckpointSession(
            plan: once, pipeline: "p", limits: Limits(), clock: SystemClock(), log: .silent)
        _ = try KafkaCheckpoint.open([session], sources: [], fingerprint: "f", resetState: false, log: .silent)
        let sink = try session.makeSink(once, formats: FakeFormats(), shard: 0)
        let (rows, arena) = batch([
            [.integer(1), .string("x"), .integer(1_700_000_000_123_000), .map([(.string("n"), .bytes(text("v")))])],
            [.integer(2), .string("refuse"), .null, .null], [.integer(4), .string("z"), .null, .null],
        ])
        try withExtendedLifetime(arena) { try sink.write(rows) { _, _, _ in } }
        #expect(session.uncommittedRows == 2)
        try session.submit(ticket: 3, positions: [], deadLetters: [])
        #expect(session.uncommittedRows == 2)
        let end = Date().addingTimeInterval(10)
        while try session.drive(now: 0) < 3, Date() < end { usleep(1_000) }
        #expect(session.uncommittedRows == 0 && session.uncommittedBytes == 0)
        try session.close(deadlineMicroseconds: .max)
        let source = try SourceHarness(
            [
                "topic": "t", "properties.bootstrap.servers": broker.bootstrapServers,
                "scan.startup.mode": "earliest-offset", "scan.bounded.mode": "latest-offset",
            ], metadata: [("headers", MetadataKey.headers.type)]
        ).start()
        #expect(try source.run { $0.isFinished })
        #expect(
            source.rows.sorted { "\($0)" < "\($1)" } == [
                [.integer(1), .string("x"), .map([(.string("n"), .bytes(text("v")))])],
                [.integer(4), .string("z"), .map([])],
            ])
    }
}
