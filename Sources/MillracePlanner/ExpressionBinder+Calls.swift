import MillraceCore
import MillraceSQL

extension ExpressionBinder {
    func call(_ call: CallSyntax, _ range: SourceRange) -> Bound? {
        let name = call.name.text.uppercased()
        if name.hasPrefix("ML.") { return preprocessing(call, name, range) }
        if name == "STRUCT" { return structValue(call.arguments) }
        if call.over != nil {
            return fail(
                "OVER is not allowed in \(place)", range,
                "Compute it in the select list of a sub-query, or ask with QUALIFY.")
        }
        if Self.aggregateNames.contains(name) {
            return fail("aggregate \(name) is not allowed in \(place)", range)
        }
        if OverBinder.functionNames.contains(name) {
            return fail("\(name) needs OVER (… ORDER BY …)", range)
        }
        if Self.windowFunctionNames.contains(name) {
            let isWindow = !name.contains("_")
            return fail(
                "window function \(name) needs a GROUP BY with its window", range,
                isWindow
                    ? "Write it in GROUP BY, or as a table behind FROM."
                    : "Add GROUP BY \(name.prefix { $0 != "_" })(…), or select window_start and window_end of a table function."
            )
        }
        if let filter = call.filter {
            return fail("FILTER stands only behind an aggregate", filter.range)
        }
        if name == "STRUCT" { return structure(call.arguments) }
        if let named = call.arguments.first(where: { $0.name != nil }) {
            return fail("function \(name) takes no named arguments", named.value.range)
        }
        let arguments = call.arguments.map(\.value)
        if let function = Self.bitmapFunctions[name] { return bitmap(name, function, arguments, range) }
        switch bigQuery(name, arguments, range) {
        case .bound(let bound): return bound
        case .failed: return nil
        case .passed: break
        }
        switch name {
        case "COALESCE":
            guard !arguments.isEmpty else { return fail("COALESCE takes at least one argument", range) }
            return coalesce(arguments, range)
        case "IFNULL", "NVL":
            guard arguments.count == 2 else { return fail("\(name) takes 2 arguments, not \(arguments.count)", range) }
            return coalesce(arguments, range)
        case "IF":
            guard arguments.count == 3 else { return fail("IF takes 3 arguments, not \(arguments.count)", range) }
            return conditional(nil, [.init(condition: arguments[0], result: arguments[1])], arguments[2], range, "IF")
        case "NULLIF":
            guard arguments.count == 2 else { return fail("NULLIF takes 2 arguments, not \(arguments.count)", range) }
            return nullIf(arguments[0], arguments[1], range)
        case "TO_TIMESTAMP_LTZ":
            guard let bound = plain(name, arguments, range, at: call.name.range) else { return nil }
            return precise(bound)
        case "MOD":
            guard arguments.count == 2 else { return fail("MOD takes 2 arguments, not \(arguments.count)", range) }
            return binary(.modulo, arguments[0], arguments[1], range)
        case "DIV":
            guard arguments.count == 2 else { return fail("DIV takes 2 arguments, not \(arguments.count)", range) }
            return binary(.divide, arguments[0], arguments[1], range)
        case "TRIM": return trim(arguments, range)
        case "INSTR" where arguments.count == 2: return plain("POSITION", [arguments[1], arguments[0]], range)
        case "TYPEOF": return typeOf(arguments, range)
        case "PARSE_JSON", "TRY_PARSE_JSON": return parseJSON(name, arguments, range)
        case "OBJECT_OF": return objectOf(arguments, range)
        case "OBJECT_UPDATE": return objectUpdate(arguments, range)
        case "JSON_STRING" where arguments.count == 1:
            guard let bound = bind(arguments[0]) else { return nil }
            if let text = variantText(bound) { return text }
        case "CURRENT_DATABASE" where arguments.isEmpty: return literal(.string("default_database"), .string)
        case "LPAD" where arguments.count == 2, "RPAD" where arguments.count == 2:
            let blank = ExpressionSyntax(.string(" ", isDoubleQuoted: false), range: range)
            return plain(name, arguments + [blank], range)
        case "SPLIT" where arguments.count == 1:
            return plain(name, arguments + [ExpressionSyntax(.string(",", isDoubleQuoted: false), range: range)], range)
        case "EXTRACT": return extract(arguments, range)
        case "TIMESTAMPADD":
            guard let bound = plain(name, arguments, range) else { return nil }
            return moved(bound)
        case "FLOOR", "CEIL", "CEILING":
            if arguments.count == 2, case .timeUnit(let unit) = arguments[1].kind {
                return floorTime(name, arguments[0], unit, range)
            }
        case "ROUND", "TRUNCATE", "TRUNC":
            guard let bound = plain(name, arguments, range) else { return nil }
            return rounded(bound)
        default:
            if let unit = FunctionTable.extractUnits[name] {
                guard arguments.count == 1 else {
                    return fail("\(name) takes 1 argument, not \(arguments.count)", range)
                }
                return plain("EXTRACT", [ExpressionSyntax(.timeUnit(unit), range: range)] + arguments, range)
            }
        }
        return plain(name, arguments, range, at: call.name.range)
    }

    /// `EXTRACT(DATE FROM t)` is a cast; BigQuery's other units are Flink's under other names.
    private func extract(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard arguments.count == 2, case .timeUnit(let unit) = arguments[0].kind else {
            return plain("EXTRACT", arguments, range)
        }
        if unit == "DATE" || unit == "TIME" {
            return cast(arguments[1], TypeSyntax(name: unit, range: range), isTry: false, range)
        }
        let others = ["DAYOFWEEK": "DOW", "DAYOFYEAR": "DOY", "ISOWEEK": "WEEK"]
        let known = ExpressionSyntax(.timeUnit(others[unit] ?? unit), range: arguments[0].range)
        return plain("EXTRACT", [known, arguments[1]], range)
    }

    /// A DATE moved by hours or less is a TIMESTAMP.
    private func moved(_ bound: Bound) -> Bound {
        guard case .call(let function, let arguments, .date) = bound.expression,
            case .literal(.string(let unit), _) = arguments[0],
            ["HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"].contains(unit)
        else { return bound }
        return Bound(.call(function, arguments, .timestamp(precision: 6)), isNullable: bound.isNullable)
    }

    static let windowFunctionNames: Set<String> = [
        "TUMBLE", "HOP", "SESSION", "CUMULATE", "TUMBLE_START", "TUMBLE_END", "TUMBLE_ROWTIME", "TUMBLE_PROCTIME",
        "HOP_START", "HOP_END", "HOP_ROWTIME", "HOP_PROCTIME", "SESSION_START", "SESSION_END", "SESSION_ROWTIME",
        "SESSION_PROCTIME",
    ]

    private func coalesce(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard let unified = unify(arguments, "COALESCE", range) else { return nil }
        if unified.count == 1 { return unified[0] }
        return Bound(
            .call(.coalesce, unified.map(\.expression), unified[0].type), isNullable: unified.allSatisfy(\.isNullable))
    }

    private func trim(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        var function = BuiltinFunction.trimBoth
        var text = arguments.first
        var characters: ExpressionSyntax?
        if arguments.count == 3, case .string(let side, _) = arguments[0].kind {
            function = side == "LEADING" ? .trimLeading : side == "TRAILING" ? .trimTrailing : .trimBoth
            characters = arguments[1]
            text = arguments[2]
        } else if arguments.count == 2 {
            characters = arguments[1]
        } else if arguments.count != 1 {
            return fail("TRIM takes a text, as in TRIM(BOTH 'x' FROM text)", range)
        }
        guard let text else { return nil }
        let operand = bind(text)
        let cut = characters.map(bind) ?? literal(.string(" "), .string)
        guard let operand, let cut else { return nil }
        for bound in [operand, cut] where !bound.type.isCharacter && bound.type != .null {
            return fail("TRIM takes STRING, not \(bound.type)", range)
        }
        return strict(function, [operand, cut], .string)
    }

    private func floorTime(_ name: String, _ operand: ExpressionSyntax, _ unit: String, _ range: SourceRange) -> Bound?
    {
        guard let bound = bind(operand) else { return nil }
        guard bound.type.isTemporal else {
            return fail("\(name) TO \(unit) takes a time, not \(bound.type)", operand.range)
        }
        guard FunctionTable.timeUnits.contains(unit) else {
            return fail(
                "unknown time unit \"\(unit)\"", range, NearestName.hint(unit, in: FunctionTable.timeUnits.sorted()))
        }
        return strict(name == "FLOOR" ? .floorTime : .ceilTime, [literal(.string(unit), .string), bound], bound.type)
    }

    /// ROUND(DECIMAL(10, 3), 1) is DECIMAL(9, 1): one more digit in front, as many as asked behind.
    private func rounded(_ bound: Bound) -> Bound {
        guard case .call(let function, let arguments, .decimal(let precision, let scale)) = bound.expression else {
            return bound
        }
        var digits = 0
        if arguments.count == 2 {
            guard case .literal(.integer(let value), _) = arguments[1] else { return bound }
            digits = Int(clamping: value)
        }
        guard digits < scale else { return bound }
        let kept = max(digits, 0)
        let type = DataType.decimal(precision: min(38, precision - scale + 1 + kept), scale: kept)
        return Bound(.call(function, arguments, type), isNullable: bound.isNullable)
    }

    /// NULLIF keeps the type of its first argument, whatever it is compared with.
    private func nullIf(_ left: ExpressionSyntax, _ right: ExpressionSyntax, _ range: SourceRange) -> Bound? {
        guard let value = bind(left), let (a, b) = comparable(left, right, "NULLIF", range) else { return nil }
        let equal = Expression.call(.equal, [a.expression, b.expression], .boolean)
        return Bound(
            .conditional(
                [.init(condition: equal, result: .literal(.null, value.type))], otherwise: value.expression, value.type),
            isNullable: true)
    }

    /// TO_TIMESTAMP_LTZ has the precision that a literal asks for, at least milliseconds.
    private func precise(_ bound: Bound) -> Bound {
        guard case .call(let function, let arguments, _) = bound.expression, arguments.count == 2,
            case .literal(.integer(let precision), _) = arguments[1], (0...9).contains(precision)
        else { return bound }
        return Bound(
            .call(function, arguments, .timestampLTZ(precision: max(3, Int(precision)))), isNullable: bound.isNullable)
    }

    /// A function of the table.
    func plain(_ name: String, _ syntax: [ExpressionSyntax], _ range: SourceRange, at nameRange: SourceRange? = nil)
        -> Bound?
    {
        guard let declaration = functions.find(name) else {
            let known =
                functions.names + BigQueryCall.names + Self.bitmapFunctions.keys.sorted() + [
                    "COALESCE", "IF", "IFNULL", "MOD", "TRIM", "TYPEOF", "INSTR",
                ]
                + Self.aggregateNames.sorted()
                + FunctionTable.extractUnits.keys.sorted() + Self.windowFunctionNames.sorted()
                + Self.preprocessingNames
            // The arguments are checked all the same; beside GROUP BY it may be an aggregate, whose arguments are free.
            if intercept == nil { for argument in syntax { _ = bind(argument) } }
            return fail("unknown function \"\(name)\"", nameRange ?? range, functions.instead(of: name, known: known))
        }
        let bound = syntax.map { ($0, bind($0)) }
        let arguments = bound.compactMap(\.1)
        guard arguments.count == syntax.count else { return nil }
        let counted = declaration.overloads.filter { $0.takes(arguments.count) }
        let accepted = declaration.overloads.map { name + $0.signature }.joined(separator: " or ")
        guard !counted.isEmpty else {
            return fail(
                "function \(name) does not take \(arguments.count) argument\(arguments.count == 1 ? "" : "s")", range,
                "It is called as \(accepted).")
        }
        candidates: for overload in counted {
            var converted: [Bound] = []
            for (index, argument) in arguments.enumerated() {
                let rule = overload.rule(at: index)
                if case .unit = rule {
                    guard let unit = unit(syntax[index]) else { continue candidates }
                    converted.append(literal(.string(unit), .string))
                    continue
                }
                // Text literals stand for times, as in comparisons.
                if name != "DATE_FORMAT", case .string = argument.expression.stringLiteral, isTemporal(rule),
                    let value = argument.expression.stringLiteral.flatMap({
                        TemporalLiteral.parse($0, as: .timestamp(precision: 3))
                    })
                {
                    converted.append(literal(value, .timestamp(precision: 3)))
                    continue
                }
                guard let type = rule.accepts(argument.type) else { continue candidates }
                converted.append(Bound(cast(argument.expression, to: type), isNullable: argument.isNullable))
            }
            if let unify = overload.unify {
                guard let types = unify(converted.map(\.type)) else { continue candidates }
                converted = zip(converted, types).map {
                    Bound(cast($0.expression, to: $1), isNullable: $0.isNullable)
                }
            }
            let same = converted.indices.filter { if case .same = overload.rule(at: $0) { true } else { false } }
            if same.count > 1 {
                guard let unified = unify(same.map { (converted[$0], syntax[$0].range) }, name) else { return nil }
                for (index, value) in zip(same, unified) { converted[index] = value }
            }
            let type = overload.result(converted.map(\.type))
            let nullable =
                declaration.mayBeNull || (!declaration.isNeverNull && converted.contains(where: \.isNullable))
            return Bound(.call(overload.function, converted.map(\.expression), type), isNullable: nullable)
        }
        let given = zip(arguments, syntax).map { argument, syntax in
            if case .timeUnit(let unit) = syntax.kind { unit } else { "\(argument.type)" }
        }.joined(separator: ", ")
        return fail("function \(name) does not take (\(given))", range, "It is called as \(accepted).")
    }

    private func isTemporal(_ rule: ParameterRule) -> Bool {
        switch rule {
        case .temporal, .timestamp, .temporalOrInterval: true
        default: false
        }
    }

    private func unit(_ syntax: ExpressionSyntax) -> String? {
        guard case .timeUnit(let text) = syntax.kind else { return nil }
        return FunctionTable.timeUnits.contains(text) ? text : nil
    }
}
