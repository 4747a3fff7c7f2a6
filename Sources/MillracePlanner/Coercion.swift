import MillraceCore

/// Flink's type rules: results of arithmetic, common types, implicit casts.
enum Coercion {
    /// Precision and scale brought under 38 digits: the scale gives way, but not below 6.
    static func adjusted(_ precision: Int, _ scale: Int) -> DataType {
        guard precision > 38 else { return .decimal(precision: max(precision, 1), scale: scale) }
        let whole = precision - scale
        return .decimal(precision: 38, scale: max(38 - whole, min(scale, 6)))
    }

    static func integerRank(_ type: DataType) -> Int {
        switch type {
        case .tinyInt: 0
        case .smallInt: 1
        case .integer: 2
        default: 3
        }
    }

    static func asDecimal(_ type: DataType) -> DataType {
        guard let exact = type.exactPrecision else { return type }
        return .decimal(precision: exact.precision, scale: exact.scale)
    }

    /// Types of both operands and the result of `+ - * / %` on numbers, as Flink's logical type rules give them.
    static func arithmetic(_ function: BuiltinFunction, _ a: DataType, _ b: DataType) -> (
        left: DataType, right: DataType, result: DataType
    )? {
        guard a.isNumeric, b.isNumeric else { return nil }
        if a.isApproximate || b.isApproximate {
            // FLOAT stays FLOAT with FLOAT and integers, and in front of DOUBLE; a decimal beside it makes DOUBLE.
            let isFloat = [a, b].allSatisfy { $0 == .float || $0.isInteger } || a == .float && b == .double
            let type: DataType = isFloat ? .float : .double
            return (type, type, type)
        }
        if a.isInteger, b.isInteger {
            let type = integerRank(a) >= integerRank(b) ? a : b
            return (type, type, type)
        }
        guard let (p1, s1) = a.exactPrecision, let (p2, s2) = b.exactPrecision else { return nil }
        let result: DataType
        switch function {
        case .add, .subtract:
            let scale = max(s1, s2)
            result = adjusted(max(p1 - s1, p2 - s2) + scale + 1, scale)
        case .multiply: result = adjusted(p1 + p2 + 1, s1 + s2)
        case .divide:
            let scale = max(6, s1 + p2 + 1)
            result = adjusted(p1 - s1 + s2 + scale, scale)
        default:
            let scale = max(s1, s2)
            result = adjusted(min(p1 - s1, p2 - s2) + scale, scale)
        }
        return (asDecimal(a), asDecimal(b), result)
    }

    /// The type both convert to without loss (COALESCE, CASE, UNION); nil when there is none.
    static func common(_ a: DataType, _ b: DataType) -> DataType? {
        if a == b { return a }
        if a == .null { return b }
        if b == .null { return a }
        if a.isNumeric, b.isNumeric {
            if a.isApproximate || b.isApproximate {
                return b == .float && a != .double || a == .float && b.isInteger ? .float : .double
            }
            if a.isInteger, b.isInteger { return integerRank(a) >= integerRank(b) ? a : b }
            guard let (p1, s1) = a.exactPrecision, let (p2, s2) = b.exactPrecision else { return nil }
            let scale = max(s1, s2)
            return adjusted(max(p1 - s1, p2 - s2) + scale, scale)
        }
        switch (a, b) {
        case (.char(let x), .char(let y)), (.char(let x), .varchar(let y)), (.varchar(let x), .char(let y)),
            (.varchar(let x), .varchar(let y)):
            return .varchar(length: max(x, y))
        case (.binary(let x), .binary(let y)), (.binary(let x), .varbinary(let y)), (.varbinary(let x), .binary(let y)),
            (.varbinary(let x), .varbinary(let y)):
            return .varbinary(length: max(x, y))
        case (.time(let x), .time(let y)): return .time(precision: max(x, y))
        case (.timestamp(let x), .timestamp(let y)): return .timestamp(precision: max(x, y))
        case (.timestampLTZ(let x), .timestampLTZ(let y)), (.timestampLTZ(let x), .timestamp(let y)),
            (.timestamp(let x), .timestampLTZ(let y)):
            return .timestampLTZ(precision: max(x, y))
        case (.date, .timestamp), (.date, .timestampLTZ): return b
        case (.timestamp, .date), (.timestampLTZ, .date): return a
        case (.array(let x), .array(let y)): return common(x, y).map { .array($0) }
        case (.row(let x), .row(let y)) where x.count == y.count:
            var fields: [Field] = []
            for (f, g) in zip(x, y) {
                guard let type = common(f.type, g.type) else { return nil }
                fields.append(Field(f.name, type, isNullable: f.isNullable || g.isNullable))
            }
            return .row(fields)
        case (.map(let k, let v), .map(let l, let w)):
            guard let key = common(k, l), let value = common(v, w) else { return nil }
            return .map(key: key, value: value)
        default: return nil
        }
    }

    /// The type of CASE, IF, UNION, ARRAY and VALUES, where numbers go together in other ways than in COALESCE.
    static func leastRestrictive(_ a: DataType, _ b: DataType) -> DataType? {
        if a == .float, b == .double { return .float }
        if a == .float && b.isDecimal || a.isDecimal && b == .float { return .double }
        return common(a, b)
    }

    /// The types both operands of a comparison are cast to. Decimals keep their own scales.
    static func comparison(_ a: DataType, _ b: DataType) -> (left: DataType, right: DataType)? {
        if isSame(a, b) { return (a, b) }
        if a.isNumeric, b.isNumeric {
            if a.isApproximate || b.isApproximate { return (.double, .double) }
            if a.isInteger, b.isInteger {
                let type = integerRank(a) >= integerRank(b) ? a : b
                return (type, type)
            }
            return (asDecimal(a), asDecimal(b))
        }
        // Text beside a time is read as that time.
        if a.isCharacter, b.isTemporal { return (b, b) }
        if a.isTemporal, b.isCharacter { return (a, a) }
        return common(a, b).map { ($0, $0) }
    }

    /// Same in memory and meaning: only lengths and fraction digits may differ.
    static func isSame(_ a: DataType, _ b: DataType) -> Bool {
        if a == b { return true }
        if a.isCharacter, b.isCharacter { return true }
        if a.isBinary, b.isBinary { return true }
        switch (a, b) {
        case (.time, .time), (.timestamp, .timestamp), (.timestampLTZ, .timestampLTZ): return true
        case (.array(let x), .array(let y)), (.multiset(let x), .multiset(let y)): return isSame(x, y)
        case (.map(let k, let v), .map(let l, let w)): return isSame(k, l) && isSame(v, w)
        case (.row(let x), .row(let y)): return x.count == y.count && zip(x, y).allSatisfy { isSame($0.type, $1.type) }
        default: return false
        }
    }

    /// Whether INSERT and model arguments cast without being asked (Flink's implicit casts: widening only).
    static func isImplicit(from a: DataType, to b: DataType) -> Bool {
        if a == .null || isSame(a, b) { return true }
        if a.isInteger, b.isInteger { return integerRank(a) <= integerRank(b) }
        if b.isDecimal { return a.isNumeric }
        if b == .double { return a.isNumeric }
        if b == .float { return a.isNumeric && a != .double }
        switch (a, b) {
        case (.timestamp, .timestampLTZ), (.timestampLTZ, .timestamp), (.date, .timestamp), (.date, .timestampLTZ),
            (.timestamp, .date), (.timestamp, .time):
            return true
        case (.array(let x), .array(let y)): return isImplicit(from: x, to: y)
        case (.map(let k, let v), .map(let l, let w)): return isImplicit(from: k, to: l) && isImplicit(from: v, to: w)
        case (.row(let x), .row(let y)):
            return x.count == y.count && zip(x, y).allSatisfy { isImplicit(from: $0.type, to: $1.type) }
        default: return false
        }
    }

    /// Whether CAST knows the pair; the pairs are Flink's.
    static func isCastable(from a: DataType, to b: DataType) -> Bool {
        if a == .null || a == b { return true }
        if a.isCharacter {
            if b.isCharacter || b.isNumeric || b.isTemporal || b.isBinary || b == .boolean { return true }
            return false
        }
        if b.isCharacter { return a != .multiset(.null) }
        if a.isNumeric { return b.isNumeric || b == .boolean }
        if a == .boolean { return b.isNumeric }
        if a.isBinary { return b.isBinary }
        switch (a, b) {
        case (.date, .timestamp), (.date, .timestampLTZ), (.timestamp, .date), (.timestampLTZ, .date),
            (.timestamp, .time),
            (.timestampLTZ, .time), (.time, .time), (.time, .timestamp), (.time, .timestampLTZ),
            (.timestamp, .timestamp), (.timestamp, .timestampLTZ),
            (.timestampLTZ, .timestamp), (.timestampLTZ, .timestampLTZ):
            return true
        case (.array(let x), .array(let y)), (.multiset(let x), .multiset(let y)): return isCastable(from: x, to: y)
        case (.map(let k, let v), .map(let l, let w)): return isCastable(from: k, to: l) && isCastable(from: v, to: w)
        case (.row(let x), .row(let y)):
            return x.count == y.count && zip(x, y).allSatisfy { isCastable(from: $0.type, to: $1.type) }
        default: return isSame(a, b)
        }
    }

    /// The expression in another type. A literal is converted here where that is simple.
    static func cast(_ expression: Expression, to type: DataType) -> Expression {
        if expression.type == type { return expression }
        if case .literal(let value, let from) = expression, let folded = fold(value, from: from, to: type) {
            return .literal(folded, type)
        }
        if case .row(let from) = expression.type, case .row(let to) = type, from.count == to.count {
            if isSame(expression.type, type) { return expression }
            let parts = zip(from, to).enumerated().map { index, pair in
                cast(.field(expression, index: index, pair.0.type), to: pair.1.type)
            }
            return .conditional(
                [.init(condition: .call(.isNull, [expression], .boolean), result: .literal(.null, type))],
                otherwise: .call(.rowConstructor, parts, type), type)
        }
        return .cast(expression, to: type, isTry: false)
    }

    private static func fold(_ value: Value, from: DataType, to type: DataType) -> Value? {
        switch (value, type) {
        case (.null, _): return .null
        case (.integer(let x), _) where from.isInteger && type.isInteger && integerRank(from) <= integerRank(type):
            return .integer(x)
        case (.integer(let x), .double) where from.isInteger && abs(x) < 1 << 53: return .double(Double(x))
        case (.integer(let x), .float) where from.isInteger && abs(x) < 1 << 24: return .double(Double(x))
        case (.integer(let x), .decimal(let precision, let scale)) where from.isInteger:
            var unscaled = Int128(x)
            for _ in 0..<scale {
                let (product, overflow) = unscaled.multipliedReportingOverflow(by: 10)
                if overflow { return nil }
                unscaled = product
            }
            var limit: Int128 = 1
            for _ in 0..<precision { limit *= 10 }
            return abs(unscaled) < limit ? .decimal(unscaled) : nil
        case (.decimal(let x), .decimal(let precision, let scale)):
            guard case .decimal(let before, let given) = from, given <= scale, before - given <= precision - scale
            else { return nil }
            var unscaled = x
            for _ in given..<scale { unscaled *= 10 }
            return .decimal(unscaled)
        case (.decimal(let x), .double):
            guard case .decimal(let digits, let scale) = from, digits <= 15, scale <= 22 else { return nil }
            var divisor = 1.0
            for _ in 0..<scale { divisor *= 10 }
            return .double(Double(x) / divisor)
        case (.double(let x), .double): return .double(x)
        case (.string(let x), .varchar(let length)) where x.unicodeScalars.count <= length: return .string(x)
        // An instant depends on the session's time zone, which `SessionZone` knows.
        case (.string, .timestampLTZ): return nil
        case (.string, _) where type.isTemporal: return TemporalLiteral.parse(value, as: type)
        default: return nil
        }
    }
}
