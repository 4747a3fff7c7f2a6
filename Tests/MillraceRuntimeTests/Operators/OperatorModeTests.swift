import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// Every operator in every mode, over random rows with NULLs, failed cells, disorder and late rows: the same rows come out,
/// the same rows are rejected.
@Suite struct OperatorModeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Rows may come in another order when they come at another time.
        var isOrdered = true
        var partitions = 1
        /// Corrected rows replace earlier ones of these columns: the last one counts.
        var upsertKey: [Int] = []
        var make: @Sendable () throws -> OperatorHarness

        func final(_ rows: [[Value]]) -> [[Value]] {
            guard !upsertKey.isEmpty else { return rows }
            var last: [[Value]: [Value]] = [:]
            for row in rows { last[upsertKey.map { row[$0] }] = row }
            return Array(last.values)
        }
    }

    private static let value = Expression.column(2, .integer)
    private static let ten = Expression.literal(.integer(10), .integer)

    private static func alone(_ make: @escaping @Sendable () throws -> Operator)
        -> @Sendable () throws -> OperatorHarness
    {
        { OperatorHarness(try make(), input: bids) }
    }

    private static func window(_ kind: WindowKind, lateness: Int64 = 0) -> @Sendable () throws -> OperatorHarness {
        { try windowPipeline(kind, delay: 2500, lateness: lateness, partitions: 2) }
    }

    private static func joined(_ kind: JoinKind) -> @Sendable () throws -> OperatorHarness {
        {
            let join = try StaticJoinOperator(
                JoinPlan(kind: kind, probeKeys: [0], buildKeys: [0], residual: nil), probe: bids, build: items,
                object: "join",
                limits: Limits())
            let harness = OperatorHarness(join, input: bids)
            let arena = BatchArena(chunkBytes: 64)
            for (key, price) in [("k1", 1), ("k2", 2), ("k1", 11)] as [(String, Int64)] {
                try join.process(
                    ColumnBatch(items, rows: [[.string(key), .integer(price)]], arena: arena), port: 1,
                    context: harness.context)
                arena.reset()
            }
            try join.advance(to: EventTime.end, port: 1, context: harness.context)
            return harness
        }
    }

    static let cases: [Case] = [
        Case(
            testDescription: "project",
            make: alone {
                try ProjectOperator(
                    [
                        .call(.divide, [value, .call(.subtract, [value, ten], .integer)], .integer),
                        .column(0, .string),
                    ],
                    schema: Schema(("x", .integer), ("k", .string)), object: "view")
            }),
        Case(
            testDescription: "filter",
            make: alone { try FilterOperator(.call(.greater, [value, ten], .boolean), object: "view") }),
        Case(testDescription: "inner join", make: joined(.inner)),
        Case(testDescription: "left join", make: joined(.left)),
        Case(
            testDescription: "union",
            make: { () throws -> OperatorHarness in
                let union = UnionOperator(inputs: 2, object: "both")
                let harness = OperatorHarness(union, input: bids)
                try harness.advance(to: EventTime.end, port: 1)
                return harness
            }),
        Case(
            testDescription: "predict",
            make: alone {
                var limits = Limits()
                limits.modelRows = 3
                return PredictOperator(
                    PredictPlan(model: 0, arguments: [2], receipts: [PredictReceipt(.version, name: "v")]), input: bids,
                    outputs: Schema(("y", .double)),
                    scorer: RowOperatorTests.Doubler(), version: "abc", object: "m", limits: limits)
            }),
        Case(
            testDescription: "window function",
            make: alone { try WindowAssignOperator(timeColumn: 1, hop, input: bids, object: "windows") }),
        Case(
            testDescription: "aggregate at the end", isOrdered: false, partitions: 2,
            make: alone {
                try GroupAggregateOperator(
                    keys: [0], aggregates: countAndSum, input: bids, object: "totals", limits: Limits())
            }),
        Case(testDescription: "tumbling window", isOrdered: false, partitions: 2, make: window(tumble5)),
        Case(
            testDescription: "tumbling window, late rows allowed", isOrdered: false, partitions: 2, upsertKey: [0, 3],
            make: window(tumble5, lateness: 2000)),
        Case(testDescription: "hopping window", isOrdered: false, partitions: 2, make: window(hop)),
        Case(
            testDescription: "cumulating window", isOrdered: false, partitions: 2,
            make: window(.cumulate(stepMilliseconds: 2000, sizeMilliseconds: 6000, offsetMilliseconds: 0))),
        Case(
            testDescription: "session window", isOrdered: false,
            // The replay of a session cannot know which rows were late when its offsets start in their midst.
            make: { try windowPipeline(session4, delay: 9000) }),
    ]

    private static func rows(_ seed: UInt64, partitions: Int) -> [ScriptedRow] {
        var generator = SeededGenerator(seed: seed)
        return (0..<150).map { i in
            let key = Int.random(in: 0...5, using: &generator)
            let time = max(0, Int64(i) * 250 + Int64.random(in: -5000...1500, using: &generator))
            var row = bid(
                key == 0 ? nil : "k\(key)", Int.random(in: 0..<30, using: &generator) == 0 ? nil : time,
                Int64.random(in: -5...30, using: &generator),
                partition: Int.random(in: 0..<partitions, using: &generator))
            if Int.random(in: 0..<25, using: &generator) == 0 { row.values[2] = .null }
            return row
        }
    }

    @Test(arguments: cases) func everyModeGivesTheSame(_ test: Case) throws {
        for seed in 1...5 as ClosedRange<UInt64> {
            let rows = Self.rows(seed, partitions: test.partitions)
            var expected = try outcome(rows, .batches(.rowByRow), make: test.make)
            expected.rows = test.final(expected.rows)
            #expect(!expected.rows.isEmpty)
            for mode in OperatorMode.all {
                var actual = try outcome(rows, mode, make: test.make)
                actual.rows = test.final(actual.rows)
                if test.isOrdered {
                    #expect(actual.rows == expected.rows, "\(mode), rows of seed \(seed)")
                } else {
                    #expect(sortedRows(actual.rows) == sortedRows(expected.rows), "\(mode), rows of seed \(seed)")
                }
                #expect(
                    sortedRows(actual.rejected.map(\.row)) == sortedRows(expected.rejected.map(\.row)),
                    "\(mode), rows of seed \(seed)")
                #expect(
                    Set(actual.rejected.map(\.reason)) == Set(expected.rejected.map(\.reason)), "\(mode), seed \(seed)")
            }
        }
    }
}
