import MillraceCore
import MillraceRuntime
import Testing

@testable import MillracePostgres

/// State of operators in the database: with its transactions, exactly once, and back.
@Suite(.disabled(if: TestServer.isMissing, "PostgreSQL is not installed"))
struct PostgresStateTests {
    private func session(_ database: TestDatabase, _ operators: [String] = ["OVER 2 of t", "window 4 of t"]) throws
        -> PostgresSession
    {
        let session = try database.session()
        session.stateOperators = operators
        return session
    }

    private func change(_ text: String, _ session: PostgresSession) { session.openChanges.append(text) }

    private func snapshot(_ session: PostgresSession, _ number: Int, _ group: Int, _ text: String) {
        let buffer = ByteBuffer()
        buffer.append(text)
        session.addSnapshot(operator: number, group: group, buffer.bytes)
    }

    /// What a run would find: snapshots as `operator/group text`, then the log.
    private func stored(_ session: PostgresSession) throws -> (snapshots: [String], log: [(Int64, String)]) {
        var snapshots: [String] = []
        var log: [(Int64, String)] = []
        try session.readState(
            snapshot: { number, group, _, bytes in snapshots.append("\(number)/\(group) \(bytes.text)") },
            changes: { sequence, bytes in log.append((sequence, bytes.text)) })
        return (snapshots.sorted(), log)
    }

    @Test func comesBackAsItWasWritten() throws {
        let database = try TestDatabase()
        let first = try session(database)
        try first.open()
        #expect(try stored(first).log.isEmpty)
        let long = String(repeating: "long ", count: 40_000)
        for ticket in 0..<6 as Range<Int64> {
            if ticket != 3 { change(ticket == 4 ? long : "changes \(ticket)", first) }
            if ticket == 1 {
                snapshot(first, 0, 7, "old")
                snapshot(first, 1, 4095, "")
            }
            if ticket == 2 { snapshot(first, 0, 7, long) }
            if ticket == 5 { first.dropLog(first.sequence(of: 0)...first.sequence(of: 1)) }
            try first.submit(ticket)
            try first.wait(for: ticket)
        }
        let second = try session(database)
        try second.open()
        let found = try stored(second)
        #expect(found.snapshots == ["0/7 \(long)", "1/4095 "])
        #expect(found.log.map(\.1) == ["changes 2", long, "changes 5"])
        #expect(found.log.map(\.0) == [2, 4, 5].map { first.sequence(of: $0) })
        // A later run's entries are behind all earlier ones, and the first run's session is fenced with its state.
        #expect(second.sequence(of: 0) > first.sequence(of: 1 << 39))
        change("second run", second)
        try second.submit(0)
        try second.wait(for: 0)
        change("zombie", first)
        snapshot(first, 0, 7, "zombie")
        try first.submit(6)
        #expect(throws: Diagnostic.self) { try first.wait(for: 6) }
        let third = try session(database)
        try third.open()
        #expect(try stored(third).log.map(\.1).suffix(2) == ["changes 5", "second run"])
        #expect(try stored(third).snapshots.allSatisfy { !$0.contains("zombie") })
    }

    @Test func resetForgetsIt() throws {
        let database = try TestDatabase()
        let first = try session(database)
        try first.open()
        change("a", first)
        snapshot(first, 0, 0, "b")
        try first.submit(0)
        try first.wait(for: 0)
        let second = try session(database)
        try second.open(reset: true)
        let found = try stored(second)
        #expect(found.snapshots.isEmpty && found.log.isEmpty)
        // Another pipeline's is not touched.
        #expect(try database.sql("SELECT count(*) FROM millrace.state") == [["0"]])
    }

    @Test func stateOfOtherOperatorsIsRefused() throws {
        let database = try TestDatabase()
        let first = try session(database)
        try first.open()
        change("a", first)
        try first.submit(0)
        try first.wait(for: 0)
        func refusal(_ operators: [String]) -> Diagnostic? {
            do {
                try session(database, operators).open()
                return nil
            } catch {
                return error as? Diagnostic
            }
        }
        let other = try #require(refusal(["OVER 2 of t"]))
        #expect(other.message == "pipeline \"p\" has stored the state of other operators")
        #expect(other.hint?.contains("- 1: window 4 of t") == true)
        #expect(other.hint?.contains("--reset-state") == true)
        #expect(refusal([])?.message == "pipeline \"p\" has stored the state of other operators")
        try database.sql("UPDATE millrace.pipelines SET state = replace(state, 'format 1', 'format 0')")
        #expect(
            refusal(["OVER 2 of t", "window 4 of t"])?.message
                == "the state of pipeline \"p\" was stored by another version of Millrace (format 0, not format 1)")
        try session(database, []).open(reset: true)
        #expect(refusal([]) == nil)
    }

    /// Rows that the server refuses are left out; the state goes with the positions, once.
    @Test func goesOnceWithATransactionThatIsTakenApart() throws {
        let database = try TestDatabase()
        try database.sql("CREATE TABLE t (id int8 CHECK (id % 50 <> 13), name text)")
        let first = try session(database)
        try first.open()
        let sink = try first.makeSink(database.sinkPlan("t", [Field("id", .bigInt), Field("name", .string)]))
        for ticket in 0..<4 as Range<Int64> {
            try sink.write((0..<100).map { [.integer(ticket * 100 + $0), .null] })
            change("changes \(ticket)", first)
            snapshot(first, 0, Int(ticket), "snapshot \(ticket)")
            if ticket == 3 { first.dropLog(first.sequence(of: 0)...first.sequence(of: 0)) }
            try first.submit(ticket)
            if !first.canSubmit { try first.wait(for: ticket) }
        }
        try first.wait(for: 3)
        #expect(first.refusedRows == 8)
        let second = try session(database)
        try second.open()
        let found = try stored(second)
        #expect(found.log.map(\.1) == ["changes 1", "changes 2", "changes 3"])
        #expect(found.snapshots == (0..<4).map { "0/\($0) snapshot \($0)" })
    }

    @Test func losesAndDoublesNothingWhenConnectionsBreak() throws {
        let database = try TestDatabase()
        let first = try session(database)
        try first.open()
        let clock = SystemClock()
        var ticket: Int64 = 0
        while ticket < 100 {
            if first.canSubmit {
                change("changes \(ticket)", first)
                snapshot(first, 0, Int(ticket % 10), "snapshot \(ticket)")
                try first.submit(ticket)
                ticket += 1
                if ticket % 20 == 0 {
                    try PostgresCommand.run(
                        address: PostgresAddress(url: database.server.url()),
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(database.name)'")
                }
            }
            _ = try first.drive(now: clock.monotonicMicroseconds())
            if !first.canSubmit { first.waitForSocket(until: first.deadline ?? .max) }
        }
        try first.close(deadlineMicroseconds: clock.monotonicMicroseconds() + 20_000_000)
        #expect(first.connectionGeneration >= 4)
        let second = try session(database)
        try second.open()
        let found = try stored(second)
        #expect(found.log.map(\.1) == (0..<100).map { "changes \($0)" })
        #expect(found.snapshots == (0..<10).map { "0/\($0) snapshot \(90 + $0)" })
    }

    /// The layout before state was stored becomes this one; nothing was ever in its table.
    @Test func takesOverTheLayoutWithoutState() throws {
        let database = try TestDatabase()
        try database.session().open()
        try database.sql(
            """
            DROP TABLE millrace.state, millrace.state_log;
            ALTER TABLE millrace.pipelines DROP COLUMN state;
            CREATE TABLE millrace.state (pipeline text, operator text, key_group integer, epoch bigint, snapshot bytea)
            """)
        let later = try session(database)
        try later.open()
        change("a", later)
        snapshot(later, 0, 0, "b")
        try later.submit(0)
        try later.wait(for: 0)
        #expect(try database.sql("SELECT operator, sequence > 0 FROM millrace.state") == [["0", "t"]])
    }
}
