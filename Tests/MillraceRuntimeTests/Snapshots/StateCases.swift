import MillraceCore
import MillraceRuntime
import MillraceTestSupport

/// GROUP BY without a window, with every aggregate.
enum AggregateStateCases {
    static let price = DataType.decimal(precision: 10, scale: 2)
    static let nested = DataType.row([Field("s", .string), Field("n", .integer)])
    static let input = Schema(
        ("k", .string), ("i", .integer), ("d", .double), ("p", price), ("s", .string), ("b", .boolean), ("r", nested))

    /// Those whose groups stay small.
    static let compact: [AggregateCall] = [
        AggregateCall(.countAll, argument: nil, type: .bigInt),
        AggregateCall(.count, argument: 1, filter: 5, type: .bigInt),
        AggregateCall(.sum, argument: 1, type: .integer),
        AggregateCall(.average, argument: 1, type: .integer),
        AggregateCall(.sum, argument: 2, type: .double),
        AggregateCall(.stddevPop, argument: 2, type: .double),
        AggregateCall(.sum, argument: 3, type: .decimal(precision: 38, scale: 2)),
    ]
    static let extremes: [AggregateCall] = [
        AggregateCall(.minimum, argument: 1, type: .integer),
        AggregateCall(.maximum, argument: 2, type: .double),
        AggregateCall(.maximum, argument: 3, type: price),
        AggregateCall(.minimum, argument: 4, type: .string),
        AggregateCall(.firstValue, argument: 4, type: .string),
        AggregateCall(.lastValue, argument: 1, type: .integer),
    ]
    static let growing: [AggregateCall] = [
        AggregateCall(.count, argument: 4, isDistinct: true, type: .bigInt),
        AggregateCall(.sum, argument: 2, isDistinct: true, type: .double),
        AggregateCall(.arrayAgg, argument: 1, type: .array(.integer)),
        AggregateCall(.collect, argument: 4, type: .multiset(.string)),
        {
            var call = AggregateCall(.listAgg, argument: 4, type: .string)
            call.separator = ", "
            return call
        }(),
        {
            var call = AggregateCall(.percentile, argument: 2, type: .double)
            call.percentages = [0.4]
            return call
        }(),
    ]

    static func row(_ generator: inout SeededGenerator) -> [Value] {
        func maybe(_ value: Value) -> Value { Int.random(in: 0..<6, using: &generator) == 0 ? .null : value }
        return [
            maybe(
                .string(["a", "bb", "a key that is longer than a word", "d", "e"].randomElement(using: &generator)!)),
            maybe(.integer(Int64.random(in: -5...9, using: &generator))),
            maybe(.double(Double.random(in: -1...1, using: &generator).rounded(.down) + 0.1)),
            maybe(.decimal(Int128(Int.random(in: -500...500, using: &generator)))),
            maybe(.string(["x", "y", "zebra crossing ahead", ""].randomElement(using: &generator)!)),
            maybe(.integer(Int64.random(in: 0...1, using: &generator))),
            maybe(
                .row([
                    maybe(.string(["x", "a text that is kept elsewhere"].randomElement(using: &generator)!)),
                    maybe(.integer(Int64.random(in: 0...1, using: &generator))),
                ])),
        ]
    }

    static func steps(_ generator: inout SeededGenerator, retracts: Bool) -> [OperatorStep] {
        var changes = RandomChanges(seed: generator.next(), makeRow: row)
        return (0..<60).flatMap { _ -> [OperatorStep] in
            var rows: [ScriptedRow] = []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                rows += retracts ? changes.next() : [ScriptedRow(row(&generator))]
            }
            return [.rows(rows, port: 0), .milliseconds(Int64.random(in: 0...9, using: &generator))]
        }
    }

    static let all: [StateCase] = {
        let sets: [(String, [AggregateCall], retracts: Bool)] = [
            ("sums", compact, false), ("sums with retractions", compact, true),
            ("values", compact + extremes, false), ("values with retractions", compact + extremes, true),
            ("lists", compact + growing, false), ("lists with retractions", extremes + growing, true),
            ("DISTINCT", [], false), ("DISTINCT with retractions", [], true),
        ]
        return sets.flatMap { name, calls, retracts in
            [([0], Int64?.none, true), ([], nil, true), ([0, 6], nil, false), ([6], 30, true), ([1], 12, false)].map {
                (keys, ttl, emitsBefore) -> StateCase in
                let plan = UpdatingAggregatePlan(
                    keys: keys, aggregates: calls, inputRetracts: retracts, emitsBefore: emitsBefore,
                    stateTTLMilliseconds: ttl)
                return StateCase(
                    testDescription: "GROUP BY \(keys), \(name), TTL \(ttl ?? 0)", inputs: [input],
                    make: {
                        try UpdatingAggregateOperator(plan, input: input, object: "totals", limits: Limits())
                    }, forgets: ttl != nil, steps: { steps(&$0, retracts: retracts) })
            }
        }
    }()
}

enum TopNStateCases {
    static let all: [StateCase] = TopNTests.plans.flatMap { plan -> [StateCase] in
        [(false, false, Int64?.none), (true, false, nil), (true, true, nil), (false, false, 15), (true, true, 15)].map {
            (retracts, moves, ttl) in
            var plan = plan
            plan.inputRetracts = retracts
            plan.movesRows = moves
            plan.stateTTLMilliseconds = ttl
            let made = plan
            return StateCase(
                testDescription: "Top-N \(made)", inputs: [TopNTests.input],
                make: { TopNOperator(made, input: TopNTests.input, object: "best", limits: Limits()) },
                forgets: ttl != nil, steps: { steps(&$0, retracts: retracts) })
        }
    }

    static func steps(_ generator: inout SeededGenerator, retracts: Bool) -> [OperatorStep] {
        var changes = RandomChanges(seed: generator.next(), makeRow: TopNTests.randomRow)
        return (0..<60).flatMap { _ -> [OperatorStep] in
            var rows: [ScriptedRow] = []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                rows += retracts ? changes.next() : [ScriptedRow(TopNTests.randomRow(&generator))]
            }
            return [.rows(rows, port: 0), .milliseconds(Int64.random(in: 0...9, using: &generator))]
        }
    }
}

enum UpdatingJoinStateCases {
    static let all: [StateCase] = JoinKind.allCases.flatMap { kind -> [StateCase] in
        [(false, Int64?.none, true), (true, nil, true), (false, 25, true), (true, nil, false)].map {
            (hasResidual, ttl, hasKeys) in
            var plan = JoinPropertyTests.plan(.regular, kind)
            plan.isUpdating = true
            plan.stateTTLMilliseconds = ttl
            if hasResidual { plan.residual = JoinPropertyTests.residual }
            if !hasKeys { (plan.leftKeys, plan.rightKeys) = ([], []) }
            let made = plan
            return StateCase(
                testDescription: "\(kind) join that changes, residual \(hasResidual), keys \(hasKeys), TTL \(ttl ?? 0)",
                inputs: [joinSide, joinSide],
                make: {
                    try UpdatingJoinOperator(made, left: joinSide, right: joinSide, object: "join", limits: Limits())
                }, forgets: ttl != nil, steps: { steps(&$0) })
        }
    }

    static func steps(_ generator: inout SeededGenerator) -> [OperatorStep] {
        var sides = (0...1).map { _ in
            RandomChanges(seed: generator.next()) { UpdatingJoinTests.row(Int64.random(in: 0..<12, using: &$0)) }
        }
        var watermarks: [Int64] = [0, 0]
        return (0..<60).flatMap { _ -> [OperatorStep] in
            let port = Int.random(in: 0...1, using: &generator)
            var rows: [ScriptedRow] = []
            for _ in 0..<Int.random(in: 1...4, using: &generator) { rows += sides[port].next() }
            for index in rows.indices { rows[index].watermark = watermarks[port] }
            watermarks[port] += Int64.random(in: 0...3, using: &generator)
            return [
                .rows(rows, port: port), .watermark(watermarks[port], port: port),
                .milliseconds(Int64.random(in: 0...9, using: &generator)),
            ]
        }
    }
}

enum StreamJoinStateCases {
    static let all: [StateCase] = JoinPropertyTests.plans.flatMap { plan -> [StateCase] in
        switch plan.form {
        case .regular: return [(false, Int64?.none), (true, nil), (false, 20)].map { make(plan, $0.0, $0.1) }
        case .interval, .window, .temporal: return [false, true].map { make(plan, $0, nil) }
        }
    }

    private static func make(_ plan: StreamJoinPlan, _ hasResidual: Bool, _ ttl: Int64?) -> StateCase {
        var plan = plan
        if hasResidual { plan.residual = JoinPropertyTests.residual }
        plan.stateTTLMilliseconds = ttl
        let made = plan
        return StateCase(
            testDescription: "\(plan.kind) join \(plan.form), residual \(hasResidual), TTL \(ttl ?? 0)",
            inputs: [joinSide, joinSide],
            make: {
                switch made.form {
                case .regular, .interval:
                    try StreamJoinOperator(made, left: joinSide, right: joinSide, object: "join", limits: Limits())
                case .window:
                    try WindowJoinOperator(made, left: joinSide, right: joinSide, object: "join", limits: Limits())
                case .temporal:
                    try TemporalJoinOperator(made, left: joinSide, right: joinSide, object: "join", limits: Limits())
                }
            },
            forgets: ttl != nil, steps: { steps(&$0, made) })
    }

    /// Rows out of order, some behind the watermark.
    static func steps(_ generator: inout SeededGenerator, _ plan: StreamJoinPlan) -> [OperatorStep] {
        let events = JoinPropertyTests.events(&generator, plan, count: 120, delay: 4000)
        var watermarks = [EventTime.none, EventTime.none]
        var steps: [OperatorStep] = []
        var start = 0
        while start < events.count {
            let port = events[start].port
            var rows: [ScriptedRow] = []
            repeat {
                let event = events[start]
                rows.append(ScriptedRow(event.values, partition: port, watermark: watermarks[port]))
                watermarks[port] = max(watermarks[port], event.time - 2500)
                start += 1
            } while start < events.count && events[start].port == port && rows.count < 5
            steps.append(.rows(rows, port: port))
            if Bool.random(using: &generator) { steps.append(.watermark(watermarks[port], port: port)) }
            steps.append(.milliseconds(Int64.random(in: 0...9, using: &generator)))
        }
        return steps + [.watermark(EventTime.end, port: 0), .watermark(EventTime.end, port: 1)]
    }
}
