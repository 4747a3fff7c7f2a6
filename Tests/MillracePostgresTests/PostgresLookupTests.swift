import MillraceCore
import MillraceRuntime
import Synchronization
import Testing

@testable import MillracePostgres

/// A clock moved by hand.
final class HandClock: Clock {
    let now = Atomic<Int64>(1_000_000)
    func wallMicroseconds() -> Int64 { now.load(ordering: .relaxed) }
    func monotonicMicroseconds() -> Int64 { now.load(ordering: .relaxed) }
    func advance(_ microseconds: Int64) { now.add(microseconds, ordering: .relaxed) }
}

@Suite(.disabled(if: TestServer.isMissing, "PostgreSQL is not installed"))
struct PostgresLookupTests {
    static let fields = [Field("id", .bigInt), Field("name", .string)]

    func find(_ lookup: PostgresLookup, _ keys: [Value]) throws -> [String] {
        let arena = BatchArena()
        let column = Column(.bigInt)
        for key in keys { column.append(key, arena: arena) }
        let result = ColumnBatch(Schema(Self.fields))
        var matches = JoinMatches()
        try lookup.lookup(keys: [column], rows: keys.count, into: result, matches: &matches)
        return zip(matches.probe, matches.build).map { probe, build in
            "\(probe):" + result.columns[1].refs[Int(build)].text
        }
    }

    func make(_ options: [String: String], _ clock: HandClock = HandClock()) throws -> (TestDatabase, PostgresLookup) {
        let database = try TestDatabase()
        try database.sql(
            "CREATE TABLE d (id int4, name text); INSERT INTO d VALUES (1, 'a'), (2, 'b'), (2, 'bb'), (3, 'c')")
        return (
            database,
            try PostgresConnector.makeLookup(
                database.sourcePlan("d", Self.fields, keys: [0], options: options), clock: clock)
        )
    }

    @Test(arguments: ["NONE", "PARTIAL", "FULL"])
    func findsRows(_ cache: String) throws {
        let (_, lookup) = try make(["lookup.cache": cache])
        let before = lookup.queries
        for _ in 0..<2 {
            #expect(
                try find(lookup, [.integer(2), .null, .integer(9), .integer(1), .integer(2), .integer(1 << 40)])
                    == ["0:b", "0:bb", "3:a", "4:b", "4:bb"])
        }
        #expect(lookup.queries - before == ["NONE": 2, "PARTIAL": 1, "FULL": 0][cache])
    }

    @Test func expiresAndEvicts() throws {
        let clock = HandClock()
        let (database, lookup) = try make(
            [
                "lookup.cache": "PARTIAL", "lookup.partial-cache.max-rows": "2",
                "lookup.partial-cache.expire-after-write": "10 s",
            ], clock)
        #expect(try find(lookup, [.integer(1), .integer(9)]) == ["0:a"])
        try database.sql("UPDATE d SET name = 'new' WHERE id = 1; INSERT INTO d VALUES (9, 'late')")
        clock.advance(9_000_000)
        #expect(try find(lookup, [.integer(1), .integer(9)]) == ["0:a"])
        clock.advance(1_000_000)
        #expect(try find(lookup, [.integer(1), .integer(9)]) == ["0:new", "1:late"])
        let before = lookup.queries
        #expect(try find(lookup, [.integer(9), .integer(3)]) == ["0:late", "1:c"])
        #expect(try find(lookup, [.integer(9)]) == ["0:late"])
        #expect(try find(lookup, [.integer(1)]) == ["0:new"])
        #expect(lookup.queries == before + 2)
    }

    @Test func reloadsTheWholeTable() throws {
        let clock = HandClock()
        let (database, lookup) = try make(
            ["lookup.cache": "FULL", "lookup.full-cache.periodic-reload.interval": "1 min"], clock)
        try database.sql("INSERT INTO d VALUES (5, 'e')")
        try lookup.maintain(now: clock.monotonicMicroseconds())
        #expect(try find(lookup, [.integer(5)]).isEmpty)
        clock.advance(60_000_000)
        try lookup.maintain(now: clock.monotonicMicroseconds())
        #expect(try find(lookup, [.integer(5)]) == ["0:e"])
    }

    @Test(arguments: [
        (
            "jdbc:postgresql://h:5/d?user=x&ssl=true&reWriteBatchedInserts=true",
            "postgresql://h:5/d?user=x&sslmode=require"
        ),
        ("jdbc:postgresql:d", "postgresql:///d"), ("jdbc:postgresql://h/d", "postgresql://h/d"),
        ("jdbc:postgresql://h/d?currentSchema=s", "postgresql://h/d?options=-csearch_path%3Ds"),
        ("host=h dbname=d", "host=h dbname=d"),
    ])
    func readsAddresses(_ text: String, _ expected: String) {
        #expect(PostgresAddress(url: text, password: "secret").connection == expected)
        #expect(!"\(PostgresAddress(url: text, password: "secret"))".contains("secret"))
    }
}
