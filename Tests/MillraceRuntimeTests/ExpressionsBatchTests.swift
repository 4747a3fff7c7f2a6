import MillraceCore
import MillraceRuntime
import Testing

private let d = DataType.decimal(precision: 10, scale: 2)
private func call(_ function: BuiltinFunction, _ arguments: [Expression], _ type: DataType) -> Expression {
    .call(function, arguments, type)
}

@Suite struct ExpressionsBatchTests {
    private let types: [DataType] = [.integer, .integer, .double, .string, d, .timestamp(precision: 3), .boolean]

    private func expressions() -> [Expression] {
        let (a, b) = (Expression.column(0, .integer), Expression.column(1, .integer))
        let x = Expression.column(2, .double)
        let text = Expression.column(3, .string)
        let money = Expression.column(4, d)
        let at = Expression.column(5, .timestamp(precision: 3))
        let flag = Expression.column(6, .boolean)
        let quotient = call(.divide, [a, b], .integer)
        return [
            a, call(.add, [a, b], .integer), quotient, call(.multiply, [x, .literal(.double(1.5), .double)], .double),
            .conditional(
                [.init(condition: call(.notEqual, [b, .literal(.integer(0), .integer)], .boolean), result: quotient)],
                otherwise: .literal(.integer(-1), .integer), .integer),
            call(.and, [flag, call(.greater, [quotient, .literal(.integer(1), .integer)], .boolean)], .boolean),
            call(.or, [call(.isNull, [text], .boolean), flag], .boolean), call(.upper, [text], .string),
            call(.concat, [text, .literal(.string("-"), .string), .cast(a, to: .string, isTry: false)], .string),
            call(.substring, [text, .literal(.integer(2), .integer), b], .string),
            .cast(text, to: .integer, isTry: true), .cast(text, to: .integer, isTry: false),
            call(.multiply, [money, money], .decimal(precision: 21, scale: 4)),
            call(.coalesce, [text, .literal(.string("none"), .string)], .string),
            call(.floorTime, [.literal(.string("MONTH"), .string), at], .timestamp(precision: 3)),
            call(.like, [text, .literal(.string("%a%"), .string)], .boolean), .literal(.string("k"), .string),
            call(.greatest, [a, b, .literal(.integer(2), .integer)], .integer),
            call(.isDistinctFrom, [a, b], .boolean),
            call(.nullIf, [a, b], .integer), .cast(.cast(money, to: .string, isTry: false), to: .double, isTry: false),
            call(
                .inList,
                [
                    text, .literal(.string("a"), .string), .literal(.string("12"), .string),
                    .literal(.string("b"), .string),
                    .literal(.string("c"), .string),
                ], .boolean),
            call(.rowConstructor, [a, text], .row([Field("a", .integer), Field("t", .string)])),
        ]
    }

    private func rows(_ count: Int, seed: UInt64, nulls: Bool) -> [[Value]] {
        var state = seed
        func next(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        return (0..<count).map { _ in
            var row: [Value] = [
                .integer(Int64(next(7)) - 3), .integer(Int64(next(5)) - 2), .double(Double(next(100)) / 8),
                .string(["a", "12", "Ünï", "", " 7 ", "banana"][Int(next(6))]),
                .decimal(Int128(next(2_000_000)) - 1_000_000),
                .integer(Int64(next(1 << 30)) * 1_000_000 - 500_000_000_000_000), .boolean(next(2) == 0),
            ]
            if nulls {
                for i in row.indices where next(5) == 0 { row[i] = next(4) == 0 ? .error(.modelError) : .null }
            }
            return row
        }
    }

    @Test func rowByRowEqualsAllAtOnce() throws {
        for seed in UInt64(1)...12 {
            let all = rows(Int(seed) * 17, seed: seed, nulls: seed % 3 != 0)
            let together = try ExpressionEvaluator(expressions())
            let single = try ExpressionEvaluator(expressions())
            let context = makeContext()
            let input = batch(of: all, types: types, arena: BatchArena())
            let columns = together.evaluate(input, context: context)
            for (index, row) in all.enumerated() {
                let one = batch(of: [row], types: types, arena: BatchArena())
                let result = single.evaluate(one, context: makeContext())
                for (i, column) in columns.enumerated() {
                    #expect(
                        result[i].value(at: 0) == column.value(at: index), "seed \(seed) row \(index) expression \(i)")
                    #expect(column.count == all.count)
                    if column.allValid { #expect(column.states[index] == CellState.valid) }
                }
            }
        }
    }

    @Test func shrinkingAndGrowingBatchesKeepNoOldStates() throws {
        let evaluator = try ExpressionEvaluator(expressions())
        for (round, count) in [5, 200, 1, 0, 64, 300, 2].enumerated() {
            let all = rows(count, seed: UInt64(round + 40), nulls: round % 2 == 0)
            let fresh = try ExpressionEvaluator(expressions())
            let arena = BatchArena()
            let input = batch(of: all, types: types, arena: arena)
            let (context, other) = (makeContext(), makeContext())
            let (x, y) = (evaluator.evaluate(input, context: context), fresh.evaluate(input, context: other))
            for (i, (a, b)) in zip(x, y).enumerated() {
                for k in 0..<count {
                    #expect(a.value(at: k) == b.value(at: k), "round \(round) row \(k) expression \(i)")
                }
            }
            withExtendedLifetime((arena, context, other)) {}
        }
    }

    @Test func lazyBranchesHideErrors() throws {
        let guarded = expressions()[4]
        #expect(try evaluate(guarded, [.int(7), .int(0)]) == .integer(-1))
        #expect(try evaluate(guarded, [.int(7), .int(2)]) == .integer(3))
    }

    @Test func filterKeepsTrueRowsAndReportsErrors() throws {
        let condition = call(
            .greater,
            [call(.divide, [.column(0, .integer), .column(1, .integer)], .integer), .literal(.integer(1), .integer)],
            .boolean)
        let evaluator = try ExpressionEvaluator([condition])
        let input = batch(
            of: [
                [.integer(4), .integer(2)], [.integer(1), .integer(0)], [.integer(1), .integer(1)],
                [.null, .integer(1)], [.integer(9), .integer(3)],
            ],
            types: [.integer, .integer], arena: BatchArena())
        var errors: [(Int, RowErrorCode)] = []
        let kept = try evaluator.filter(input, context: makeContext()) { row, code in errors.append((row, code)) }
        #expect(kept == [0, 4])
        #expect(errors.map(\.0) == [1] && errors.map(\.1) == [.divisionByZero])
    }

    @Test func nestedValues() throws {
        let array = Cell(value: .array([.integer(5), .null]), type: .array(.integer))
        #expect(try evaluate(.element, [array, .int(1)], .integer, literals: []) == .integer(5))
        #expect(try evaluate(.element, [array, .int(3)], .integer, literals: []) == .null)
        #expect(try evaluate(.cardinality, [array], .integer, literals: []) == .integer(2))
        #expect(try evaluate(.arrayContains, [array, .int(5)], .boolean, literals: []) == .boolean(true))
        let map = Cell(
            value: .map([(key: .string("a"), value: .integer(1))]), type: .map(key: .string, value: .integer))
        #expect(try evaluate(.element, [map, .str("a")], .integer, literals: []) == .integer(1))
        #expect(try evaluate(.element, [map, .str("b")], .integer, literals: []) == .null)
        let row = Cell(
            value: .row([.integer(1), .string("x")]), type: .row([Field("a", .integer), Field("b", .string)]))
        #expect(try evaluate(.field(.column(0, row.type), index: 1, .string), [row]) == .string("x"))
        #expect(try evaluate(.cast(.column(0, row.type), to: .string, isTry: false), [row]) == .string("(1, x)"))
    }
}
