import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceRuntime

/// OVER where each partition goes by its own watermark.
@Suite struct OverPartitionTests {
    static let input = OverArrivalPropertyTests.input
    static let calls = OverArrivalPropertyTests.calls

    static func plan(_ frames: [OverFrame], isLocal: Bool = true) -> OverPlan {
        var plan = OverPlan(timeColumn: 1, keys: [0], frames: frames)
        plan.isPartitionLocal = isLocal
        return plan
    }

    static let counted = plan([
        OverFrame(
            .range(precedingMilliseconds: 1000),
            calls: [.aggregate(AggregateCall(.countAll, argument: nil, type: .bigInt))])
    ])

    /// Watermarks `delay` behind, then OVER, then what else is asked for.
    struct Chain {
        let harness: OperatorHarness
        let watermark: WatermarkOperator
        let over: OverOperator

        init(
            _ plan: OverPlan, delay: Int64 = 0, partitions: Int = 2, isBounded: Bool = true, idle: Int64 = 0,
            behind: Operator? = nil
        ) throws {
            let schema = Schema(OverPartitionTests.input.fields + [Field("wm", .timestamp(precision: 3))])
            watermark = try WatermarkOperator(
                WatermarkPlan(
                    rowtimeColumn: 1, expression: .column(4, .timestamp(precision: 3)), idleTimeoutMicroseconds: idle,
                    advancesWhenIdle: false),
                partitions: partitions, isBounded: isBounded, object: "t")
            over = try OverOperator(plan, input: schema, object: "over", limits: Limits())
            let delayed = DelayedTime(delay: delay, fields: 4)
            delayed.connect(to: watermark)
            watermark.connect(to: over)
            if let behind { over.connect(to: behind) }
            harness = OperatorHarness(delayed, last: behind ?? over, input: OverPartitionTests.input)
        }

        var times: [Int64] {
            harness.collected.rows.map { row in
                if case .integer(let time) = row[1] { time / 1000 } else { -1 }
            }
        }
    }

    static func row(_ key: String, _ time: Int64, partition: Int) -> ScriptedRow {
        ScriptedRow([.string(key), .milliseconds(time), .integer(1), .double(1)], partition: partition)
    }

    // MARK: - One thing at a time

    @Test(arguments: Batching.usual) func slowPartitionDelaysNobodyElse(_ batching: Batching) throws {
        let rows = [
            Self.row("slow", 100, partition: 1), Self.row("a", 1000, partition: 0), Self.row("b", 2000, partition: 0),
            Self.row("a", 1500, partition: 0), Self.row("a", 3000, partition: 0),
        ]
        let local = try Chain(Self.counted)
        try local.harness.feed(rows, batching)
        // All but the late one; the source's time stands at 100.
        #expect(local.times.sorted() == [100, 1000, 2000, 3000])
        #expect(local.harness.rejected.map(\.reason) == [.lateRow])
        #expect(local.harness.rejected.map { $0.row[1] } == [.milliseconds(1500)])
        #expect(local.watermark.combinedWatermark == 100)
        #expect(local.harness.collected.rowWatermarks.allSatisfy { $0 <= 100 })
        // Far behind the others, and still in time.
        try local.harness.feed([Self.row("slow", 200, partition: 1)])
        #expect(local.times.contains(200))

        let shared = try Chain(Self.plan(Self.counted.frames, isLocal: false))
        try shared.harness.feed(rows, batching)
        #expect(shared.times == [100])
    }

    /// An idle partition's rows that wait go by the time of the others, as without a time of its own.
    @Test func idlePartitionFollowsTheOthers() throws {
        let chain = try Chain(Self.counted, delay: 500, isBounded: false, idle: 1_000_000)
        let clock = chain.harness.clock
        clock.setWall(microseconds: 10_000_000)
        try chain.harness.feed([Self.row("i", 1000, partition: 1), Self.row("a", 1200, partition: 0)])
        #expect(chain.times == [])
        clock.advance(microseconds: 2_000_000)
        try chain.harness.feed([Self.row("a", 4000, partition: 0)])
        // Partition 1 stands at its end.
        try chain.watermark.tick(now: clock.wallMicroseconds(), isAtEnd: { $0 == 1 }, context: chain.harness.context)
        #expect(chain.times.sorted() == [1000, 1200])
        #expect(chain.watermark.combinedWatermark == 3500)
        try chain.harness.feed([Self.row("i", 3400, partition: 1), Self.row("i", 3600, partition: 1)])
        #expect(chain.harness.rejected.map { $0.row[1] } == [.milliseconds(3400)])
        try chain.harness.end()
        #expect(chain.times.sorted() == [1000, 1200, 3600, 4000])
    }

    /// What leaves early is in its window, and the windows close by the time of the source.
    @Test(arguments: Batching.usual) func nothingIsLateBehind(_ batching: Batching) throws {
        let rows = Self.randomRows(7, count: 600)
        let window = WindowAggregatePlan(
            window: .tumble(sizeMilliseconds: 700, offsetMilliseconds: 0), timeColumn: 1, keys: [],
            aggregates: [AggregateCall(.countAll, argument: nil, type: .bigInt)])
        let schema = Schema(
            Self.input.fields + [Field("wm", .timestamp(precision: 3)), Field("n", .bigInt)])
        let behind = try WindowAggregateOperator(window, input: schema, object: "window", limits: Limits())
        let chain = try Chain(Self.counted, delay: 800, partitions: 3, behind: behind)
        try chain.harness.feed(rows, batching)
        try chain.harness.end()
        let late = chain.harness.rejected.filter { $0.object == "over" }
        #expect(late.count > 3 && late.count == chain.harness.rejected.count)
        let counted = chain.harness.collected.rows.reduce(Int64(0)) { sum, row in
            if case .integer(let count) = row[0] { sum + count } else { sum }
        }
        #expect(Int(counted) == rows.count - late.count)
        // Each window once.
        #expect(Set(chain.harness.collected.rows.map { $0[1] }).count == chain.harness.collected.rows.count)
    }

    @Test func stateGoesWithThePartitionsTime() throws {
        let chain = try Chain(Self.counted)
        try chain.harness.feed([Self.row("slow", 0, partition: 1)])
        try chain.harness.feed((0..<5000).map { Self.row("key \($0)", $0 * 10, partition: 0) }, .random(seed: 3))
        // A second of frame at 100 rows a second, and the slow one.
        #expect(chain.over.keptRows <= 103)
        #expect(chain.over.stateSize.keys <= 103)
        #expect(chain.harness.replayOffsets()[0] >= 4800)
        try chain.harness.end()
        #expect(chain.over.stateSize.rows == 0 && chain.over.stateSize.keys == 0 && chain.over.stateBytes == 0)
    }

    // MARK: - Against each partition alone

    /// Keys by partition, three partitions at different paces, some rows far behind.
    static func randomRows(_ seed: UInt64, count: Int, hasOld: Bool = true) -> [ScriptedRow] {
        var generator = SeededGenerator(seed: seed)
        var clocks: [Int64] = [1_000_000, 1_000_000, 1_000_000]
        return (0..<count).map { _ in
            let partition = [0, 0, 0, 1, 1, 2].randomElement(using: &generator)!
            clocks[partition] += Int64.random(in: 0...400, using: &generator)
            let isOld = hasOld && Int.random(in: 0..<12, using: &generator) == 0
            let back = Int64.random(in: 0...(isOld ? 5000 : 700), using: &generator)
            let key = ["a", "b", "c"].randomElement(using: &generator)! + "\(partition)"
            let value: Value =
                Int.random(in: 0..<4, using: &generator) > 0
                ? .integer(Int64.random(in: -5...5, using: &generator)) : .null
            let amount = Value.double(Double(Int.random(in: 1...100_000, using: &generator)) / 100)
            return ScriptedRow(
                [.string(key), .milliseconds((clocks[partition] - back) / 250 * 250), value, amount],
                partition: partition)
        }
    }

    static func partition(of row: [Value]) -> Int {
        guard case .string(let key) = row[0] else { return -1 }
        return Int(String(key.suffix(1))) ?? -1
    }

    @Test(arguments: [
        [OverFrame(.range(precedingMilliseconds: 2000), calls: calls)],
        [OverFrame(.rows(preceding: 3), calls: calls), OverFrame(.rows(preceding: nil), calls: calls)],
        [
            OverFrame(.range(precedingMilliseconds: nil), calls: calls),
            OverFrame(.range(precedingMilliseconds: 600), calls: calls),
        ],
    ]) func sameAsEachPartitionAlone(_ frames: [OverFrame]) throws {
        for seed in UInt64(1)...4 {
            let rows = Self.randomRows(seed, count: 400)
            var expected: [[[Value]]] = []
            var late = 0
            for partition in 0..<3 {
                let alone = try Chain(Self.plan(frames, isLocal: false), delay: 700, partitions: 1)
                try alone.harness.feed(
                    rows.filter { $0.partition == partition }.map { ScriptedRow($0.values) }, .rowByRow)
                try alone.harness.end()
                expected.append(alone.harness.collected.rows)
                late += alone.harness.rejected.count
            }
            #expect(late > 3)
            for batching in Batching.usual {
                let chain = try Chain(Self.plan(frames), delay: 700, partitions: 3)
                try chain.harness.feed(rows, batching)
                try chain.harness.end()
                #expect(chain.harness.rejected.count == late)
                for partition in 0..<3 {
                    let own = chain.harness.collected.rows.filter { Self.partition(of: $0) == partition }
                    let isSame = own == expected[partition]
                    #expect(isSame, "partition \(partition), seed \(seed), \(batching)")
                }
            }
        }
    }

    /// Stopped anywhere and started again, and broken off in the middle of the replay: each result once, as in one run. Without
    /// late rows: those count in frames that are rebuilt.
    @Test(arguments: [UInt64(1), 2, 3]) func restartGivesTheSameRows(_ seed: UInt64) throws {
        // Sums of DOUBLE depend on what had been in the frame.
        let calls = Self.calls.filter {
            if case .aggregate(let call) = $0 { call.argument != 3 } else { true }
        }
        let plan = Self.plan([OverFrame(.range(precedingMilliseconds: 900), calls: calls)])
        var rows = Self.randomRows(seed, count: 300, hasOld: false)
        var offsets: [Int64] = [0, 0, 0]
        for index in rows.indices {
            rows[index].offset = offsets[rows[index].partition]
            offsets[rows[index].partition] += 1
        }
        func make() throws -> Chain { try Chain(plan, delay: 1000, partitions: 3) }
        let whole = try make()
        try whole.harness.feed(rows, .rowByRow)
        try whole.harness.end()
        #expect(whole.harness.rejected.isEmpty)
        var shortened = 0
        for stop in [1, 40, 137, 220, 299] {
            var collected: [[Value]] = []
            var stored = Stored()
            var done = 0
            for limit in [stop, stop + 3, stop + 11, rows.count] {
                let chain = try make()
                stored.restore(chain)
                // One partition after the other, as a reader may find them.
                let again = (0..<3).flatMap { partition in
                    rows[..<done].filter { $0.partition == partition && $0.offset >= stored.replay[partition] }
                }
                if again.count < done { shortened += 1 }
                // A part of the replay, and a crash: nothing of it is stored.
                let broken = try make()
                stored.restore(broken)
                for row in again.prefix(again.count / 2) { try broken.harness.feed([row]) }
                for row in again { try chain.harness.feed([row]) }
                for row in rows[done..<max(done, min(limit, rows.count))] { try chain.harness.feed([row]) }
                done = max(done, min(limit, rows.count))
                if limit == rows.count { try chain.harness.end() }
                collected += chain.harness.collected.rows
                stored = Stored(chain, rows[..<done])
            }
            for partition in 0..<3 {
                let ours = collected.filter { Self.partition(of: $0) == partition }
                let expected = whole.harness.collected.rows.filter { Self.partition(of: $0) == partition }
                let wrong = zip(ours, expected).first { $0 != $1 }.map { "\($0) not \($1)" }
                #expect(
                    ours.count == expected.count && wrong == nil,
                    "partition \(partition), stopped at \(stop): \(ours.count) of \(expected.count), \(wrong ?? "")")
            }
        }
        #expect(shortened > 0, "not all is read again")
    }

    /// What the database holds between two runs.
    private struct Stored {
        var next: [Int64] = [0, 0, 0]
        var replay: [Int64] = [0, 0, 0]
        var watermarks = [Int64](repeating: EventTime.none, count: 3)
        var combined = EventTime.none

        init() {}

        init(_ chain: Chain, _ rows: ArraySlice<ScriptedRow>) {
            for row in rows { next[row.partition] = max(next[row.partition], row.offset + 1) }
            replay = next
            chain.over.lowerReplayOffsets(&replay, source: 0)
            watermarks = chain.watermark.partitionWatermarks
            combined = chain.watermark.combinedWatermark
        }

        func restore(_ chain: Chain) {
            chain.watermark.restore(
                partitionWatermarks: watermarks, combined: combined,
                replaying: zip(replay, next).map { $0 < $1 })
            chain.harness.context.appliedOffsets = next
        }
    }
}
