import MillraceCore
import MillraceRuntime
import Testing

struct CastCase: Sendable, CustomTestStringConvertible {
    var source: Cell
    var type: DataType
    var expected: Value
    init(_ source: Cell, _ type: DataType, _ expected: Value) {
        (self.source, self.type, self.expected) = (source, type, expected)
    }
    var testDescription: String { "\(source.value) as \(type)" }
}
private func s(_ text: String) -> Value { .string(text) }
private let failed = Value.error(.castFailed)
private let casts: [CastCase] = [
    CastCase(.bool(true), .string, s("TRUE")), CastCase(.bool(false), .string, s("FALSE")),
    CastCase(.dbl(2.5), .string, s("2.5")), CastCase(.dbl(3), .string, s("3.0")),
    CastCase(.dbl(1e20), .string, s("1.0E20")),
    CastCase(.dec(1000, 10, 3), .string, s("1.000")), CastCase(.int(-5), .string, s("-5")),
    CastCase(.ts("2024-01-01 00:00:00.5"), .string, s("2024-01-01 00:00:00.500")),
    CastCase(Cell(value: .integer(0), type: .timestamp(precision: 0)), .string, s("1970-01-01 00:00:00")),
    CastCase(.date("2024-01-01"), .string, s("2024-01-01")),
    CastCase(Cell(value: .integer(3_600_000_000), type: .time(precision: 0)), .string, s("01:00:00")),
    CastCase(.str(" 12 "), .integer, .integer(12)), CastCase(.str("+5"), .integer, .integer(5)),
    CastCase(.str("1.9"), .integer, .integer(1)), CastCase(.str("1e3"), .integer, failed),
    CastCase(.str("1e3"), .double, .double(1000)), CastCase(.str("0x1"), .integer, failed),
    CastCase(.str(""), .integer, failed),
    CastCase(.str("300"), .tinyInt, failed),
    CastCase(.str("1e3"), .decimal(precision: 10, scale: 2), .decimal(100_000)),
    CastCase(.str("99999999999"), .integer, failed), CastCase(.str("true"), .boolean, .boolean(true)),
    CastCase(.str("12"), .boolean, failed), CastCase(.str("2024-1-1"), .date, Cell.date("2024-01-01").value),
    CastCase(.str("12"), .date, Cell.date("0012-01-01").value), CastCase(.str("2024-02-30"), .date, failed),
    CastCase(.str("2024-01-01 10:20:30.5"), .timestamp(precision: 3), .integer(micros("2024-01-01 10:20:30.5"))),
    CastCase(.str("2024-01-01"), .timestamp(precision: 3), .integer(micros("2024-01-01 00:00:00"))),
    CastCase(.str("2024-01-01T00:00:00"), .timestamp(precision: 3), failed),
    CastCase(.str("añbc"), .varchar(length: 2), s("añ")), CastCase(.str("ñ"), .char(length: 3), s("ñ  ")),
    CastCase(.str("abcd"), .char(length: 3), s("abc")),
    CastCase(.dbl(-12.35), .integer, .integer(-12)), CastCase(.dec(-1235, 10, 2), .integer, .integer(-12)),
    CastCase(.dbl(1e300), .integer, .integer(2_147_483_647)), CastCase(.dbl(1e300), .bigInt, .integer(.max)),
    CastCase(.int(2_147_483_647), .tinyInt, .integer(-1)), CastCase(.dbl(.nan), .integer, .integer(0)),
    CastCase(.dec(-1235, 10, 2), .decimal(precision: 5, scale: 1), .decimal(-124)),
    CastCase(.dbl(-12.35), .decimal(precision: 5, scale: 1), .decimal(-124)),
    CastCase(.dec(9_999_999_999, 10, 2), .decimal(precision: 5, scale: 1), .null),
    CastCase(.int(7), .decimal(precision: 10, scale: 2), .decimal(700)),
    CastCase(.dec(25, 2, 1), .double, .double(2.5)),
    CastCase(.ts("2024-01-01 10:20:30.5"), .timestamp(precision: 0), .integer(micros("2024-01-01 10:20:30"))),
    CastCase(.ts("2024-01-01 10:20:30.5"), .time(precision: 0), .integer(37_230_000_000)),
    CastCase(.ts("1969-12-31 10:20:30.5"), .date, .integer(-1)),
    CastCase(.date("1970-01-02"), .timestamp(precision: 3), .integer(86_400_000_000)),
    CastCase(.str("abc"), .bytes, .bytes([97, 98, 99])), CastCase(.int(3), .bigInt, .integer(3)),
    CastCase(.dbl(0.1), .float, .double(Double(Float(0.1)))), CastCase(.null(.null), .string, .null),
    CastCase(.int(1), .boolean, .boolean(true)),
]

@Suite struct ExpressionsCastTests {
    @Test(arguments: casts) func values(_ test: CastCase) throws {
        let expression = Expression.cast(.column(0, test.source.type), to: test.type, isTry: false)
        #expect(try evaluate(expression, [test.source]) == test.expected)
        let attempt = Expression.cast(.column(0, test.source.type), to: test.type, isTry: true)
        let expected = if case .error = test.expected { Value.null } else { test.expected }
        #expect(try evaluate(attempt, [test.source]) == expected)
        let constant = Expression.cast(.literal(test.source.value, test.source.type), to: test.type, isTry: false)
        #expect(try evaluate(constant, [test.source]) == test.expected)
    }

    @Test func resultsHaveTheTypeThatWasAskedFor() throws {
        let evaluator = try ExpressionEvaluator([
            .cast(.column(0, .integer), to: .bigInt, isTry: false), .column(0, .integer),
        ])
        let input = batch(of: [[.integer(4)]], types: [.integer], arena: BatchArena())
        let columns = evaluator.evaluate(input, context: makeContext())
        #expect(columns[0].type == .bigInt)
        #expect(columns[1] === input.columns[0])
    }

    @Test func timestampsDoNotBecomeNumbers() {
        #expect(throws: Diagnostic.self) {
            try ExpressionEvaluator([.cast(.column(0, .timestamp(precision: 3)), to: .bigInt, isTry: false)])
        }
    }
}
