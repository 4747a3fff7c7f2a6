import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

@Suite struct AggregateTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var call: AggregateCall.Function
        var type: DataType
        var values: [Value]
        var result: DataType
        var expected: Value
        var isDistinct = false
        var testDescription: String { "\(call) \(isDistinct ? "DISTINCT " : "")\(type) \(values)" }
    }
    static func ints(_ values: Int64?...) -> [Value] { values.map { $0.map { .integer($0) } ?? .null } }
    static let price = DataType.decimal(precision: 10, scale: 2)
    static let wide = DataType.decimal(precision: 38, scale: 2)
    static let cases: [Case] = [
        Case(call: .count, type: .integer, values: ints(1, nil, 3), result: .bigInt, expected: .integer(2)),
        Case(call: .count, type: .integer, values: ints(nil), result: .bigInt, expected: .integer(0)),
        Case(
            call: .count, type: .string, values: [.string("a"), .string("b"), .string("a"), .null], result: .bigInt,
            expected: .integer(2), isDistinct: true),
        Case(call: .sum, type: .integer, values: ints(nil), result: .integer, expected: .null),
        Case(
            call: .sum, type: .integer, values: ints(2_147_483_647, 2_147_483_647, 2), result: .integer,
            expected: .integer(0)),
        Case(call: .sum, type: .bigInt, values: ints(.max, 1), result: .bigInt, expected: .integer(.min)),
        Case(
            call: .sum, type: .integer, values: ints(5, 5, 7), result: .integer, expected: .integer(12),
            isDistinct: true),
        Case(call: .sum, type: .double, values: [.double(0.5), .double(2)], result: .double, expected: .double(2.5)),
        Case(call: .sum, type: price, values: [.decimal(150), .decimal(-75)], result: wide, expected: .decimal(75)),
        Case(
            call: .sum, type: wide,
            values: [.decimal(99_999_999_999_999_999_999_999_999_999_999_999_999), .decimal(1)], result: wide,
            expected: .null),
        Case(call: .average, type: .integer, values: ints(-7, 2, 2), result: .integer, expected: .integer(-1)),
        Case(
            call: .average, type: .integer, values: ints(2_147_483_647, 2_147_483_647, 2), result: .integer,
            expected: .integer(1_431_655_765)),
        Case(call: .average, type: .double, values: [.double(1), .double(2)], result: .double, expected: .double(1.5)),
        Case(
            call: .average, type: price, values: [.decimal(100), .decimal(100), .decimal(0)],
            result: .decimal(precision: 38, scale: 6), expected: .decimal(666_667)),
        Case(
            call: .average, type: price, values: [.decimal(-100), .decimal(-100), .decimal(0)],
            result: .decimal(precision: 38, scale: 6), expected: .decimal(-666_667)),
        Case(call: .minimum, type: .integer, values: ints(3, nil, -2, 9), result: .integer, expected: .integer(-2)),
        Case(
            call: .maximum, type: .double, values: [.double(-3), .double(-5)], result: .double, expected: .double(-3)),
        Case(call: .maximum, type: price, values: [.decimal(-3), .decimal(-5)], result: price, expected: .decimal(-3)),
        Case(
            call: .minimum, type: .string,
            values: [.string("z"), .string("é"), .string("a much longer text than the first")], result: .string,
            expected: .string("a much longer text than the first")),
        Case(
            call: .maximum, type: .string, values: [.string("z"), .string("é"), .null], result: .string,
            expected: .string("é")),
    ]

    @Test(arguments: cases) func result(_ test: Case) throws {
        for batching in Batching.usual {
            let input = Schema(("v", test.type))
            let group = try GroupAggregateOperator(
                keys: [],
                aggregates: [AggregateCall(test.call, argument: 0, isDistinct: test.isDistinct, type: test.result)],
                input: input, object: "totals", limits: Limits())
            let harness = OperatorHarness(group, input: input)
            try harness.feed(test.values.map { ScriptedRow([$0]) }, batching)
            try harness.end()
            #expect(harness.collected.rows == [[test.expected]], "\(batching)")
        }
    }

    @Test func filterChoosesRows() throws {
        let input = Schema(("v", .integer), ("f", .boolean))
        let group = try GroupAggregateOperator(
            keys: [],
            aggregates: [
                AggregateCall(.countAll, argument: nil, filter: 1, type: .bigInt),
                AggregateCall(.sum, argument: 0, filter: 1, type: .integer),
                AggregateCall(.countAll, argument: nil, type: .bigInt),
            ], input: input, object: "totals", limits: Limits())
        let harness = OperatorHarness(group, input: input)
        try harness.feed([
            ScriptedRow([.integer(1), .boolean(true)]), ScriptedRow([.integer(2), .boolean(false)]),
            ScriptedRow([.integer(4), .null]), ScriptedRow([.null, .boolean(true)]),
        ])
        try harness.end()
        #expect(harness.collected.rows == [[.integer(2), .integer(1), .integer(4)]])
    }

    @Test func keysOfEveryLayoutGroupTogether() throws {
        let input = Schema(("s", .string), ("i", .bigInt), ("d", .double), ("n", .decimal(precision: 20, scale: 1)))
        let rows: [[Value]] = [
            [.string("a"), .integer(1), .double(.nan), .decimal(5)],
            [.string("a"), .integer(1), .double(.nan), .decimal(5)],
            [.null, .integer(1), .double(1), .decimal(5)], [.string("a"), .null, .double(.nan), .decimal(5)],
        ]
        for keys in [[0, 1, 2, 3], [0], [1], [2], [3]] {
            let group = try GroupAggregateOperator(
                keys: keys, aggregates: [AggregateCall(.countAll, argument: nil, type: .bigInt)], input: input,
                object: "totals", limits: Limits())
            let harness = OperatorHarness(group, input: input)
            try harness.feed(rows.map { ScriptedRow($0) }, .rowByRow)
            try harness.end()
            var order: [[Value]] = []
            var counts: [[Value]: Int64] = [:]
            for row in rows {
                let key = keys.map { row[$0] }
                if counts[key] == nil { order.append(key) }
                counts[key, default: 0] += 1
            }
            #expect(harness.collected.rows == order.map { $0 + [.integer(counts[$0]!)] }, "keys \(keys)")
        }
    }

    @Test func nothingInNothingOut() throws {
        let group = try GroupAggregateOperator(
            keys: [], aggregates: [AggregateCall(.countAll, argument: nil, type: .bigInt)],
            input: Schema(("v", .integer)),
            object: "totals", limits: Limits())
        let harness = OperatorHarness(group, input: Schema(("v", .integer)))
        try harness.end()
        #expect(harness.collected.rows.isEmpty)
        #expect(harness.collected.watermarks == [EventTime.end])
    }
}
