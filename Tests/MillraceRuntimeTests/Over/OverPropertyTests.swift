import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// OVER by its definition: every row looks at all rows that came before it, each time anew.
private struct SlowOver {
    struct Row {
        var key: Value
        var time: Int64
        var value: Int64?
        var arrival: Int
    }
    var rows: [Row] = []
    var late = 0
    var watermark = EventTime.none
    let delay: Int64

    init(delay: Int64) { self.delay = delay }

    mutating func add(_ key: Value, _ time: Int64, _ value: Int64?) {
        if time <= watermark {
            late += 1
        } else {
            rows.append(Row(key: key, time: time, value: value, arrival: rows.count))
        }
        watermark = max(watermark, time - delay)
    }

    /// Count of rows, count, sum, minimum, maximum, distinct, first and last of the values that are not NULL.
    func results(_ extent: OverFrame.Extent) -> [[Value]] {
        let sorted = rows.sorted { ($0.time, $0.arrival) < ($1.time, $1.arrival) }
        return sorted.enumerated().map { place, row in
            let before: [Row]
            switch extent {
            case .rows(let preceding):
                let own = sorted[...place].filter { $0.key == row.key }
                before = Array(own.suffix(preceding.map { $0 + 1 } ?? own.count))
            case .range(let preceding):
                before = sorted.filter {
                    $0.key == row.key && $0.time <= row.time && (preceding.map { row.time - $0 } ?? .min) <= $0.time
                }
            }
            let values = before.compactMap(\.value)
            func cell(_ value: Int64?) -> Value { value.map { .integer($0) } ?? .null }
            return [
                row.key, .milliseconds(row.time), cell(row.value), .integer(Int64(before.count)),
                .integer(Int64(values.count)), cell(values.isEmpty ? nil : values.reduce(0, +)), cell(values.min()),
                cell(values.max()), .integer(Int64(Set(values).count)), cell(values.first), cell(values.last),
            ]
        }
    }
}

@Suite struct OverPropertyTests {
    static let extents: [OverFrame.Extent] = [
        .rows(preceding: nil), .rows(preceding: 0), .rows(preceding: 3), .range(precedingMilliseconds: nil),
        .range(precedingMilliseconds: 0), .range(precedingMilliseconds: 2000), .range(precedingMilliseconds: 7000),
    ]
    static let calls: [OverCall] = [
        .aggregate(AggregateCall(.countAll, argument: nil, type: .bigInt)),
        .aggregate(AggregateCall(.count, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.sum, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.minimum, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.maximum, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.count, argument: 2, isDistinct: true, type: .bigInt)),
        .aggregate(AggregateCall(.firstValue, argument: 2, type: .bigInt)),
        .aggregate(AggregateCall(.lastValue, argument: 2, type: .bigInt)),
    ]
    static let input = Schema(("k", .string), ("ts", .timestamp(precision: 3)), ("v", .bigInt))

    static func harness(_ frames: [OverFrame], delay: Int64, limits: Limits = Limits()) throws -> OperatorHarness {
        let watermark = try WatermarkOperator(
            WatermarkPlan(rowtimeColumn: 1, expression: .column(3, .timestamp(precision: 3))), partitions: 1,
            isBounded: true, object: "t")
        let delayed = DelayedTime(delay: delay, fields: 3)
        let over = try OverOperator(
            OverPlan(timeColumn: 1, keys: [0], frames: frames),
            input: Schema(input.fields + [Field("wm", .timestamp(precision: 3))]), object: "over", limits: limits)
        delayed.connect(to: watermark)
        watermark.connect(to: over)
        return OperatorHarness(delayed, last: over, input: input, limits: limits)
    }

    static func randomRows(_ seed: UInt64, count: Int, spread: Int64) -> [ScriptedRow] {
        var generator = SeededGenerator(seed: seed)
        var clock: Int64 = 1_000_000
        return (0..<count).map { _ in
            clock += Int64.random(in: 0...400, using: &generator)
            let time = (clock - Int64.random(in: 0...spread, using: &generator)) / 250 * 250
            let key: Value = [.string("a"), .string("bb"), .null, .string("c")].randomElement(using: &generator)!
            let value: Value =
                Bool.random(using: &generator) || Bool.random(using: &generator)
                ? .integer(Int64.random(in: -5...5, using: &generator)) : .null
            return ScriptedRow([key, .milliseconds(time), value])
        }
    }

    @Test(arguments: 0..<7, [UInt64(1), 2, 3]) func sameAsSlowModel(_ extent: Int, _ seed: UInt64) throws {
        let rows = Self.randomRows(seed, count: 400, spread: 3000)
        let extent = Self.extents[extent]
        var slow = SlowOver(delay: 1500)
        for row in rows {
            guard case .integer(let time) = row.values[1] else { continue }
            var value: Int64?
            if case .integer(let number) = row.values[2] { value = number }
            slow.add(row.values[0], time / 1000, value)
        }
        let expected = slow.results(extent)
        #expect(slow.late > 5)
        for (batching, outcome) in try outcomes(
            rows, make: { try Self.harness([OverFrame(extent, calls: Self.calls)], delay: 1500) })
        {
            #expect(outcome.rows.map { Array($0[..<3] + $0[4...]) } == expected, "\(batching)")
            #expect(outcome.rejected.count == slow.late, "\(batching)")
            #expect(outcome.rejected.allSatisfy { $0.reason == .lateRow })
        }
    }

    @Test func framesShareTheRows() throws {
        let rows = Self.randomRows(9, count: 300, spread: 1000)
        let all = try Self.harness(Self.extents.map { OverFrame($0, calls: Self.calls) }, delay: 1000)
        try all.feed(rows, .allAtOnce)
        try all.end()
        for (index, extent) in Self.extents.enumerated() {
            let one = try Self.harness([OverFrame(extent, calls: Self.calls)], delay: 1000)
            try one.feed(rows, .rowByRow)
            try one.end()
            let first = 4 + index * Self.calls.count
            #expect(
                all.collected.rows.map { Array($0[first..<first + Self.calls.count]) }
                    == one.collected.rows.map { Array($0[4...]) })
        }
    }

    @Test func stateGoesWithTime() throws {
        let harness = try Self.harness(
            [OverFrame(.range(precedingMilliseconds: 2000), calls: Self.calls)], delay: 1000)
        let over = try #require(harness.first.outputs[0].target.outputs[0].target as? OverOperator)
        for i in 0..<5000 {
            try harness.feed([
                ScriptedRow([.string("key \(i)"), .milliseconds(Int64(i) * 10), .integer(Int64(i))])
            ])
        }
        // A second of delay and two of frame at 100 rows a second.
        #expect(over.keptRows <= 302)
        #expect(over.stateBytes < 100_000)
        try harness.end()
        #expect(over.keptRows == 0)
        #expect(over.stateBytes == 0)
        #expect(harness.collected.rows.count == 5000)
    }

    @Test func limitRejectsFurtherRows() throws {
        var limits = Limits()
        limits.keptRows = 3
        let harness = try Self.harness(
            [OverFrame(.range(precedingMilliseconds: 1000), calls: Self.calls)], delay: 60_000, limits: limits)
        try harness.feed((0..<5).map { ScriptedRow([.string("a"), .milliseconds(Int64($0)), .integer(1)]) })
        #expect(harness.rejected.map(\.reason) == [.limitExceeded, .limitExceeded])
    }

    @Test func infinityLeavesTheFrame() throws {
        let input = Schema(("k", .string), ("ts", .timestamp(precision: 3)), ("v", .double))
        let over = try OverOperator(
            OverPlan(
                timeColumn: 1, keys: [0],
                frames: [
                    OverFrame(
                        .rows(preceding: 1), calls: [.aggregate(AggregateCall(.sum, argument: 2, type: .double))])
                ]), input: input, object: "over", limits: Limits())
        let harness = OperatorHarness(over, input: input)
        let values = [1.0, .infinity, 2, 0.5, 0.25]
        try harness.feed(
            values.enumerated().map { i, value in
                ScriptedRow([.string("a"), .milliseconds(Int64(i)), .double(value)])
            })
        try harness.end()
        #expect(
            harness.collected.rows.map { $0[3] } == [1, .infinity, .infinity, 2.5, 0.75].map { Value.double($0) })
    }

    /// A restart reads the rows from the asked-for offset again: they rebuild the frames and are not written twice.
    @Test(arguments: [UInt64(4), 5, 6]) func restartGivesTheSameRows(_ seed: UInt64) throws {
        let rows = Self.randomRows(seed, count: 300, spread: 900)
        let frames = [OverFrame(.range(precedingMilliseconds: 3000), calls: Self.calls)]
        func make() throws -> OperatorHarness { try Self.harness(frames, delay: 1000) }
        let whole = try make()
        try whole.feed(rows, .rowByRow)
        try whole.end()
        for stop in [1, 50, 137, 299] {
            let first = try make()
            try first.feed(Array(rows[..<stop]), .random(seed: seed))
            let replay = first.replayOffsets()[0]
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
            try second.end()
            #expect(first.collected.rows + second.collected.rows == whole.collected.rows, "stopped at \(stop)")
        }
    }
}
