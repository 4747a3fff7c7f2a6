import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// A window aggregate that is stopped anywhere and goes on from what is stored emits what one that went on does.
@Suite struct WindowSnapshotTests {
    private static let input = Schema(
        ("k", .string), ("ts", .timestamp(precision: 3)), ("v", .bigInt), ("d", .double), ("s", .string),
        ("f", .boolean), ("n", .decimal(precision: 10, scale: 2)))
    private static let every: [AggregateCall] = {
        var percentile = AggregateCall(.percentile, argument: 3, type: .double)
        percentile.percentages = [0.5]
        return [
            AggregateCall(.countAll, argument: nil, type: .bigInt),
            AggregateCall(.count, argument: 2, filter: 5, type: .bigInt),
            AggregateCall(.sum, argument: 2, type: .bigInt), AggregateCall(.sum, argument: 3, type: .double),
            AggregateCall(.average, argument: 6, type: .decimal(precision: 38, scale: 6)),
            AggregateCall(.minimum, argument: 4, type: .string), AggregateCall(.maximum, argument: 3, type: .double),
            AggregateCall(.maximum, argument: 6, type: .decimal(precision: 10, scale: 2)),
            AggregateCall(.stddevSamp, argument: 3, type: .double),
            AggregateCall(.sum, argument: 3, isDistinct: true, type: .double),
            AggregateCall(.count, argument: 4, isDistinct: true, type: .bigInt),
            AggregateCall(.listAgg, argument: 4, type: .string), AggregateCall(.firstValue, argument: 2, type: .bigInt),
            AggregateCall(.lastValue, argument: 4, type: .string),
            AggregateCall(.arrayAgg, argument: 2, type: .array(.bigInt)), percentile,
        ]
    }()

    private func make(_ window: WindowKind, inParts: Bool, lateness: Int64) throws -> OperatorHarness {
        let input = Self.input
        let watermark = try WatermarkOperator(
            WatermarkPlan(rowtimeColumn: 1, expression: .column(input.count, .timestamp(precision: 3))),
            partitions: 1, isBounded: true, object: "bids")
        let delayed = DelayedTime(delay: 1400, fields: input.count)
        let totals = try WindowAggregateOperator(
            WindowAggregatePlan(
                window: window, timeColumn: 1, keys: [0], aggregates: Self.every, allowedLatenessMilliseconds: lateness,
                addsInParts: inParts),
            input: Schema(input.fields + [Field("wm", .timestamp(precision: 3))]), object: "totals", limits: Limits())
        delayed.connect(to: watermark)
        watermark.connect(to: totals)
        return OperatorHarness(delayed, last: totals, input: input)
    }

    private func rows(_ seed: UInt64, count: Int) -> [ScriptedRow] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { i in
            let key = Int.random(in: 0...6, using: &random)
            let time = max(0, Int64(i) * 300 + Int64.random(in: -6000...2000, using: &random))
            let amount = Double(Int.random(in: 1...100_000, using: &random)) / 100
            let isNull = Int.random(in: 0..<6, using: &random) == 0
            return ScriptedRow(
                [
                    key == 0 ? .null : .string("k\(key)"), .milliseconds(time),
                    isNull ? .null : .integer(Int64(i % 40 - 5)), isNull ? .null : .double(amount),
                    .string(["alpha", "b", "gamma and more"][i % 3]), .boolean(i % 2 == 0), .decimal(Int128(i % 700)),
                ], offset: Int64(i))
        }
    }

    private func restarted(
        _ rows: [ScriptedRow], stops: [Int], seed: UInt64, make: () throws -> OperatorHarness
    ) throws -> (rows: [[Value]], rejected: Int, state: StoredState) {
        var harness = try make()
        func totals() throws -> WindowAggregateOperator {
            try #require(harness.first.outputs[0].target.outputs[0].target as? WindowAggregateOperator)
        }
        var state = StoredState(try totals(), seed: seed)
        var random = SeededGenerator(seed: seed)
        var collected: [[Value]] = []
        var rejected = 0
        var next = 0
        for stop in stops + [rows.count] {
            while next < stop {
                let size = min(stop - next, Int.random(in: 1...9, using: &random))
                try harness.feed(Array(rows[next..<next + size]))
                next += size
                if Int.random(in: 0..<3, using: &random) > 0 || next == stop { state.commit() }
            }
            #expect(harness.replayOffsets() == [Int64(next)], "no row is asked for again")
            collected += harness.collected.rows
            rejected += harness.rejected.count
            let old = try #require(harness.first.outputs[0].target as? WatermarkOperator)
            harness = try make()
            state = try state.restored(into: try totals())
            let new = try #require(harness.first.outputs[0].target as? WatermarkOperator)
            let replay = max(0, next - 25)
            new.restore(
                partitionWatermarks: old.partitionWatermarks, combined: old.combinedWatermark,
                replaying: [replay < next])
            harness.context.appliedOffsets = [Int64(next)]
            try harness.feed(Array(rows[replay..<next]))
            harness.context.appliedOffsets = []
        }
        try harness.end()
        return (collected + harness.collected.rows, rejected + harness.rejected.count, state)
    }

    @Test(
        arguments: WindowPropertyTests.kinds,
        [(false, Int64(0)), (true, 0), (false, 2500)]) func restartsEmitTheRestOnce(
            _ window: WindowKind, _ how: (inParts: Bool, lateness: Int64)
        ) throws
    {
        if case .session = window, how.lateness > 0 { return }
        var dropped = 0
        for seed in UInt64(1)...8 {
            let rows = rows(seed, count: 160)
            func make() throws -> OperatorHarness {
                try self.make(window, inParts: how.inParts, lateness: how.lateness)
            }
            let whole = try make()
            // Corrections of late rows are emitted once a batch: batches of one are the same everywhere.
            try whole.feed(rows, .allAtOnce)
            try whole.end()
            let (parts, rejected, state) = try restarted(rows, stops: [2, 60, 61, 110], seed: seed, make: make)
            let (found, expected) = (last(parts), last(whole.collected.rows))
            let wrong = Set(found.keys).union(expected.keys).filter { found[$0] != expected[$0] }.sorted()
            #expect(wrong.isEmpty, "seed \(seed)")
            if let first = wrong.first {
                Issue.record("\(wrong)\n\(found[first] ?? "none")\n\(expected[first] ?? "none")")
                return
            }
            if how.lateness == 0 { #expect(parts.count == whole.collected.rows.count) }
            #expect(rejected == whole.rejected.count, "seed \(seed)")
            #expect(state.snapshotCount > 0)
            dropped += state.droppedCount
        }
        #expect(dropped > 0)
    }

    /// The last row of each window and key.
    private func last(_ rows: [[Value]]) -> [String: String] {
        var result: [String: String] = [:]
        for row in rows { result["\(row[0]) \(row[row.count - 3]) \(row[row.count - 2])"] = "\(row)" }
        return result
    }

    /// The end of a bounded topic closes the windows; a later run with more rows opens others.
    @Test func aLaterRunGoesOnAfterTheEnd() throws {
        let window = WindowKind.tumble(sizeMilliseconds: 5000, offsetMilliseconds: 0)
        let rows = rows(3, count: 100)
        var harness = try make(window, inParts: true, lateness: 0)
        func totals() throws -> WindowAggregateOperator {
            try #require(harness.first.outputs[0].target.outputs[0].target as? WindowAggregateOperator)
        }
        var state = StoredState(try totals(), seed: 5)
        try harness.feed(rows)
        try harness.end()
        state.commit()
        let first = harness.collected.rows.count
        harness = try make(window, inParts: true, lateness: 0)
        state = try state.restored(into: try totals())
        #expect(try totals().groupCount == 0)
        let later = rows.map { row -> ScriptedRow in
            guard case .integer(let time) = row.values[1] else { return row }
            return ScriptedRow([row.values[0], .integer(time + 1_000_000_000)] + row.values[2...])
        }
        try harness.feed(later)
        try harness.end()
        #expect(harness.collected.rows.count > first / 2)
    }
}
