import MillraceCore

/// Plan expressions as SQL-like text, with the names of the input's columns.
enum ExpressionText {
    static func text(_ expression: Expression, _ input: Schema) -> String {
        switch expression {
        case .column(let index, _): return index < input.count ? input[index].name : "#\(index)"
        case .literal(let value, let type): return literal(value, type)
        case .cast(let operand, let type, let isTry):
            return "\(isTry ? "TRY_CAST" : "CAST")(\(text(operand, input)) AS \(type))"
        case .field(let operand, let index, _):
            if case .row(let fields) = operand.type { return "\(text(operand, input)).\(fields[index].name)" }
            return "\(text(operand, input)).\(index)"
        case .conditional(let branches, let otherwise, _):
            let cases = branches.map { " WHEN \(text($0.condition, input)) THEN \(text($0.result, input))" }.joined()
            return "CASE\(cases)\(otherwise.map { " ELSE \(text($0, input))" } ?? "") END"
        case .call(let function, let arguments, _):
            let parts = arguments.map { argument -> String in
                let part = text(argument, input)
                if case .call(let inner, _, _) = argument, infix[inner] != nil { return "(\(part))" }
                return part
            }
            if let sign = infix[function], parts.count >= 2 { return parts.joined(separator: " \(sign) ") }
            if let suffix = suffixes[function], parts.count == 1 { return "\(parts[0]) \(suffix)" }
            if function == .not, parts.count == 1 { return "NOT \(parts[0])" }
            if function == .negate, parts.count == 1 { return "-\(parts[0])" }
            if function == .inList, let first = parts.first {
                return "\(first) IN (\(parts.dropFirst().joined(separator: ", ")))"
            }
            return "\(name(function))(\(arguments.map { text($0, input) }.joined(separator: ", ")))"
        }
    }

    private static let infix: [BuiltinFunction: String] = [
        .add: "+", .subtract: "-", .multiply: "*", .divide: "/", .modulo: "%", .addInterval: "+",
        .subtractInterval: "-",
        .multiplyInterval: "*", .subtractTimestamps: "-", .equal: "=", .notEqual: "<>", .less: "<", .lessOrEqual: "<=",
        .greater: ">", .greaterOrEqual: ">=", .and: "AND", .or: "OR", .isDistinctFrom: "IS DISTINCT FROM",
        .isNotDistinctFrom: "IS NOT DISTINCT FROM", .like: "LIKE",
    ]
    private static let suffixes: [BuiltinFunction: String] = [
        .isNull: "IS NULL", .isNotNull: "IS NOT NULL", .isTrue: "IS TRUE", .isNotTrue: "IS NOT TRUE",
        .isFalse: "IS FALSE",
        .isNotFalse: "IS NOT FALSE", .isUnknown: "IS UNKNOWN", .isNotUnknown: "IS NOT UNKNOWN",
    ]

    /// `characterLength` -> `CHARACTER_LENGTH`.
    private static func name(_ function: BuiltinFunction) -> String {
        var result = ""
        var wasLower = false
        for character in function.rawValue {
            if character.isUppercase, wasLower { result += "_" }
            wasLower = character.isLowercase
            result += character.uppercased()
        }
        return result
    }

    static func literal(_ value: Value, _ type: DataType) -> String {
        switch (value, type) {
        case (.null, _): return "NULL"
        case (.integer(let x), .boolean): return x == 0 ? "FALSE" : "TRUE"
        case (.integer(let x), .intervalDayTime): return "INTERVAL \(duration(x))"
        case (.integer(let x), .intervalYearMonth): return "INTERVAL \(x) months"
        case (.integer(let x), .date): return "DATE '\(date(x))'"
        case (.integer(let x), .time): return "TIME '\(time(x))'"
        case (.integer(let x), .timestamp): return "TIMESTAMP '\(timestamp(x))'"
        case (.integer(let x), .timestampLTZ): return "TIMESTAMP_LTZ '\(timestamp(x))'"
        case (.integer(let x), _): return "\(x)"
        case (.double(let x), _): return "\(x)"
        case (.decimal(let x), .decimal(_, let scale)): return decimal(x, scale)
        case (.decimal(let x), _): return "\(x)"
        case (.string(let x), _):
            return "'" + x.map { $0 == "'" ? "''" : String($0) }.joined() + "'"
        case (.bytes(let x), _):
            return "X'" + x.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "'"
        default: return "…"
        }
    }

    /// `5 s`, `1 min`, `250 ms`.
    static func duration(_ microseconds: Int64) -> String {
        let units: [(Int64, String)] = [
            (86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms"),
            (1, "us"),
        ]
        for (size, name) in units where microseconds != 0 && microseconds % size == 0 {
            return "\(microseconds / size) \(name)"
        }
        return "0 s"
    }

    private static func decimal(_ value: Int128, _ scale: Int) -> String {
        guard scale > 0 else { return "\(value)" }
        var digits = String(value.magnitude)
        while digits.count <= scale { digits = "0" + digits }
        return (value < 0 ? "-" : "") + digits.dropLast(scale) + "." + digits.suffix(scale)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func date(_ days: Int64) -> String {
        let (year, month, day) = CivilTime.date(fromDays: days)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }

    private static func time(_ microseconds: Int64) -> String {
        let seconds = microseconds / 1_000_000
        var fraction = padded(microseconds % 1_000_000, 6)
        while fraction.last == "0" { fraction.removeLast() }
        return "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
            + (fraction.isEmpty ? "" : "." + fraction)
    }

    private static func timestamp(_ microseconds: Int64) -> String {
        let (days, rest) = CivilTime.split(microseconds)
        return date(days) + " " + time(rest)
    }
}
