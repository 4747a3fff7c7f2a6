import MillraceCore
import MillraceRuntime
import Testing

private let d10 = DataType.decimal(precision: 10, scale: 2)
private let ts3 = DataType.timestamp(precision: 3)

struct Case: Sendable, CustomTestStringConvertible {
    var function: BuiltinFunction
    var arguments: [Cell]
    var type: DataType
    var expected: Value
    init(_ function: BuiltinFunction, _ arguments: [Cell], _ type: DataType, _ expected: Value) {
        (self.function, self.arguments, self.type, self.expected) = (function, arguments, type, expected)
    }
    var testDescription: String { "\(function.rawValue) \(arguments.map(\.value)) -> \(expected)" }
}

private func s(_ text: String) -> Value { .string(text) }
private let yes = Value.boolean(true)
private let no = Value.boolean(false)

private let numbers: [Case] = [
    Case(.add, [.int(2_147_483_647), .int(1)], .integer, .integer(-2_147_483_648)),
    Case(.add, [.big(.max), .big(1)], .bigInt, .integer(.min)),
    Case(
        .add, [Cell(value: .integer(32767), type: .smallInt), Cell(value: .integer(32767), type: .smallInt)], .smallInt,
        .integer(-2)),
    Case(.multiply, [.int(65536), .int(65536)], .integer, .integer(0)),
    Case(.divide, [.int(-7), .int(2)], .integer, .integer(-3)),
    Case(.divide, [.big(.min), .big(-1)], .bigInt, .integer(.min)),
    Case(.modulo, [.int(-7), .int(3)], .integer, .integer(-1)),
    Case(.modulo, [.int(7), .int(-3)], .integer, .integer(1)),
    Case(.divide, [.int(1), .int(0)], .integer, .error(.divisionByZero)),
    Case(.modulo, [.int(1), .int(0)], .integer, .error(.divisionByZero)),
    Case(.divide, [.dec(1, 10, 2), .dec(0, 10, 2)], d10, .error(.divisionByZero)),
    Case(.divide, [.dbl(1), .dbl(0)], .double, .double(.infinity)),
    Case(.divide, [.dbl(0), .dbl(0)], .double, .double(.nan)),
    Case(.divide, [.dec(1000, 10, 2), .dec(3000, 5, 3)], .decimal(precision: 19, scale: 8), .decimal(333_333_333)),
    Case(.multiply, [.dec(250, 10, 2), .dec(1500, 5, 3)], .decimal(precision: 16, scale: 5), .decimal(375_000)),
    Case(.add, [.dec(9_999_999_999, 10, 2), .dec(1, 10, 2)], d10, .null),
    Case(.abs, [.big(.min)], .bigInt, .integer(.min)),
    Case(.abs, [.int(-3)], .integer, .integer(3)),
    Case(.negate, [.dec(5, 10, 2)], d10, .decimal(-5)),
    Case(.round, [.dbl(2.5)], .double, .double(3)),
    Case(.round, [.dbl(-2.5)], .double, .double(-3)),
    Case(.round, [.dbl(1.005), .int(2)], .double, .double(1.01)),
    Case(.round, [.dec(12_345, 10, 3), .int(1)], .decimal(precision: 9, scale: 1), .decimal(123)),
    Case(.round, [.int(7), .int(-1)], .integer, .integer(10)),
    Case(.truncate, [.dbl(-2.59), .int(1)], .double, .double(-2.5)),
    Case(.floor, [.dec(-1500, 10, 3)], .decimal(precision: 10, scale: 0), .decimal(-2)),
    Case(.ceil, [.dec(1500, 10, 3)], .decimal(precision: 10, scale: 0), .decimal(2)),
    Case(.ceil, [.dbl(-0.5)], .double, .double(-0.0)),
    Case(.sign, [.int(-9)], .integer, .integer(-1)),
    Case(.sqrt, [.dbl(-1)], .double, .double(.nan)),
    Case(.ln, [.dbl(0)], .double, .double(-.infinity)),
    Case(.log, [.dbl(2), .dbl(8)], .double, .double(3)),
    Case(.power, [.dbl(2), .dbl(10)], .double, .double(1024)),
    Case(.greatest, [.int(3), .int(9), .int(4)], .integer, .integer(9)),
    Case(.least, [.int(3), .null(.integer)], .integer, .null),
    Case(.nullIf, [.int(3), .int(3)], .integer, .null),
    Case(.nullIf, [.int(3), .null(.integer)], .integer, .integer(3)),
    Case(.coalesce, [.null(.integer), .int(4)], .integer, .integer(4)),
    Case(.equal, [.dec(70, 3, 1), .dec(7, 10, 0)], .boolean, yes),
    Case(.less, [.dbl(.nan), .dbl(1)], .boolean, no),
    Case(.inList, [.int(2), .int(1), .int(2)], .boolean, yes),
    Case(.inList, [.int(2), .int(1), .null(.integer)], .boolean, .null),
    Case(.inList, [.int(5), .int(1), .int(2), .int(3), .int(4)], .boolean, no),
    Case(.and, [.bool(false), .null(.boolean)], .boolean, no),
    Case(.and, [.bool(true), .null(.boolean)], .boolean, .null),
    Case(.and, [.error(.castFailed, .boolean), .bool(false)], .boolean, no),
    Case(.or, [.error(.castFailed, .boolean), .bool(true)], .boolean, yes),
    Case(.or, [.null(.boolean), .error(.castFailed, .boolean)], .boolean, .error(.castFailed)),
    Case(.isNull, [.null(.string)], .boolean, yes),
    Case(.isNotTrue, [.null(.boolean)], .boolean, yes),
    Case(.isFalse, [.bool(false)], .boolean, yes),
    Case(.isDistinctFrom, [.null(.integer), .null(.integer)], .boolean, no),
    Case(.isDistinctFrom, [.null(.integer), .int(1)], .boolean, yes),
    Case(.isNotDistinctFrom, [.int(1), .int(1)], .boolean, yes),
]

private let strings: [Case] = [
    Case(.characterLength, [.str("😀")], .integer, .integer(1)),
    Case(.substring, [.str("hello"), .int(0)], .string, s("hello")),
    Case(.substring, [.str("hello"), .int(0), .int(2)], .string, s("he")),
    Case(.substring, [.str("hello"), .int(-3)], .string, s("llo")),
    Case(.substring, [.str("hello"), .int(9)], .string, s("")),
    Case(.substring, [.str("hello"), .int(-9)], .string, s("")),
    Case(.substring, [.str("hello"), .int(2), .int(0)], .string, s("")),
    Case(.substring, [.str("hello"), .int(2), .int(-1)], .string, .null),
    Case(.substring, [.str("a😀b"), .int(2), .int(1)], .string, s("😀")),
    Case(.left, [.str("abc"), .int(0)], .string, s("")),
    Case(.right, [.str("añc"), .int(2)], .string, s("ñc")),
    Case(.leftPad, [.str("abc"), .int(2), .str("*")], .string, s("ab")),
    Case(.leftPad, [.str("abc"), .int(6), .str("xy")], .string, s("xyxabc")),
    Case(.rightPad, [.str("abc"), .int(-1), .str("*")], .string, .null),
    Case(.rightPad, [.str("abc"), .int(5), .str("")], .string, .null),
    Case(.repeatText, [.str("ab"), .int(0)], .string, s("")),
    Case(.repeatText, [.str("ab"), .int(3)], .string, s("ababab")),
    Case(.position, [.str(""), .str("abc")], .integer, .integer(1)),
    Case(.position, [.str("ñ"), .str("añ")], .integer, .integer(2)),
    Case(.position, [.str("z"), .str("abc")], .integer, .integer(0)),
    Case(.replace, [.str("aaa"), .str("aa"), .str("b")], .string, s("ba")),
    Case(.replace, [.str("ab"), .str(""), .str("-")], .string, s("-a-b-")),
    Case(.concat, [.str("a"), .null(.string)], .string, .null),
    Case(.concat, [.str("a"), .str("b"), .str("c")], .string, s("abc")),
    Case(.concatWithSeparator, [.str(","), .str("a"), .null(.string), .str("b")], .string, s("a,b")),
    Case(.concatWithSeparator, [.null(.string), .str("a")], .string, .null),
    Case(.trimBoth, [.str("  a "), .str(" ")], .string, s("a")),
    Case(.trimLeading, [.str("xxaxx"), .str("x")], .string, s("axx")),
    Case(.like, [.str("a_b"), .str("a\\_b")], .boolean, no),
    Case(.like, [.str("a_b"), .str("a!_b"), .str("!")], .boolean, yes),
    Case(.like, [.str("axb"), .str("a!_b"), .str("!")], .boolean, no),
    Case(.like, [.str("a\nb"), .str("a%b")], .boolean, yes),
    Case(.like, [.str("Abc"), .str("a%")], .boolean, no),
    Case(.like, [.str("x😀y"), .str("x_y")], .boolean, yes),
    Case(.like, [.str("mississippi"), .str("%iss%ip_i")], .boolean, yes),
    Case(.similar, [.str("abc"), .str("a(b|x)_")], .boolean, yes),
    Case(.upper, [.str("straße")], .string, s("STRASSE")),
    Case(.lower, [.str("ABC9z")], .string, s("abc9z")),
    Case(.initCap, [.str("it's a_b")], .string, s("It'S A_B")),
    Case(.initCap, [.str("straße")], .string, s("StraßE")),
    Case(.initCap, [.str("ÀÉÎ")], .string, s("ÀÉÎ")),
    Case(.less, [.str("z"), .str("é")], .boolean, yes),
    Case(.greater, [.str("x"), .str("X")], .boolean, yes),
    Case(.splitIndex, [.str("a,,b"), .str(","), .int(1)], .string, s("")),
    Case(.splitIndex, [.str("a,,b"), .str(","), .int(3)], .string, .null),
    Case(.regexpExtract, [.str("foothebar"), .str("foo(.*?)(bar)"), .int(2)], .string, s("bar")),
    Case(.regexpExtract, [.str("abc"), .str("[0-9]+")], .string, .null),
    Case(.regexpReplace, [.str("foobar"), .str("oo|ar"), .str("$1")], .string, s("f$1b$1")),
    Case(.regexp, [.str("abc"), .str("b")], .boolean, yes),
    Case(.ascii, [.str("é")], .integer, .integer(-61)),
    Case(.ascii, [.str("김")], .integer, .integer(-22)),
    Case(.chr, [.int(97)], .string, s("a")),
    Case(.reverse, [.str("aé😀")], .string, s("😀éa")),
    Case(.overlay, [.str("xxxxxtest"), .str("xxxx"), .int(6)], .string, s("xxxxxxxxx")),
    Case(.overlay, [.str("xxxxxtest"), .str("xxxx"), .int(6), .int(2)], .string, s("xxxxxxxxxst")),
    Case(.startsWith, [.str("abc"), .str("ab")], .boolean, yes),
    Case(.endsWith, [.str("abc"), .str("ab")], .boolean, no),
    Case(.toBase64, [.str("hello")], .string, s("aGVsbG8=")),
    Case(.fromBase64, [.str("aGVsbG8=")], .string, s("hello")),
    Case(.hex, [.str("hello")], .string, s("68656C6C6F")),
    Case(.hex, [.big(255)], .string, s("FF")),
    Case(.unhex, [.str("68656C")], .bytes, .bytes([0x68, 0x65, 0x6C])),
    Case(.md5, [.str("abc")], .string, s("900150983cd24fb0d6963f7d28e17f72")),
    Case(.sha1, [.str("abc")], .string, s("a9993e364706816aba3e25717850c26c9cd0d89d")),
    Case(.sha224, [.str("abc")], .string, s("23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7")),
    Case(.sha256, [.str("abc")], .string, s("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
    Case(
        .sha384, [.str("abc")], .string,
        s("cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7")),
    Case(
        .sha512, [.str("abc")], .string,
        s(
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        )),
    Case(.parseURL, [.str("http://u@h.com:80/p/a?k=v&x=1#r"), .str("HOST")], .string, s("h.com")),
    Case(.parseURL, [.str("http://h.com/p?k=v&x=1"), .str("QUERY"), .str("x")], .string, s("1")),
]

private let json: [Case] = [
    Case(.jsonValue, [.str(#"{"a": {"b": [1, "x\u00e9"]}}"#), .str("$.a.b[1]")], .string, s("xé")),
    Case(.jsonValue, [.str(#"{"a": 1.50}"#), .str("lax $.a")], .string, s("1.50")),
    Case(.jsonValue, [.str(#"{"a": null}"#), .str("$.a")], .string, .null),
    Case(.jsonValue, [.str("no json"), .str("$.a")], .string, .null),
    Case(.jsonQuery, [.str(#"{"a": [1,2]}"#), .str("$['a']")], .string, s("[1,2]")),
    Case(.jsonQuery, [.str(#"{"a": 1}"#), .str("$.a")], .string, .null),
    Case(.jsonExists, [.str(#"{"a": 1}"#), .str("$.a")], .boolean, yes),
    Case(.jsonExists, [.str(#"{"a": 1}"#), .str("$.b")], .boolean, no),
    Case(.isJSON, [.str(#" {"a": [true, null, -1e3]} "#)], .boolean, yes),
    Case(.isJSON, [.str(#"{"a": }"#)], .boolean, no),
]

private let fingerprints: [(String, Int64)] = [
    ("1footrue", -1_541_654_101_129_638_711), ("2applefalse", 2_794_438_866_806_483_259),
    ("3true", -4_880_158_226_897_771_312), ("", -7_286_425_919_675_154_353), ("a", -5_528_939_962_900_187_677),
    ("Hello, World!", -7_088_417_547_276_900_286), (String(repeating: "a", count: 16), 3_481_940_567_716_887_985),
    (String(repeating: "a", count: 17), -854_933_946_488_279_485),
    (String(repeating: "a", count: 32), -1_553_158_580_277_161_704),
    (String(repeating: "a", count: 33), -1_135_628_072_015_325_867),
    (String(repeating: "a", count: 64), 5_893_282_057_753_879_417),
    (String(repeating: "a", count: 65), 7_778_058_094_944_459_892),
    (String(repeating: "a", count: 1024), 1_936_020_605_621_096_654),
]

private func t(_ text: String) -> Value { .integer(micros(text)) }
private let month = DataType.intervalYearMonth
private let time: [Case] = [
    Case(.extract, [.str("DOW"), .ts("2024-01-07 10:00:00")], .bigInt, .integer(1)),
    Case(.extract, [.str("ISODOW"), .ts("2024-01-08 10:00:00")], .bigInt, .integer(1)),
    Case(.extract, [.str("WEEK"), .ts("2021-01-03 00:00:00")], .bigInt, .integer(53)),
    Case(.extract, [.str("ISOYEAR"), .ts("2021-01-03 00:00:00")], .bigInt, .integer(2020)),
    Case(.extract, [.str("SECOND"), .ts("2024-01-01 00:00:59.5")], .bigInt, .integer(59)),
    Case(.extract, [.str("MILLISECOND"), .ts("2024-01-01 00:00:59.5")], .bigInt, .integer(500)),
    Case(.extract, [.str("QUARTER"), .date("2024-11-05")], .bigInt, .integer(4)),
    Case(.extract, [.str("DOY"), .date("2024-12-31")], .bigInt, .integer(366)),
    Case(.extract, [.str("EPOCH"), .ts("1970-01-02 00:00:01")], .bigInt, .integer(86_401)),
    Case(.floorTime, [.str("WEEK"), .ts("2024-01-10 12:00:00")], ts3, t("2024-01-07 00:00:00")),
    Case(.floorTime, [.str("MONTH"), .ts("2024-02-10 12:00:00")], ts3, t("2024-02-01 00:00:00")),
    Case(.floorTime, [.str("QUARTER"), .ts("2024-06-10 12:00:00")], ts3, t("2024-04-01 00:00:00")),
    Case(.floorTime, [.str("HOUR"), .ts("1969-12-31 23:59:59")], ts3, t("1969-12-31 23:00:00")),
    Case(.ceilTime, [.str("MONTH"), .ts("2024-02-01 00:00:00")], ts3, t("2024-02-01 00:00:00")),
    Case(.ceilTime, [.str("YEAR"), .ts("2024-02-01 00:00:00")], ts3, t("2025-01-01 00:00:00")),
    Case(
        .addInterval, [.ts("2024-01-31 10:00:00"), Cell(value: .integer(1), type: month)], ts3, t("2024-02-29 10:00:00")
    ),
    Case(
        .subtractInterval, [.date("2024-03-31"), Cell(value: .integer(1), type: month)], .date,
        Cell.date("2024-02-29").value),
    Case(
        .addInterval, [.date("2024-01-01"), Cell(value: .integer(86_400_000_000), type: .intervalDayTime)], .date,
        Cell.date("2024-01-02").value),
    Case(.timestampAdd, [.str("MONTH"), .int(1), .ts("2024-01-31 00:00:00")], ts3, t("2024-02-29 00:00:00")),
    Case(.timestampAdd, [.str("SECOND"), .int(-1), .ts("2024-01-01 00:00:00")], ts3, t("2023-12-31 23:59:59")),
    Case(
        .timestampDiff, [.str("MONTH"), .ts("2024-01-31 00:00:00"), .ts("2024-02-29 00:00:00")], .integer, .integer(1)),
    Case(
        .timestampDiff, [.str("DAY"), .ts("2024-01-02 12:00:00"), .ts("2024-01-01 00:00:00")], .integer, .integer(-1)),
    Case(
        .timestampDiff, [.str("YEAR"), .ts("2020-02-29 00:00:00"), .ts("2024-02-29 00:00:00")], .integer, .integer(4)),
    Case(
        .dateFormat, [.ts("2024-03-05 14:07:09.120"), .str("yyyy/MM/dd HH:mm:ss.SSS")], .string,
        s("2024/03/05 14:07:09.120")),
    Case(
        .dateFormat, [.ts("2024-03-05 14:07:09"), .str("EEE d MMM yy, h:mm a 'o''clock'")], .string,
        s("Tue 5 Mar 24, 2:07 PM o'clock")),
    Case(.toTimestamp, [.str("2024-02-30 00:00:00")], ts3, t("2024-02-29 00:00:00")),
    Case(.toTimestamp, [.str("nonsense")], ts3, .null),
    Case(.toTimestamp, [.str("05.03.2024 7:08"), .str("dd.MM.yyyy H:mm")], ts3, t("2024-03-05 07:08:00")),
    Case(.toTimestamp, [.str("20240305"), .str("yyyyMMdd")], ts3, t("2024-03-05 00:00:00")),
    Case(.toDate, [.str("2024-01-02")], .date, Cell.date("2024-01-02").value),
    Case(.toDate, [.str("x")], .date, .null),
    Case(.toTimestampLTZ, [.big(1000), .int(3)], .timestampLTZ(precision: 3), .integer(1_000_000)),
    Case(.toTimestampLTZ, [.big(1), .int(0)], .timestampLTZ(precision: 3), .integer(1_000_000)),
    Case(.fromUnixTime, [.big(86_400)], .string, s("1970-01-02 00:00:00")),
    Case(.unixTimestamp, [.str("1970-01-02 00:00:00")], .bigInt, .integer(86_400)),
    Case(.unixTimestamp, [], .bigInt, .integer(1_704_067_200)),
    Case(.currentTimestamp, [], .timestampLTZ(precision: 3), .integer(1_704_067_200_123_000)),
    Case(.currentDate, [], .date, .integer(19_723)),
    Case(.currentWatermark, [.ts("2024-01-01 00:00:00")], ts3, .integer(0)),
]

@Suite struct ExpressionsFunctionTests {
    @Test(arguments: numbers + strings) func values(_ test: Case) throws {
        let all = Set(test.arguments.indices)
        // SIMILAR TO wants its pattern as a literal; everything else must not care.
        if test.function != .similar {
            #expect(try evaluate(test.function, test.arguments, test.type, literals: []) == test.expected)
        }
        #expect(try evaluate(test.function, test.arguments, test.type, literals: all.subtracting([0])) == test.expected)
        #expect(try evaluate(test.function, test.arguments, test.type, literals: all) == test.expected)
    }

    @Test(arguments: time) func times(_ test: Case) throws {
        #expect(try evaluate(test.function, test.arguments, test.type, literals: [0]) == test.expected)
        #expect(
            try evaluate(test.function, test.arguments, test.type, literals: Set(test.arguments.indices))
                == test.expected)
    }

    @Test(arguments: json) func jsonPaths(_ test: Case) throws {
        let rest = Set(test.arguments.indices.dropFirst())
        #expect(try evaluate(test.function, test.arguments, test.type, literals: rest) == test.expected)
    }

    @Test(arguments: fingerprints) func farmFingerprint(text: String, hash: Int64) throws {
        #expect(try evaluate(.farmFingerprint, [.str(text)], .bigInt, literals: []) == .integer(hash))
    }

    @Test(arguments: numbers + strings) func strictFunctionsPassErrorsOn(_ test: Case) throws {
        let lazy: Set<BuiltinFunction> = [.and, .or, .coalesce, .inList]
        guard !lazy.contains(test.function), let first = test.arguments.first else { return }
        var arguments = test.arguments
        arguments[0] = .error(.limitExceeded, first.type)
        let value = try evaluate(test.function, arguments, test.type, literals: Set(arguments.indices.dropFirst()))
        #expect(value == .error(.limitExceeded))
    }
}
