import MillraceCore

extension Column {
    /// Writes NULL at `row`, which is within the capacity, in the column and its ROW fields.
    func writeNull(at row: Int) {
        states[row] = CellState.null
        allValid = false
        switch layout {
        case .int64: ints[row] = 0
        case .double: doubles[row] = 0
        case .decimal: decimals[row] = 0
        case .bytes: refs[row] = .empty
        case .list: lists[row] = ListRef(start: 0, count: 0)
        case .row: for child in children { child.writeNull(at: row) }
        }
    }

    /// Sets the row count here and in the ROW fields, after cells were written by index.
    func setCount(_ rows: Int) {
        count = rows
        if layout == .row { for child in children { child.setCount(rows) } }
    }

    /// Room for one cell more behind the last, for writing by index.
    func reserveNext() { if layout == .row || count == capacity { reserve(count + 1) } }
}

extension DataType {
    /// Bounds of an integer type.
    var integerBounds: ClosedRange<Int64> {
        switch self {
        case .tinyInt: Int64(Int8.min)...Int64(Int8.max)
        case .smallInt: Int64(Int16.min)...Int64(Int16.max)
        case .integer: Int64(Int32.min)...Int64(Int32.max)
        default: Int64.min...Int64.max
        }
    }
}

/// Text to cells by the rules of Flink's JSON and CSV sources. Slow paths and CSV; JSON's usual shapes never come here.
enum CellText {
    /// Writes `text` as a value of the column's type. False, and nothing written, when it has no such form.
    ///
    /// Blanks around numbers and booleans are dropped. BOOLEAN is TRUE for `true` in any case, else FALSE; a DECIMAL with too
    /// many digits is NULL (both as in Flink). Bytes are base64.
    static func write(_ text: ByteRef, to column: Column, row: Int, form: TimeForm, arena: BatchArena) -> Bool {
        switch column.type {
        case .char, .varchar:
            column.refs[row] = text
        case .boolean:
            column.ints[row] = isTrue(trimmed(text)) ? 1 : 0
        case .tinyInt, .smallInt, .integer, .bigInt:
            guard let value = NumberText.parseInteger(trimmed(text)), column.type.integerBounds.contains(value) else {
                return false
            }
            column.ints[row] = value
        case .float:
            guard let value = NumberText.parseDouble(trimmed(text)) else { return false }
            column.doubles[row] = Double(Float(value))
        case .double:
            guard let value = NumberText.parseDouble(trimmed(text)) else { return false }
            column.doubles[row] = value
        case .decimal(let precision, let scale):
            let text = trimmed(text)
            guard let value = DecimalText.parse(text, precision: precision, scale: scale) else {
                guard let number = NumberText.parseDouble(text), !number.isNaN, isDigit(text.start[text.count - 1])
                else { return false }
                column.writeNull(at: row)
                return true
            }
            column.decimals[row] = value
        case .date:
            guard let value = TimeText.parseDate(text) else { return false }
            column.ints[row] = value
        case .time:
            guard let value = TimeText.parseTime(text) else { return false }
            column.ints[row] = value
        case .timestamp, .timestampLTZ:
            let zone = if case .timestampLTZ = column.type { form.zone } else { TimeText.Zone.none }
            guard
                let value = TimeText.parseTimestamp(
                    text, separator: form.separator, zone: zone, requiresSeconds: form.requiresSeconds)
            else { return false }
            column.ints[row] = value
        case .binary, .varbinary:
            guard let value = Base64.decode(text, arena: arena) else { return false }
            column.refs[row] = value
        default:
            return false
        }
        column.states[row] = CellState.valid
        return true
    }

    /// Writes the text of a JSON number. As `write`, but an integer takes a fraction (cut) and an exponent.
    static func writeNumber(_ text: ByteRef, to column: Column, row: Int, form: TimeForm, arena: BatchArena) -> Bool {
        switch column.type {
        case .tinyInt, .smallInt, .integer, .bigInt:
            if write(text, to: column, row: row, form: form, arena: arena) { return true }
            guard let value = NumberText.parseDouble(text)?.rounded(.towardZero),
                value >= -0x1p63, value < 0x1p63, column.type.integerBounds.contains(Int64(value))
            else { return false }
            column.ints[row] = Int64(value)
            column.states[row] = CellState.valid
            return true
        case .date, .time, .timestamp, .timestampLTZ, .binary, .varbinary:
            return false
        default:
            return write(text, to: column, row: row, form: form, arena: arena)
        }
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    static func trimmed(_ text: ByteRef) -> ByteRef {
        var text = text
        while text.count > 0, isBlank(text.start[0]) {
            text.start += 1
            text.count -= 1
        }
        while text.count > 0, isBlank(text.start[text.count - 1]) { text.count -= 1 }
        return text
    }

    private static func isTrue(_ text: ByteRef) -> Bool {
        guard text.count == 4 else { return false }
        let p = text.start
        return p[0] | 0x20 == 0x74 && p[1] | 0x20 == 0x72 && p[2] | 0x20 == 0x75 && p[3] | 0x20 == 0x65
    }
}
