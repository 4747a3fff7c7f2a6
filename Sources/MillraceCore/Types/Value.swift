/// One cell as data: literals in a plan, cells in tests and messages. Never on the hot path.
///
/// Numbers carry the meaning of their type's `Layout`: `.integer` holds days, microseconds or months for temporal types,
/// `.decimal` the unscaled value.
public indirect enum Value: Hashable, Sendable {
    case null
    case integer(Int64)
    case double(Double)
    case decimal(Int128)
    case string(String)
    case bytes([UInt8])
    case row([Value])
    case array([Value])
    /// Keys and values in order; also a MULTISET (element, count).
    case map([(key: Value, value: Value)])
    /// An evaluation error in place of a value; see `CellState`.
    case error(RowErrorCode)

    public static func boolean(_ value: Bool) -> Value { .integer(value ? 1 : 0) }

    public static func == (a: Value, b: Value) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.integer(let x), .integer(let y)): x == y
        case (.double(let x), .double(let y)): x == y || (x.isNaN && y.isNaN)
        case (.decimal(let x), .decimal(let y)): x == y
        case (.string(let x), .string(let y)): x == y
        case (.bytes(let x), .bytes(let y)): x == y
        case (.row(let x), .row(let y)): x == y
        case (.array(let x), .array(let y)): x == y
        case (.map(let x), .map(let y)):
            x.count == y.count && zip(x, y).allSatisfy { $0.key == $1.key && $0.value == $1.value }
        case (.error(let x), .error(let y)): x == y
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .integer(let x): hasher.combine(x)
        case .double(let x): hasher.combine(x.isNaN ? Double.nan.bitPattern : x.bitPattern)
        case .decimal(let x): hasher.combine(x)
        case .string(let x): hasher.combine(x)
        case .bytes(let x): hasher.combine(x)
        case .row(let x), .array(let x): hasher.combine(x)
        case .map(let pairs):
            for pair in pairs {
                hasher.combine(pair.key)
                hasher.combine(pair.value)
            }
        case .error(let code): hasher.combine(code)
        }
    }
}
