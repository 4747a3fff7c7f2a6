/// A SQL type as Flink names it. Nullability belongs to the column (`Field`), not to the type.
public indirect enum DataType: Hashable, Sendable {
    case boolean
    case tinyInt, smallInt, integer, bigInt
    case float, double
    /// 1 ... 38 digits in all, `scale` of them behind the point.
    case decimal(precision: Int, scale: Int)
    case char(length: Int)
    /// `STRING` is `varchar(length: .max)`.
    case varchar(length: Int)
    case binary(length: Int)
    /// `BYTES` is `varbinary(length: .max)`.
    case varbinary(length: Int)
    case date
    case time(precision: Int)
    case timestamp(precision: Int)
    case timestampLTZ(precision: Int)
    /// Months.
    case intervalYearMonth
    /// Microseconds.
    case intervalDayTime
    case row([Field])
    case array(DataType)
    case map(key: DataType, value: DataType)
    case multiset(DataType)
    /// The type of a bare `NULL`; casts to every other type.
    case null

    public static let string = DataType.varchar(length: .max)
    public static let bytes = DataType.varbinary(length: .max)
}

/// A named, typed, nullable-or-not member of a schema or ROW.
public struct Field: Hashable, Sendable {
    public var name: String
    public var type: DataType
    public var isNullable: Bool

    public init(_ name: String, _ type: DataType, isNullable: Bool = true) {
        self.name = name
        self.type = type
        self.isNullable = isNullable
    }
}

/// The columns of a table or of an operator's output, in order.
public struct Schema: Hashable, Sendable {
    public var fields: [Field]

    public init(_ fields: [Field]) { self.fields = fields }

    public var count: Int { fields.count }
    public subscript(index: Int) -> Field { fields[index] }
    /// Exact, case-sensitive match, as in Flink.
    public func index(of name: String) -> Int? { fields.firstIndex { $0.name == name } }
}

/// How a column of a type lies in memory.
public enum Layout: Sendable {
    /// BOOLEAN (0/1), the INT family, DATE (days since 1970-01-01), TIME (microseconds of the day), TIMESTAMP and
    /// TIMESTAMP_LTZ (microseconds since 1970-01-01 00:00:00; UTC for LTZ), intervals (months or microseconds).
    case int64
    /// FLOAT (already rounded to 24 bits) and DOUBLE.
    case double
    /// DECIMAL: the unscaled value; the scale is the type's.
    case decimal
    /// CHAR, VARCHAR (UTF-8), BINARY, VARBINARY.
    case bytes
    /// ROW: one child column a field.
    case row
    /// ARRAY (one child), MAP (key child, value child), MULTISET (element child, count child of BIGINT).
    case list
}

extension DataType {
    public var layout: Layout {
        switch self {
        case .boolean, .tinyInt, .smallInt, .integer, .bigInt, .date, .time, .timestamp, .timestampLTZ,
            .intervalYearMonth, .intervalDayTime, .null:
            .int64
        case .float, .double: .double
        case .decimal: .decimal
        case .char, .varchar, .binary, .varbinary: .bytes
        case .row: .row
        case .array, .map, .multiset: .list
        }
    }

    public var isCharacter: Bool {
        switch self {
        case .char, .varchar: true
        default: false
        }
    }
    public var isBinary: Bool {
        switch self {
        case .binary, .varbinary: true
        default: false
        }
    }
    public var isInteger: Bool {
        switch self {
        case .tinyInt, .smallInt, .integer, .bigInt: true
        default: false
        }
    }
    public var isApproximate: Bool { self == .float || self == .double }
    public var isDecimal: Bool {
        if case .decimal = self { true } else { false }
    }
    public var isNumeric: Bool { isInteger || isApproximate || isDecimal }
    public var isTimestamp: Bool {
        switch self {
        case .timestamp, .timestampLTZ: true
        default: false
        }
    }
    public var isTemporal: Bool {
        switch self {
        case .date, .time, .timestamp, .timestampLTZ: true
        default: false
        }
    }
    public var isInterval: Bool { self == .intervalDayTime || self == .intervalYearMonth }

    /// Precision and scale of an exact numeric, as Flink counts them (INT is DECIMAL(10, 0)); nil for other types.
    public var exactPrecision: (precision: Int, scale: Int)? {
        switch self {
        case .tinyInt: (3, 0)
        case .smallInt: (5, 0)
        case .integer: (10, 0)
        case .bigInt: (19, 0)
        case .decimal(let precision, let scale): (precision, scale)
        default: nil
        }
    }

    /// The child column types of a nested type, in the order of `Column.children`.
    public var childTypes: [DataType] {
        switch self {
        case .row(let fields): fields.map(\.type)
        case .array(let element): [element]
        case .map(let key, let value): [key, value]
        case .multiset(let element): [element, .bigInt]
        default: []
        }
    }
}

extension DataType: CustomStringConvertible {
    /// The type in Flink's spelling, `STRING` and `BYTES` for the unbounded forms.
    public var description: String {
        switch self {
        case .boolean: "BOOLEAN"
        case .tinyInt: "TINYINT"
        case .smallInt: "SMALLINT"
        case .integer: "INT"
        case .bigInt: "BIGINT"
        case .float: "FLOAT"
        case .double: "DOUBLE"
        case .decimal(let precision, let scale): "DECIMAL(\(precision), \(scale))"
        case .char(let length): "CHAR(\(length))"
        case .varchar(.max): "STRING"
        case .varchar(let length): "VARCHAR(\(length))"
        case .binary(let length): "BINARY(\(length))"
        case .varbinary(.max): "BYTES"
        case .varbinary(let length): "VARBINARY(\(length))"
        case .date: "DATE"
        case .time(let precision): "TIME(\(precision))"
        case .timestamp(let precision): "TIMESTAMP(\(precision))"
        case .timestampLTZ(let precision): "TIMESTAMP_LTZ(\(precision))"
        case .intervalYearMonth: "INTERVAL YEAR TO MONTH"
        case .intervalDayTime: "INTERVAL DAY TO SECOND"
        case .row(let fields):
            "ROW<"
                + fields.map { "\($0.name) \($0.type)" + ($0.isNullable ? "" : " NOT NULL") }.joined(separator: ", ")
                + ">"
        case .array(let element): "ARRAY<\(element)>"
        case .map(let key, let value): "MAP<\(key), \(value)>"
        case .multiset(let element): "MULTISET<\(element)>"
        case .null: "NULL"
        }
    }
}
