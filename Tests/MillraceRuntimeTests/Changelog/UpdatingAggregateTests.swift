import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

@Suite struct UpdatingAggregateTests {
    static let price = DataType.decimal(precision: 10, scale: 2)
    static let input = Schema(
        ("k", .string), ("i", .integer), ("d", .double), ("p", price), ("s", .string), ("b", .boolean))
    static let calls: [AggregateCall] = [
        AggregateCall(.countAll, argument: nil, type: .bigInt),
        AggregateCall(.count, argument: 1, filter: 5, type: .bigInt),
        AggregateCall(.sum, argument: 1, type: .integer),
        AggregateCall(.average, argument: 1, type: .integer),
        AggregateCall(.minimum, argument: 1, type: .integer),
        AggregateCall(.maximum, argument: 1, filter: 5, type: .integer),
        AggregateCall(.minimum, argument: 2, type: .double),
        AggregateCall(.maximum, argument: 2, type: .double),
        AggregateCall(.sum, argument: 2, type: .double),
        AggregateCall(.maximum, argument: 3, type: price),
        AggregateCall(.sum, argument: 3, type: .decimal(precision: 38, scale: 2)),
        AggregateCall(.minimum, argument: 4, type: .string),
        AggregateCall(.maximum, argument: 4, type: .string),
        AggregateCall(.count, argument: 4, isDistinct: true, type: .bigInt),
        AggregateCall(.sum, argument: 1, isDistinct: true, type: .integer),
    ]

    private func harness(
        _ calls: [AggregateCall], keys: [Int] = [0], retracts: Bool, emitsBefore: Bool = true, limits: Limits = Limits()
    ) throws -> OperatorHarness {
        let plan = UpdatingAggregatePlan(
            keys: keys, aggregates: calls, inputRetracts: retracts, emitsBefore: emitsBefore)
        let aggregate = try UpdatingAggregateOperator(plan, input: Self.input, object: "totals", limits: limits)
        return OperatorHarness(aggregate, input: Self.input, limits: limits)
    }

    private static func randomRow(_ generator: inout SeededGenerator) -> [Value] {
        func maybe(_ value: Value) -> Value { Int.random(in: 0..<6, using: &generator) == 0 ? .null : value }
        return [
            maybe(.string(["a", "bb", "a key that is longer than a word"].randomElement(using: &generator)!)),
            maybe(.integer(Int64.random(in: -5...9, using: &generator))),
            // Quarters: sums of doubles stay exact.
            maybe(.double(Double(Int.random(in: -8...8, using: &generator)) / 4)),
            maybe(.decimal(Int128(Int.random(in: -500...500, using: &generator)))),
            maybe(.string(["x", "y", "zebra crossing ahead", ""].randomElement(using: &generator)!)),
            maybe(.integer(Int64.random(in: 0...1, using: &generator))),
        ]
    }

    /// The result of one aggregate over all rows of a group, by looking at every row.
    private static func slow(_ call: AggregateCall, _ rows: [[Value]]) -> Value {
        var values = rows.filter { row in call.filter.map { row[$0] == .integer(1) } ?? true }
            .map { row in call.argument.map { row[$0] } ?? .integer(1) }.filter { $0 != .null }
        if call.isDistinct {
            var kept: [Value] = []
            for value in values where !kept.contains(value) { kept.append(value) }
            values = kept
        }
        if call.function == .count || call.function == .countAll { return .integer(Int64(values.count)) }
        guard !values.isEmpty else { return .null }
        func precedes(_ a: Value, _ b: Value) -> Bool {
            switch (a, b) {
            case (.integer(let x), .integer(let y)): x < y
            case (.double(let x), .double(let y)): x < y
            case (.decimal(let x), .decimal(let y)): x < y
            case (.string(let x), .string(let y)): x.utf8.lexicographicallyPrecedes(y.utf8)
            default: false
            }
        }
        switch call.function {
        case .minimum: return values.min(by: precedes)!
        case .maximum: return values.max(by: precedes)!
        default: break
        }
        var (integers, doubles, decimals) = (Int64(0), 0.0, Int128(0))
        for value in values {
            switch value {
            case .integer(let x): integers += x
            case .double(let x): doubles += x
            case .decimal(let x): decimals += x
            default: break
            }
        }
        switch values[0] {
        case .integer: return .integer(call.function == .average ? integers / Int64(values.count) : integers)
        case .double: return .double(doubles)
        default: return .decimal(decimals)
        }
    }

    private static func slow(_ rows: [[Value]], _ calls: [AggregateCall], keys: [Int]) -> [[Value]] {
        var groups: [(key: [Value], rows: [[Value]])] = []
        for row in rows {
            let key = keys.map { row[$0] }
            if let index = groups.firstIndex(where: { $0.key == key }) {
                groups[index].rows.append(row)
            } else {
                groups.append((key, [row]))
            }
        }
        return groups.map { group in group.key + calls.map { slow($0, group.rows) } }
    }

    @Test(arguments: 1...12) func retractionsGiveWhatARecomputationGives(_ seed: UInt64) throws {
        for keys in [[0], [], [0, 5]] {
            let harness = try harness(Self.calls, keys: keys, retracts: true)
            var changes = RandomChanges(seed: seed, makeRow: Self.randomRow)
            for step in 0..<120 {
                var batch: [ScriptedRow] = []
                for _ in 0...(step % 5) { batch += changes.next() }
                try harness.feed(batch)
                let found = harness.collected.materialized
                #expect(found.fault == nil, "seed \(seed), step \(step), keys \(keys)")
                #expect(
                    sortedRows(found.rows) == sortedRows(Self.slow(changes.live, Self.calls, keys: keys)),
                    "seed \(seed), step \(step), keys \(keys)")
            }
        }
    }

    @Test(arguments: 1...6) func addedRowsGiveTheSameWithEitherAccumulator(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let rows = (0..<200).map { _ in ScriptedRow(Self.randomRow(&generator)) }
        for batching in Batching.usual {
            let (adding, retracting) = (
                try harness(Self.calls, retracts: false), try harness(Self.calls, retracts: true)
            )
            try adding.feed(rows, batching)
            try retracting.feed(rows, batching)
            #expect(adding.collected.rows == retracting.collected.rows, "seed \(seed), \(batching)")
            #expect(adding.collected.kinds == retracting.collected.kinds, "seed \(seed), \(batching)")
            #expect(
                sortedRows(adding.collected.materialized.rows)
                    == sortedRows(Self.slow(rows.map(\.values), Self.calls, keys: [0])), "seed \(seed), \(batching)")
        }
    }

    private func row(_ key: Value, _ i: Value, kind: RowKind = .insert) -> ScriptedRow {
        ScriptedRow([key, i, .null, .null, .null, .null], kind: kind)
    }

    @Test func kindsFollowTheGroupsLife() throws {
        let harness = try harness([AggregateCall(.maximum, argument: 1, type: .integer)], retracts: true)
        try harness.feed([
            // Nothing to take back yet.
            row(.string("a"), .integer(9), kind: .delete), row(.string("a"), .integer(1)),
            row(.string("a"), .integer(5)),
            row(.string("a"), .integer(3)), row(.string("a"), .integer(5), kind: .updateBefore),
            row(.string("a"), .integer(1), kind: .delete), row(.string("a"), .integer(3), kind: .delete),
            row(.string("a"), .null), row(.string("a"), .null),
        ])
        let a = Value.string("a")
        #expect(
            harness.collected.kinds == [
                .insert, .updateBefore, .updateAfter, .updateBefore, .updateAfter, .delete, .insert,
            ])
        #expect(
            harness.collected.rows == [
                [a, .integer(1)], [a, .integer(1)], [a, .integer(5)], [a, .integer(5)], [a, .integer(3)],
                [a, .integer(3)],
                [a, .null],
            ])
        // What is taken back names no record: it must not become a second dead letter.
        #expect(harness.collected.origins == [1, -2, 2, -2, 4, -2, 7])
    }

    @Test func withoutTheRowBeforeOnlyNewResultsAreGiven() throws {
        for retracts in [false, true] {
            let harness = try harness(
                [AggregateCall(.minimum, argument: 4, type: .string)], retracts: retracts, emitsBefore: false)
            for text in ["m", "z", "a text that needs more room than the first", "m"] {
                try harness.feed([ScriptedRow([.string("k"), .null, .null, .null, .string(text), .null])])
            }
            #expect(harness.collected.kinds == [.insert, .updateAfter])
            #expect(
                harness.collected.rows.map { $0[1] } == [
                    .string("m"), .string("a text that needs more room than the first"),
                ])
        }
    }

    @Test func distinctOnlyAddsRows() throws {
        let harness = try harness([], keys: [0, 1], retracts: false)
        try harness.feed([row(.null, .integer(1)), row(.null, .integer(1)), row(.string("a"), .null)])
        #expect(harness.collected.kinds == [.insert, .insert])
        #expect(harness.collected.rows == [[.null, .integer(1)], [.string("a"), .null]])
    }

    @Test func groupsBeyondTheLimitAreRejected() throws {
        var limits = Limits()
        limits.windowGroups = 2
        let harness = try harness(
            [AggregateCall(.countAll, argument: nil, type: .bigInt)], retracts: true, limits: limits)
        let keys = ["a", "b", "c", "a"].map { Value.string($0) }
        try harness.feed(keys.map { row($0, .null) })
        #expect(harness.rejected.map(\.reason) == [.limitExceeded])
        // A group that ended makes room.
        try harness.feed([row(.string("b"), .null, kind: .delete), row(.string("c"), .null)])
        #expect(harness.rejected.count == 1)
        #expect(
            sortedRows(harness.collected.materialized.rows) == [
                [.string("a"), .integer(2)], [.string("c"), .integer(1)],
            ])
    }

    @Test func fullBatchesKeepTheRowsOfAnUpdateTogether() throws {
        var limits = Limits()
        limits.batchRows = 2
        let harness = try harness(
            [AggregateCall(.countAll, argument: nil, type: .bigInt)], retracts: false, limits: limits)
        try harness.feed((0..<50).map { row(.string("k\($0 % 3)"), .null) })
        #expect(harness.collected.largestBatch <= 3)
        #expect(harness.collected.materialized.fault == nil)
    }
}
