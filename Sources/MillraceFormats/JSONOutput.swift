import MillraceCore

/// Values as JSON (and partly CSV) text.
enum JSONOutput {
    /// The text in quotes, escaped as Flink's Jackson does: quotes, backslashes, control characters, and what lies beyond the
    /// basic multilingual plane as a pair of surrogates.
    static func appendString(_ text: ByteRef, to buffer: ByteBuffer) {
        let digits: StaticString = "0123456789ABCDEF"
        buffer.append(0x22)
        var plain = 0
        for i in 0..<max(0, text.count) {
            let byte = text.start[i]
            guard byte < 0x20 || byte == 0x22 || byte == 0x5C || byte >= 0xF0 else { continue }
            if byte >= 0xF0 {
                guard i >= plain, i + 3 < text.count else { continue }
                buffer.append(ByteRef(start: text.start + plain, count: i - plain))
                appendSurrogates(text.start + i, to: buffer)
                plain = i + 4
                continue
            }
            buffer.append(ByteRef(start: text.start + plain, count: i - plain))
            plain = i + 1
            buffer.append(0x5C)
            switch byte {
            case 0x08: buffer.append(0x62)
            case 0x09: buffer.append(0x74)
            case 0x0A: buffer.append(0x6E)
            case 0x0C: buffer.append(0x66)
            case 0x0D: buffer.append(0x72)
            case 0x22, 0x5C: buffer.append(byte)
            default:
                buffer.append("u00")
                buffer.append(digits.utf8Start[Int(byte >> 4)])
                buffer.append(digits.utf8Start[Int(byte & 15)])
            }
        }
        buffer.append(ByteRef(start: text.start + plain, count: max(0, text.count) - plain))
        buffer.append(0x22)
    }

    /// Four bytes of UTF-8 as `\uD83D\uDE00`.
    private static func appendSurrogates(_ bytes: UnsafePointer<UInt8>, to buffer: ByteBuffer) {
        var code = UInt32(bytes[0] & 7)
        for i in 1..<4 { code = code << 6 | UInt32(bytes[i] & 0x3F) }
        guard code >= 0x10000 else { return }
        let digits: StaticString = "0123456789ABCDEF"
        for unit in [0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF)] {
            buffer.append("\\u")
            for shift in [12, 8, 4, 0] { buffer.append(digits.utf8Start[Int(unit >> UInt32(shift) & 15)]) }
        }
    }

    /// A decimal without trailing zeros in the form of Java's `BigDecimal.toString`: `1E+3`, `5E-8`, `12.5`.
    ///
    /// - Parameter plain: never an exponent.
    static func appendDecimal(_ unscaled: Int128, scale: Int, plain: Bool, to buffer: ByteBuffer) {
        guard unscaled != 0 else { return buffer.append(0x30) }
        var value = unscaled
        var scale = scale
        while value % 10 == 0 {
            value /= 10
            scale -= 1
        }
        if plain {
            guard scale < 0 else { return DecimalText.append(value, scale: scale, to: buffer) }
            DecimalText.append(value, scale: 0, to: buffer)
            for _ in scale..<0 { buffer.append(0x30) }
            return
        }
        var digits = 1
        var magnitude = value.magnitude
        while magnitude >= 10 {
            magnitude /= 10
            digits += 1
        }
        let exponent = digits - 1 - scale
        if scale >= 0 && exponent >= -6 { return DecimalText.append(value, scale: scale, to: buffer) }
        DecimalText.append(value, scale: digits - 1, to: buffer)
        buffer.append(0x45)
        if exponent > 0 { buffer.append(0x2B) }
        NumberText.appendInteger(Int64(exponent), to: buffer)
    }

    /// DATE, TIME, TIMESTAMP or TIMESTAMP_LTZ without quotes; fractions without trailing zeros, LTZ with `Z`.
    static func appendTemporal(_ column: Column, _ row: Int, form: TimeForm, to buffer: ByteBuffer) {
        let value = column.ints[row]
        switch column.type {
        case .date: TimeText.appendDate(value, to: buffer)
        case .time: TimeText.appendTime(value, fraction: .trimmed, to: buffer)
        case .timestampLTZ:
            TimeText.appendTimestamp(
                value, separator: form.separatorByte, fraction: .trimmed, suffix: "Z", to: buffer)
        default: TimeText.appendTimestamp(value, separator: form.separatorByte, fraction: .trimmed, to: buffer)
        }
    }
}
