import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillracePostgres

@Suite(.disabled(if: TestServer.isMissing, "PostgreSQL is not installed"))
struct PostgresSessionTests {
    static let pair = [Field("id", .bigInt), Field("name", .string)]

    @Test func storesEveryType() throws {
        let database = try TestDatabase()
        try database.sql(
            """
            CREATE TYPE mood AS ENUM ('ok', 'bad');
            CREATE TABLE t (b bool, s int2, i int4, l int8, f float4, d float8, n numeric(38, 4), v varchar(5), c text, y bytea,
                dt date, tm time, ts timestamp, tz timestamptz, u uuid, j jsonb, r jsonb, m mood, iv interval)
            """)
        let fields = [
            Field("b", .boolean), Field("s", .tinyInt), Field("i", .integer), Field("l", .bigInt), Field("f", .float),
            Field("d", .double), Field("n", .decimal(precision: 38, scale: 4)), Field("v", .string),
            Field("c", .string),
            Field("y", .bytes), Field("dt", .date), Field("tm", .time(precision: 6)),
            Field("ts", .timestamp(precision: 6)),
            Field("tz", .timestampLTZ(precision: 3)), Field("u", .string), Field("j", .string),
            Field("r", .row([Field("x", .integer), Field("l", .array(.string))])), Field("m", .string),
            Field("iv", .intervalDayTime),
        ]
        let session = try database.session()
        try session.open()
        let sink = try session.makeSink(database.sinkPlan("t", fields))
        let big = Int128("99999999999999999999999999999999991234")!
        let micros: Int64 = 1_700_000_000_123_456
        let refused = try sink.write([
            [
                .boolean(true), .integer(-5), .integer(70_000), .integer(.min), .double(1.5), .double(.infinity),
                .decimal(big), .string("äöüß!"), .string("héllo"), .bytes([0, 255]), .integer(-1),
                .integer(3_600_000_001),
                .integer(micros), .integer(micros), .string("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
                .string("{\"a\": 1}"), .row([.integer(1), .array([.string("q\""), .null])]), .string("bad"),
                .integer(90_000_000),
            ],
            fields.map { _ in .null },
            [
                .null, .null, .null, .null, .null, .null, .decimal(-12300), .null, .null, .null, .null, .null,
                .integer(-1),
                .null, .null, .null, .null, .null, .null,
            ],
        ])
        #expect(refused.isEmpty)
        try session.submit(0)
        try session.wait(for: 0)
        let rows = try database.sql("SET TimeZone='UTC'; SELECT * FROM t")
        #expect(
            rows[0] == [
                "t", "-5", "70000", "-9223372036854775808", "1.5", "Infinity",
                "9999999999999999999999999999999999.1234",
                "äöüß!", "héllo", "\\x00ff", "1969-12-31", "01:00:00.000001", "2023-11-14 22:13:20.123456",
                "2023-11-14 22:13:20.123456+00", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{\"a\": 1}",
                "{\"l\": [\"q\\\"\", null], \"x\": 1}", "bad", "PT1M30S",
            ])
        #expect(rows[1].allSatisfy { $0 == nil })
        #expect(rows[2][6] == "-1.2300")
        #expect(rows[2][12] == "1969-12-31 23:59:59.999999")
        // And back through the scan.
        let readable = Array(fields[0..<15])
        let source = PostgresConnector.makeSource(database.sourcePlan("t", readable))
        try source.start(from: [])
        let arena = BatchArena()
        let found = SourceBatch(Schema(readable), arena: arena)
        var seen: [[Value]] = []
        while true {
            let status = try source.poll(into: found)
            for row in 0..<found.rows.count { seen.append(found.rows.row(row)) }
            if case .finished = status { break }
        }
        #expect(seen.count == 3)
        #expect(seen[0][3] == .integer(.min))
        #expect(seen[0][6] == .decimal(big))
        #expect(seen[0][9] == .bytes([0, 255]))
        #expect(seen[0][10] == .integer(-1))
        #expect(seen[0][12] == .integer(micros))
        #expect(seen[2][6] == .decimal(-12300))
        #expect(seen[1].allSatisfy { $0 == .null })
    }

    @Test func refusesBeforehandWhatTheTableCannotHold() throws {
        let database = try TestDatabase()
        try database.sql("CREATE TABLE t (id int4 NOT NULL, name varchar(3), u uuid)")
        let session = try database.session()
        try session.open()
        let sink = try session.makeSink(
            database.sinkPlan("t", [Field("id", .bigInt), Field("name", .string), Field("u", .string)]))
        let refused = try sink.write([
            [.integer(1), .string("abc"), .null], [.null, .null, .null], [.integer(1 << 40), .null, .null],
            [.integer(2), .string("a\0"), .null], [.integer(3), .string("äöüx"), .null],
            [.integer(4), .null, .string("zz")],
            [.integer(5), .string("äöü"), .null], [.error(.divisionByZero), .null, .null],
        ])
        #expect(Set(refused.map(\.row)) == [1, 2, 3, 4, 5, 7])
        #expect(refused.first { $0.row == 7 }?.code == .divisionByZero)
        #expect(refused.first { $0.row == 1 }?.code == .notNullViolation)
        try session.submit(0)
        try session.wait(for: 0)
        #expect(try database.sql("SELECT id FROM t ORDER BY 1") == [["1"], ["5"]])
    }

    @Test func upsertsAndKeepsTheLastOfAKey() throws {
        let database = try TestDatabase()
        let session = try database.session()
        try session.open()
        let sink = try session.makeSink(
            database.sinkPlan("made", Self.pair, key: ["id"], options: ["create-table": "true"]))
        for ticket in 0..<3 {
            try sink.write((0..<300).map { [.integer(Int64($0 % 100)), .string("\(ticket)-\($0)")] })
            try sink.write([[.integer(7), .string("last \(ticket)")]])
            try session.submit(Int64(ticket))
            try session.wait(for: Int64(ticket))
        }
        #expect(session.refusedRows == 0)
        #expect(session.uncommittedRows == 0 && session.uncommittedBytes == 0)
        #expect(try database.sql("SELECT count(*), min(name) FROM made") == [["100", "2-200"]])
        #expect(try database.sql("SELECT name FROM made WHERE id IN (7, 99) ORDER BY id") == [["last 2"], ["2-299"]])
    }

    @Test func takesChangesByKeyInTheirOrder() throws {
        let database = try TestDatabase()
        try database.sql("CREATE TABLE t (id int4, part text, name text UNIQUE, PRIMARY KEY (id, part))")
        let session = try database.session()
        try session.open()
        var plan = database.sinkPlan(
            "t", [Field("part", .string), Field("name", .string), Field("id", .bigInt)], key: ["id", "part"])
        plan.isUpdating = true
        let sink = try session.makeSink(plan)
        func row(_ id: Int64, _ name: String) -> [Value] { [.string("p"), .string(name), .integer(id)] }
        // Everything in one transaction: the last change of a key counts.
        try sink.write([
            (.insert, row(1, "a")), (.insert, row(2, "b")), (.insert, row(3, "c")), (.updateBefore, row(1, "a")),
            (.updateAfter, row(1, "a2")), (.delete, row(2, "b")), (.delete, row(3, "c")), (.insert, row(3, "c2")),
            (.delete, row(9, "never there")),
        ])
        try session.submit(0)
        try session.wait(for: 0)
        #expect(try database.sql("SELECT id, name FROM t ORDER BY id") == [["1", "a2"], ["3", "c2"]])
        // A deleted row frees its name for another key.
        try sink.write([(.insert, row(4, "a2")), (.delete, row(1, "a2"))])
        try session.submit(1)
        try sink.write([(.insert, row(5, "e"))])
        try session.submit(2)
        try session.wait(for: 2)
        #expect(try database.sql("SELECT id, name FROM t ORDER BY id") == [["3", "c2"], ["4", "a2"], ["5", "e"]])
        #expect(session.refusedRows == 0)
        #expect(session.uncommittedRows == 0 && session.uncommittedBytes == 0)
    }

    @Test func aDeletionThatTheServerRefusesIsOneDeadLetter() throws {
        let database = try TestDatabase()
        try database.sql(
            """
            CREATE TABLE t (id int8 PRIMARY KEY, name text);
            CREATE TABLE child (id int8 REFERENCES t); INSERT INTO t SELECT n FROM generate_series(1, 4) AS g(n);
            INSERT INTO child VALUES (2)
            """)
        let session = try database.session()
        try session.open()
        var plan = database.sinkPlan("t", Self.pair, key: ["id"])
        plan.isUpdating = true
        let sink = try session.makeSink(plan)
        try sink.write(
            (1...3).map { (.delete, [.integer($0), .null]) } + [(.insert, [.integer(5), .string("new")])])
        try session.submit(0)
        try session.wait(for: 0)
        #expect(try database.sql("SELECT id FROM t ORDER BY id") == [["2"], ["4"], ["5"]])
        #expect(session.refusedRows == 1)
        #expect(try database.sql("SELECT object FROM millrace.dead_letter") == [["t"]])
    }

    @Test func storesPositionsAndDeadLetters() throws {
        let database = try TestDatabase()
        let session = try database.session()
        #expect(try session.open().isEmpty)
        let partition = SourcePartition(topic: "bids", partition: 3)
        let letter = DeadLetter(
            source: "bids", partition: partition, offset: 41, key: [1, 0], value: Array("{".utf8),
            headers: [(name: "trace", value: Array("x".utf8)), (name: "none", value: nil)], object: "bids",
            reason: .undecodable, detail: "not JSON", time: 1_000_001)
        let position = SourcePosition(
            partition: partition, nextOffset: 42, replayOffset: 40, watermark: 5, emittedWatermark: 4)
        try session.submit(ticket: 5, positions: [("bids", [position])], deadLetters: [letter])
        try session.wait(for: 5)
        let rows = try database.sql(
            """
            SET TimeZone = 'UTC'; SELECT pipeline, topic, partition, "offset", key, value, headers ->> 0, reason, at
            FROM millrace.dead_letter
            """)
        #expect(
            rows == [
                [
                    "p", "bids", "3", "41", "\\x0100", "\\x7b", "{\"name\": \"trace\", \"value\": \"x\"}",
                    "undecodable message",
                    "1970-01-01 00:00:01.000001+00",
                ]
            ])
        #expect(try database.session().open() == ["bids": [position]])
    }

    @Test func fencesTheEarlierRun() throws {
        let database = try TestDatabase()
        try database.sql("CREATE TABLE t (id int8, name text)")
        let old = try database.session()
        try old.open()
        let oldSink = try old.makeSink(database.sinkPlan("t", Self.pair))
        let shard = try database.session(shard: 1)
        try shard.join(pipeline: "p", epoch: old.epoch)
        let new = try database.session()
        // Even a reset must not let the earlier run write again.
        try new.open(reset: true)
        try oldSink.write([[.integer(1), .null]])
        try old.submit(0)
        #expect { try old.wait(for: 0) } throws: { ($0 as? Diagnostic)?.message.contains("taken over") == true }
        try shard.submit(0)
        #expect(throws: Diagnostic.self) { try shard.wait(for: 0) }
        #expect(throws: Diagnostic.self) { try database.session(shard: 1).join(pipeline: "p", epoch: old.epoch) }
        #expect(try database.sql("SELECT count(*) FROM t") == [["0"]])
    }

    @Test func refusesAnotherQuerysPositions() throws {
        let database = try TestDatabase()
        let session = try database.session()
        try session.open(fingerprint: "1", plan: "source\nfilter a > 1\nsink")
        // Without positions there is nothing to protect.
        try database.session().open(fingerprint: "0")
        let third = try database.session()
        try third.open(fingerprint: "1", plan: "source\nfilter a > 1\nsink")
        try third.submit(0)
        try third.wait(for: 0)
        #expect {
            try database.session().open(fingerprint: "2", plan: "source\nfilter a > 2\nsink")
        } throws: {
            let hint = ($0 as? Diagnostic)?.hint ?? ""
            return hint.contains("- filter a > 1\n+ filter a > 2") && hint.contains("--reset-state")
        }
        #expect(try database.session().open(fingerprint: "2", reset: true).isEmpty)
    }

    @Test func isolatesRefusedRows() throws {
        let database = try TestDatabase()
        try database.sql("CREATE TABLE t (id int8 CHECK (id % 50 <> 13), name text UNIQUE)")
        let session = try database.session()
        try session.open()
        let context = ShardContext(clock: SystemClock())
        let records = RecordTable()
        let arena = BatchArena()
        for i in 0..<200 {
            records.append(
                partition: 0, offset: Int64(1000 + i), timestamp: 0, key: .absent, value: arena.copy("bid \(i)"))
        }
        // Only some records have headers.
        records.headers = { record in record == 63 ? [(name: "trace", value: arena.copy("t-63"))] : [] }
        context.records = records
        session.context = context
        session.sourceNames = ["bids"]
        var counted: [Int64?] = []
        session.onRefusal = { counted.append($0.offset) }
        session.partition = { _, index in SourcePartition(topic: "topic", partition: Int32(index)) }
        let sink = try session.makeSink(database.sinkPlan("t", Self.pair))
        try sink.write((0..<200).map { [.integer(Int64($0)), .string("n\($0 == 199 ? 0 : $0)")] })
        try session.submit(0)
        try sink.write([[.integer(1000), .null]])
        try session.submit(1)
        try session.wait(for: 1)
        #expect(session.refusedRows == 5)
        #expect(counted == [1013, 1063, 1113, 1163, 1199])
        #expect(try database.sql("SELECT count(*) FROM t") == [["196"]])
        let letters = try database.sql(
            "SELECT topic, \"offset\", detail, key, convert_from(value, 'UTF8'), headers FROM millrace.dead_letter ORDER BY \"offset\""
        )
        #expect(letters.map { $0[1] } == ["1013", "1063", "1113", "1163", "1199"])
        #expect(letters.map { $0[3] } == [nil, nil, nil, nil, nil])
        #expect(letters.map { $0[4] } == ["bid 13", "bid 63", "bid 113", "bid 163", "bid 199"])
        #expect(letters.map { $0[5] != nil && $0[5]!.contains("trace") } == [false, true, false, false, false])
        #expect(letters[0][2] == "SQLSTATE 23514 (check violation), constraint \"t_id_check\"")
        #expect(
            try database.sql(
                "SELECT o.next_offset, c.commit_ticket FROM millrace.offsets o JOIN millrace.checkpoints c USING (shard)"
            ) == [["1", "1"]])
    }

    @Test func losesAndDoublesNothingWhenConnectionsBreak() throws {
        let database = try TestDatabase()
        try database.sql("CREATE TABLE t (id int8, name text)")
        let session = try database.session()
        try session.open()
        let sink = try session.makeSink(database.sinkPlan("t", Self.pair))
        let clock = SystemClock()
        var ticket: Int64 = 0
        var next: Int64 = 0
        while ticket < 120 {
            if session.canSubmit {
                try sink.write((0..<20).map { [.integer(next + Int64($0)), .null] })
                next += 20
                try session.submit(ticket, offset: next)
                ticket += 1
                if ticket % 20 == 0 {
                    try PostgresCommand.run(
                        address: PostgresAddress(url: database.server.url()),
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(database.name)'")
                }
            }
            _ = try session.drive(now: clock.monotonicMicroseconds())
            if !session.canSubmit { session.waitForSocket(until: session.deadline ?? .max) }
        }
        try session.close(deadlineMicroseconds: clock.monotonicMicroseconds() + 20_000_000)
        #expect(session.connectionGeneration >= 5)
        #expect(try database.sql("SELECT count(*), count(DISTINCT id) FROM t") == [["2400", "2400"]])
        #expect(try database.sql("SELECT next_offset FROM millrace.offsets") == [["2400"]])
    }

    @Test func survivesARestartOfTheServer() throws {
        let server = try PrivatePostgres()
        defer { server.close() }
        let database = try TestDatabase(server)
        try database.sql("CREATE TABLE t (id int8, name text)")
        let session = try database.session()
        try session.open()
        let sink = try session.makeSink(database.sinkPlan("t", Self.pair))
        for ticket in 0..<6 as Range<Int64> {
            try sink.write((0..<100).map { [.integer(ticket * 100 + $0), .null] })
            try session.submit(ticket)
            if ticket % 2 == 1 {
                server.stop(immediately: true)
                _ = try session.drive(now: SystemClock().monotonicMicroseconds())
                try server.start()
                try session.wait(for: ticket)
            }
        }
        #expect(try database.sql("SELECT count(*), count(DISTINCT id) FROM t") == [["600", "600"]])
    }

    /// What a crash does to commits that did not wait for the disk.
    @Test func stopsWhenTheDatabaseLostConfirmedTransactions() throws {
        let database = try TestDatabase()
        let session = try database.session()
        try session.open()
        for ticket in 0..<3 as Range<Int64> {
            try session.submit(ticket)
            try session.wait(for: ticket)
        }
        try database.sql("UPDATE millrace.checkpoints SET commit_ticket = 0")
        try session.submit(3)
        #expect { try session.wait(for: 3) } throws: {
            ($0 as? Diagnostic)?.message.contains("lost transactions") == true
        }
    }

    @Test func namesWhatDoesNotFit() throws {
        let database = try TestDatabase()
        try database.sql("CREATE TABLE t (id int8, name text); CREATE TABLE k (id int8, must int NOT NULL)")
        let session = try database.session()
        func message(_ plan: SinkPlan) -> String {
            do {
                _ = try session.makeSink(plan)
                return "accepted"
            } catch { return error.message }
        }
        #expect(
            message(database.sinkPlan("t", [Field("id", .string)]))
                == "column \"id\" is STRING in the pipeline but bigint in table \"t\"")
        #expect(
            message(database.sinkPlan("t", [Field("idd", .bigInt)]))
                == "table \"t\" in the database has no column \"idd\"")
        #expect(message(database.sinkPlan("nowhere", Self.pair)) == "table \"nowhere\" does not exist in the database")
        #expect(message(database.sinkPlan("t", Self.pair, key: ["id"])).contains("no unique index"))
        #expect(message(database.sinkPlan("k", [Field("id", .bigInt)])).contains("column \"must\""))
        do {
            _ = try PostgresSession(
                address: PostgresAddress(url: database.server.tcpURL(database: "nope"), password: "hunter2"))
            Issue.record("connected to nothing")
        } catch {
            #expect(
                error.message == "could not connect to PostgreSQL database \"nope\": database \"nope\" does not exist")
            #expect(!"\(error)".contains("hunter2"))
        }
        var plan = ExecutionPlan(name: "p")
        plan.sinks = [database.sinkPlan("t", [Field("id", .string)]), database.sinkPlan("t", Self.pair)]
        #expect(PostgresConnector.check(plan: plan).count == 1)
    }
}
