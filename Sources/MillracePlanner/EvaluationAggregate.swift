import MillraceCore
import MillraceSQL

/// The measures of a model's quality that are sums over rows: RMSE, MAE, R2, LOG_LOSS, ACCURACY, PRECISION, RECALL.
///
/// A call is rewritten to AVG and VAR_POP over an expression of the row, so it works wherever these do: in windows, with
/// GROUPING SETS and FILTER, over rows that change, with OVER, and in parts on several shards. A row in which an argument is
/// NULL does not count; a group without rows gives NULL.
struct EvaluationAggregate {
    static let names: Set<String> = ["RMSE", "MAE", "R2", "LOG_LOSS", "ACCURACY", "PRECISION", "RECALL"]

    private let call: CallSyntax
    private let name: String
    private let range: SourceRange

    init?(_ call: CallSyntax, _ range: SourceRange) {
        name = call.name.text.uppercased()
        guard Self.names.contains(name) else { return nil }
        self.call = call
        self.range = range
    }

    /// The call as plain aggregates; nil after an error.
    func expanded(_ binder: ExpressionBinder) -> ExpressionSyntax? {
        let values = call.arguments.map(\.value)
        let most = name == "PRECISION" || name == "RECALL" ? 3 : 2
        guard values.count >= 2, values.count <= most else {
            let wanted = most == 2 ? "2 arguments" : "2 or 3 arguments"
            return fail(
                "aggregate \(name) takes \(wanted), not \(values.count)", range, binder,
                "It is called as \(Self.forms[name]!).")
        }
        if call.isDistinct { return fail("\(name) takes no DISTINCT", range, binder) }
        // Types of the row's expressions; their errors are reported when the expansion is bound.
        let silent = ExpressionBinder(
            scope: binder.scope, log: DiagnosticLog(), functions: binder.functions, place: binder.place)
        let types = values.map { silent.bind($0)?.type }
        switch name {
        case "RMSE", "MAE", "R2":
            for (value, type) in zip(values, types) {
                guard checkNumber(value, type, binder, orBoolean: false) else { return nil }
            }
            return regression(values[0], values[1])
        case "LOG_LOSS":
            guard checkNumber(values[0], types[0], binder, orBoolean: false),
                checkNumber(values[1], types[1], binder, orBoolean: true)
            else { return nil }
            return logLoss(values[0], positive(values[1], types[1], nil))
        case "ACCURACY":
            let (a, b) = (values[0], values[1])
            return aggregate("AVG", either(binary(.equal, a, b), number("1e0"), binary(.notEqual, a, b), number("0e0")))
        default:
            let third = values.count == 3 ? values[2] : nil
            if third == nil {
                for (value, type) in zip(values, types) {
                    guard checkNumber(value, type, binder, orBoolean: true) else { return nil }
                }
            }
            let predicted = positive(values[0], types[0], third)
            let actual = positive(values[1], types[1], third)
            let (among, right) = name == "PRECISION" ? (predicted, actual) : (actual, predicted)
            return aggregate("AVG", when(among, either(right, number("1e0"), not(right), number("0e0"))))
        }
    }

    private static let forms = [
        "RMSE": "RMSE(predicted, label)", "MAE": "MAE(predicted, label)", "R2": "R2(predicted, label)",
        "LOG_LOSS": "LOG_LOSS(probability, label)", "ACCURACY": "ACCURACY(predicted, label)",
        "PRECISION": "PRECISION(predicted, label [, positive class])",
        "RECALL": "RECALL(predicted, label [, positive class])",
    ]

    private func regression(_ predicted: ExpressionSyntax, _ label: ExpressionSyntax) -> ExpressionSyntax {
        let difference = binary(.subtract, double(predicted), double(label))
        let squares = aggregate("AVG", binary(.multiply, difference, difference))
        switch name {
        case "RMSE": return function("SQRT", [squares])
        case "MAE": return aggregate("AVG", function("ABS", [difference]))
        default:
            // As scikit-learn: labels that are all the same are explained wholly or not at all.
            let both = ExpressionSyntax(.isNull(difference, isNegated: true), range: range)
            let spread = aggregate("VAR_POP", when(both, double(label)))
            return ExpressionSyntax(
                .conditional(
                    operand: nil,
                    [
                        .init(
                            condition: binary(.less, aggregate("COUNT", difference), number("2")),
                            result: ExpressionSyntax(.null, range: range)),
                        .init(
                            condition: binary(.greater, spread, number("0e0")),
                            result: binary(.subtract, number("1e0"), binary(.divide, squares, spread))),
                        .init(condition: binary(.equal, squares, number("0e0")), result: number("1e0")),
                    ], otherwise: number("0e0")), range: range)
        }
    }

    /// Probabilities are kept off 0 and 1 by the spacing of DOUBLE at 1, as scikit-learn does.
    private func logLoss(_ probability: ExpressionSyntax, _ isPositive: ExpressionSyntax) -> ExpressionSyntax {
        let low = number("2.220446049250313e-16")
        let one = number("1e0")
        let clipped = function(
            "LEAST", [function("GREATEST", [double(probability), low]), binary(.subtract, one, low)])
        let ifPositive = function("LN", [clipped])
        let ifNegative = function("LN", [binary(.subtract, one, clipped)])
        return aggregate(
            "AVG", binary(.subtract, number("0e0"), either(isPositive, ifPositive, not(isPositive), ifNegative)))
    }

    // MARK: - Classes

    private func positive(_ value: ExpressionSyntax, _ type: DataType?, _ positive: ExpressionSyntax?)
        -> ExpressionSyntax
    {
        if let positive { return binary(.equal, value, positive) }
        return type == .boolean ? value : binary(.notEqual, value, number("0"))
    }

    private func checkNumber(
        _ value: ExpressionSyntax, _ type: DataType?, _ binder: ExpressionBinder, orBoolean: Bool
    ) -> Bool {
        guard let type, !type.isNumeric, type != .null, !orBoolean || type != .boolean else { return true }
        binder.log.error(
            "\(name) takes \(orBoolean ? "BOOLEAN or a number" : "a number"), not \(type)", at: value.range,
            hint: name == "PRECISION" || name == "RECALL"
                ? "Give the positive class as the third argument."
                : (orBoolean ? "Compare it, as in label = 'fraud'." : nil))
        return false
    }

    // MARK: - Syntax

    private func number(_ text: String) -> ExpressionSyntax { ExpressionSyntax(.number(text), range: range) }

    private func double(_ value: ExpressionSyntax) -> ExpressionSyntax {
        ExpressionSyntax(.cast(value, TypeSyntax(name: "DOUBLE", range: range), isTry: false), range: value.range)
    }

    private func binary(
        _ op: ExpressionSyntax.BinaryOperator, _ left: ExpressionSyntax, _ right: ExpressionSyntax
    ) -> ExpressionSyntax {
        ExpressionSyntax(.binary(op, left, right), range: range)
    }

    private func not(_ condition: ExpressionSyntax) -> ExpressionSyntax {
        ExpressionSyntax(.unary(.not, condition), range: range)
    }

    private func when(_ condition: ExpressionSyntax, _ result: ExpressionSyntax) -> ExpressionSyntax {
        ExpressionSyntax(
            .conditional(operand: nil, [.init(condition: condition, result: result)], otherwise: nil), range: range)
    }

    /// NULL where neither condition is TRUE.
    private func either(
        _ first: ExpressionSyntax, _ a: ExpressionSyntax, _ second: ExpressionSyntax, _ b: ExpressionSyntax
    ) -> ExpressionSyntax {
        ExpressionSyntax(
            .conditional(
                operand: nil, [.init(condition: first, result: a), .init(condition: second, result: b)],
                otherwise: nil), range: range)
    }

    private func function(_ name: String, _ arguments: [ExpressionSyntax]) -> ExpressionSyntax {
        let name = ObjectName([Identifier(name, range: call.name.range)])
        return ExpressionSyntax(
            .call(CallSyntax(name: name, arguments: arguments.map { .init(value: $0) })), range: range)
    }

    /// An aggregate with the FILTER and OVER of the call.
    private func aggregate(_ name: String, _ argument: ExpressionSyntax) -> ExpressionSyntax {
        let name = ObjectName([Identifier(name, range: call.name.range)])
        return ExpressionSyntax(
            .call(
                CallSyntax(name: name, arguments: [.init(value: argument)], filter: call.filter, over: call.over)),
            range: range)
    }

    private func fail(
        _ message: String, _ range: SourceRange, _ binder: ExpressionBinder, _ hint: String? = nil
    ) -> ExpressionSyntax? {
        binder.log.error(message, at: range, hint: hint)
        return nil
    }
}
