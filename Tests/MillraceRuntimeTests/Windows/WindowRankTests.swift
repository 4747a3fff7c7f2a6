import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

@Suite struct WindowRankTests {
    /// k, v, window_start, window_end
    static let input = Schema(
        ("k", .string), ("v", .integer), ("window_start", .timestamp(precision: 3)),
        ("window_end", .timestamp(precision: 3)))

    static func rank(
        _ function: WindowRankPlan.Function = .rowNumber, last: Int? = nil, isDescending: Bool = false,
        prefersNewest: Bool = false, limits: Limits = Limits()
    ) -> OperatorHarness {
        OperatorHarness(
            WindowRankOperator(
                WindowRankPlan(
                    function, startColumn: 2, endColumn: 3, keys: [2, 3],
                    order: [SortKey(column: 1, isDescending: isDescending, nullsFirst: !isDescending)], last: last,
                    prefersNewest: prefersNewest), input: input, object: "rank", limits: limits),
            input: input, limits: limits)
    }

    static func row(_ key: String, _ value: Int64?, _ window: Int64, watermark: Int64 = EventTime.none) -> ScriptedRow {
        ScriptedRow(
            [
                .string(key), value.map { .integer($0) } ?? .null, .seconds(Double(window)),
                .seconds(Double(window + 10)),
            ], watermark: watermark)
    }

    static func ranks(_ harness: OperatorHarness) -> [[Value]] { harness.collected.rows.map { [$0[0], $0[4]] } }

    @Test func functionsDifferInTies() throws {
        let rows = [("a", 3), ("b", 1), ("c", 1), ("d", 2), ("e", nil)].map { Self.row($0.0, $0.1, 0) }
        let expected: [WindowRankPlan.Function: [Int64]] = [
            .rowNumber: [1, 2, 3, 4, 5], .rank: [1, 2, 2, 4, 5], .denseRank: [1, 2, 2, 3, 4],
        ]
        for (function, numbers) in expected {
            let harness = Self.rank(function)
            try harness.feed(rows)
            #expect(harness.collected.rows.isEmpty)
            try harness.end()
            #expect(
                Self.ranks(harness) == zip(["e", "b", "c", "d", "a"], numbers).map { [.string($0), .integer($1)] })
        }
    }

    /// The bounded number of rows that a group keeps gives what all of its rows would.
    @Test(arguments: [1, 2, 5, 2000]) func keepsEnough(_ last: Int) throws {
        var generator = SeededGenerator(seed: 11)
        let rows = (0..<500).map { i in
            Self.row(
                "\(i)", Int64.random(in: 0...20, using: &generator), Int64.random(in: 0...3, using: &generator) * 10)
        }
        for prefersNewest in [false, true] {
            let bounded = Self.rank(last: last, isDescending: true, prefersNewest: prefersNewest)
            let whole = Self.rank(isDescending: true, prefersNewest: prefersNewest)
            for harness in [bounded, whole] {
                try harness.feed(rows, .random(seed: 3))
                try harness.end()
            }
            #expect(
                Self.ranks(bounded)
                    == Self.ranks(whole).filter { row in
                        if case .integer(let rank) = row[1] { rank <= last } else { false }
                    })
        }
        let small = Self.rank(last: 2)
        try small.feed(rows)
        #expect((small.first as? WindowRankOperator)?.keptRows == 8)
    }

    @Test func closedWindowsTakeNoRows() throws {
        let harness = Self.rank()
        try harness.feed([Self.row("a", 1, 0)])
        try harness.advance(to: 9_998)
        #expect(harness.collected.rows.isEmpty)
        try harness.advance(to: 9_999)
        #expect(harness.collected.rows.count == 1)
        try harness.feed([Self.row("late", 1, 0, watermark: 9_999), Self.row("b", 1, 10, watermark: 9_999)])
        try harness.end()
        #expect(harness.rejected.map(\.reason) == [.lateRow])
        #expect(harness.rejected[0].detail.contains("\"window_end\":\"1970-01-01 00:00:10.000\""))
        #expect(Self.ranks(harness) == [[.string("a"), .integer(1)], [.string("b"), .integer(1)]])
    }
}
