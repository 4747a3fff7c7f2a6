import MillraceCore
import MillraceSQL

extension ExpressionBinder {
    func unary(_ op: ExpressionSyntax.UnaryOperator, _ operand: ExpressionSyntax, _ range: SourceRange) -> Bound? {
        switch op {
        case .not:
            return boolean(operand, "NOT").map { strict(.not, [$0], .boolean) }
        case .plus, .minus:
            if case .number(let text) = operand.kind { return number(text, isNegative: op == .minus, range) }
            guard let bound = bind(operand) else { return nil }
            guard bound.type.isNumeric || bound.type.isInterval else {
                return fail("unary \(op.rawValue) takes a number, not \(bound.type)", operand.range)
            }
            if op == .plus { return bound }
            if case .literal(.integer(let value), let type) = bound.expression, value != .min {
                return literal(.integer(-value), type)
            }
            return strict(.negate, [bound], bound.type)
        }
    }

    func binary(
        _ op: ExpressionSyntax.BinaryOperator, _ left: ExpressionSyntax, _ right: ExpressionSyntax, _ range: SourceRange
    ) -> Bound? {
        switch op {
        case .and, .or:
            let parts = flatten(op, left) + flatten(op, right)
            let bound = parts.map { boolean($0, op.rawValue) }
            let arguments = bound.compactMap { $0 }
            guard arguments.count == parts.count else { return nil }
            return strict(op == .and ? .and : .or, arguments, .boolean)
        case .equal, .notEqual:
            warnOfNull(op, left, right, range)
            if case .rowValue(let a) = left.kind, case .rowValue(let b) = right.kind, a.count == b.count {
                return rowsEqual(a, b, isNegated: op == .notEqual, range)
            }
            guard let (a, b) = comparable(left, right, op.rawValue, range) else { return nil }
            return strict(Self.comparisons[op] ?? .equal, [a, b], .boolean)
        case .less, .lessOrEqual, .greater, .greaterOrEqual:
            warnOfNull(op, left, right, range)
            guard let (a, b) = comparable(left, right, op.rawValue, range) else { return nil }
            return strict(Self.comparisons[op] ?? .equal, [a, b], .boolean)
        case .concat:
            let bound = [left, right].map { ($0, bind($0)) }
            var arguments: [Bound] = []
            for case (let syntax, let part?) in bound {
                guard part.type.isCharacter || part.type == .null else {
                    _ = fail("|| takes STRING, not \(part.type)", syntax.range, "Write CAST(… AS STRING).")
                    continue
                }
                arguments.append(textual(part))
            }
            guard arguments.count == 2 else { return nil }
            return strict(.concat, arguments, .string)
        case .add, .subtract, .multiply, .divide, .modulo:
            let a = bind(left)
            let b = bind(right)
            guard let a, let b else { return nil }
            return arithmetic(op, a, b, range)
        }
    }

    /// `(a, b) = (c, d)` is `a = c AND b = d`, with the NULLs of that.
    private func rowsEqual(
        _ left: [ExpressionSyntax], _ right: [ExpressionSyntax], isNegated: Bool, _ range: SourceRange
    ) -> Bound? {
        let parts = zip(left, right).map { binary(.equal, $0, $1, range) }
        let bound = parts.compactMap { $0 }
        guard bound.count == parts.count else { return nil }
        let all = bound.count == 1 ? bound[0] : strict(.and, bound, .boolean)
        return isNegated ? strict(.not, [all], .boolean) : all
    }

    private static let comparisons: [ExpressionSyntax.BinaryOperator: BuiltinFunction] = [
        .equal: .equal, .notEqual: .notEqual, .less: .less, .lessOrEqual: .lessOrEqual, .greater: .greater,
        .greaterOrEqual: .greaterOrEqual,
    ]

    private func flatten(_ op: ExpressionSyntax.BinaryOperator, _ syntax: ExpressionSyntax) -> [ExpressionSyntax] {
        if case .binary(op, let left, let right) = syntax.kind { return flatten(op, left) + flatten(op, right) }
        return [syntax]
    }

    /// `x = NULL` is legal and never true.
    private func warnOfNull(
        _ op: ExpressionSyntax.BinaryOperator, _ left: ExpressionSyntax, _ right: ExpressionSyntax, _ range: SourceRange
    ) {
        func isNull(_ syntax: ExpressionSyntax) -> Bool { if case .null = syntax.kind { true } else { false } }
        guard isNull(left) || isNull(right) else { return }
        log.warning(
            "comparison with NULL is never true", at: range,
            hint: op == .notEqual ? "Write IS NOT NULL." : op == .equal ? "Write IS NULL." : nil)
    }

    /// Both sides cast to comparable types.
    func comparable(
        _ left: ExpressionSyntax, _ right: ExpressionSyntax, _ what: String, _ range: SourceRange
    ) -> (Bound, Bound)? {
        let a = bind(left)
        let b = bind(right)
        guard let a, let b else { return nil }
        return comparable(a, b, what, range)
    }

    func comparable(_ a: Bound, _ b: Bound, _ what: String, _ range: SourceRange) -> (Bound, Bound)? {
        // An order between text and a number is that of numbers; for equality a CAST has to say so.
        if ["<", "<=", ">", ">=", "BETWEEN"].contains(what) {
            func number(_ bound: Bound, _ type: DataType) -> Bound? {
                guard bound.type.isCharacter, type.isNumeric, bound.mayBeNumber else { return nil }
                return Bound(cast(bound.expression, to: type), isNullable: bound.isNullable)
            }
            if let x = number(a, b.type) { return (x, b) }
            if let y = number(b, a.type) { return (a, y) }
        }
        guard let (x, y) = Coercion.comparison(a.type, b.type) else {
            let hint =
                (a.type.isCharacter && b.type.isNumeric) || (a.type.isNumeric && b.type.isCharacter)
                ? "Write a CAST on one side; text and numbers are not compared."
                : (a.type.isTimestamp && b.type.isNumeric) || (a.type.isNumeric && b.type.isTimestamp)
                    ? "Turn the number into a time with TO_TIMESTAMP_LTZ(milliseconds, 3)." : nil
            log.error("\(what) cannot compare \(a.type) with \(b.type)", at: range, hint: hint)
            return nil
        }
        // A time literal written as text must be readable.
        for (bound, type) in [(a, x), (b, y)] where type.isTemporal {
            if case .literal(let value, let from) = bound.expression, from.isCharacter,
                TemporalLiteral.parse(value, as: type) == nil
            {
                log.error(
                    "text is compared with \(type) but is not readable as one", at: range,
                    hint: TemporalLiteral.example(type))
                return nil
            }
        }
        return (
            Bound(cast(a.expression, to: x), isNullable: a.isNullable),
            Bound(cast(b.expression, to: y), isNullable: b.isNullable)
        )
    }

    func arithmetic(_ op: ExpressionSyntax.BinaryOperator, _ a: Bound, _ b: Bound, _ range: SourceRange) -> Bound? {
        var a = a
        var b = b
        if a.type == .null, b.type.isNumeric { a = Bound(.literal(.null, b.type), isNullable: true) }
        if b.type == .null, a.type.isNumeric { b = Bound(.literal(.null, a.type), isNullable: true) }
        let functions: [ExpressionSyntax.BinaryOperator: BuiltinFunction] = [
            .add: .add, .subtract: .subtract, .multiply: .multiply, .divide: .divide, .modulo: .modulo,
        ]
        let function = functions[op] ?? .add
        if let (left, right, result) = Coercion.arithmetic(function, a.type, b.type) {
            if function == .divide || function == .modulo, !result.isApproximate, isZero(b.expression) {
                log.error("division by zero", at: range)
                return nil
            }
            let bound = strict(
                function,
                [
                    Bound(Coercion.cast(a.expression, to: left), isNullable: a.isNullable),
                    Bound(Coercion.cast(b.expression, to: right), isNullable: b.isNullable),
                ], result)
            // A remainder has the type of its divisor, where it always fits.
            if function == .modulo, result.exactPrecision?.scale == 0, b.type.isInteger, result != b.type {
                return Bound(.cast(bound.expression, to: b.type, isTry: false), isNullable: bound.isNullable)
            }
            // An overflowing decimal is NULL.
            return Bound(bound.expression, isNullable: bound.isNullable || result.isDecimal)
        }
        switch op {
        case .add, .subtract:
            // Months do not move a time of day.
            if case .time = a.type, b.type == .intervalYearMonth { return a }
            if a.type.isTemporal || a.type.isInterval, b.type.isInterval, a.type == b.type || a.type.isTemporal {
                return strict(op == .add ? .addInterval : .subtractInterval, [a, b], a.type)
            }
            if op == .add, a.type.isInterval, b.type.isTemporal { return strict(.addInterval, [b, a], b.type) }
            if op == .subtract, a.type == .date, b.type == .date {
                let ends = [a, b].map {
                    Bound(cast($0.expression, to: .timestamp(precision: 6)), isNullable: $0.isNullable)
                }
                return strict(.subtractTimestamps, ends, .intervalDayTime)
            }
            if op == .subtract, a.type.isTimestamp, b.type.isTimestamp {
                return strict(.subtractTimestamps, [a, b], .intervalDayTime)
            }
        case .multiply:
            if a.type.isInterval, b.type.isInteger { return strict(.multiplyInterval, [a, b], a.type) }
            if a.type.isInteger, b.type.isInterval { return strict(.multiplyInterval, [b, a], b.type) }
        default: break
        }
        let hint: String? =
            if a.type.isTemporal && b.type.isNumeric || a.type.isNumeric && b.type.isTemporal {
                "Write the number as an interval, such as INTERVAL '5' SECOND."
            } else if a.type.isCharacter || b.type.isCharacter {
                op == .add ? "Join text with ||, or CAST it to a number." : "CAST the text to a number."
            } else { nil }
        return fail("\(op.rawValue) does not take \(a.type) and \(b.type)", range, hint)
    }

    private func isZero(_ expression: Expression) -> Bool {
        guard case .literal(let value, _) = expression else { return false }
        return value == .integer(0) || value == .decimal(0)
    }

    func between(
        _ operand: ExpressionSyntax, _ low: ExpressionSyntax, _ high: ExpressionSyntax, isNegated: Bool,
        isSymmetric: Bool,
        _ range: SourceRange
    ) -> Bound? {
        let value = bind(operand)
        let lower = bind(low)
        let upper = bind(high)
        guard let value, let lower, let upper else { return nil }
        func inside(_ from: Bound, _ to: Bound) -> Bound? {
            let above = comparable(value, from, "BETWEEN", range)
            let below = comparable(value, to, "BETWEEN", range)
            guard let above, let below else { return nil }
            return strict(
                .and,
                [
                    strict(.greaterOrEqual, [above.0, above.1], .boolean),
                    strict(.lessOrEqual, [below.0, below.1], .boolean),
                ], .boolean)
        }
        guard var result = inside(lower, upper) else { return nil }
        if isSymmetric {
            guard let other = inside(upper, lower) else { return nil }
            result = strict(.or, [result, other], .boolean)
        }
        return isNegated ? strict(.not, [result], .boolean) : result
    }

    func inList(_ operand: ExpressionSyntax, _ candidates: [ExpressionSyntax], isNegated: Bool, _ range: SourceRange)
        -> Bound?
    {
        if case .rowValue = operand.kind {
            let parts = candidates.map { binary(.equal, operand, $0, range) }
            let bound = parts.compactMap { $0 }
            guard bound.count == parts.count else { return nil }
            let any = bound.count == 1 ? bound[0] : strict(.or, bound, .boolean)
            return isNegated ? strict(.not, [any], .boolean) : any
        }
        let value = bind(operand)
        var bound = candidates.map { ($0, bind($0)) }
        if let value, value.type.isCharacter || value.type.isNumeric || value.type == .boolean {
            // Text beside a number or truth value is read as what stands in front of IN, and the other way round.
            for (index, item) in bound.enumerated() {
                guard let candidate = item.1, candidate.type.isCharacter != value.type.isCharacter,
                    !value.type.isNumeric || candidate.mayBeNumber,
                    candidate.type.isCharacter || candidate.type.isNumeric || candidate.type == .boolean
                else { continue }
                bound[index].1 = Bound(cast(candidate.expression, to: value.type), isNullable: candidate.isNullable)
            }
        }
        guard let value, bound.allSatisfy({ $0.1 != nil }) else { return nil }
        // One type for all: the comparison types of the operand with each candidate, made common.
        var type = value.type
        for case (let syntax, let candidate?) in bound {
            guard let (x, y) = Coercion.comparison(value.type, candidate.type), let common = Coercion.common(x, y),
                let next = Coercion.common(value.type.isCharacter && common.isTemporal ? common : type, common)
            else { return fail("IN cannot compare \(value.type) with \(candidate.type)", syntax.range) }
            type = type.isTemporal && next.isCharacter ? type : next
        }
        var arguments = [Bound(cast(value.expression, to: type), isNullable: value.isNullable)]
        for case (let syntax, let candidate?) in bound {
            if type.isTemporal, case .literal(let text, let from) = candidate.expression, from.isCharacter,
                TemporalLiteral.parse(text, as: type) == nil
            {
                return fail(
                    "text is compared with \(type) but is not readable as one", syntax.range,
                    TemporalLiteral.example(type))
            }
            arguments.append(Bound(cast(candidate.expression, to: type), isNullable: candidate.isNullable))
        }
        let call = strict(.inList, arguments, .boolean)
        return isNegated ? strict(.not, [call], .boolean) : call
    }

    func conditional(
        _ operand: ExpressionSyntax?, _ branches: [ExpressionSyntax.WhenSyntax], _ otherwise: ExpressionSyntax?,
        _ range: SourceRange, _ what: String = "CASE"
    ) -> Bound? {
        var conditions: [Expression?] = []
        for branch in branches {
            if let operand {
                let pair = comparable(operand, branch.condition, "CASE", branch.condition.range)
                conditions.append(pair.map { .call(.equal, [$0.0.expression, $0.1.expression], .boolean) })
            } else {
                conditions.append(boolean(branch.condition, what == "CASE" ? "WHEN" : what)?.expression)
            }
        }
        var results = branches.map { (bind($0.result), $0.result.range) }
        if let otherwise { results.append((bind(otherwise), otherwise.range)) }
        let parts = results.compactMap { item in item.0.map { ($0, item.1) } }
        guard parts.count == results.count, conditions.allSatisfy({ $0 != nil }), let unified = unify(parts, what)
        else {
            return nil
        }
        let type = unified[0].type
        let bound = zip(conditions, unified).compactMap { condition, result in
            condition.map { Expression.Branch(condition: $0, result: result.expression) }
        }
        return Bound(
            .conditional(bound, otherwise: otherwise == nil ? nil : unified.last?.expression, type),
            isNullable: otherwise == nil || unified.contains(where: \.isNullable))
    }

    func cast(_ operand: ExpressionSyntax, _ syntax: TypeSyntax, isTry: Bool, _ range: SourceRange) -> Bound? {
        let bound = bind(operand)
        let type = TypeResolver(log: log).resolve(syntax)
        guard let bound, let type else { return nil }
        if bound.type.isInteger, type.isInterval,
            let unit = IntervalUnit(rawValue: String(syntax.name.split(separator: " ").last ?? "")),
            let (one, _) = IntervalLiteral.parse(text: "1", from: unit, to: nil, isNegative: false)
        {
            return strict(.multiplyInterval, [literal(.integer(one), type), bound], type)
        }
        if bound.type == Self.bitmapType, type.isCharacter {
            return strict(.bitmapToString, [unboxed(bound, .bytes)], .string)
        }
        guard Coercion.isCastable(from: bound.type, to: type) else {
            let hint =
                bound.type.isTimestamp && type.isNumeric
                ? "Use TIMESTAMPDIFF or EXTRACT to get a number from a time." : nil
            return fail("\(isTry ? "TRY_CAST" : "CAST") does not turn \(bound.type) into \(type)", range, hint)
        }
        let mayFail = bound.type.isCharacter || (type.isDecimal && bound.type != type)
        // Folding keeps only what cannot fail; text stays a cast, so that its error is a row error.
        let folded = bound.type.isCharacter && !type.isCharacter ? nil : Coercion.cast(bound.expression, to: type)
        if let folded, case .literal = folded { return Bound(folded, isNullable: bound.isNullable) }
        if bound.type == type { return Bound(bound.expression, isNullable: bound.isNullable) }
        var isInstant = false
        if case .timestampLTZ = type { isInstant = true }
        if case .string = bound.expression.stringLiteral, type.isTemporal, !isInstant,
            let value = bound.expression.stringLiteral.flatMap({ TemporalLiteral.parse($0, as: type) })
        {
            return literal(value, type)
        }
        return Bound(
            .cast(bound.expression, to: type, isTry: isTry),
            isNullable: bound.isNullable || (mayFail && (isTry || type.isDecimal)))
    }
}

extension Expression {
    /// The value of a text literal.
    var stringLiteral: Value? {
        if case .literal(let value, let type) = self, type.isCharacter, case .string = value { return value }
        return nil
    }
}

extension Bound {
    /// Not a text literal that is no number.
    fileprivate var mayBeNumber: Bool {
        guard case .string(let text)? = expression.stringLiteral else { return true }
        return Double(text.filter { $0 != " " }) != nil
    }
}
