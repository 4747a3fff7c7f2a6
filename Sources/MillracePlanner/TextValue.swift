import MillraceCore

/// Text of an option as a value of a column's type.
enum TextValue {
    /// Nil when the text is no value of the type, or the type has no values as text (ROW, ARRAY, MAP, BYTES).
    ///
    /// `NULL` in capitals is NULL for every type.
    static func parse(_ text: String, as type: DataType) -> Value? {
        if text == "NULL" { return .null }
        return ByteRef.with(text) { bytes -> Value? in
            switch type {
            case .boolean: return OptionValue.boolean(text).map { .boolean($0) }
            case .tinyInt, .smallInt, .integer, .bigInt:
                guard let number = NumberText.parseInteger(bytes), fits(number, type) else { return nil }
                return .integer(number)
            case .float: return NumberText.parseDouble(bytes).map { .double(Double(Float($0))) }
            case .double: return NumberText.parseDouble(bytes).map { .double($0) }
            case .decimal(let precision, let scale):
                return DecimalText.parse(bytes, precision: precision, scale: scale).map { .decimal($0) }
            case .char(let length), .varchar(let length):
                return text.unicodeScalars.count <= length ? .string(text) : nil
            case .date, .time, .timestamp, .timestampLTZ: return TemporalLiteral.parse(.string(text), as: type)
            default: return nil
            }
        }
    }

    private static func fits(_ number: Int64, _ type: DataType) -> Bool {
        switch type {
        case .tinyInt: Int8(exactly: number) != nil
        case .smallInt: Int16(exactly: number) != nil
        case .integer: Int32(exactly: number) != nil
        default: true
        }
    }
}
