import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

@Suite struct OverArrivalPropertyTests {
    static let input = Schema(("k", .string), ("ts", .timestamp(precision: 3)), ("v", .bigInt), ("a", .double))
    static let calls: [OverCall] = [
        .aggregate(AggregateCall(.countAll, argument: nil, type: .bigInt)),
        .aggregate(AggregateCall(.count, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.sum, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.sum, argument: 3, type: .double)),
        .aggregate(AggregateCall(.average, argument: 3, type: .double)),
        .aggregate(AggregateCall(.minimum, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.maximum, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.stddevSamp, argument: 3, type: .double)),
        .aggregate(AggregateCall(.count, argument: 2, isDistinct: true, type: .bigInt)),
        .aggregate(AggregateCall(.firstValue, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.lastValue, argument: 2, type: .bigInt)),
    ]
    static let lags: [OverCall] = [1, 3, 0].map { .lag(argument: 2, offset: $0, otherwise: nil, type: .bigInt) }

    /// Ways to combine frames in one SELECT.
    static let selects: [[OverFrame]] = [
        [OverFrame(.range(precedingMilliseconds: 2000), calls: calls)],
        [OverFrame(.range(precedingMilliseconds: 0), calls: calls)],
        [OverFrame(.rows(preceding: 0), calls: calls), OverFrame(.rows(preceding: 3), calls: calls)],
        [OverFrame(.rows(preceding: nil), calls: calls)],
        [OverFrame(.range(precedingMilliseconds: nil), calls: lags)],
        [
            OverFrame(.range(precedingMilliseconds: 500), calls: calls),
            OverFrame(.range(precedingMilliseconds: nil), calls: calls + lags),
            OverFrame(.range(precedingMilliseconds: 7000), calls: calls), OverFrame(.rows(preceding: 2), calls: calls),
        ],
    ]

    static func plan(_ select: Int, ttl: Int64? = nil) -> OverPlan {
        OverPlan(
            timeColumn: 1, keys: [0], frames: selects[select], emission: .arrival, stateTTLMilliseconds: ttl)
    }

    static func harness(_ plan: OverPlan, delay: Int64, limits: Limits = Limits()) throws -> OperatorHarness {
        let watermark = try WatermarkOperator(
            WatermarkPlan(rowtimeColumn: 1, expression: .column(4, .timestamp(precision: 3))), partitions: 1,
            isBounded: true, object: "t")
        let delayed = DelayedTime(delay: delay, fields: 4)
        let over = try OverArrivalOperator(
            plan, input: Schema(input.fields + [Field("wm", .timestamp(precision: 3))]), object: "over",
            limits: limits)
        delayed.connect(to: watermark)
        watermark.connect(to: over)
        return OperatorHarness(delayed, last: over, input: input, limits: limits)
    }

    static func over(_ harness: OperatorHarness) -> OverArrivalOperator? {
        harness.first.outputs[0].target.outputs[0].target as? OverArrivalOperator
    }

    static func randomRows(_ seed: UInt64, count: Int, spread: Int64) -> [ScriptedRow] {
        var generator = SeededGenerator(seed: seed)
        var clock: Int64 = 1_000_000
        return (0..<count).map { _ in
            clock += Int64.random(in: 0...400, using: &generator)
            let isOld = Int.random(in: 0..<12, using: &generator) == 0
            let back = Int64.random(in: 0...(isOld ? 12 * spread : spread), using: &generator)
            let key: Value = [.string("a"), .string("bb"), .null, .string("c")].randomElement(using: &generator)!
            let value: Value =
                Int.random(in: 0..<4, using: &generator) > 0
                ? .integer(Int64.random(in: -5...5, using: &generator)) : .null
            let amount: Value =
                Int.random(in: 0..<5, using: &generator) > 0
                ? .double(Double(Int.random(in: 1...100_000, using: &generator)) / 100) : .null
            return ScriptedRow([key, .milliseconds((clock - back) / 250 * 250), value, amount])
        }
    }

    static func expected(_ plan: OverPlan, _ rows: [ScriptedRow], delay: Int64) -> (SlowOverArrival, [[Value]]) {
        var slow = SlowOverArrival(plan, delay: delay)
        let results = rows.map { row -> [Value] in
            guard case .integer(let time) = row.values[1] else { return [] }
            var fact = SlowOverArrival.Row(time: time / 1000, value: nil, amount: nil)
            if case .integer(let value) = row.values[2] { fact.value = value }
            if case .double(let amount) = row.values[3] { fact.amount = amount }
            return slow.answer(row.values[0], fact)
        }
        return (slow, results)
    }

    @Test(arguments: 0..<6, [Int64?.none, 900, 5000]) func sameAsSlowModel(_ select: Int, _ ttl: Int64?) throws {
        for seed in UInt64(1)...4 {
            let rows = Self.randomRows(seed, count: 400, spread: 1500)
            let plan = Self.plan(select, ttl: ttl)
            let (slow, expected) = Self.expected(plan, rows, delay: 1500)
            #expect(slow.late > 5)
            var first: [[Value]]?
            for (batching, outcome) in try outcomes(rows, make: { try Self.harness(plan, delay: 1500) }) {
                #expect(outcome.rejected.isEmpty)
                #expect(outcome.rows.map { Array($0[..<4]) } == rows.map(\.values), "the rows pass as they came")
                let results = outcome.rows.map { Array($0[5...]) }
                let wrong = Array(zip(results, expected)).firstIndex { !isClose($0.0, $0.1) }
                #expect(results.count == expected.count && wrong == nil, "seed \(seed), \(batching)")
                if let wrong {
                    let cells = results[wrong].indices.filter { !isClose([results[wrong][$0]], [expected[wrong][$0]]) }
                    Issue.record(
                        "row \(wrong): \(cells.map { (cell: $0, is: results[wrong][$0], not: expected[wrong][$0]) })")
                    return
                }
                #expect(first == nil || first == results, "to the last bit, seed \(seed), \(batching)")
                first = results
            }
        }
    }

    /// A restart reads the rows from the asked-for offset again: they rebuild the frames, and the rows behind them have the
    /// same results.
    @Test(arguments: [0, 5], [UInt64(4), 5, 6]) func restartGivesTheSameRows(_ select: Int, _ seed: UInt64) throws {
        let rows = Self.randomRows(seed, count: 300, spread: 900)
        let plan = Self.plan(select, ttl: 4000)
        func make() throws -> OperatorHarness { try Self.harness(plan, delay: 1000) }
        let whole = try make()
        try whole.feed(rows, .rowByRow)
        var shortened = 0
        for stop in [1, 50, 137, 220, 299] {
            let first = try make()
            try first.feed(Array(rows[..<stop]), .random(seed: seed))
            let replay = first.replayOffsets()[0]
            if replay > 0 { shortened += 1 }
            let watermark = try #require(first.first.outputs[0].target as? WatermarkOperator)
            let second = try make()
            let restored = try #require(second.first.outputs[0].target as? WatermarkOperator)
            restored.restore(
                partitionWatermarks: watermark.partitionWatermarks, combined: watermark.combinedWatermark,
                replaying: [replay < Int64(stop)])
            second.context.appliedOffsets = [Int64(stop)]
            for (offset, row) in rows.enumerated() where offset >= replay {
                var row = row
                row.offset = Int64(offset)
                try second.feed([row])
            }
            let both = first.collected.rows + second.collected.rows
            #expect(both.count == rows.count)
            let wrong = Array(zip(both, whole.collected.rows)).firstIndex { !isClose($0.0, $0.1, tolerance: 0) }
            #expect(wrong == nil, "stopped at \(stop)")
            if let wrong {
                let (a, b) = (both[wrong], whole.collected.rows[wrong])
                Issue.record("row \(wrong): \(a.indices.filter { a[$0] != b[$0] }.map { ($0, a[$0], b[$0]) })")
            }
        }
        #expect(shortened > 0, "not all is read again")
    }

    @Test func stateGoesWithTime() throws {
        let harness = try Self.harness(
            OverPlan(
                timeColumn: 1, keys: [0],
                frames: [
                    OverFrame(.range(precedingMilliseconds: 1600), calls: Self.calls),
                    OverFrame(.rows(preceding: 3), calls: Self.calls),
                    OverFrame(.range(precedingMilliseconds: nil), calls: Self.lags),
                ], emission: .arrival, stateTTLMilliseconds: 1000), delay: 1000)
        let over = try #require(Self.over(harness))
        for i in 0..<5000 {
            try harness.feed([
                ScriptedRow([
                    .string("key \(i)"), .milliseconds(Int64(i) * 10), .integer(Int64(i)), .double(Double(i)),
                ])
            ])
        }
        // A second of delay and 1.6 of frame at 100 rows a second, and the visits' delay.
        #expect(over.keptRows <= 272)
        #expect(over.keptKeys <= 272)
        try harness.end()
        #expect(over.keptRows == 0)
        #expect(over.keptKeys == 0)
        #expect(over.stateBytes == 0)
    }

    @Test func framesWithoutTimeKeepAFewRows() throws {
        let plan = OverPlan(
            timeColumn: 1, keys: [0],
            frames: [
                OverFrame(.rows(preceding: 3), calls: Self.calls),
                OverFrame(.range(precedingMilliseconds: nil), calls: Self.lags),
                OverFrame(.rows(preceding: nil), calls: [Self.calls[0], Self.calls[2]]),
            ], emission: .arrival)
        let harness = try Self.harness(plan, delay: 0)
        let over = try #require(Self.over(harness))
        try harness.feed(
            (0..<1000).map {
                ScriptedRow([.string("a"), .milliseconds(Int64($0)), .integer(Int64($0)), .double(1)])
            }, .random(seed: 3))
        #expect(over.keptRows == 4)
    }

    /// One account with every row: what a row costs does not depend on how many rows its frames hold, whether the rows come
    /// in order or each as the second but one.
    @Test(arguments: [false, true]) func hotAccountCostsNoMoreWithALongerFrame(_ isSwapped: Bool) throws {
        let count = 20_000
        let calls = Self.calls
        func steps(_ frame: Int64) throws -> Int {
            let plan = OverPlan(
                timeColumn: 1, keys: [0],
                frames: [
                    OverFrame(.range(precedingMilliseconds: frame), calls: calls),
                    OverFrame(.range(precedingMilliseconds: 10), calls: calls),
                ], emission: .arrival)
            let harness = try Self.harness(plan, delay: 10)
            try harness.feed(
                (0..<count).map {
                    let time = Int64(isSwapped ? $0 ^ 1 : $0)
                    return ScriptedRow([.string("hot"), .milliseconds(time), .integer(time % 7), .double(1.5)])
                }, .allAtOnce)
            let over = try #require(Self.over(harness))
            #expect(harness.collected.rows.last?[5] == .integer(min(frame, Int64(count - 1)) + 1))
            return over.steps
        }
        let (short, long) = (try steps(100), try steps(15_000))
        #expect(long <= short)
        #expect(short < count * (isSwapped ? 40 : 9))
    }

    @Test func hotAccountIsBounded() throws {
        var limits = Limits()
        limits.keptRowsOfKey = 10
        let plan = OverPlan(
            timeColumn: 1, keys: [0],
            frames: [OverFrame(.range(precedingMilliseconds: 1_000_000), calls: [Self.calls[0], Self.calls[5]])],
            emission: .arrival)
        let harness = try Self.harness(plan, delay: 1000, limits: limits)
        try harness.feed(
            (0..<100).map {
                ScriptedRow([
                    .string("hot"), .milliseconds(Int64($0)), .integer(Int64($0)), .double(1),
                ])
            }, .random(seed: 1))
        let over = try #require(Self.over(harness))
        #expect(over.keptRows == 10)
        #expect(harness.rejected.isEmpty)
        // The ten that are kept, and the row itself.
        #expect(harness.collected.rows[99][5...] == [.integer(11), .integer(89)])
    }

    @Test func limitRejectsFurtherRows() throws {
        var limits = Limits()
        limits.keptRows = 3
        let harness = try Self.harness(Self.plan(0), delay: 60_000, limits: limits)
        try harness.feed(
            (0..<5).map { ScriptedRow([.string("a"), .milliseconds(Int64($0)), .integer(1), .double(1)]) })
        #expect(harness.rejected.map(\.reason) == [.limitExceeded, .limitExceeded])
        #expect(harness.collected.rows.count == 3)
    }

    /// What leaves a frame leaves nothing behind: sums do not depend on what had been there.
    @Test func sumsLeaveNoTrace() throws {
        let plan = OverPlan(
            timeColumn: 1, keys: [0],
            frames: [OverFrame(.range(precedingMilliseconds: 1), calls: [Self.calls[3]])], emission: .arrival)
        let harness = try Self.harness(plan, delay: 1000)
        let amounts = [1e17, 0.1, 0.2, .infinity, 0.25, 0.5]
        try harness.feed(
            amounts.enumerated().map { i, amount in
                ScriptedRow([.string("a"), .milliseconds(Int64(i)), .null, .double(amount)])
            })
        #expect(
            harness.collected.rows.map { $0[5] }
                == [1e17, 1e17 + 0.1, 0.1 + 0.2, .infinity, .infinity, 0.75].map { Value.double($0) })
    }
}
