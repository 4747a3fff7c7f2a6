import Foundation
import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceRuntime

/// Several shards that aggregate together, by turns on one thread: whatever dies when, and with however many shards the
/// next run goes on, each row is in its windows once or has its dead letters, and each window's row is there once.
struct ShardExchangeTests {
    private let schema = Schema(("ts", .timestamp(precision: 3)), ("id", .bigInt), ("key", .string))

    private func log(
        _ random: inout SeededGenerator, partitions: Int, rows: Int, late: Bool, disorder: Int64 = 1500
    ) -> [[[Value]]] {
        (0..<partitions).map { partition in
            (0..<rows).map { row in
                var time = Int64(row) * 400 + Int64.random(in: 0...disorder, using: &random)
                if late, Int.random(in: 0..<12, using: &random) == 0 {
                    time -= Int64.random(in: 0...15_000, using: &random)
                }
                let key = Int.random(in: 0..<9, using: &random)
                return [
                    .milliseconds(1_000_000 + time), .integer(Int64(partition * 1_000_000 + row)),
                    key == 8 ? .null : .string("key number \(key)"),
                ]
            }
        }
    }

    /// One process: its shards over one database.
    private struct Run {
        var shards: [Shard] = []
        var sessions: [MemorySession] = []
        var sources: [ScriptedSource] = []
    }

    /// source -> watermark -> { every row to "rows"; TUMBLE 10 s by key to "keyed"; TUMBLE 3 s to "whole" }
    private func start(
        _ log: [[[Value]]], _ database: MemoryDatabase, random: inout SeededGenerator, shards: Int, isBounded: Bool,
        clock: ManualClock, idleMicroseconds: Int64 = 0, limits: Limits = Limits()
    ) throws -> Run {
        let exchange = shards > 1 ? Exchange(shards: shards, sources: 1, windows: 2) : nil
        var run = Run()
        let positions = database.positions.mapValues { Array($0.values) }
        for shard in 0..<shards {
            let session = MemorySession(database, random: SeededGenerator(seed: random.next()))
            let numbers = log.indices.filter { $0 % shards == shard }
            let source = ScriptedSource(
                numbers.map { log[$0] }, numbers: numbers, random: SeededGenerator(seed: random.next()),
                crashAfterPolls: isBounded ? nil : .max)
            session.slowness = [3, 3, 30].randomElement(using: &random)!
            source.bite = [4, 20, 100].randomElement(using: &random)!
            let graph = try graph(source, session, exchange, shard, idleMicroseconds, limits)
            run.shards.append(
                Shard(graph: graph, context: ShardContext(clock: clock, limits: limits), observer: SilentObserver()))
            run.sessions.append(session)
            run.sources.append(source)
        }
        for shard in run.shards { try shard.begin(from: positions) }
        return run
    }

    private func graph(
        _ source: ScriptedSource, _ session: MemorySession, _ exchange: Exchange?, _ shard: Int, _ idle: Int64,
        _ limits: Limits
    ) throws -> ShardGraph {
        let plan = SourcePlan(
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
                idleTimeoutMicroseconds: idle),
            partitions: 0, object: "t")
        let keyed = try WindowAggregateOperator(
            WindowAggregatePlan(
                window: .tumble(sizeMilliseconds: 10_000, offsetMilliseconds: 0), timeColumn: 0, keys: [2],
                aggregates: [
                    AggregateCall(.countAll, argument: nil, type: .bigInt),
                    AggregateCall(.minimum, argument: 1, type: .bigInt),
                    AggregateCall(.count, argument: 1, isDistinct: true, type: .bigInt),
                    AggregateCall(.maximum, argument: 2, type: .string),
                ]),
            input: schema, object: "keyed", limits: limits)
        let whole = try WindowAggregateOperator(
            WindowAggregatePlan(
                window: .tumble(sizeMilliseconds: 3_000, offsetMilliseconds: 0), timeColumn: 0, keys: [],
                aggregates: [
                    AggregateCall(.countAll, argument: nil, type: .bigInt),
                    AggregateCall(.sum, argument: 1, type: .bigInt),
                    AggregateCall(.count, argument: 2, isDistinct: true, type: .bigInt),
                ]),
            input: schema, object: "whole", limits: limits)
        let sinks = ["rows", "keyed", "whole"].map { SinkOperator(sink: MemorySink($0, session), object: $0) }
        head.connect(to: watermark)
        watermark.connect(to: sinks[0])
        watermark.connect(to: keyed)
        watermark.connect(to: whole)
        keyed.connect(to: sinks[1])
        whole.connect(to: sinks[2])
        if let exchange { watermark.share(exchange.time[0], shard: shard) }
        return ShardGraph(
            inputs: [.init(plan: plan, index: 0, source: source, head: head, watermark: watermark)],
            operators: [head, watermark, keyed, whole] + sinks, sessions: [session], checkpoint: session, lookups: [],
            exchange: try exchange.map { try ExchangeMember($0, shard: shard, windows: [keyed, whole]) })
    }

    /// Shards take turns as chance has it, some more often than others; nil turns: until all have finished.
    private func advance(_ run: Run, turns: Int?, clock: ManualClock, random: inout SeededGenerator) throws {
        var finished = Set<Int>()
        var left = turns ?? 200_000
        let favourite = Int.random(in: 0..<run.shards.count, using: &random)
        while left > 0, finished.count < run.shards.count {
            left -= 1
            clock.advance(milliseconds: Int64.random(in: 0...30, using: &random))
            var shard = Int.random(in: 0..<run.shards.count, using: &random)
            if Int.random(in: 0..<3, using: &random) == 0 { shard = favourite }
            guard !finished.contains(shard) else { continue }
            if case .finished = try run.shards[shard].turn() {
                try run.shards[shard].finish()
                finished.insert(shard)
            }
        }
        if turns == nil { #expect(finished.count == run.shards.count, "the run came to no end") }
    }

    @Test(arguments: [(partitions: 2, late: true), (5, true), (5, false), (1, true)], [nil, 2])
    func nothingIsLostOrDoubledWhereverItDies(_ shape: (partitions: Int, late: Bool), shards: Int?) throws {
        let (partitions, late) = shape
        var restarts = 0
        var held = 0
        for seed in SeededGenerator.seeds(60) {
            var random = SeededGenerator(seed: seed)
            let log = log(&random, partitions: partitions, rows: 200, late: late)
            let database = MemoryDatabase()
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                let clock = ManualClock()
                let run = try start(
                    log, database, random: &random, shards: shards ?? Int.random(in: 1...4, using: &random),
                    isBounded: false, clock: clock)
                let turns = Int.random(in: 0...160, using: &random)
                try advance(run, turns: turns, clock: clock, random: &random)
                for session in run.sessions { session.die() }
                restarts += 1
            }
            held += database.positions.keys.contains { $0.hasPrefix("(late") } ? 1 : 0
            let clock = ManualClock()
            let run = try start(
                log, database, random: &random, shards: shards ?? Int.random(in: 1...4, using: &random),
                isBounded: true, clock: clock)
            try advance(run, turns: nil, clock: clock, random: &random)
            check(log, database, seed: seed)
            if !late { #expect(database.deadLetters.isEmpty, "nothing is late, seed \(seed)") }
        }
        guard SeededGenerator.seeds(60).count >= 60 else { return }
        #expect(restarts > 100)
        // Late rows for windows on their way to their owners must have happened, or the test tests less than it says.
        if late, partitions == 5 { #expect(held > 5, "\(held)") }
    }

    @Test(arguments: [2, 3, 4])
    func oneRunGivesWhatOneShardGives(shards: Int) throws {
        for seed in SeededGenerator.seeds(20) {
            var random = SeededGenerator(seed: seed)
            let log = log(&random, partitions: 5, rows: 200, late: seed % 2 == 0)
            let database = MemoryDatabase()
            let clock = ManualClock()
            let run = try start(log, database, random: &random, shards: shards, isBounded: true, clock: clock)
            try advance(run, turns: nil, clock: clock, random: &random)
            check(log, database, seed: seed)
            if seed % 2 == 1 { #expect(database.deadLetters.isEmpty, "nothing is late, seed \(seed)") }
        }
    }

    /// One shard without partitions, one whose partition falls silent: the last windows close by the idle rule all the same,
    /// in a run without end, and nothing is late.
    @Test func idleShardsHoldNothingBack() throws {
        for seed in SeededGenerator.seeds(20) {
            var random = SeededGenerator(seed: seed)
            var log = log(&random, partitions: 2, rows: 100, late: false)
            log[1].removeLast(Int.random(in: 0...99, using: &random))
            let database = MemoryDatabase()
            let clock = ManualClock(wallMicroseconds: 2_000_000_000)
            let run = try start(
                log, database, random: &random, shards: 3, isBounded: false, clock: clock, idleMicroseconds: 1_000_000)
            try advance(run, turns: 600, clock: clock, random: &random)
            // An hour of silence.
            for _ in 0..<1200 {
                try advance(run, turns: 1, clock: clock, random: &random)
                clock.advance(milliseconds: 3000)
            }
            check(log, database, seed: seed)
            #expect(database.deadLetters.isEmpty, "nothing is late, seed \(seed)")
        }
    }

    private func check(_ log: [[[Value]]], _ database: MemoryDatabase, seed: UInt64) {
        let all = log.flatMap { $0 }
        #expect(sortedRows(database.rows["rows"] ?? []) == sortedRows(all), "rows, seed \(seed)")
        var late: [String: Set<[Int64]>] = ["keyed": [], "whole": []]
        for letter in database.deadLetters {
            #expect(letter.reason == .lateRow, "seed \(seed)")
            let place = [Int64(letter.partition?.partition ?? -1), letter.offset ?? -1]
            let isNew = late[letter.object, default: []].insert(place).inserted
            #expect(isNew, "\(place) has two dead letters of \(letter.object), seed \(seed)")
        }
        var keyed: [[Value]: [[Value]]] = [:]
        var whole: [Value: [[Value]]] = [:]
        for (partition, rows) in log.enumerated() {
            for (offset, row) in rows.enumerated() {
                guard case .integer(let time) = row[0] else { continue }
                let place = [Int64(partition), Int64(offset)]
                if !late["keyed"]!.contains(place) {
                    keyed[[.integer(time / 10_000_000 * 10_000_000), row[2]], default: []].append(row)
                }
                if !late["whole"]!.contains(place) {
                    whole[.integer(time / 3_000_000 * 3_000_000), default: []].append(row)
                }
            }
        }
        func ids(_ rows: [[Value]]) -> [Int64] {
            rows.compactMap { if case .integer(let id) = $0[1] { id } else { nil } }
        }
        let wantedKeyed = keyed.map { place, rows in
            let count = Value.integer(Int64(rows.count))
            return [place[1], count, .integer(ids(rows).min()!), count, place[1], place[0]] as [Value]
        }
        let wantedWhole = whole.map { start, rows in
            let keys = Set(rows.map { $0[2] }).subtracting([.null])
            return [
                .integer(Int64(rows.count)), .integer(ids(rows).reduce(0, +)), .integer(Int64(keys.count)), start,
            ] as [Value]
        }
        #expect(
            sortedRows((database.rows["keyed"] ?? []).map { Array($0[0..<6]) }) == sortedRows(wantedKeyed),
            "keyed, seed \(seed)")
        #expect(
            sortedRows((database.rows["whole"] ?? []).map { Array($0[0..<4]) }) == sortedRows(wantedWhole),
            "whole, seed \(seed)")
    }
}

extension SeededGenerator {
    /// Seeds 1 to `count`; `MILLRACE_SEEDS` in the environment says how many instead, `MILLRACE_SEED` which one.
    static func seeds(_ count: UInt64) -> [UInt64] {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["MILLRACE_SEED"].flatMap({ UInt64($0) }) { return [seed] }
        return Array(1...(environment["MILLRACE_SEEDS"].flatMap { UInt64($0) } ?? count))
    }
}
