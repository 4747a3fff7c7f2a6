import Glibc

/// Integers and floating-point numbers as text.
public enum NumberText {
    // MARK: Reading

    /// An optional sign and digits, the whole text; nil for anything else and on overflow.
    public static func parseInteger(_ text: ByteRef) -> Int64? {
        var at = 0
        let end = text.count
        let start = text.start
        guard end > 0 else { return nil }
        let isNegative = start[0] == 0x2D
        if isNegative || start[0] == 0x2B { at = 1 }
        guard at < end else { return nil }
        var value: Int64 = 0
        if end - at <= 18 {
            while at < end {
                let digit = start[at] &- 0x30
                guard digit < 10 else { return nil }
                value = value &* 10 &+ Int64(digit)
                at += 1
            }
            return isNegative ? -value : value
        }
        // Downward, because the least value has no positive counterpart.
        while at < end {
            let digit = start[at] &- 0x30
            guard digit < 10 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow2) = product.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !overflow2 else { return nil }
            value = sum
            at += 1
        }
        return isNegative ? value : (value == .min ? nil : -value)
    }

    /// A decimal number with optional sign, fraction and exponent, or `NaN`, `Infinity`, `-Infinity`; the whole text.
    ///
    /// Rounded to the nearest DOUBLE; out of range gives an infinity or zero. Nil for anything else.
    public static func parseDouble(_ text: ByteRef) -> Double? {
        let start = text.start
        let end = text.count
        guard end > 0 else { return nil }
        var at = 0
        let isNegative = start[0] == 0x2D
        if isNegative || start[0] == 0x2B { at = 1 }
        var mantissa: UInt64 = 0
        var kept = 0
        var exponent = 0
        var digits = 0
        while at < end, start[at] &- 0x30 < 10 {
            if kept < 18 {
                mantissa = mantissa &* 10 &+ UInt64(start[at] &- 0x30)
                if mantissa != 0 { kept += 1 }
            } else {
                kept = 99
            }
            digits += 1
            at += 1
        }
        if at < end, start[at] == 0x2E {
            at += 1
            while at < end, start[at] &- 0x30 < 10 {
                if kept < 18 {
                    mantissa = mantissa &* 10 &+ UInt64(start[at] &- 0x30)
                    if mantissa != 0 { kept += 1 }
                    exponent -= 1
                } else {
                    kept = 99
                }
                digits += 1
                at += 1
            }
        }
        guard digits > 0 else { return special(text) }
        if at < end, start[at] | 0x20 == 0x65 {
            at += 1
            var isDown = false
            if at < end, start[at] == 0x2B || start[at] == 0x2D {
                isDown = start[at] == 0x2D
                at += 1
            }
            let first = at
            var value = 0
            while at < end, start[at] &- 0x30 < 10 {
                if value < 100_000 { value = value * 10 + Int(start[at] &- 0x30) }
                at += 1
            }
            guard at > first else { return nil }
            exponent += isDown ? -value : value
        }
        guard at == end else { return nil }
        // Mantissa and power are exact, so one correctly rounded operation gives the nearest value (Clinger 1990).
        if kept <= 18, mantissa < 1 << 53, exponent >= -22, exponent <= 22 {
            let magnitude = exponent < 0 ? Double(mantissa) / powers[-exponent] : Double(mantissa) * powers[exponent]
            return isNegative ? -magnitude : magnitude
        }
        #if arch(x86_64)
            if kept <= 18, exponent >= -27, exponent <= 27, let magnitude = roundedTwice(mantissa, exponent) {
                return isNegative ? -magnitude : magnitude
            }
        #endif
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: end + 1) { copy in
            for i in 0..<end { copy[i] = CChar(bitPattern: start[i]) }
            copy[end] = 0
            return strtod(copy.baseAddress!, nil)
        }
    }

    #if arch(x86_64)
        /// `mantissa` times 10 to the `exponent` (-27 to 27) for numbers of up to 18 digits; nil in one case of 2048.
        ///
        /// 64 bits of significand hold the mantissa and the power exactly, so the first rounding is to 64 bits and the second
        /// to 53. Both together are one rounding, unless the first ends halfway between two DOUBLEs, where it may hide on
        /// which side the number lies. An eighth of what strtod takes: numbers of model files have 17 digits.
        private static func roundedTwice(_ mantissa: UInt64, _ exponent: Int) -> Double? {
            let wide =
                exponent < 0
                ? Float80(mantissa) / extendedPowers[-exponent] : Float80(mantissa) * extendedPowers[exponent]
            return wide.significandBitPattern & 0x7FF == 0x400 ? nil : Double(wide)
        }

        private static let extendedPowers: [Float80] = {
            var powers: [Float80] = [1]
            for _ in 0..<27 { powers.append(powers.last! * 10) }
            return powers
        }()
    #endif

    private static let powers: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    private static func special(_ text: ByteRef) -> Double? {
        func equals(_ other: StaticString) -> Bool {
            text.equals(ByteRef(start: other.utf8Start, count: other.utf8CodeUnitCount))
        }
        if equals("NaN") { return .nan }
        if equals("Infinity") || equals("+Infinity") { return .infinity }
        return equals("-Infinity") ? -.infinity : nil
    }

    // MARK: Writing

    public static func appendInteger(_ value: Int64, to buffer: ByteBuffer) {
        let out = buffer.reserve(20)
        var magnitude = value.magnitude
        var length = value < 0 ? 1 : 0
        if value < 0 { out[0] = 0x2D }
        length += digitCount(magnitude)
        var at = length
        repeat {
            at -= 1
            out[at] = 0x30 &+ UInt8(truncatingIfNeeded: magnitude % 10)
            magnitude /= 10
        } while magnitude != 0
        buffer.commit(length)
    }

    @inline(__always)
    private static func digitCount(_ value: UInt64) -> Int {
        var count = 1
        var bound: UInt64 = 10
        while value >= bound {
            count += 1
            if count == 20 { break }
            bound *= 10
        }
        return count
    }

    /// As Java's `Double.toString` with the fewest digits: `2.5`, `3.0`, `1.0E20`, `1.0E-5`, `-0.0`, `NaN`, `Infinity`.
    public static func appendDouble(_ value: Double, to buffer: ByteBuffer) {
        let magnitude = value.magnitude
        if magnitude >= 1e-3, magnitude < 1e7 {
            // Few decimals: the least k for which m / 10^k gives the value back is the shortest form (m < 2^53).
            var power = 10.0
            var decimals = 1
            while decimals <= 6 {
                let scaled = (magnitude * power).rounded()
                if scaled / power == magnitude {
                    if value < 0 { buffer.append(0x2D) }
                    let all = UInt64(scaled)
                    let unit = UInt64(power)
                    appendInteger(Int64(all / unit), to: buffer)
                    buffer.append(0x2E)
                    var rest = all % unit
                    let out = buffer.reserve(decimals)
                    for i in stride(from: decimals - 1, through: 0, by: -1) {
                        out[i] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                        rest /= 10
                    }
                    return buffer.commit(decimals)
                }
                power *= 10
                decimals += 1
            }
        }
        if magnitude >= 0x1p53, magnitude < 0x1p63 { return appendWhole(value, significantBits: 53, to: buffer) }
        relay(value.description, to: buffer)
    }

    /// As Java's `Float.toString` of `Float(value)`.
    public static func appendFloat(_ value: Double, to buffer: ByteBuffer) {
        if value.magnitude >= 0x1p24, value.magnitude < 0x1p63 {
            return appendWhole(Double(Float(value)), significantBits: 24, to: buffer)
        }
        relay(Float(value).description, to: buffer)
    }

    /// A whole number beyond its mantissa, as Java before version 19 writes it: all digits but those below half a unit in the
    /// last place, which is not always the shortest form.
    private static func appendWhole(_ value: Double, significantBits: Int, to buffer: ByteBuffer) {
        let excess = Int(value.exponent) - significantBits - 1
        var power: UInt64 = 1
        // As many digits as 2^excess has behind its first.
        if excess > 1 { while power * 10 <= UInt64(1) << UInt64(excess) { power *= 10 } }
        let whole = UInt64(value.magnitude)
        let kept = whole % power >= power / 2 && power > 1 ? whole / power + 1 : whole / power
        relay(
            (value < 0 ? "-" : "") + String(kept) + String(repeating: "0", count: String(power).count - 1), to: buffer)
    }

    /// Lays Swift's digits (`1e+20`, `123456789.125`, `inf`) out the way Java does.
    private static func relay(_ text: String, to buffer: ByteBuffer) {
        var text = text
        text.withUTF8 { source in
            var at = 0
            var digits: InlineArray<32, UInt8> = .init(repeating: 0)
            var count = 0
            if source[0] == 0x2D {
                buffer.append(0x2D)
                at = 1
            }
            if source[at] == 0x69 { return buffer.append("Infinity") }
            if source[at] == 0x6E { return buffer.append("NaN") }
            var point = -1
            var exponent = 0
            while at < source.count {
                let byte = source[at]
                at += 1
                if byte == 0x2E {
                    point = count
                } else if byte == 0x65 {
                    let isDown = source[at] == 0x2D
                    if source[at] == 0x2B || isDown { at += 1 }
                    while at < source.count {
                        exponent = exponent * 10 + Int(source[at] - 0x30)
                        at += 1
                    }
                    if isDown { exponent = -exponent }
                } else if count < 32 {
                    digits[count] = byte
                    count += 1
                }
            }
            if point < 0 { point = count }
            var first = 0
            while first < count, digits[first] == 0x30 { first += 1 }
            guard first < count else { return buffer.append("0.0") }
            while digits[count - 1] == 0x30 { count -= 1 }
            // The value is 0.d₁d₂… × 10^scale with d₁ not zero.
            let scale = point - first + exponent
            let length = count - first
            func put(_ range: Range<Int>) { for i in range { buffer.append(digits[first + i]) } }
            if scale > -3 && scale <= 7 {
                if scale <= 0 {
                    buffer.append("0.")
                    for _ in 0..<(-scale) { buffer.append(0x30) }
                    put(0..<length)
                } else {
                    put(0..<min(scale, length))
                    for _ in 0..<max(0, scale - length) { buffer.append(0x30) }
                    buffer.append(0x2E)
                    if length > scale { put(scale..<length) } else { buffer.append(0x30) }
                }
            } else {
                put(0..<1)
                buffer.append(0x2E)
                if length > 1 { put(1..<length) } else { buffer.append(0x30) }
                buffer.append(0x45)
                appendInteger(Int64(scale - 1), to: buffer)
            }
        }
    }
}
