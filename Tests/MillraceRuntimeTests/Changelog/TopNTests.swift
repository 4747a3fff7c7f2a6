import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

@Suite struct TopNTests {
    static let input = Schema(("k", .string), ("v", .integer), ("s", .string))

    static let plans: [TopNPlan] = [
        TopNPlan(keys: [0], order: [descending], last: 2),
        TopNPlan(keys: [0], order: [descending], last: 2, emitsRank: false),
        TopNPlan(
            keys: [], order: [ascending, SortKey(column: 2, isDescending: true, nullsFirst: true)], first: 2, last: 4),
        TopNPlan(keys: [0], order: [ascending], first: 2, last: 3, emitsRank: false),
        TopNPlan(keys: [0], order: [descending], last: 1),
        TopNPlan(keys: [0], order: [descending], prefersNewest: true, last: 1, emitsRank: false),
        TopNPlan(keys: [0], order: [], prefersNewest: true, last: 2, emitsRank: false),
        TopNPlan(keys: [], order: [], first: 2, last: 5, emitsRank: false),
        TopNPlan(.rank, keys: [0], order: [descending], last: 2),
        TopNPlan(.rank, keys: [0], order: [descending], first: 2, last: 3, emitsRank: false),
        TopNPlan(.denseRank, keys: [0], order: [ascending], last: 2),
        TopNPlan(keys: [0], order: [ascending]),
    ]
    private static let descending = SortKey(column: 1, isDescending: true, nullsFirst: false)
    private static let ascending = SortKey(column: 1, isDescending: false, nullsFirst: true)

    private func harness(_ plan: TopNPlan) -> OperatorHarness {
        OperatorHarness(TopNOperator(plan, input: Self.input, object: "best", limits: Limits()), input: Self.input)
    }

    static func randomRow(_ generator: inout SeededGenerator) -> [Value] {
        func maybe(_ value: Value) -> Value { Int.random(in: 0..<6, using: &generator) == 0 ? .null : value }
        return [
            maybe(.string(["a", "a key that is longer than a word"].randomElement(using: &generator)!)),
            maybe(.integer(Int64.random(in: 0...4, using: &generator))),
            .string(["x", "y", "zebra crossing ahead"].randomElement(using: &generator)!),
        ]
    }

    /// Negative when `a` comes first.
    private static func compare(_ a: [Value], _ b: [Value], _ order: [SortKey]) -> Int {
        for key in order {
            let (x, y) = (a[key.column], b[key.column])
            if x == y { continue }
            if x == .null || y == .null { return (x == .null) == key.nullsFirst ? -1 : 1 }
            let isLess: Bool =
                switch (x, y) {
                case (.integer(let p), .integer(let q)): p < q
                case (.string(let p), .string(let q)): p.utf8.lexicographicallyPrecedes(q.utf8)
                default: false
                }
            return isLess != key.isDescending ? -1 : 1
        }
        return 0
    }

    /// The rows between the ranks, by sorting all of them. `rows` in order of arrival.
    private static func slow(_ rows: [[Value]], _ plan: TopNPlan) -> [[Value]] {
        var groups: [[[Value]]] = []
        for row in rows {
            let key = plan.keys.map { row[$0] }
            if let index = groups.firstIndex(where: { group in plan.keys.map { group[0][$0] } == key }) {
                groups[index].append(row)
            } else {
                groups.append([row])
            }
        }
        var result: [[Value]] = []
        for group in groups {
            let arrived = plan.prefersNewest ? Array(group.reversed()) : group
            let sorted = arrived.enumerated().sorted { a, b in
                let order = compare(a.element, b.element, plan.order)
                return order == 0 ? a.offset < b.offset : order < 0
            }.map(\.element)
            var rank = 0
            for (place, row) in sorted.enumerated() {
                let isTie = place > 0 && compare(sorted[place - 1], row, plan.order) == 0
                switch plan.function {
                case .rowNumber: rank = place + 1
                case .rank: if !isTie { rank = place + 1 }
                case .denseRank: if !isTie { rank += 1 }
                }
                guard rank >= plan.first, rank <= plan.last ?? .max else { continue }
                result.append(row + (plan.emitsRank ? [.integer(Int64(rank))] : []))
            }
        }
        return result
    }

    @Test(arguments: plans.indices) func addingRowsGivesWhatSortingGives(_ index: Int) throws {
        let plan = Self.plans[index]
        for seed in 1...2 as ClosedRange<UInt64> {
            let harness = harness(plan)
            var generator = SeededGenerator(seed: seed)
            var rows: [[Value]] = []
            for step in 0..<40 {
                var batch: [ScriptedRow] = []
                for _ in 0...(step % 4) {
                    let row = Self.randomRow(&generator)
                    // The same row again says nothing new by processing time: kept apart from this test.
                    rows.append(row)
                    batch.append(ScriptedRow(row))
                }
                try harness.feed(batch)
                let found = harness.collected.materialized
                #expect(found.fault == nil, "plan \(index), seed \(seed), step \(step)")
                #expect(
                    sortedRows(found.rows) == sortedRows(Self.slow(rows, plan)),
                    "plan \(index), seed \(seed), step \(step)")
            }
        }
    }

    /// Rows that are equal in order are told apart by their arrival, which a retraction does not name: orders without ties.
    @Test(arguments: [true, false], [0, 1, 2, 3, 4]) func retractionsGiveWhatSortingGives(_ moves: Bool, _ index: Int)
        throws
    {
        var plan = Self.plans[index]
        plan.inputRetracts = true
        plan.movesRows = moves
        plan.order = [
            plan.order[0], SortKey(column: 2, isDescending: false, nullsFirst: true),
            SortKey(column: 0, isDescending: false, nullsFirst: true),
        ]
        for seed in 1...3 as ClosedRange<UInt64> {
            let harness = harness(plan)
            var changes = RandomChanges(seed: seed, makeRow: Self.randomRow)
            for step in 0..<50 {
                var batch: [ScriptedRow] = []
                for _ in 0...(step % 5) { batch += changes.next() }
                try harness.feed(batch)
                let found = harness.collected.materialized
                #expect(found.fault == nil, "plan \(index), seed \(seed), step \(step)")
                #expect(
                    sortedRows(found.rows) == sortedRows(Self.slow(changes.live, plan)),
                    "plan \(index), seed \(seed), step \(step)")
            }
        }
    }

    @Test(arguments: plans.indices) func finalRowsComeOnceAtTheEnd(_ index: Int) throws {
        var plan = Self.plans[index]
        plan.isFinal = true
        let harness = harness(plan)
        var generator = SeededGenerator(seed: 7)
        let rows = (0..<60).map { _ in Self.randomRow(&generator) }
        try harness.feed(rows.map { ScriptedRow($0) })
        #expect(harness.collected.rows.isEmpty)
        try harness.advance(to: EventTime.end)
        #expect(sortedRows(harness.collected.rows) == sortedRows(Self.slow(rows, plan)))
        #expect(harness.collected.kinds.allSatisfy { $0 == .insert })
    }

    @Test func rowsThatNobodyWillAskForAreFreed() throws {
        let top = TopNOperator(Self.plans[1], input: Self.input, object: "best", limits: Limits())
        let harness = OperatorHarness(top, input: Self.input)
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<100 { try harness.feed((0..<10).map { _ in ScriptedRow(Self.randomRow(&generator)) }) }
        // Two of each of three keys.
        #expect(top.keptRows == 6)
    }
}
