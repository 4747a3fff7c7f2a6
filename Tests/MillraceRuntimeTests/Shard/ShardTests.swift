import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// A shard over scripted ends: whatever dies when, each row is there once and each window once and whole.
struct ShardTests {
    private let schema = Schema(("ts", .timestamp(precision: 3)), ("id", .bigInt), ("key", .string))

    /// Rows of `(time, id, key)`; times go up with some disorder, and now and then far back.
    private func log(_ random: inout SeededGenerator, partitions: Int, rows: Int) -> [[[Value]]] {
        (0..<partitions).map { partition in
            (0..<rows).map { row in
                var time = Int64(row) * 400 + Int64.random(in: 0...1500, using: &random)
                if Int.random(in: 0..<20, using: &random) == 0 { time -= Int64.random(in: 0...30_000, using: &random) }
                let key = Int.random(in: 0..<5, using: &random)
                return [
                    .milliseconds(1_000_000 + time), .integer(Int64(partition * 1_000_000 + row)),
                    key == 4 ? .null : .string("k\(key)"),
                ]
            }
        }
    }

    /// source -> watermark -> { every row to "rows"; TUMBLE 10 s COUNT by key to "windows" }
    private func graph(_ source: ScriptedSource, _ session: MemorySession) throws -> ShardGraph {
        var plan = SourcePlan(
            name: "t", connector: "scripted", options: [:], physicalSchema: schema,
            fields: schema.fields.map {
                SourceField(name: $0.name, origin: .physical(path: [$0.name]), type: $0.type)
            })
        let head = Operator(object: "t")
        let time = Expression.column(0, .timestamp(precision: 3))
        let watermark = try WatermarkOperator(
            WatermarkPlan(
                rowtimeColumn: 0,
                expression: .call(
                    .subtractInterval, [time, .literal(.integer(2_000_000), .intervalDayTime)], .timestamp(precision: 3)
                ),
                idleTimeoutMicroseconds: 0),
            partitions: 0, object: "t")
        let window = try WindowAggregateOperator(
            WindowAggregatePlan(
                window: .tumble(sizeMilliseconds: 10_000, offsetMilliseconds: 0), timeColumn: 0, keys: [2],
                aggregates: [
                    AggregateCall(.countAll, argument: nil, type: .bigInt),
                    AggregateCall(.minimum, argument: 1, type: .bigInt),
                ]),
            input: schema, object: "w", limits: Limits())
        let rows = SinkOperator(sink: MemorySink("rows", session), object: "rows")
        let windows = SinkOperator(sink: MemorySink("windows", session), object: "windows")
        head.connect(to: watermark)
        watermark.connect(to: rows)
        watermark.connect(to: window)
        window.connect(to: windows)
        let stream = ShardGraph.Input(plan: plan, index: 0, source: source, head: head, watermark: watermark)
        plan.name = "static"
        plan.isStatic = true
        let table = ScriptedSource(
            [[[.milliseconds(0), .integer(0), .null]]], random: SeededGenerator(seed: 1), crashAfterPolls: nil)
        return ShardGraph(
            inputs: [
                .init(plan: plan, index: 1, source: table, head: Operator(object: "static"), watermark: nil), stream,
            ],
            operators: [head, watermark, window, rows, windows], sessions: [session], checkpoint: session, lookups: [])
    }

    /// Runs once, dying after some polls or reading to the end.
    private func run(
        _ log: [[[Value]]], _ database: MemoryDatabase, random: inout SeededGenerator, crashAfterPolls: Int?,
        limits: Limits = Limits()
    ) throws {
        let session = MemorySession(database, random: SeededGenerator(seed: random.next()))
        let source = ScriptedSource(log, random: SeededGenerator(seed: random.next()), crashAfterPolls: crashAfterPolls)
        let shard = Shard(
            graph: try graph(source, session), context: ShardContext(clock: SystemClock(), limits: limits),
            observer: SilentObserver())
        do {
            try shard.run(from: database.positions.mapValues { Array($0.values) })
        } catch {
            session.die()
            if error != ScriptedSource.crash { throw error }
        }
    }

    @Test(arguments: [1, 3])
    func nothingIsLostOrDoubledWhereverItDies(partitions: Int) throws {
        for seed in UInt64(1)...60 {
            var random = SeededGenerator(seed: seed)
            let log = log(&random, partitions: partitions, rows: 300)
            let database = MemoryDatabase()
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                let polls = Int.random(in: 0...40, using: &random)
                try run(log, database, random: &random, crashAfterPolls: polls)
            }
            try run(log, database, random: &random, crashAfterPolls: nil)
            check(log, database, seed: seed)
        }
    }

    /// A sink that is full after three rows holds the shard back every other poll; nothing else changes.
    @Test func aFullSinkOnlySlowsDown() throws {
        var limits = Limits()
        limits.uncommittedRows = 3
        for seed in UInt64(1)...20 {
            var random = SeededGenerator(seed: seed)
            let log = log(&random, partitions: 2, rows: 300)
            let database = MemoryDatabase()
            let polls = Int.random(in: 0...40, using: &random)
            try run(log, database, random: &random, crashAfterPolls: polls, limits: limits)
            try run(log, database, random: &random, crashAfterPolls: nil, limits: limits)
            check(log, database, seed: seed)
        }
    }

    private func check(_ log: [[[Value]]], _ database: MemoryDatabase, seed: UInt64) {
        let all = log.flatMap { $0 }
        #expect(sortedRows(database.rows["rows"] ?? []) == sortedRows(all), "rows, seed \(seed)")

        var late: Set<[Int64]> = []
        for letter in database.deadLetters {
            #expect(letter.reason == .lateRow, "seed \(seed)")
            let place = [Int64(letter.partition?.partition ?? -1), letter.offset ?? -1]
            #expect(late.insert(place).inserted, "one record has two dead letters, seed \(seed)")
        }
        // [window start, key] -> count and smallest id of the rows that were not late.
        var expected: [[Value]: (count: Int64, least: Int64)] = [:]
        for (partition, rows) in log.enumerated() {
            for (offset, row) in rows.enumerated() where !late.contains([Int64(partition), Int64(offset)]) {
                guard case .integer(let time) = row[0], case .integer(let id) = row[1] else { continue }
                let start = Value.integer(time / 10_000_000 * 10_000_000)
                let before = expected[[start, row[2]]] ?? (0, .max)
                expected[[start, row[2]]] = (before.count + 1, min(before.least, id))
            }
        }
        let wanted = expected.map { [$0.key[1], .integer($0.value.count), .integer($0.value.least), $0.key[0]] }
        let actual = (database.rows["windows"] ?? []).map { Array($0[0..<4]) }
        #expect(sortedRows(actual) == sortedRows(wanted), "windows, seed \(seed)")
        #expect(!late.isEmpty, "the data has late rows, seed \(seed)")
    }

    @Test func aLaterRunNeitherFindsAllRowsLateNorOpensClosedWindows() throws {
        let database = MemoryDatabase()
        var random = SeededGenerator(seed: 7)
        func row(_ seconds: Double, _ id: Int64) -> [Value] { [.seconds(seconds), .integer(id), .string("k")] }
        let first = [[row(1, 1), row(12, 2)]]
        try run(first, database, random: &random, crashAfterPolls: nil)
        // The first run closed [10, 20) at its end: a row for it is late now, one for [20, 30) is not.
        let second = [[row(1, 1), row(12, 2), row(13, 3), row(25, 4)]]
        try run(second, database, random: &random, crashAfterPolls: nil)
        let windows = (database.rows["windows"] ?? []).map { [$0[1], $0[3]] }
        #expect(windows == [[.integer(1), .seconds(0)], [.integer(1), .seconds(10)], [.integer(1), .seconds(20)]])
        #expect(database.deadLetters.map(\.offset) == [2])
        #expect(database.rows["rows"]?.count == 4)
    }
}
