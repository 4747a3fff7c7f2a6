import MillraceCore
import MillraceSQL

/// A bound expression with whether it may be NULL.
struct Bound {
    var expression: Expression
    var isNullable: Bool
    var type: DataType { expression.type }

    init(_ expression: Expression, isNullable: Bool) {
        self.expression = expression
        self.isNullable = isNullable
    }
}

/// Binds scalar expressions over one scope: names, types, implicit casts.
///
/// Every method returns nil after having reported an error, so that the other operands are still checked.
final class ExpressionBinder {
    /// What an interceptor says of a piece of syntax.
    enum Interception {
        case bound(Bound)
        case failed, passed
    }
    let scope: Scope
    let log: DiagnosticLog
    let functions: FunctionTable
    /// Asked first for every piece of syntax: group keys, aggregates and window columns live there.
    var intercept: ((ExpressionSyntax) -> Interception)?
    /// Where aggregates are not allowed, the place for the message: `WHERE`.
    var place: String

    init(scope: Scope, log: DiagnosticLog, functions: FunctionTable = .standard, place: String) {
        self.scope = scope
        self.log = log
        self.functions = functions
        self.place = place
    }

    /// A SELECT with one of these aggregates.
    static let aggregateNames = AggregateCallBinder.names.union(["GROUPING", "GROUPING_ID"]).union(
        EvaluationAggregate.names)

    func bind(_ syntax: ExpressionSyntax) -> Bound? {
        if let intercept {
            // Only where aggregates are allowed; elsewhere the error names the function as written.
            if case .call(let call) = syntax.kind, let metric = EvaluationAggregate(call, syntax.range) {
                return metric.expanded(self).flatMap(bind)
            }
            switch intercept(syntax) {
            case .bound(let bound): return bound
            case .failed: return nil
            case .passed: break
            }
        }
        let range = syntax.range
        switch syntax.kind {
        case .null: return Bound(.literal(.null, .null), isNullable: true)
        case .boolean(let value): return literal(.boolean(value), .boolean)
        case .number(let text): return number(text, isNegative: false, range)
        case .string(let text, _): return literal(.string(text), .string)
        case .bytes(let bytes): return literal(.bytes(bytes), .bytes)
        case .temporal(let kind, let text): return temporal(kind, text, range)
        case .interval(let text, let from, let to, let isNegative):
            guard let (value, type) = IntervalLiteral.parse(text: text, from: from, to: to, isNegative: isNegative)
            else {
                return fail(
                    "interval literal is not readable", range, "Write INTERVAL '5' SECOND or INTERVAL '1 minute'.")
            }
            return literal(.integer(value), type)
        case .name(let parts): return name(parts)
        case .unary(let op, let operand): return unary(op, operand, range)
        case .binary(let op, let left, let right): return binary(op, left, right, range)
        case .isNull(let operand, let isNegated):
            return bind(operand).map { test(isNegated ? .isNotNull : .isNull, [$0.expression]) }
        case .isTruth(let operand, let truth, let isNegated):
            guard let bound = boolean(operand, "IS") else { return nil }
            let function: BuiltinFunction =
                switch truth {
                case true?: isNegated ? .isNotTrue : .isTrue
                case false?: isNegated ? .isNotFalse : .isFalse
                case nil: isNegated ? .isNotUnknown : .isUnknown
                }
            return test(function, [bound.expression])
        case .isDistinctFrom(let left, let right, let isNegated):
            guard let (a, b) = comparable(left, right, isNegated ? "IS NOT DISTINCT FROM" : "IS DISTINCT FROM", range)
            else {
                return nil
            }
            return test(isNegated ? .isNotDistinctFrom : .isDistinctFrom, [a.expression, b.expression])
        case .isJSON(let operand, let shape, let isNegated): return isJSON(operand, shape, isNegated: isNegated, range)
        case .json(let json): return self.json(json, range)
        case .overlaps(let left, let right): return overlaps(left, right, range)
        case .between(let operand, let low, let high, let isNegated, let isSymmetric):
            return between(operand, low, high, isNegated: isNegated, isSymmetric: isSymmetric, range)
        case .inList(let operand, let candidates, let isNegated):
            return inList(operand, candidates, isNegated: isNegated, range)
        case .inQuery, .exists, .scalarQuery:
            return fail(
                "this sub-query is not supported here", range,
                "WHERE x IN (SELECT …) works as a part of AND; otherwise join: JOIN (SELECT …) AS q ON …")
        case .like(let operand, let pattern, let escape, let isNegated, let isSimilar):
            let parts = [operand, pattern] + (escape.map { [$0] } ?? [])
            var arguments: [Bound] = []
            for part in parts {
                guard let bound = bind(part) else { continue }
                guard bound.type.isCharacter || bound.type == .null else {
                    _ = fail("\(isSimilar ? "SIMILAR TO" : "LIKE") takes STRING, not \(bound.type)", part.range)
                    continue
                }
                arguments.append(textual(bound))
            }
            guard arguments.count == parts.count else { return nil }
            if let escape, case .string(let text, _) = escape.kind, text.count != 1 {
                return fail("ESCAPE takes one character, not \(text.count)", escape.range)
            }
            let call = strict(isSimilar ? .similar : .like, arguments, .boolean)
            return isNegated ? strict(.not, [call], .boolean) : call
        case .conditional(let operand, let branches, let otherwise):
            return conditional(operand, branches, otherwise, range)
        case .cast(let operand, let type, let isTry): return cast(operand, type, isTry: isTry, range)
        case .call(let call): return self.call(call, range)
        case .rowValue(let values): return row(values)
        case .arrayValue(let values):
            guard let unified = unify(values, "ARRAY", range) else { return nil }
            return Bound(
                .call(.arrayConstructor, unified.map(\.expression), .array(unified.first?.type ?? .null)),
                isNullable: false)
        case .mapValue(let values): return map(values, range)
        case .field(let operand, let field):
            guard let bound = bind(operand) else { return nil }
            return self.field(bound, field)
        case .element(let operand, let index): return element(operand, index, range)
        case .timeUnit(let unit): return literal(.string(unit), .string)
        case .descriptor: return fail("DESCRIPTOR stands only in the arguments of a table function", range)
        case .tableArgument: return fail("TABLE stands only in the arguments of a table function", range)
        case .modelArgument: return fail("MODEL stands only in the arguments of ML_PREDICT", range)
        case .asterisk: return fail("* stands only in SELECT and COUNT(*)", range)
        case .parameter(let name):
            return fail(
                name.isEmpty ? "parameters are not supported here" : "parameter \"\(name)\" is not supported here",
                range,
                "Write the value, or use ${key} in WITH options.")
        }
    }

    // MARK: Pieces other files use

    func fail(_ message: String, _ range: SourceRange, _ hint: String? = nil) -> Bound? {
        log.error(message, at: range, hint: hint)
        return nil
    }

    func literal(_ value: Value, _ type: DataType) -> Bound { Bound(.literal(value, type), isNullable: value == .null) }

    /// A bare NULL as text.
    func textual(_ bound: Bound) -> Bound {
        bound.type == .null ? Bound(.literal(.null, .string), isNullable: true) : bound
    }

    /// A strict call: NULL when an operand is.
    func strict(_ function: BuiltinFunction, _ arguments: [Bound], _ type: DataType) -> Bound {
        Bound(.call(function, arguments.map(\.expression), type), isNullable: arguments.contains(where: \.isNullable))
    }

    /// A boolean that is never NULL.
    func test(_ function: BuiltinFunction, _ arguments: [Expression]) -> Bound {
        Bound(.call(function, arguments, .boolean), isNullable: false)
    }

    func boolean(_ syntax: ExpressionSyntax, _ place: String) -> Bound? {
        guard let bound = bind(syntax) else { return nil }
        if bound.type == .null { return Bound(.literal(.null, .boolean), isNullable: true) }
        guard bound.type == .boolean else { return fail("\(place) takes BOOLEAN, not \(bound.type)", syntax.range) }
        return bound
    }

    func name(_ parts: [Identifier]) -> Bound? {
        switch scope.resolve(parts, log: log) {
        case .failed: return nil
        case .column(let index, let fields):
            let column = scope.columns[index]
            if column.isBroken { return nil }
            var bound: Bound? = Bound(.column(index, column.type), isNullable: column.isNullable)
            for field in fields { bound = bound.flatMap { self.field($0, field) } }
            return bound
        }
    }

    func field(_ operand: Bound, _ name: Identifier) -> Bound? {
        guard case .row(let fields) = operand.type else {
            return fail("\(operand.type) has no field \"\(name.text)\"", name.range)
        }
        guard let index = fields.firstIndex(where: { $0.name == name.text }) else {
            return fail(
                "field \"\(name.text)\" is not in the ROW", name.range,
                NearestName.hint(name.text, in: fields.map(\.name))
                    ?? (fields.count <= 12
                        ? "The fields are \(fields.map { "\"\($0.name)\"" }.joined(separator: ", "))." : nil))
        }
        return Bound(
            .field(operand.expression, index: index, fields[index].type),
            isNullable: operand.isNullable || fields[index].isNullable)
    }

    func number(_ text: String, isNegative: Bool, _ range: SourceRange) -> Bound? {
        guard let (value, type) = NumberLiteral.parse(text, isNegative: isNegative) else {
            return fail("number has more than 38 digits", range)
        }
        return literal(value, type)
    }

    private func temporal(_ kind: ExpressionSyntax.TemporalKind, _ text: String, _ range: SourceRange) -> Bound? {
        let precision = TemporalLiteral.precision(of: text)
        let type: DataType =
            switch kind {
            case .date: .date
            case .time: .time(precision: precision)
            case .timestamp: .timestamp(precision: precision)
            case .timestampLTZ: .timestampLTZ(precision: precision)
            }
        guard let value = TemporalLiteral.parse(.string(text), as: type) else {
            let form = kind == .date ? "2024-01-31" : kind == .time ? "12:30:00" : "2024-01-31 12:30:00.000"
            return fail("\(kind.rawValue.uppercased()) literal is not readable", range, "Write it as '\(form)'.")
        }
        return literal(value, type)
    }

    private func element(_ operand: ExpressionSyntax, _ index: ExpressionSyntax, _ range: SourceRange) -> Bound? {
        if let position = position(index) { return element(operand, position, range) }
        guard let bound = bind(operand), let key = bind(index) else { return nil }
        if let text = variantText(bound) { return variantItem(text, key, index.range) }
        switch bound.type {
        case .array(let element):
            guard key.type.isInteger else { return fail("an array index is INT, not \(key.type)", index.range) }
            if case .literal(.integer(let position), _) = key.expression, position < 1 {
                return fail("an array index is at least 1, not \(position)", index.range, "Arrays count from 1.")
            }
            return Bound(.call(.element, [bound.expression, key.expression], element), isNullable: true)
        case .map(let keyType, let value):
            guard let (_, target) = Coercion.comparison(key.type, keyType), target == keyType else {
                return fail("a key of this map is \(keyType), not \(key.type)", index.range)
            }
            return Bound(
                .call(.element, [bound.expression, Coercion.cast(key.expression, to: keyType)], value), isNullable: true
            )
        default: return fail("\(bound.type) has no elements", operand.range)
        }
    }

    private func row(_ values: [ExpressionSyntax]) -> Bound? {
        let bound = values.map(bind)
        let parts = bound.compactMap { $0 }
        guard parts.count == values.count else { return nil }
        let fields = parts.enumerated().map {
            Field("EXPR$\($0.offset)", $0.element.type, isNullable: $0.element.isNullable)
        }
        return Bound(.call(.rowConstructor, parts.map(\.expression), .row(fields)), isNullable: false)
    }

    private func map(_ values: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard values.count.isMultiple(of: 2) else { return fail("MAP takes pairs of key and value", range) }
        guard let keys = unify(stride(from: 0, to: values.count, by: 2).map { values[$0] }, "MAP keys", range),
            let items = unify(stride(from: 1, to: values.count, by: 2).map { values[$0] }, "MAP values", range)
        else { return nil }
        let arguments = zip(keys, items).flatMap { [$0.expression, $1.expression] }
        return Bound(
            .call(.mapConstructor, arguments, .map(key: keys.first?.type ?? .null, value: items.first?.type ?? .null)),
            isNullable: false)
    }

    /// All expressions cast to their common type.
    func unify(_ syntax: [ExpressionSyntax], _ what: String, _ range: SourceRange) -> [Bound]? {
        let bound = syntax.map { (bind($0), $0.range) }
        let parts = bound.compactMap { item in item.0.map { ($0, item.1) } }
        guard parts.count == syntax.count else { return nil }
        return unify(parts, what)
    }

    func unify(_ parts: [(Bound, SourceRange)], _ what: String) -> [Bound]? {
        var type: DataType = .null
        for (bound, range) in parts {
            let isFunction = what == "COALESCE" || what == "GREATEST" || what == "LEAST"
            let common =
                isFunction
                ? Coercion.common(type, bound.type) : Coercion.leastRestrictive(type, bound.type)
            guard let common else {
                log.error("\(what) mixes \(type) and \(bound.type)", at: range, hint: "Write a CAST.")
                return nil
            }
            type = common
        }
        return parts.map { Bound(cast($0.0.expression, to: type), isNullable: $0.0.isNullable) }
    }

    /// Text lengths do not matter in memory, so they need no cast.
    func cast(_ expression: Expression, to type: DataType) -> Expression {
        if expression.type.isCharacter, case .varchar = type, case .varchar = expression.type {
            return retyped(expression, type)
        }
        return Coercion.cast(expression, to: type)
    }

    private func retyped(_ expression: Expression, _ type: DataType) -> Expression {
        if case .literal(let value, _) = expression { return .literal(value, type) }
        return Coercion.cast(expression, to: type)
    }
}
