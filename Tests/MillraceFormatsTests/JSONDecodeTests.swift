import MillraceCore
import MillraceRuntime
import Testing

struct ConversionCase: CustomTestStringConvertible, Sendable {
    var type: DataType
    var json: String
    var value: Value
    init(_ type: DataType, _ json: String, _ value: Value) {
        self.type = type
        self.json = json
        self.value = value
    }
    var testDescription: String { "\(type) from \(json)" }
}

private let noon: Int64 = 1_704_110_400_000_000  // 2024-01-01 12:00:00

private let conversions: [ConversionCase] = [
    .init(.integer, "5", .integer(5)), .init(.integer, #""5""#, .integer(5)), .init(.integer, "5.0", .integer(5)),
    .init(.integer, "5.7", .integer(5)), .init(.integer, "-5.7", .integer(-5)), .init(.integer, "1e2", .integer(100)),
    .init(.integer, #"" 5 ""#, .integer(5)), .init(.integer, "true", failed), .init(.integer, #""abc""#, failed),
    .init(.integer, #""""#, failed), .init(.integer, "99999999999", failed), .init(.integer, "[1]", failed),
    .init(.integer, "{}", failed), .init(.integer, "null", .null), .init(.integer, "2147483648", failed),
    .init(.integer, "-2147483648", .integer(-2_147_483_648)), .init(.integer, "05", failed),
    .init(.integer, #""5.7""#, failed), .init(.integer, "nul", failed),
    .init(.tinyInt, "127", .integer(127)), .init(.tinyInt, "128", failed), .init(.smallInt, "-32769", failed),
    .init(.bigInt, "9223372036854775807", .integer(.max)), .init(.bigInt, "-9223372036854775808", .integer(.min)),
    .init(.bigInt, "9223372036854775808", failed),
    .init(.bigInt, "1234567890123456789", .integer(1_234_567_890_123_456_789)),
    .init(.boolean, "true", .boolean(true)), .init(.boolean, "false", .boolean(false)),
    .init(.boolean, #""true""#, .boolean(true)), .init(.boolean, #""TRUE""#, .boolean(true)),
    .init(.boolean, "1", .boolean(false)), .init(.boolean, "0", .boolean(false)),
    .init(.boolean, #""yes""#, .boolean(false)), .init(.boolean, "tru", failed), .init(.boolean, "[]", failed),
    .init(.string, "5.50", .string("5.50")), .init(.string, "1e5", .string("1e5")),
    .init(.string, "true", .string("true")),
    .init(.string, "false", .string("false")), .init(.string, #""plain""#, .string("plain")),
    .init(.string, #""""#, .string("")),
    .init(.string, #"{ "b" : 1, "a":[1, 2 , "x y"] }"#, .string(#"{"b":1,"a":[1,2,"x y"]}"#)),
    .init(.string, #"[ 1 , "\" ," ]"#, .string(#"[1,"\" ,"]"#)), .init(.string, "[]", .string("[]")),
    .init(.string, #""a\n\t\"\\\/\u00e9\ud83d\ude00z""#, .string("a\n\t\"\\/é😀z")),
    .init(.string, #""\ud83d""#, failed), .init(.string, #""\x""#, failed), .init(.string, #""😀é""#, .string("😀é")),
    .init(.string, #""0123456789abcdef0123456789\\abcdef""#, .string(#"0123456789abcdef0123456789\abcdef"#)),
    .init(.double, "5.5", .double(5.5)), .init(.double, #""5.5""#, .double(5.5)),
    .init(.double, #""NaN""#, .double(.nan)),
    .init(.double, "1e400", .double(.infinity)), .init(.double, "-1e400", .double(-.infinity)),
    .init(.double, "NaN", failed),
    .init(.double, "3", .double(3)), .init(.double, "0.8414709848078965", .double(0.8414709848078965)),
    .init(.double, "-0.0", .double(-0.0)), .init(.double, "1.7976931348623157E308", .double(1.7976931348623157e308)),
    .init(.double, "123456789.25", .double(123456789.25)), .init(.double, "1.", failed), .init(.double, "true", failed),
    .init(.float, "0.1", .double(Double(Float(0.1)))),
    .init(.decimal(precision: 10, scale: 2), "5.555", .decimal(556)),
    .init(.decimal(precision: 10, scale: 2), #""5.555""#, .decimal(556)),
    .init(.decimal(precision: 10, scale: 2), "-5.555", .decimal(-556)),
    .init(.decimal(precision: 10, scale: 2), "123456789", .null),
    .init(.decimal(precision: 10, scale: 2), "12345678", .decimal(1_234_567_800)),
    .init(.decimal(precision: 10, scale: 2), "1e3", .decimal(100_000)),
    .init(.decimal(precision: 10, scale: 2), #""abc""#, failed),
    .init(.decimal(precision: 10, scale: 2), "1.5", .decimal(150)),
    .init(
        .decimal(precision: 38, scale: 20), "12345678901234567.5",
        .decimal(Int128("1234567890123456750000000000000000000")!)),
    .init(.timestamp(precision: 3), #""2024-01-01 12:00:00""#, .integer(noon)),
    .init(.timestamp(precision: 3), #""2024-01-01 12:00:00.1234567""#, .integer(noon + 123_456)),
    .init(.timestamp(precision: 3), #""2024-01-01 12:00:00.5""#, .integer(noon + 500_000)),
    .init(.timestamp(precision: 3), #""2024-01-01""#, failed),
    .init(.timestamp(precision: 3), #""2024-01-01T12:00:00""#, failed),
    .init(.timestamp(precision: 3), #""2024-01-01 12:00""#, failed),
    .init(.timestamp(precision: 3), #""2024-01-01 12:00:00Z""#, failed),
    .init(.timestamp(precision: 3), "1704110400000", failed),
    .init(.timestamp(precision: 3), #""2024-02-30 00:00:00""#, failed),
    .init(.timestamp(precision: 3), #""2024-02-29 00:00:00""#, .integer(1_709_164_800_000_000)),
    .init(.timestamp(precision: 3), #""1969-12-31 23:59:59""#, .integer(-1_000_000)),
    .init(.timestampLTZ(precision: 3), #""2024-01-01 12:00:00Z""#, .integer(noon)),
    .init(.timestampLTZ(precision: 3), #""2024-01-01 12:00:00""#, failed),
    .init(.date, #""2024-01-01""#, .integer(19723)), .init(.date, #""2024-1-1""#, failed),
    .init(.date, "19723", failed),
    .init(.time(precision: 0), #""01:02:03.5""#, .integer(3_723_500_000)),
    .init(.time(precision: 0), #""25:00:00""#, failed),
    .init(.bytes, #""aGk=""#, .bytes([0x68, 0x69])), .init(.bytes, #""a""#, failed), .init(.bytes, #""""#, .bytes([])),
    .init(.bytes, "5", failed),
    .init(.array(.integer), "[1, \"2\", null]", .array([.integer(1), .integer(2), .null])),
    .init(.array(.integer), "[]", .array([])), .init(.array(.integer), "null", .null),
    .init(.array(.integer), "{}", failed),
    .init(.array(.integer), "[1, [2]]", failed),
    .init(
        .array(.array(.string)), #"[["a"],[],["b",5]]"#,
        .array([.array([.string("a")]), .array([]), .array([.string("b"), .string("5")])])),
    .init(
        .map(key: .string, value: .integer), #"{"a":1,"b":null}"#,
        .map([(key: .string("a"), value: .integer(1)), (key: .string("b"), value: .null)])),
    .init(
        .row([Field("a", .integer), Field("b", .row([Field("c", .string)]))]), #"{"b":{"c":"x"},"a":1}"#,
        .row([.integer(1), .row([.string("x")])])),
    .init(.row([Field("a", .integer), Field("b", .string)]), "{}", .row([.null, .null])),
    .init(.row([Field("a", .integer)]), "null", .null), .init(.row([Field("a", .integer)]), "5", failed),
    .init(
        .array(.row([Field("a", .integer), Field("b", .string)])), #"[{"a":1,"b":"x","a":2},{"b":"y"}]"#,
        .array([.row([.integer(1), .string("x")]), .row([.null, .string("y")])])),
]

@Suite struct JSONDecodeTests {
    @Test(arguments: conversions)
    func converts(_ given: ConversionCase) throws {
        let harness = FormatHarness("json", [("v", given.type)])
        let found = try harness.cell("{\"v\":\(given.json)}")
        #expect(found == given.value)
        if case .double(let x) = found, case .double(let y) = given.value { #expect(x.sign == y.sign) }
    }

    /// What fails by default is NULL when errors are ignored, or no row when the message is no JSON.
    @Test(arguments: conversions.filter { $0.value == failed })
    func ignoresErrors(_ given: ConversionCase) throws {
        let harness = FormatHarness(
            "json", [("v", given.type), ("w", .integer)], options: ["json.ignore-parse-errors": "true"])
        let decoded = try harness.decode(["{\"v\":\(given.json),\"w\":7}"])
        #expect(decoded.failures.isEmpty)
        if let row = decoded.rows.first {
            #expect(row[1] == .integer(7))
            if case .array = given.type {} else { #expect(row[0] == .null) }
        }
    }

    private let two = FormatHarness("json", [("a", .integer), ("b", .string)])

    @Test func missingUnknownAndDuplicateFields() throws {
        let lines = [
            #"{"b":"x"}"#, #"{"zz":[1,{"a":5}],"a":1,"A":3,"b":"y"}"#, #"{"a":1,"a":2,"b":"p","b":"q"}"#, "{}",
            #"{"\u0061":4,"b":"esc"}"#,
        ]
        let rows = try two.decode(lines).rows
        #expect(rows[0] == [.null, .string("x")])
        #expect(rows[1] == [.integer(1), .string("y")])
        #expect(rows[2] == [.integer(1), .string("p")])
        #expect(rows[3] == [.null, .null])
        #expect(rows[4] == [.integer(4), .string("esc")])
    }

    @Test func messagesWithoutRows() throws {
        let decoded = try two.decode(["", "  \r\n", #"{"a":1}"#])
        #expect(decoded.rows.count == 1)
        #expect(decoded.origins == [2])
        #expect(decoded.failures.isEmpty)
    }

    @Test(arguments: [
        "{", #"{"a":1"#, #"{"a":1,}"#, #"{"a" 1}"#, "5", "null", #""text""#, #"{"a":1 "b":2}"#, #"{"a":"#, #"{"b":"x}"#,
        "[{\"a\":1},", "[{\"a\":1} {\"a\":2}]", "[{\"a\":1},5]", "{\"b\":\"a\nb\"}",
    ])
    func malformed(_ line: String) throws {
        let decoded = try two.decode([#"{"a":1}"#, line, #"{"a":2}"#])
        #expect(decoded.failures.map(\.message) == [1])
        #expect(decoded.rows.map { $0[0] } == [.integer(1), .integer(2)])
        #expect(decoded.origins == [0, 2])
    }

    @Test func invalidUTF8AnywhereFails() throws {
        for skipped in [true, false] {
            let message = Array("{\"\(skipped ? "z" : "b")\":\"a".utf8) + [0xC3, 0x28] + Array("\",\"a\":1}".utf8)
            #expect(try two.decode([message]).failures.map(\.detail) == ["invalid UTF-8"])
        }
    }

    @Test(arguments: [#"{"a":1} trailing"#, #"{"a":1}{"a":2}"#, #"{"a":1}}"#, #" {"a":1} ]"#])
    func textBehindTheObjectIsIgnored(_ line: String) throws {
        let decoded = try two.decode([line])
        #expect(decoded.rows == [[.integer(1), .null]])
        #expect(decoded.failures.isEmpty)
    }

    @Test func arrayGivesOneRowAnElement() throws {
        let decoded = try two.decode([#"{"a":0}"#, #"[{"a":1},{"a":2,"b":"x"} , {}]"#, "[]", #"{"a":9}"#])
        #expect(decoded.rows.map { $0[0] } == [.integer(0), .integer(1), .integer(2), .null, .integer(9)])
        #expect(decoded.origins == [0, 1, 1, 1, 3])
        #expect(decoded.failures.isEmpty)
    }

    @Test func failuresNameColumnAndTypeButNoValue() throws {
        let harness = FormatHarness("json", [("amount", .integer)])
        #expect(
            try harness.decode([#"{"amount":"secret"}"#]).failures.map(\.detail) == [#"column "amount": expected INT"#])
    }

    @Test func missingFieldFailsWhenAsked() throws {
        var harness = two
        harness.options = ["json.fail-on-missing-field": "true"]
        let decoded = try harness.decode([#"{"a":1}"#, #"{"a":1,"b":null}"#])
        #expect(decoded.failures.map(\.detail) == [#"column "b": missing"#])
        #expect(decoded.rows == [[.integer(1), .null]])
    }

    @Test func nestedPathsAndWholeRows() throws {
        let payload = DataType.row([Field("amount", .integer), Field("who", .row([Field("name", .string)]))])
        var harness = FormatHarness("json", [("id", .bigInt), ("payload", payload)])
        harness.fields = [
            SourceField(name: "amount", origin: .physical(path: ["payload", "amount"]), type: .integer),
            SourceField(name: "name", origin: .physical(path: ["payload", "who", "name"]), type: .string),
            SourceField(name: "id", origin: .physical(path: ["id"]), type: .bigInt),
        ]
        let lines = [
            #"{"id":1,"payload":{"x":0,"who":{"name":"ann"},"amount":5}}"#, #"{"id":2,"payload":null}"#, #"{"id":3}"#,
            #"{"id":4,"payload":{"who":null}}"#, #"{"id":5,"payload":[1]}"#,
        ]
        let decoded = try harness.decode(lines)
        #expect(
            decoded.rows == [
                [.integer(5), .string("ann"), .integer(1)], [.null, .null, .integer(2)], [.null, .null, .integer(3)],
                [.null, .null, .integer(4)],
            ])
        #expect(decoded.failures.map(\.detail) == [#"column "payload": expected ROW"#])

        // The whole ROW and a leaf of it together.
        harness.fields.append(SourceField(name: "payload", origin: .physical(path: ["payload"]), type: payload))
        let both = try harness.decode(lines)
        #expect(both.rows[0][3] == .row([.integer(5), .row([.string("ann")])]))
        #expect(both.rows[0][0] == .integer(5))
        #expect(both.rows[0][1] == .string("ann"))
        #expect(both.rows[1][3] == .null)
        #expect(both.rows[3][3] == .row([.null, .null]))
    }

    @Test(arguments: [
        ("ISO-8601", DataType.timestamp(precision: 3), "2024-01-01T12:00:00", true),
        ("ISO-8601", .timestamp(precision: 3), "2024-01-01 12:00:00", false),
        ("ISO-8601", .timestampLTZ(precision: 3), "2024-01-01T12:00:00Z", true),
        ("ISO-8601", .timestampLTZ(precision: 3), "2024-01-01T21:00:00+09:00", false),
        ("ISO-8601-WITH-OFFSET", .timestampLTZ(precision: 3), "2024-01-01T21:00:00+09:00", true),
        ("ISO-8601-WITH-OFFSET", .timestampLTZ(precision: 3), "2024-01-01T12:00:00Z", true),
    ])
    func timestampStandards(_ standard: String, _ type: DataType, _ text: String, _ isRead: Bool) throws {
        let harness = FormatHarness("json", [("t", type)], options: ["json.timestamp-format.standard": standard])
        #expect(try harness.cell("{\"t\":\"\(text)\"}") == (isRead ? .integer(noon) : failed))
    }

    @Test func valuePrefixWinsAndBadOptionsAreRefused() throws {
        #expect(throws: Diagnostic.self) {
            try FormatHarness("json", [("a", .integer)], options: ["json.ignore-parse-errors": "maybe"]).decode(["{}"])
        }
        #expect(throws: Diagnostic.self) { try FormatHarness("avro", [("a", .integer)]).decode(["{}"]) }
    }

    @Test func manyFieldsInAnyOrder() throws {
        let columns = (0..<80).map { ("field_\($0)", DataType.integer) }
        let harness = FormatHarness("json", columns)
        for seed in 0..<20 as Range<UInt64> {
            var random = Seeded(seed)
            let order = Array(0..<80).shuffled(using: &random)
            let line = "{" + order.map { "\"field_\($0)\": \($0 * 3)" }.joined(separator: ", ") + "}"
            #expect(try harness.decode([line]).rows == [(0..<80).map { .integer(Int64($0 * 3)) }], "seed \(seed)")
        }
    }

    @Test func messagesOfGrowingLength() throws {
        let lines = (0..<14).map { "{\"b\":\"\(String(repeating: "x", count: 1 << $0))\",\"a\":\($0)}" }
        let rows = try two.decode(lines).rows
        for (i, row) in rows.enumerated() {
            #expect(row == [.integer(Int64(i)), .string(String(repeating: "x", count: 1 << i))])
        }
        #expect(rows.count == 14)
    }
}
