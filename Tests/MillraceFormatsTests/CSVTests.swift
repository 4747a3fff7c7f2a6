import MillraceCore
import MillraceRuntime
import Testing

struct CSVCase: CustomTestStringConvertible, Sendable {
    var line: String
    var row: [Value]?
    var options: [String: String]
    init(_ line: String, _ row: [Value]?, _ options: [String: String] = [:]) {
        self.line = line
        self.row = row
        self.options = options
    }
    var testDescription: String { "\(line) \(options)" }
}

@Suite struct CSVTests {
    @Test(arguments: [
        CSVCase("1,a,2.5", [.integer(1), .string("a"), .double(2.5)]),
        CSVCase("1,\"a,b\",2.5\r\n", [.integer(1), .string("a,b"), .double(2.5)]),
        CSVCase("1,\"a\"\"b\nc\",2.5", [.integer(1), .string("a\"b\nc"), .double(2.5)]),
        CSVCase(" 1 ,, 2.5 ", [.integer(1), .string(""), .double(2.5)]),
        CSVCase(",a,", [.null, .string("a"), .null]),
        CSVCase("1,a", nil), CSVCase("1,a,2,3", nil), CSVCase("x,a,2", nil), CSVCase("1,\"a,2", nil),
        CSVCase("1,\"a\"x,2", nil),
        CSVCase("1|a|2", [.integer(1), .string("a"), .double(2)], ["csv.field-delimiter": "|"]),
        CSVCase("1\ta\t2", [.integer(1), .string("a"), .double(2)], ["csv.field-delimiter": "\\t"]),
        CSVCase("1,'a,b',2", [.integer(1), .string("a,b"), .double(2)], ["csv.quote-character": "'"]),
        CSVCase("1,\"a,2", [.integer(1), .string("\"a"), .double(2)], ["csv.disable-quote-character": "true"]),
        CSVCase("1,a\\,b,2", [.integer(1), .string("a,b"), .double(2)], ["csv.escape-character": "\\"]),
        CSVCase("1,\"a\\\"b\",2", [.integer(1), .string("a\"b"), .double(2)], ["csv.escape-character": "\\"]),
        CSVCase("n/a,n/a,n/a", [.null, .null, .null], ["csv.null-literal": "n/a"]),
        CSVCase("x,a,2", [.null, .string("a"), .double(2)], ["csv.ignore-parse-errors": "true"]),
        CSVCase("1,a", [.integer(1), .string("a"), .null], ["csv.ignore-parse-errors": "true"]),
        CSVCase("1,a,2,3", nil, ["csv.ignore-parse-errors": "true"]),
    ])
    func decodes(_ given: CSVCase) throws {
        let harness = FormatHarness(
            "csv", [("i", .integer), ("s", .string), ("d", .double)], options: given.options)
        let decoded = try harness.decode([given.line])
        #expect(decoded.rows == (given.row.map { [$0] } ?? []))
        #expect(decoded.failures.count == (given.row == nil && given.options["csv.ignore-parse-errors"] == nil ? 1 : 0))
    }

    @Test func skipsBlankLinesAndComments() throws {
        var harness = FormatHarness("csv", [("i", .integer), ("s", .string)], options: ["csv.allow-comments": "true"])
        #expect(try harness.decode(["", "# note", "\r\n", "4,a"]).origins == [3])
        let one = FormatHarness("csv", [("s", .string)], options: ["csv.allow-comments": "true"])
        #expect(try one.decode(["", "# note", "4"]).rows == [[.string("")], [.string("4")]])
        harness.options = [:]
        #expect(try harness.decode(["# note"]).failures.count == 1)
    }

    @Test(arguments: [
        (DataType.boolean, "TRUE", Value.boolean(true)), (.boolean, "x", .boolean(false)),
        (.decimal(precision: 10, scale: 2), "5.555", .decimal(556)), (.decimal(precision: 4, scale: 2), "555", .null),
        (.date, "2024-01-01", .integer(19723)), (.time(precision: 0), "00:00:01", .integer(1_000_000)),
        (.timestamp(precision: 3), "1970-01-01 00:00:01.5", .integer(1_500_000)),
        (.timestampLTZ(precision: 3), "1970-01-01 00:00:01Z", .integer(1_000_000)),
        (.bytes, "aGk=", .bytes([0x68, 0x69])), (.integer, "5.7", failed),
        (.array(.integer), "1;2;;3", .array([.integer(1), .integer(2), .null, .integer(3)])),
        (.array(.string), "", .array([])),
        (.row([Field("a", .integer), Field("b", .string)]), "1;x", .row([.integer(1), .string("x")])),
    ])
    func converts(_ type: DataType, _ text: String, _ value: Value) throws {
        let harness = FormatHarness("csv", [("v", type), ("w", .integer)])
        #expect(try harness.cell("\(text),1") == value)
    }

    @Test func projectsByPosition() throws {
        var harness = FormatHarness(
            "csv", [("a", .integer), ("r", .row([Field("x", .integer), Field("y", .string)])), ("c", .string)])
        harness.fields = [
            SourceField(name: "c", origin: .physical(path: ["c"]), type: .string),
            SourceField(name: "y", origin: .physical(path: ["r", "y"]), type: .string),
        ]
        #expect(try harness.decode(["zzz,1;why,see"]).rows == [[.string("see"), .string("why")]])
    }

    @Test func invalidUTF8Fails() throws {
        let harness = FormatHarness("csv", [("s", .string)])
        #expect(try harness.decode([[0x61, 0xFF]]).failures.map(\.detail) == ["invalid UTF-8"])
    }

    @Test(arguments: [
        ([:] as [String: String], [Value.integer(1), .string("a,b"), .double(2)], #"1,"a,b",2.0"#),
        ([:], [.null, .string("q\"q"), .null], #","q""q","#),
        (["csv.null-literal": "null"], [.null, .string("x\ny"), .double(.nan)], "null,\"x\ny\",NaN"),
        (["csv.field-delimiter": ";"], [.integer(1), .string("a,b"), .double(1e20)], "1;a,b;1.0E20"),
        (
            ["csv.disable-quote-character": "true", "csv.escape-character": "\\"],
            [.integer(1), .string("a,b"), .null], "1,a\\,b,"
        ),
    ])
    func encodes(_ options: [String: String], _ row: [Value], _ line: String) throws {
        let harness = FormatHarness("csv", [("i", .integer), ("s", .string), ("d", .double)], options: options)
        #expect(try harness.encode([row]) == [line])
    }

    @Test func encodesOtherTypes() throws {
        let harness = FormatHarness(
            "csv",
            [
                ("d", .decimal(precision: 10, scale: 3)), ("b", .bytes), ("t", .timestampLTZ(precision: 3)),
                ("l", .array(.integer)),
            ])
        let line = try harness.encode([
            [.decimal(1500), .bytes([0x68]), .integer(500_000), .array([.integer(1), .integer(2)])]
        ])
        #expect(line == ["1.500,aA==,1970-01-01 00:00:00.5Z,1;2"])
        #expect(try FormatHarness("csv", [("s", .string)]).encode([[.string("")], [.null]]) == ["\"\"", "\"\""])
    }
}
