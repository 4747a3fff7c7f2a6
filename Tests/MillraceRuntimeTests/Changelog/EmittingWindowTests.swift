import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceRuntime

/// Windows of ten seconds that count rows by key.
@Suite struct EmittingWindowTests {
    static let input = Schema(("ts", .timestamp(precision: 3)), ("k", .string))
    static let second: Int64 = 1000

    private func make(_ emit: WindowEmitPlan, lateness: Int64 = 0) throws -> (EmittingWindowOperator, OperatorHarness) {
        var plan = WindowAggregatePlan(
            window: .tumble(sizeMilliseconds: 10 * Self.second, offsetMilliseconds: 0), timeColumn: 0, keys: [1],
            aggregates: [AggregateCall(.countAll, argument: nil, type: .bigInt)], allowedLatenessMilliseconds: lateness)
        plan.emit = emit
        let window = try EmittingWindowOperator(plan, input: Self.input, object: "counts", limits: Limits())
        return (window, OperatorHarness(window, input: Self.input))
    }

    private func row(_ key: String, _ time: Int64, watermark: Int64 = EventTime.none) -> ScriptedRow {
        ScriptedRow([.integer(time * Self.second * 1000), .string(key)], watermark: watermark)
    }

    /// Kind, key and count of what was given since the last call.
    private final class Reader {
        private var seen = 0
        func read(_ harness: OperatorHarness) -> [String] {
            defer { seen = harness.collected.rows.count }
            return (seen..<harness.collected.rows.count).map { index in
                guard case .string(let key) = harness.collected.rows[index][0],
                    case .integer(let count) = harness.collected.rows[index][1]
                else { return "?" }
                return "\(harness.collected.kinds[index].text) \(key) \(count)"
            }
        }
    }

    @Test func earlyResultsComeByTheClock() throws {
        let (window, harness) = try make(WindowEmitPlan(earlyMilliseconds: 5000))
        let reader = Reader()
        let start = harness.clock.wallMicroseconds()
        func tick(after seconds: Int64) throws -> [String] {
            try window.tick(now: start + seconds * 1_000_000, context: harness.context)
            return reader.read(harness)
        }
        try harness.feed([row("a", 1), row("a", 2), row("b", 3)])
        #expect(reader.read(harness).isEmpty)
        #expect(window.nextDeadline == start + 5_000_000)
        #expect(try tick(after: 4).isEmpty)
        #expect(try tick(after: 5) == ["+I a 2", "+I b 1"])
        // Nothing new: nothing to wait for.
        #expect(window.nextDeadline == nil)
        try harness.feed([row("a", 4)])
        #expect(try tick(after: 10) == ["-U a 2", "+U a 3"])
        try harness.feed([row("b", 5)])
        try harness.advance(to: 10 * Self.second - 1)
        #expect(reader.read(harness) == ["-U b 1", "+U b 2"])
        #expect(try tick(after: 20).isEmpty)
    }

    @Test func lateRowsCorrectWhatWasGiven() throws {
        let (window, harness) = try make(WindowEmitPlan(lateMilliseconds: 3000), lateness: 5 * Self.second)
        let reader = Reader()
        try harness.feed([row("a", 1)])
        try harness.advance(to: 11 * Self.second)
        #expect(reader.read(harness) == ["+I a 1"])
        try harness.feed([row("a", 2, watermark: 11 * Self.second), row("a", 3, watermark: 11 * Self.second)])
        #expect(reader.read(harness).isEmpty)
        try window.tick(now: window.nextDeadline ?? 0, context: harness.context)
        #expect(reader.read(harness) == ["-U a 1", "+U a 3"])
        try harness.advance(to: 15 * Self.second - 1)
        try harness.feed([row("a", 4, watermark: 15 * Self.second - 1)])
        #expect(harness.rejected.map(\.reason) == [.lateRow])
    }

    /// With every period and any batches, what was given adds up to the counts of the rows that were not too late.
    @Test(arguments: 1...10) func changesAddUpToTheResult(_ seed: UInt64) throws {
        for emit in [
            WindowEmitPlan(earlyMilliseconds: 0, lateMilliseconds: 0), WindowEmitPlan(lateMilliseconds: 0),
            WindowEmitPlan(earlyMilliseconds: 1000, lateMilliseconds: 1000),
        ] {
            var generator = SeededGenerator(seed: seed)
            let (window, harness) = try make(emit, lateness: 7 * Self.second)
            var counts: [[Value]: Int64] = [:]
            var watermark = EventTime.none
            for step in 0..<60 {
                let time = Int64.random(in: max(0, Int64(step) - 15)...Int64(step + 5), using: &generator)
                let key = ["a", "b"].randomElement(using: &generator)!
                try harness.feed([row(key, time, watermark: watermark)])
                let end = (time / 10 + 1) * 10
                if end * Self.second - 1 + 7 * Self.second > watermark {
                    counts[[.string(key), .integer(end * Self.second * 1000)], default: 0] += 1
                }
                watermark = max(watermark, (time - 3) * Self.second)
                try harness.advance(to: watermark)
                if let deadline = window.nextDeadline { try window.tick(now: deadline, context: harness.context) }
            }
            try harness.end()
            let found = harness.collected.materialized
            #expect(found.fault == nil, "seed \(seed)")
            let expected = counts.map { [$0.key[0], .integer($0.value), $0.key[1]] }
            #expect(sortedRows(found.rows.map { [$0[0], $0[1], $0[3]] }) == sortedRows(expected), "seed \(seed)")
        }
    }
}
