import MillraceCore
import Testing

@Suite struct JSONEncodeTests {
    @Test(arguments: [
        (DataType.integer, Value.integer(5), "5"), (.integer, .null, "null"), (.boolean, .boolean(true), "true"),
        (.double, .double(3), "3.0"), (.double, .double(1e20), "1.0E20"), (.double, .double(.nan), #""NaN""#),
        (.double, .double(-.infinity), #""-Infinity""#), (.float, .double(Double(Float(0.1))), "0.1"),
        (.decimal(precision: 10, scale: 2), .decimal(150), "1.5"),
        (.decimal(precision: 10, scale: 2), .decimal(100_000), "1E+3"),
        (.decimal(precision: 10, scale: 2), .decimal(0), "0"),
        (.decimal(precision: 10, scale: 2), .decimal(-1234), "-12.34"),
        (.decimal(precision: 20, scale: 10), .decimal(5), "5E-10"),
        (.decimal(precision: 20, scale: 6), .decimal(1), "0.000001"),
        (.decimal(precision: 20, scale: 7), .decimal(12), "0.0000012"),
        (.decimal(precision: 20, scale: 8), .decimal(12), "1.2E-7"),
        (.decimal(precision: 10, scale: 0), .decimal(12_000), "1.2E+4"),
        (.decimal(precision: 10, scale: 0), .decimal(120), "1.2E+2"),
        (.string, .string("a\"b\\c\n\u{1}é"), #""a\"b\\c\n\u0001é""#), (.bytes, .bytes([0x68, 0x69]), #""aGk=""#),
        (.timestamp(precision: 3), .integer(500_000), #""1970-01-01 00:00:00.5""#),
        (.timestamp(precision: 3), .integer(0), #""1970-01-01 00:00:00""#),
        (.timestampLTZ(precision: 3), .integer(1_000_000), #""1970-01-01 00:00:01Z""#),
        (.date, .integer(19723), #""2024-01-01""#), (.time(precision: 0), .integer(3_723_000_000), #""01:02:03""#),
        (.row([Field("a", .integer), Field("b", .string)]), .row([.integer(1), .null]), #"{"a":1,"b":null}"#),
        (.array(.integer), .array([.integer(1), .null]), "[1,null]"),
        (.map(key: .string, value: .integer), .map([(key: .string("k"), value: .integer(1))]), #"{"k":1}"#),
    ])
    func encodes(_ type: DataType, _ value: Value, _ text: String) throws {
        #expect(try FormatHarness("json", [("v", type)]).encode([[value]]) == ["{\"v\":\(text)}"])
    }

    @Test func options() throws {
        let columns: [(String, DataType)] = [
            ("a b\"", .integer), ("d", .decimal(precision: 10, scale: 2)), ("t", .timestamp(precision: 3)),
            ("r", .row([Field("x", .integer), Field("y", .integer)])),
        ]
        let harness = FormatHarness(
            "json", columns,
            options: [
                "json.encode.ignore-null-fields": "true", "json.encode.decimal-as-plain-number": "true",
                "json.timestamp-format.standard": "ISO-8601",
            ])
        let rows: [[Value]] = [
            [.integer(1), .decimal(100_000), .integer(0), .row([.null, .integer(2)])], [.null, .null, .null, .null],
        ]
        #expect(try harness.encode(rows) == [#"{"a b\"":1,"d":1000,"t":"1970-01-01T00:00:00","r":{"y":2}}"#, "{}"])
    }

    @Test func nullMapKeys() throws {
        let columns: [(String, DataType)] = [("m", .map(key: .string, value: .integer))]
        let rows: [[Value]] = [[.map([(key: .null, value: .integer(1)), (key: .string("k"), value: .integer(2))])]]
        #expect(throws: Diagnostic.self) { try FormatHarness("json", columns).encode(rows) }
        let drop = FormatHarness("json", columns, options: ["json.map-null-key.mode": "DROP"])
        #expect(try drop.encode(rows) == [#"{"m":{"k":2}}"#])
        let literal = FormatHarness(
            "json", columns, options: ["json.map-null-key.mode": "LITERAL", "json.map-null-key.literal": "none"])
        #expect(try literal.encode(rows) == [#"{"m":{"none":1,"k":2}}"#])
        #expect(throws: Diagnostic.self) {
            try FormatHarness("json", [("m", .map(key: .integer, value: .integer))]).encode([])
        }
    }
}
