import MillraceCore

/// Values as JSON (and partly CSV) text.
enum JSONOutput {
    /// The text in quotes, escaped as Jackson does: quotes, backslashes and control characters only.
    static func appendString(_ text: ByteRef, to buffer: ByteBuffer) {
        let digits: StaticString = "0123456789ABCDEF"
        buffer.append(0x22)
        var plain = 0
        for i in 0..<max(0, text.count) {
            let byte = text.start[i]
            guard byte < 0x20 || byte == 0x22 || byte == 0x5C else { continue }
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
