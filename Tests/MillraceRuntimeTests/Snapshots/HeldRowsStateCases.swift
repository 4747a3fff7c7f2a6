import MillraceCore
import MillraceRuntime
import MillraceTestSupport

/// Operators that hold rows until the watermark passes them, and LIMIT.
enum HeldRowsStateCases {
    static let input = Schema(("k", .string), ("v", .integer), ("ts", .timestamp(precision: 3)))

    static let all: [StateCase] = ranks + sessions + sorts + limits + emitting + processingTime

    private static let ranks: [StateCase] = {
        let plans: [(WindowRankPlan.Function, Int?, Bool)] = [
            (.rowNumber, 2, false), (.rowNumber, nil, true), (.rank, 3, false), (.denseRank, nil, false),
        ]
        return plans.map { function, last, prefersNewest in
            let plan = WindowRankPlan(
                function, startColumn: 2, endColumn: 3, keys: [0, 2, 3],
                order: [SortKey(column: 1, isDescending: true, nullsFirst: false)], last: last,
                prefersNewest: prefersNewest)
            let input = WindowRankTests.input
            return StateCase(
                testDescription: "\(function) within windows, last \(last ?? 0)", inputs: [input],
                make: { WindowRankOperator(plan, input: input, object: "rank", limits: Limits()) },
                isOrdered: false, steps: { windowSteps(&$0) })
        }
    }()

    private static func windowSteps(_ generator: inout SeededGenerator) -> [OperatorStep] {
        steps(&generator) { time, generator in
            let start = time / 10_000 * 10_000
            return [
                .string(["a", "bb", "a longer key than sixteen"].randomElement(using: &generator)!),
                Int.random(in: 0..<5, using: &generator) == 0
                    ? .null : .integer(Int64.random(in: 0...4, using: &generator)), .milliseconds(start),
                .milliseconds(start + 10_000),
            ]
        }
    }

    private static let sessions = [
        StateCase(
            testDescription: "SESSION", inputs: [input],
            make: {
                SessionAssignOperator(
                    SessionAssignPlan(timeColumn: 2, keys: [0], gapMilliseconds: 1500), input: input,
                    object: "sessions",
                    limits: Limits())
            }, isOrdered: false, steps: { steps(&$0, makeRow: row) })
    ]

    private static let sorts = [
        StateCase(
            testDescription: "ORDER BY event time", inputs: [input],
            make: {
                SortOperator(
                    SortPlan(
                        timeColumn: 2,
                        order: [
                            SortKey(column: 2, isDescending: false, nullsFirst: true),
                            SortKey(column: 1, isDescending: true, nullsFirst: false),
                        ]), input: input, object: "sorted", limits: Limits())
            }, steps: { steps(&$0, makeRow: row) })
    ]

    private static let limits = [(0, 40), (25, 1000), (30, 5)].map { offset, count in
        StateCase(
            testDescription: "LIMIT \(count) OFFSET \(offset)", inputs: [input],
            make: { LimitOperator(offset: offset, count: count, object: "few") }, steps: { steps(&$0, makeRow: row) })
    }

    /// Windows that give early results and correct them.
    private static let emitting: [StateCase] = [
        WindowEmitPlan(earlyMilliseconds: 0, lateMilliseconds: 0), WindowEmitPlan(earlyMilliseconds: 7),
        WindowEmitPlan(earlyMilliseconds: 11, lateMilliseconds: 4), WindowEmitPlan(lateMilliseconds: 5),
    ].map { emit in
        var plan = WindowAggregatePlan(
            window: .tumble(sizeMilliseconds: 3000, offsetMilliseconds: 0), timeColumn: 2, keys: [0],
            aggregates: [
                AggregateCall(.countAll, argument: nil, type: .bigInt),
                AggregateCall(.sum, argument: 1, type: .integer),
                AggregateCall(.count, argument: 1, isDistinct: true, type: .bigInt),
            ], allowedLatenessMilliseconds: 2000)
        plan.emit = emit
        let made = plan
        return StateCase(
            testDescription: "windows with \(emit)", inputs: [input],
            make: { try EmittingWindowOperator(made, input: input, object: "counts", limits: Limits()) },
            isOrdered: false, steps: { clocked(steps(&$0, makeRow: row)) })
    }

    private static let processingTime = [
        StateCase(
            testDescription: "processing time", inputs: [input],
            make: {
                ProcessingTimeOperator(
                    ProcessingTimePlan(
                        timeColumn: 2, window: .tumble(sizeMilliseconds: 20, offsetMilliseconds: 0)), input: input,
                    object: "clock")
            }, steps: { clocked(steps(&$0, makeRow: row)) })
    ]

    /// In front of each step the clock goes on, and is looked at.
    private static func clocked(_ steps: [OperatorStep]) -> [OperatorStep] {
        steps.enumerated().flatMap { [.milliseconds(Int64($0 * 7 % 11)), .tick, $1] }
    }

    private static func row(_ time: Int64, _ generator: inout SeededGenerator) -> [Value] {
        [
            .string(["a", "bb", "a longer key than sixteen"].randomElement(using: &generator)!),
            Int.random(in: 0..<5, using: &generator) == 0
                ? .null : .integer(Int64.random(in: 0...4, using: &generator)),
            .milliseconds(time / 500 * 500),
        ]
    }

    /// Rows out of order, some of them late.
    private static func steps(
        _ generator: inout SeededGenerator, makeRow: (Int64, inout SeededGenerator) -> [Value]
    ) -> [OperatorStep] {
        var time: Int64 = 100_000
        var watermark = EventTime.none
        var steps: [OperatorStep] = []
        for _ in 0..<60 {
            var rows: [ScriptedRow] = []
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                time += Int64.random(in: 0...900, using: &generator)
                let own = time - Int64.random(in: 0...4000, using: &generator)
                rows.append(ScriptedRow(makeRow(own, &generator), watermark: watermark))
                watermark = max(watermark, own - 2500)
            }
            steps.append(.rows(rows, port: 0))
            steps.append(.watermark(watermark, port: 0))
        }
        return steps + [.watermark(EventTime.end, port: 0)]
    }
}
