import MillraceCore
import MillraceSQL

/// Types as written -> `DataType`. Flink's names and defaults, and BigQuery's names.
struct TypeResolver {
    let log: DiagnosticLog

    static let names = [
        "BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "CHAR", "VARCHAR", "STRING",
        "BINARY", "VARBINARY", "BYTES", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ", "ROW", "ARRAY", "MAP", "MULTISET",
        "INTEGER", "NUMERIC", "INT64", "FLOAT64", "BOOL", "BIGNUMERIC",
    ]

    /// Types of other databases.
    private static let foreign: [String: String] = [
        "TEXT": "STRING", "CLOB": "STRING", "NVARCHAR": "STRING", "VARCHAR2": "STRING", "JSON": "STRING",
        "JSONB": "STRING", "UUID": "STRING", "ENUM": "STRING", "LONG": "BIGINT", "INT8": "BIGINT", "UINT64": "BIGINT",
        "SERIAL": "BIGINT", "BIGSERIAL": "BIGINT", "INT4": "INT", "INT32": "INT", "MEDIUMINT": "INT",
        "UINT32": "BIGINT",
        "INT2": "SMALLINT", "INT16": "SMALLINT", "FLOAT32": "FLOAT", "FLOAT4": "FLOAT", "FLOAT8": "DOUBLE",
        "NUMBER": "DECIMAL(p, s)", "MONEY": "DECIMAL(p, s)", "BLOB": "BYTES", "BYTEA": "BYTES",
        "TIMESTAMPTZ": "TIMESTAMP_LTZ(3)", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ(3)",
        "INSTANT": "TIMESTAMP_LTZ(3)",
        "OBJECT": "ROW<name TYPE, …>", "LIST": "ARRAY<TYPE>",
    ]

    func resolve(_ syntax: TypeSyntax) -> DataType? {
        func parameter(_ index: Int, default value: Int, in range: ClosedRange<Int>, _ what: String) -> Int? {
            guard index < syntax.parameters.count else { return value }
            let given = syntax.parameters[index]
            guard range.contains(given) else {
                log.error(
                    "\(what) of \(syntax.name) is \(range.lowerBound) to \(range.upperBound), not \(given)",
                    at: syntax.range)
                return nil
            }
            return given
        }
        switch syntax.name {
        case "BOOLEAN", "BOOL": return .boolean
        case "TINYINT": return .tinyInt
        case "SMALLINT": return .smallInt
        case "INT", "INTEGER": return .integer
        case "BIGINT", "INT64": return .bigInt
        case "FLOAT", "REAL": return .float
        case "DOUBLE", "DOUBLE PRECISION", "FLOAT64": return .double
        case "DECIMAL", "DEC", "NUMERIC", "BIGNUMERIC":
            // BigQuery's NUMERIC without parameters has nine fraction digits; Flink's has none, and Flink is the base.
            let wide = syntax.name == "BIGNUMERIC" && syntax.parameters.isEmpty
            guard let precision = parameter(0, default: wide ? 38 : 10, in: 1...38, "the precision"),
                let scale = parameter(1, default: wide ? 18 : 0, in: 0...38, "the scale")
            else { return nil }
            guard scale <= precision else {
                log.error(
                    "the scale \(scale) of \(syntax.name) is greater than its precision \(precision)", at: syntax.range)
                return nil
            }
            return .decimal(precision: precision, scale: scale)
        case "CHAR", "CHARACTER":
            return parameter(0, default: 1, in: 1...Int(Int32.max), "the length").map { .char(length: $0) }
        case "VARCHAR", "CHAR VARYING", "CHARACTER VARYING":
            if syntax.parameters.isEmpty { return .string }
            return parameter(0, default: 1, in: 1...Int(Int32.max), "the length").map {
                $0 == Int(Int32.max) ? .string : .varchar(length: $0)
            }
        case "STRING": return .string
        case "BINARY": return parameter(0, default: 1, in: 1...Int(Int32.max), "the length").map { .binary(length: $0) }
        case "VARBINARY", "BINARY VARYING":
            if syntax.parameters.isEmpty { return .bytes }
            return parameter(0, default: 1, in: 1...Int(Int32.max), "the length").map {
                $0 == Int(Int32.max) ? .bytes : .varbinary(length: $0)
            }
        case "BYTES": return .bytes
        case "DATE": return .date
        case "TIME": return parameter(0, default: 0, in: 0...9, "the precision").map { .time(precision: $0) }
        case "TIMESTAMP", "DATETIME":
            return parameter(0, default: 6, in: 0...9, "the precision").map { .timestamp(precision: $0) }
        case "TIMESTAMP_LTZ":
            return parameter(0, default: 6, in: 0...9, "the precision").map { .timestampLTZ(precision: $0) }
        case "ROW":
            var fields: [Field] = []
            for field in syntax.fields {
                guard let type = resolve(field.type) else { return nil }
                if fields.contains(where: { $0.name == field.name.text }) {
                    log.error("field \"\(field.name.text)\" is twice in the ROW", at: field.name.range)
                    return nil
                }
                fields.append(Field(field.name.text, type, isNullable: !field.type.isNotNull))
            }
            return .row(fields)
        case "ARRAY": return syntax.arguments.first.flatMap(resolve).map { .array($0) }
        case "MULTISET": return syntax.arguments.first.flatMap(resolve).map { .multiset($0) }
        case "MAP":
            guard syntax.arguments.count == 2, let key = resolve(syntax.arguments[0]),
                let value = resolve(syntax.arguments[1])
            else { return nil }
            return .map(key: key, value: value)
        default:
            if syntax.name.hasPrefix("INTERVAL") {
                return syntax.name.contains("YEAR") || syntax.name.contains("MONTH")
                    ? .intervalYearMonth : .intervalDayTime
            }
            log.error(
                "unknown type \"\(syntax.name)\"", at: syntax.range,
                hint: Self.foreign[syntax.name].map { "Write \($0)." }
                    ?? NearestName.hint(syntax.name, in: Self.names))
            return nil
        }
    }
}
