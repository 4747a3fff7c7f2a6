import MillraceCore
import MillraceSQL

/// An aggregate function with its bound arguments, before they have places.
struct BoundAggregate {
    var function: AggregateCall.Function
    var argument: Bound?
    var filter: Expression?
    var isDistinct = false
    var type: DataType
    var separator = ","
    var percentages: [Double] = []
    var weight: Bound?

    /// The result may be NULL although a row was folded.
    var isNullable: Bool {
        switch function {
        case .countAll, .count, .collect, .jsonArrayAgg, .jsonObjectAgg: false
        case .stddevSamp, .varSamp, .areaUnderCurve: true
        default: argument?.isNullable == true || filter != nil || type.isDecimal
        }
    }

    /// `slot`: the column that holds an expression.
    func call(_ slot: (Expression, _ isNullable: Bool) -> Int) -> AggregateCall {
        var call = AggregateCall(
            function, argument: argument.map { slot($0.expression, $0.isNullable) },
            filter: filter.map { slot($0, true) },
            // DISTINCT changes nothing for the extremes.
            isDistinct: isDistinct && function != .minimum && function != .maximum, type: type, separator: separator)
        call.percentages = percentages
        call.weight = weight.map { slot($0.expression, $0.isNullable) }
        return call
    }
}

/// Binds the call of an aggregate function: arguments over the rows, DISTINCT, FILTER, and the result's type as Flink has it.
struct AggregateCallBinder {
    /// Over the rows that are aggregated.
    let binder: ExpressionBinder
    private var log: DiagnosticLog { binder.log }

    static let names: Set<String> = [
        "COUNT", "COUNTIF", "SUM", "AVG", "MIN", "MAX", "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VAR_POP",
        "VAR_SAMP", "LISTAGG", "FIRST_VALUE", "LAST_VALUE", "COLLECT", "ARRAY_AGG", "APPROX_COUNT_DISTINCT",
        "PERCENTILE", "JSON_ARRAYAGG", "JSON_OBJECTAGG", "AUC",
    ]

    init(_ binder: ExpressionBinder) { self.binder = binder }

    func bind(_ call: CallSyntax, _ range: SourceRange) -> BoundAggregate? {
        let name = call.name.text.uppercased()
        let place = binder.place
        binder.place = "the argument of an aggregate"
        defer { binder.place = place }
        var filter: Expression?
        if let clause = call.filter {
            guard let bound = binder.boolean(clause, "FILTER") else { return nil }
            filter = bound.expression
        }
        var values = call.arguments.map(\.value)
        if values.count == 1, case .asterisk = values[0].kind {
            guard name == "COUNT" else { return fail("\(name) does not take *", values[0].range) }
            if call.isDistinct { return fail("COUNT(DISTINCT *) is not supported", range) }
            values = []
        }
        let (least, most) = Self.arity[name, default: (1, 1)]
        guard values.count <= most, values.count >= least || name == "COUNT" else {
            let wanted = least == most ? "\(most) argument\(most == 1 ? "" : "s")" : "\(least) or \(most) arguments"
            return fail("aggregate \(name) takes \(wanted), not \(values.count)", range)
        }
        if call.leavesOutNull != nil, !name.hasPrefix("JSON_") { return fail("\(name) takes no ON NULL", range) }
        guard let first = values.first else {
            return BoundAggregate(function: .countAll, filter: filter, type: .bigInt)
        }
        if name == "JSON_ARRAYAGG" || name == "JSON_OBJECTAGG" { return bindJSON(name, call, values, filter) }
        guard let argument = binder.bind(first) else { return nil }
        var result = BoundAggregate(
            function: .count, argument: argument, filter: filter, isDistinct: call.isDistinct, type: .bigInt)
        switch name {
        case "COUNT": break
        case "APPROX_COUNT_DISTINCT": result.isDistinct = true
        case "COUNTIF":
            guard argument.type == .boolean else { return fail("COUNTIF takes BOOLEAN", first.range) }
            let condition = argument.expression
            return BoundAggregate(
                function: .countAll, filter: filter.map { .call(.and, [$0, condition], .boolean) } ?? condition,
                type: .bigInt)
        case "SUM", "AVG", "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VAR_POP", "VAR_SAMP":
            guard argument.type.isNumeric else {
                return fail("\(name) takes a number, not \(argument.type)", first.range)
            }
            result.function = Self.numeric[name, default: .sum]
            result.type = argument.type
            if case .decimal(_, let scale) = argument.type {
                result.type = .decimal(precision: 38, scale: name == "SUM" ? scale : max(6, scale))
            }
        case "MIN", "MAX":
            guard Self.hasOrder(argument.type) else {
                return fail("\(name) does not take \(argument.type)", first.range)
            }
            result.function = name == "MIN" ? .minimum : .maximum
            result.type = argument.type
        case "LISTAGG":
            guard argument.type.isCharacter else {
                return fail("LISTAGG takes STRING, not \(argument.type)", first.range, "Write CAST(… AS STRING).")
            }
            result.function = .listAgg
            result.type = .string
            if values.count == 2 {
                guard case .string(let separator, _) = values[1].kind else {
                    return fail("the separator of LISTAGG is a text in quotes", values[1].range)
                }
                result.separator = separator
            }
        case "FIRST_VALUE", "LAST_VALUE":
            result.function = name == "FIRST_VALUE" ? .firstValue : .lastValue
            result.type = argument.type
        case "ARRAY_AGG":
            result.function = .arrayAgg
            result.type = .array(argument.type)
            if call.nulls == .ignore {
                let present = Expression.call(.isNotNull, [argument.expression], .boolean)
                result.filter = filter.map { .call(.and, [$0, present], .boolean) } ?? present
            }
        case "PERCENTILE":
            guard argument.type.isNumeric else {
                return fail("PERCENTILE takes a number, not \(argument.type)", first.range)
            }
            guard bindPercentages(values[1], &result) else { return nil }
            if values.count == 3 {
                guard let weight = binder.bind(values[2]) else { return nil }
                guard weight.type.isInteger else {
                    return fail("the frequency of PERCENTILE is a whole number, not \(weight.type)", values[2].range)
                }
                result.weight = weight
            }
        case "AUC": return bindArea(call, values, argument, filter)
        case "COLLECT":
            result.function = .collect
            result.type = .multiset(argument.type)
        default: return fail("aggregate \(name) is not supported", range)
        }
        let isSet = result.function == .collect || result.isDistinct
        if isSet, !argument.type.childTypes.isEmpty {
            return fail("\(name)\(call.isDistinct ? "(DISTINCT)" : "") does not take \(argument.type)", first.range)
        }
        if call.nulls == .ignore, !["ARRAY_AGG", "FIRST_VALUE", "LAST_VALUE"].contains(name) {
            return fail("IGNORE NULLS does not go with \(name)", range)
        }
        if call.nulls == .respect, name != "ARRAY_AGG" {
            return fail("RESPECT NULLS does not go with \(name)", range, "\(name) skips NULL, as in Flink.")
        }
        return result
    }

    private static let numeric: [String: AggregateCall.Function] = [
        "SUM": .sum, "AVG": .average, "STDDEV": .stddevSamp, "STDDEV_POP": .stddevPop, "STDDEV_SAMP": .stddevSamp,
        "VARIANCE": .varSamp, "VAR_POP": .varPop, "VAR_SAMP": .varSamp,
    ]

    private static let arity: [String: (Int, Int)] = [
        "LISTAGG": (1, 2), "PERCENTILE": (2, 3), "JSON_OBJECTAGG": (2, 2), "AUC": (2, 2),
    ]

    /// A number from 0 to 1, or an array of such.
    private func bindPercentages(_ syntax: ExpressionSyntax, _ result: inout BoundAggregate) -> Bool {
        var items = [syntax]
        result.function = .percentile
        result.type = .double
        if case .arrayValue(let elements) = syntax.kind {
            items = elements
            result.type = .array(.double)
        }
        for item in items {
            guard case .number(let text) = item.kind, let value = Double(text), (0...1).contains(value) else {
                log.error("PERCENTILE takes numbers from 0 to 1", at: item.range)
                return false
            }
            result.percentages.append(value)
        }
        if result.percentages.isEmpty {
            log.error("PERCENTILE takes at least one number from 0 to 1", at: syntax.range)
        }
        return !result.percentages.isEmpty
    }

    /// AUC(score, label): the label is BOOLEAN, or a number of which 0 is the negative class.
    private func bindArea(
        _ call: CallSyntax, _ values: [ExpressionSyntax], _ score: Bound, _ filter: Expression?
    ) -> BoundAggregate? {
        if call.isDistinct { return fail("AUC takes no DISTINCT", call.name.range) }
        guard score.type.isNumeric else { return fail("AUC takes a number, not \(score.type)", values[0].range) }
        guard let label = binder.bind(values[1]) else { return nil }
        guard label.type == .boolean || label.type.isNumeric else {
            return fail(
                "the label of AUC is BOOLEAN or a number, not \(label.type)", values[1].range,
                "Compare it, as in AUC(score, label = 'fraud').")
        }
        let zero = Coercion.cast(.literal(.integer(0), .integer), to: label.type)
        let isPositive =
            label.type == .boolean
            ? label.expression : Expression.call(.notEqual, [label.expression, zero], .boolean)
        let weight = Expression.conditional(
            [
                .init(condition: isPositive, result: .literal(.integer(1), .bigInt)),
                .init(
                    condition: .call(.not, [isPositive], .boolean), result: .literal(.integer(1 << 32), .bigInt)),
            ], otherwise: .literal(.null, .bigInt), .bigInt)
        var result = BoundAggregate(
            function: .areaUnderCurve,
            argument: Bound(Coercion.cast(score.expression, to: .double), isNullable: score.isNullable),
            filter: filter, type: .double)
        result.weight = Bound(weight, isNullable: true)
        return result
    }

    /// The items are JSON already when they are aggregated. JSON_OBJECTAGG keeps NULL and JSON_ARRAYAGG leaves it out, unless
    /// the clause says otherwise.
    private func bindJSON(
        _ name: String, _ call: CallSyntax, _ values: [ExpressionSyntax], _ filter: Expression?
    ) -> BoundAggregate? {
        let isArray = name == "JSON_ARRAYAGG"
        var json = JSONSyntax(isArray ? .array : .object, arguments: values)
        json.leavesOutNull = false
        let range = values[0].range.through(values[values.count - 1].range)
        guard let item = binder.bind(ExpressionSyntax(.json(json), range: range)) else { return nil }
        var result = BoundAggregate(
            function: isArray ? .jsonArrayAgg : .jsonObjectAgg, argument: item, filter: filter,
            isDistinct: call.isDistinct, type: .string)
        if call.leavesOutNull ?? isArray, let value = binder.bind(values[values.count - 1]), value.isNullable {
            let present = Expression.call(.isNotNull, [value.expression], .boolean)
            result.filter = filter.map { .call(.and, [$0, present], .boolean) } ?? present
        }
        return result
    }

    static func hasOrder(_ type: DataType) -> Bool {
        type.isNumeric || type.isCharacter || type.isTemporal || type == .boolean || type.isInterval || type.isBinary
    }

    private func fail(_ message: String, _ range: SourceRange, _ hint: String? = nil) -> BoundAggregate? {
        log.error(message, at: range, hint: hint)
        return nil
    }
}
