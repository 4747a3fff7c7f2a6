import MillraceCore

/// Writes cells as JSON for `json` and `jsonb` columns. ROW is an object, ARRAY an array, MAP an object, MULTISET an object
/// of counts; timestamps are ISO 8601, decimals numbers, BYTES base64; NaN and infinities, which JSON lacks, are strings.
enum JSONText {
    static func append(_ column: Column, _ row: Int, to buffer: ByteBuffer) {
        guard column.states[row] == CellState.valid else { return buffer.append("null") }
        switch column.type {
        case .row(let fields):
            buffer.append(UInt8(ascii: "{"))
            for (i, field) in fields.enumerated() {
                if i > 0 { buffer.append(UInt8(ascii: ",")) }
                append(field.name, to: buffer)
                buffer.append(UInt8(ascii: ":"))
                append(column.children[i], row, to: buffer)
            }
            buffer.append(UInt8(ascii: "}"))
        case .array:
            let list = column.lists[row]
            buffer.append(UInt8(ascii: "["))
            for i in Int(list.start)..<Int(list.start + list.count) {
                if i > Int(list.start) { buffer.append(UInt8(ascii: ",")) }
                append(column.children[0], i, to: buffer)
            }
            buffer.append(UInt8(ascii: "]"))
        case .map, .multiset:
            let list = column.lists[row]
            buffer.append(UInt8(ascii: "{"))
            for i in Int(list.start)..<Int(list.start + list.count) {
                if i > Int(list.start) { buffer.append(UInt8(ascii: ",")) }
                appendKey(column.children[0], i, to: buffer)
                buffer.append(UInt8(ascii: ":"))
                append(column.children[1], i, to: buffer)
            }
            buffer.append(UInt8(ascii: "}"))
        default: appendScalar(column, row, to: buffer)
        }
    }

    /// A map's key is a string whatever its type.
    private static func appendKey(_ column: Column, _ row: Int, to buffer: ByteBuffer) {
        let start = buffer.count
        append(column, row, to: buffer)
        if buffer.start[start] == UInt8(ascii: "\"") { return }
        let text = ByteRef(start: UnsafePointer(buffer.start + start), count: buffer.count - start).text
        buffer.truncate(start)
        append(text, to: buffer)
    }

    private static func appendScalar(_ column: Column, _ row: Int, to buffer: ByteBuffer) {
        switch column.type {
        case .boolean: column.ints[row] != 0 ? buffer.append("true") : buffer.append("false")
        case .float, .double:
            let value = column.doubles[row]
            guard value.isFinite else { return append("\(value)", to: buffer) }
            if column.type == .float {
                NumberText.appendFloat(value, to: buffer)
            } else {
                NumberText.appendDouble(value, to: buffer)
            }
        case .decimal(_, let scale): DecimalText.append(column.decimals[row], scale: scale, to: buffer)
        case .char, .varchar: appendString(column.refs[row], to: buffer)
        case .binary, .varbinary: appendBase64(column.refs[row], to: buffer)
        case .date:
            buffer.append(UInt8(ascii: "\""))
            TimeText.appendDate(column.ints[row], to: buffer)
            buffer.append(UInt8(ascii: "\""))
        case .time:
            buffer.append(UInt8(ascii: "\""))
            TimeText.appendTime(column.ints[row], fraction: .trimmed, to: buffer)
            buffer.append(UInt8(ascii: "\""))
        case .timestamp, .timestampLTZ:
            buffer.append(UInt8(ascii: "\""))
            TimeText.appendTimestamp(
                column.ints[row], separator: UInt8(ascii: "T"), fraction: .trimmed, to: buffer)
            if case .timestampLTZ = column.type { buffer.append(UInt8(ascii: "Z")) }
            buffer.append(UInt8(ascii: "\""))
        default: NumberText.appendInteger(column.ints[row], to: buffer)
        }
    }

    static func append(_ text: String, to buffer: ByteBuffer) {
        var copy = text
        copy.withUTF8 { bytes in
            guard let base = bytes.baseAddress else { return buffer.append("\"\"") }
            appendString(ByteRef(start: base, count: bytes.count), to: buffer)
        }
    }

    /// NUL, which PostgreSQL's JSON cannot hold, becomes U+FFFD.
    static func appendString(_ text: ByteRef, to buffer: ByteBuffer) {
        buffer.append(UInt8(ascii: "\""))
        for byte in text.buffer {
            switch byte {
            case UInt8(ascii: "\""): buffer.append("\\\"")
            case UInt8(ascii: "\\"): buffer.append("\\\\")
            case 0: buffer.append("\\ufffd")
            case 1..<0x20:
                buffer.append("\\u00")
                buffer.append(hexDigit(byte >> 4))
                buffer.append(hexDigit(byte & 15))
            default: buffer.append(byte)
            }
        }
        buffer.append(UInt8(ascii: "\""))
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private static let base64Digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func appendBase64(_ bytes: ByteRef, to buffer: ByteBuffer) {
        buffer.append(UInt8(ascii: "\""))
        var i = 0
        while i < bytes.count {
            let remaining = min(3, bytes.count - i)
            var group = UInt32(bytes.start[i]) << 16
            if remaining > 1 { group |= UInt32(bytes.start[i + 1]) << 8 }
            if remaining > 2 { group |= UInt32(bytes.start[i + 2]) }
            for digit in 0..<4 {
                let index = Int(group >> UInt32(18 - 6 * digit)) & 63
                buffer.append(digit <= remaining ? base64Digits[index] : UInt8(ascii: "="))
            }
            i += 3
        }
        buffer.append(UInt8(ascii: "\""))
    }
}
