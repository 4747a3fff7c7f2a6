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

    /// The result may be NULL although a row was folded.
    var isNullable: Bool {
        switch function {
        case .countAll, .count, .collect: false
        case .stddevSamp, .varSamp: true
        default: argument?.isNullable == true || filter != nil || type.isDecimal
        }
    }

    /// `slot`: the column that holds an expression.
    func call(_ slot: (Expression, _ isNullable: Bool) -> Int) -> AggregateCall {
        AggregateCall(
            function, argument: argument.map { slot($0.expression, $0.isNullable) },
            filter: filter.map { slot($0, true) },
            // DISTINCT changes nothing for the extremes.
            isDistinct: isDistinct && function != .minimum && function != .maximum, type: type, separator: separator)
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
        let most = name == "LISTAGG" ? 2 : 1
        guard values.count <= most, !values.isEmpty || name == "COUNT" else {
            return fail(
                "aggregate \(name) takes \(most == 1 ? "1 argument" : "1 or 2 arguments"), not \(values.count)", range)
        }
        guard let first = values.first else {
            return BoundAggregate(function: .countAll, filter: filter, type: .bigInt)
        }
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

    static func hasOrder(_ type: DataType) -> Bool {
        type.isNumeric || type.isCharacter || type.isTemporal || type == .boolean || type.isInterval || type.isBinary
    }

    private func fail(_ message: String, _ range: SourceRange, _ hint: String? = nil) -> BoundAggregate? {
        log.error(message, at: range, hint: hint)
        return nil
    }
}
