import MillraceCore
import Testing

private func arena() -> BatchArena { BatchArena() }
/// The bytes leak, so that they outlive the arena.
private func ref(_ text: String, _ arena: BatchArena) -> ByteRef {
    _ = Unmanaged.passRetained(arena)
    return arena.copy(text)
}
private func written(_ body: (ByteBuffer) -> Void) -> String {
    let buffer = ByteBuffer()
    body(buffer)
    return buffer.text
}

@Suite struct TextTests {
    @Test(arguments: [
        (1.0, "1.0"), (2.5, "2.5"), (3.0, "3.0"), (1e20, "1.0E20"), (1e-5, "1.0E-5"),
        (123456789.125, "1.23456789125E8"),
        (-0.0, "-0.0"), (0.0, "0.0"), (1e7, "1.0E7"), (9_999_999, "9999999.0"), (0.001, "0.001"), (0.00099, "9.9E-4"),
        (0.1 + 0.2, "0.30000000000000004"), (-1234.5678, "-1234.5678"), (.infinity, "Infinity"),
        (-.infinity, "-Infinity"),
        (.nan, "NaN"), (.leastNonzeroMagnitude, "5.0E-324"), (1.7976931348623157e308, "1.7976931348623157E308"),
        (100.0, "100.0"),
        (0.123456789, "0.123456789"), (1e6, "1000000.0"), (1.0E21, "1.0E21"), (1.0 / 3, "0.3333333333333333"),
    ])
    func doublesPrintAsInJava(value: Double, text: String) {
        #expect(written { NumberText.appendDouble(value, to: $0) } == text)
    }

    @Test func doublesComeBack() {
        var random = SystemRandomNumberGenerator()
        let arena = arena()
        for _ in 0..<20_000 {
            let bits = random.next()
            var value = Double(bitPattern: bits)
            if bits & 1 == 0 { value = Double(Int64(bitPattern: bits) % 10_000_000) / 1000 }
            guard !value.isNaN else { continue }
            let text = written { NumberText.appendDouble(value, to: $0) }
            let back = NumberText.parseDouble(ref(text, arena))
            #expect(back?.bitPattern == value.bitPattern, "\(bits) \(text)")
        }
    }

    @Test(
        arguments: [
            ("12", 12.0), ("+1.5e3", 1500), ("-.5", -0.5), ("5.", 5), ("1e400", .infinity),
            ("9007199254740993", 9007199254740992),
            ("", nil), ("1e", nil), ("0x10", nil), ("abc", nil), (" 1", nil), ("Infinity", .infinity), (".", nil),
            ("123456789012345678901234567890", 1.2345678901234568e29), ("0.000000000000000000000000000001", 1e-30),
        ] as [(String, Double?)])
    func doublesParse(text: String, value: Double?) {
        #expect(NumberText.parseDouble(ref(text, arena())) == value)
    }

    /// Numbers as model files have them: 17 and 18 digits, and those that lie halfway between two DOUBLEs or next to it.
    @Test func longDecimalsAreRoundedOnce() {
        var random = SystemRandomNumberGenerator()
        let arena = arena()
        func check(_ text: String) {
            let value = NumberText.parseDouble(ref(text, arena))
            #expect(value?.bitPattern == Double(text)?.bitPattern, "\(text)")
        }
        for _ in 0..<20_000 {
            let digits = UInt64.random(in: 0..<1_000_000_000_000_000_000, using: &random)
            check("\(digits)e\(Int.random(in: -30...30, using: &random))")
            check("-0.\(digits)")
        }
        // An odd multiple of half a unit of the last place of a DOUBLE above 2^53: 2^53 + 1, 2^54 + 2, …
        for shift in UInt64(0)...6 {
            let low = UInt64(1) << (53 + shift)
            for _ in 0..<1000 {
                let half = low + (UInt64.random(in: 0..<(1 << 20), using: &random) * 2 + 1) << shift
                for neighbour in [half - 1, half, half + 1] {
                    check("\(neighbour)")
                    check("\(neighbour)e0")
                }
            }
        }
        check("9007199254740993.0")
        check("9007199254740992.9")
        check("9007199254740993.1")
    }

    @Test(
        arguments: [
            ("0", 0), ("-5", -5), ("+7", 7), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil), ("", nil), ("-", nil), ("1.0", nil), ("1a", nil),
            ("00000000000000000000012", 12),
        ] as [(String, Int64?)])
    func integersParse(text: String, value: Int64?) {
        #expect(NumberText.parseInteger(ref(text, arena())) == value)
        if let value, text.first != "+", text.first != "0" || text.count == 1 {
            #expect(written { NumberText.appendInteger(value, to: $0) } == text)
        }
    }

    @Test(
        arguments: [
            ("12.345", 10, 2, 1235), ("-12.345", 10, 2, -1235), ("1e3", 10, 0, 1000), ("5.555", 10, 2, 556),
            ("1E-3", 10, 2, 0),
            ("5E-3", 10, 2, 1), ("99999.95", 6, 1, nil), ("abc", 5, 1, nil), ("", 5, 1, nil), ("12345", 4, 0, nil),
            ("0.00000000000000000000000000000000000000001", 38, 38, 0), ("1.", 5, 2, 100), (".5", 5, 0, 1),
            ("0e999", 5, 0, 0),
        ] as [(String, Int, Int, Int128?)])
    func decimalsParse(text: String, precision: Int, scale: Int, value: Int128?) {
        #expect(DecimalText.parse(ref(text, arena()), precision: precision, scale: scale) == value)
    }

    @Test(
        arguments: [
            (1000, 3, "1.000"), (-5, 2, "-0.05"), (0, 2, "0.00"), (123, 0, "123"), (-1, 0, "-1"),
            (99_999_999_999_999_999_999_999_999_999_999_999_999, 10, "9999999999999999999999999999.9999999999"),
            (1, 38, "0.00000000000000000000000000000000000001"),
            (1_000_000_000_000_000_000_000, 2, "10000000000000000000.00"),
        ] as [(Int128, Int, String)])
    func decimalsPrint(value: Int128, scale: Int, text: String) {
        #expect(written { DecimalText.append(value, scale: scale, to: $0) } == text)
    }

    @Test func calendarCountsEveryDay() {
        var expected: (year: Int64, month: Int64, day: Int64) = (1599, 12, 31)
        for days in CivilTime.days(year: 1599, month: 12, day: 31)...CivilTime.days(year: 2401, month: 1, day: 1) {
            let date = CivilTime.date(fromDays: days)
            #expect(date == expected)
            #expect(CivilTime.days(year: date.year, month: date.month, day: date.day) == days)
            expected.day += 1
            if expected.day > CivilTime.daysInMonth(year: expected.year, month: expected.month) {
                expected.day = 1
                expected.month += 1
            }
            if expected.month > 12 { expected = (expected.year + 1, 1, 1) }
            if date != (expected.year, expected.month, expected.day), date.year > 2401 { break }
        }
        #expect(CivilTime.days(year: 1970, month: 1, day: 1) == 0)
        #expect(CivilTime.weekday(days: 0) == 4)
        #expect(CivilTime.weekday(days: -4) == 0)
    }

    @Test(
        arguments: [
            ("1970-01-01 00:00:01", 1_000_000), ("2024-01-01 00:00:00.5", 1_704_067_200_500_000),
            ("1969-12-31 23:59:59.999999", -1), ("2024-02-30 00:00:00", nil), ("2024-01-01", nil),
            ("2024-01-01T00:00:00", nil),
            ("2024-01-01 00:00", nil), ("2024-01-01 00:00:00Z", nil), ("2024-01-01 24:00:00", nil),
            ("2024-01-01 00:00:00.", nil),
            ("2024-01-01 00:00:00.1234567", 1_704_067_200_123_456), ("2024-1-1 00:00:00", nil), ("", nil),
        ] as [(String, Int64?)])
    func timestampsParseStrictly(text: String, value: Int64?) {
        #expect(TimeText.parseTimestamp(ref(text, arena()), separator: .blank, zone: .none) == value)
    }

    @Test func zonesAndSeparators() {
        let arena = arena()
        #expect(TimeText.parseTimestamp(ref("1970-01-01T01:00:00Z", arena), separator: .t, zone: .z) == 3_600_000_000)
        #expect(TimeText.parseTimestamp(ref("1970-01-01T01:00:00", arena), separator: .t, zone: .z) == nil)
        #expect(
            TimeText.parseTimestamp(ref("1970-01-01 09:00:00+09:00", arena), separator: .either, zone: .offset) == 0)
        #expect(
            TimeText.parseTimestamp(
                ref("1970-01-01 00:01", arena), separator: .blank, zone: .none, requiresSeconds: false) == 60_000_000)
    }

    @Test func timestampsPrint() {
        func text(_ value: Int64, _ fraction: TimeText.Fraction) -> String {
            written { TimeText.appendTimestamp(value, separator: 0x20, fraction: fraction, to: $0) }
        }
        #expect(text(1_704_067_200_500_000, .exactly(3)) == "2024-01-01 00:00:00.500")
        #expect(text(1_704_067_200_500_000, .trimmed) == "2024-01-01 00:00:00.5")
        #expect(text(1_704_067_200_000_000, .trimmed) == "2024-01-01 00:00:00")
        #expect(text(-1, .exactly(6)) == "1969-12-31 23:59:59.999999")
        #expect(written { TimeText.appendDate(CivilTime.days(year: 12, month: 1, day: 1), to: $0) } == "0012-01-01")
        #expect(
            written { TimeText.appendTimestamp(0, separator: 0x54, fraction: .exactly(0), suffix: "Z", to: $0) }
                == "1970-01-01T00:00:00Z")
    }

    /// Against the definition on rational numbers, by long division digit by digit.
    @Test func decimalsAgainstASlowModel() {
        var generator = Steps(seed: 7)
        for round in 0..<3000 {
            let (p1, p2) = (Int(generator.next() % 38) + 1, Int(generator.next() % 38) + 1)
            let (s1, s2) = (Int(generator.next() % UInt64(p1 + 1)), Int(generator.next() % UInt64(p2 + 1)))
            let a = generator.decimal(p1)
            let b = generator.decimal(p2)
            let scale = Int(generator.next() % 20)
            if b != 0 {
                let expected = SlowDecimal.quotient(a, s1, b, s2, scale)
                let actual = DecimalMath.divide(a, scale: s1, b, scale: s2, precision: 38, scale: scale)
                #expect(actual == expected, "round \(round): \(a)/\(s1) by \(b)/\(s2) at \(scale)")
            }
            let expected = SlowDecimal.product(a, s1, b, s2, scale)
            let actual = DecimalMath.multiply(a, scale: s1, b, scale: s2, precision: 38, scale: scale)
            #expect(actual == expected, "round \(round): \(a)/\(s1) times \(b)/\(s2) at \(scale)")
        }
    }

    @Test func decimalSumsAndOrder() {
        #expect(DecimalMath.add(1005, scale: 2, 5, scale: 1, precision: 10, scale: 2) == 1055)
        #expect(DecimalMath.subtract(1, scale: 0, 1, scale: 2, precision: 10, scale: 2) == 99)
        #expect(DecimalMath.add(99, scale: 0, 1, scale: 0, precision: 2, scale: 0) == nil)
        #expect(DecimalMath.remainder(-725, scale: 2, 3, scale: 0, precision: 5, scale: 2) == -125)
        #expect(DecimalMath.compare(70, scale: 1, 7, scale: 0) == 0)
        #expect(DecimalMath.compare(-71, scale: 1, -7, scale: 0) < 0)
        let large = DecimalMath.power10(38) - 1
        #expect(DecimalMath.add(large, scale: 38, large, scale: 0, precision: 38, scale: 0) == nil)
        #expect(DecimalMath.add(large, scale: 10, -large, scale: 10, precision: 38, scale: 10) == 0)
        #expect(DecimalMath.compare(large, scale: 0, large, scale: 38) > 0)
        #expect(DecimalMath.rescale(-12_35, from: 2, to: 1) == -124)
    }
}

private struct Steps {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 17
    }
    mutating func decimal(_ digits: Int) -> Int128 {
        var value: Int128 = 0
        for _ in 0..<digits { value = value * 10 + Int128(next() % 10) }
        return next() % 2 == 0 ? value : -value
    }
}

/// Whole numbers as digit arrays, most significant first: slow and obvious.
private enum SlowDecimal {
    static func digits(_ value: Int128) -> [Int] { "\(value.magnitude)".map { Int(String($0))! } }

    /// digits / divisor, half-up, with the given sign; nil beyond 38 digits.
    static func rounded(_ numerator: [Int], _ divisor: [Int], negative: Bool) -> Int128? {
        var rest: [Int] = []
        var quotient: [Int] = []
        func atLeast(_ a: [Int], _ b: [Int]) -> Bool {
            let x = Array(a.drop { $0 == 0 })
            let y = Array(b.drop { $0 == 0 })
            return x.count != y.count ? x.count > y.count : !x.lexicographicallyPrecedes(y)
        }
        func minus(_ a: [Int], _ b: [Int]) -> [Int] {
            var result = a
            let shift = a.count - b.count
            var borrow = 0
            for i in stride(from: a.count - 1, through: 0, by: -1) {
                let j = i - shift
                var digit = a[i] - borrow - (j >= 0 && j < b.count ? b[j] : 0)
                borrow = digit < 0 ? 1 : 0
                if digit < 0 { digit += 10 }
                result[i] = digit
            }
            return result
        }
        let small = Array(divisor.drop { $0 == 0 })
        for digit in numerator {
            rest.append(digit)
            rest = Array(rest.drop { $0 == 0 })
            var count = 0
            while atLeast(rest, small) {
                rest = minus(rest, small)
                count += 1
            }
            quotient.append(count)
        }
        rest = [0] + rest
        var carry = 0
        var twice = rest
        for i in stride(from: rest.count - 1, through: 0, by: -1) {
            let digit = rest[i] * 2 + carry
            twice[i] = digit % 10
            carry = digit / 10
        }
        let kept = quotient.drop { $0 == 0 }
        guard kept.count <= 38 else { return nil }
        var value: Int128 = 0
        for digit in kept { value = value * 10 + Int128(digit) }
        if atLeast(twice, small) { value += 1 }
        guard "\(value)".count <= 38 else { return nil }
        return negative ? -value : value
    }

    static func quotient(_ a: Int128, _ s1: Int, _ b: Int128, _ s2: Int, _ scale: Int) -> Int128? {
        let shift = scale - s1 + s2
        let zeros = Array(repeating: 0, count: abs(shift))
        return rounded(
            digits(a) + (shift > 0 ? zeros : []), digits(b) + (shift < 0 ? zeros : []), negative: (a < 0) != (b < 0))
    }

    static func product(_ a: Int128, _ s1: Int, _ b: Int128, _ s2: Int, _ scale: Int) -> Int128? {
        let (x, y) = (digits(a), digits(b))
        var result = Array(repeating: 0, count: x.count + y.count)
        for i in x.indices.reversed() {
            for j in y.indices.reversed() {
                result[i + j + 1] += x[i] * y[j]
                result[i + j] += result[i + j + 1] / 10
                result[i + j + 1] %= 10
            }
        }
        let shift = scale - s1 - s2
        let zeros = Array(repeating: 0, count: abs(shift))
        return rounded(
            result + (shift > 0 ? zeros : []), [1] + (shift < 0 ? zeros : []), negative: (a < 0) != (b < 0))
    }
}
