import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// A shard whose operators' state is stored: whatever dies when, no record is read again, each row has its answer once, and
/// each window its rows once.
struct ShardStateTests {
    private static let input = Schema(("ts", .timestamp(precision: 3)), ("id", .bigInt), ("key", .string))

    /// Times go up with some disorder, and now and then far back. A key is in one partition.
    private func log(_ random: inout SeededGenerator, partitions: Int, rows: Int) -> [[[Value]]] {
        (0..<partitions).map { partition in
            (0..<rows).map { row in
                var time = Int64(row) * 400 + Int64.random(in: 0...1500, using: &random)
                if Int.random(in: 0..<20, using: &random) == 0 { time -= Int64.random(in: 0...30_000, using: &random) }
                let key = Int.random(in: 0..<12, using: &random)
                return [
                    .milliseconds(1_000_000 + time), .integer(Int64(partition * 1_000_000 + row)),
                    .string("p\(partition)k\(key)"),
                ]
            }
        }
    }

    /// source -> watermark -> OVER (COUNT and SUM of all before, COUNT of 5 s) -> { "rows"; TUMBLE 10 s by key -> "windows" }
    private func graph(_ source: ScriptedSource, _ session: MemorySession) throws -> ShardGraph {
        let input = Self.input
        let plan = SourcePlan(
            name: "t", connector: "scripted", options: [:], physicalSchema: input,
            fields: input.fields.map { SourceField(name: $0.name, origin: .physical(path: [$0.name]), type: $0.type) })
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
        let count = OverCall.aggregate(AggregateCall(.countAll, argument: nil, type: .bigInt))
        let over = try OverArrivalOperator(
            OverPlan(
                timeColumn: 0, keys: [2],
                frames: [
                    OverFrame(
                        .range(precedingMilliseconds: nil),
                        calls: [count, .aggregate(AggregateCall(.sum, argument: 1, type: .bigInt))]),
                    OverFrame(.range(precedingMilliseconds: 5000), calls: [count]),
                ], emission: .arrival),
            input: input, object: "histories", limits: Limits())
        let histories = Schema(input.fields + ["c", "s", "recent"].map { Field($0, .bigInt) })
        let window = try WindowAggregateOperator(
            WindowAggregatePlan(
                window: .tumble(sizeMilliseconds: 10_000, offsetMilliseconds: 0), timeColumn: 0, keys: [2],
                aggregates: [
                    AggregateCall(.countAll, argument: nil, type: .bigInt),
                    AggregateCall(.maximum, argument: 3, type: .bigInt),
                ]),
            input: histories, object: "w", limits: Limits())
        let rows = SinkOperator(sink: MemorySink("rows", session), object: "rows")
        let windows = SinkOperator(sink: MemorySink("windows", session), object: "windows")
        head.connect(to: watermark)
        watermark.connect(to: over)
        over.connect(to: rows)
        over.connect(to: window)
        window.connect(to: windows)
        var graph = ShardGraph(
            inputs: [.init(plan: plan, index: 0, source: source, head: head, watermark: watermark)],
            operators: [head, watermark, over, window, rows, windows], sessions: [session], checkpoint: session,
            lookups: [])
        graph.stateful = [over, window]
        graph.statePace.cycleBytes = 300
        graph.statePace.snapshotBytes = 200
        graph.statePace.droppedEntries = 3
        graph.statePace.dropInterval = 2
        return graph
    }

    private func run(
        _ log: [[[Value]]], _ database: MemoryDatabase, random: inout SeededGenerator, crashAfterPolls: Int?,
        limits: Limits
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
        var dropped = 0
        for seed in UInt64(1)...60 {
            var random = SeededGenerator(seed: seed)
            let log = log(&random, partitions: partitions, rows: 300)
            let database = MemoryDatabase()
            var limits = Limits()
            // A full sink holds the shard back every other poll.
            if seed % 4 == 0 { limits.uncommittedRows = 3 }
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                let polls = Int.random(in: 0...40, using: &random)
                try run(log, database, random: &random, crashAfterPolls: polls, limits: limits)
                for position in database.positions.values.flatMap(\.values) {
                    #expect(position.replayOffset == position.nextOffset)
                }
            }
            try run(log, database, random: &random, crashAfterPolls: nil, limits: limits)
            check(log, database, seed: seed)
            #expect(!database.snapshots.isEmpty)
            dropped += database.droppedEntries
        }
        #expect(dropped > 100)
    }

    private func check(_ log: [[[Value]]], _ database: MemoryDatabase, seed: UInt64) {
        // By arrival: what came before in the partition, of the same key.
        var expected: [[Value]] = []
        for rows in log {
            var seen: [Value: (count: Int64, sum: Int64)] = [:]
            for row in rows {
                guard case .integer(let id) = row[1] else { continue }
                let before = seen[row[2]] ?? (0, 0)
                seen[row[2]] = (before.count + 1, before.sum + id)
                expected.append(row + [.integer(before.count + 1), .integer(before.sum + id)])
            }
        }
        let rows = database.rows["rows"] ?? []
        #expect(sortedRows(rows.map { Array($0[..<5]) }) == sortedRows(expected), "rows, seed \(seed)")

        let late = Set(database.deadLetters.map { [Int64($0.partition?.partition ?? -1), $0.offset ?? -1] })
        #expect(late.count == database.deadLetters.count, "one record has two dead letters, seed \(seed)")
        var windows: [[Value]: (count: Int64, newest: Int64)] = [:]
        for row in rows {
            guard case .integer(let time) = row[0], case .integer(let id) = row[1], case .integer(let count) = row[3],
                !late.contains([id / 1_000_000, id % 1_000_000])
            else { continue }
            let key = [row[2], .integer(time / 10_000_000 * 10_000_000)]
            let before = windows[key] ?? (0, 0)
            windows[key] = (before.count + 1, max(before.newest, count))
        }
        let wanted = windows.map { [$0.key[0], .integer($0.value.count), .integer($0.value.newest), $0.key[1]] }
        let actual = (database.rows["windows"] ?? []).map { Array($0[..<4]) }
        #expect(sortedRows(actual) == sortedRows(wanted), "windows, seed \(seed)")
        #expect(!late.isEmpty, "the data has late rows, seed \(seed)")
    }
}
