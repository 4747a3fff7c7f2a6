/// DECIMAL as text.
public enum DecimalText {
    /// A decimal number with optional sign, fraction and exponent, the whole text, as an unscaled value of `scale`.
    ///
    /// Rounded half-up (away from zero). Nil when the text is no number or the value needs more than `precision` digits.
    public static func parse(_ text: ByteRef, precision: Int, scale: Int) -> Int128? {
        let start = text.start
        let end = text.count
        guard end > 0 else { return nil }
        var at = 0
        let isNegative = start[0] == 0x2D
        if isNegative || start[0] == 0x2B { at = 1 }
        let first = at
        var digits = 0
        var whole = 0
        var hasPoint = false
        while at < end {
            let byte = start[at]
            if byte &- 0x30 < 10 {
                digits += 1
                if !hasPoint { whole += 1 }
            } else if byte == 0x2E, !hasPoint {
                hasPoint = true
            } else {
                break
            }
            at += 1
        }
        guard digits > 0 else { return nil }
        let last = at
        var exponent = 0
        if at < end, start[at] | 0x20 == 0x65 {
            at += 1
            var isDown = false
            if at < end, start[at] == 0x2B || start[at] == 0x2D {
                isDown = start[at] == 0x2D
                at += 1
            }
            let begin = at
            while at < end, start[at] &- 0x30 < 10 {
                if exponent < 100_000 { exponent = exponent * 10 + Int(start[at] &- 0x30) }
                at += 1
            }
            guard at > begin else { return nil }
            if isDown { exponent = -exponent }
        }
        guard at == end else { return nil }

        // Digits that stand before the last kept place; the next one decides the rounding.
        var keep = whole + exponent + scale
        var value: Int128 = 0
        var roundsUp = false
        for i in first..<last where start[i] != 0x2E {
            let digit = start[i] &- 0x30
            if keep > 0 {
                if value >= DecimalMath.power10(37) { return nil }
                value = value * 10 + Int128(digit)
            } else {
                roundsUp = keep == 0 && digit >= 5
                break
            }
            keep -= 1
        }
        if keep > 0, value != 0 {
            guard keep <= 38, let scaled = DecimalMath.rescale(value, from: 0, to: keep) else { return nil }
            value = scaled
        }
        if roundsUp { value += 1 }
        guard DecimalMath.fits(value, precision: precision) else { return nil }
        return isNegative ? -value : value
    }

    /// The value with exactly `scale` fraction digits; no point when the scale is 0.
    public static func append(_ unscaled: Int128, scale: Int, to buffer: ByteBuffer) {
        if unscaled < 0 { buffer.append(0x2D) }
        let magnitude = unscaled.magnitude
        if scale == 0, magnitude <= UInt128(Int64.max) {
            return NumberText.appendInteger(Int64(truncatingIfNeeded: magnitude), to: buffer)
        }
        var digits: InlineArray<40, UInt8> = .init(repeating: 0x30)
        var at = 40
        func put(_ value: UInt64, _ width: Int) {
            var value = value
            var left = width
            while value != 0 || left > 0 {
                at -= 1
                digits[at] = 0x30 &+ UInt8(truncatingIfNeeded: value % 10)
                value /= 10
                left -= 1
            }
        }
        var rest = magnitude
        let chunk: UInt128 = 1_000_000_000_000_000_000
        while rest >= chunk {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: chunk)
            put(UInt64(truncatingIfNeeded: remainder), 18)
            rest = quotient
        }
        put(UInt64(truncatingIfNeeded: rest), 0)
        at = min(at, 40 - scale - 1)
        let out = buffer.reserve(41)
        var length = 0
        for i in at..<40 {
            if i == 40 - scale {
                out[length] = 0x2E
                length += 1
            }
            out[length] = digits[i]
            length += 1
        }
        buffer.commit(length)
    }
}
