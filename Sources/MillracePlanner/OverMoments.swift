import MillraceCore
import MillraceSQL

/// AVG, STDDEV and VAR with OVER, as Flink computes them: by sums of the values and of their squares, each step in the result's
/// type. So integers wrap and are cut at each step, and what is left of a DOUBLE sum differs from that of a window's aggregate.
///
///     var_pop(x) = (sum(x * x) - sum(x) * sum(x) / count(x)) / count(x)
struct OverMoments {
    enum Statistic {
        case average
        case variance(isSample: Bool, isRoot: Bool)

        /// Nil for other aggregates, and with DISTINCT or FILTER, which Flink does not take here.
        init?(_ aggregate: BoundAggregate) {
            guard !aggregate.isDistinct, aggregate.filter == nil else { return nil }
            switch aggregate.function {
            case .average: self = .average
            case .varPop: self = .variance(isSample: false, isRoot: false)
            case .varSamp: self = .variance(isSample: true, isRoot: false)
            case .stddevPop: self = .variance(isSample: false, isRoot: true)
            case .stddevSamp: self = .variance(isSample: true, isRoot: true)
            default: return nil
            }
        }
    }

    private let binder: ExpressionBinder
    private let range: SourceRange
    /// The column of an aggregate over the frame.
    private let column: (BoundAggregate) -> Bound

    init(_ binder: ExpressionBinder, _ range: SourceRange, column: @escaping (BoundAggregate) -> Bound) {
        self.binder = binder
        self.range = range
        self.column = column
    }

    func bind(_ statistic: Statistic, _ aggregate: BoundAggregate) -> Bound? {
        guard let argument = aggregate.argument else { return nil }
        let type = aggregate.type
        switch statistic {
        case .average:
            let sum = column(BoundAggregate(function: .sum, argument: argument, type: sumType(argument.type)))
            let count = column(BoundAggregate(function: .count, argument: argument, type: .bigInt))
            return combine(.divide, sum, count, type)
        case .variance(let isSample, let isRoot):
            let value = cast(argument, type)
            guard let square = combine(.multiply, value, value, type) else { return nil }
            let squares = cast(column(BoundAggregate(function: .sum, argument: square, type: sumType(type))), type)
            let sum = cast(column(BoundAggregate(function: .sum, argument: value, type: sumType(type))), type)
            let count = cast(column(BoundAggregate(function: .count, argument: value, type: .bigInt)), type)
            let one = cast(Bound(.literal(.integer(1), .integer), isNullable: false), type)
            guard let squared = combine(.multiply, sum, sum, type),
                let mean = combine(.divide, squared, count, type),
                let deviations = combine(.subtract, squares, mean, type),
                let fewer = combine(.subtract, count, one, type)
            else { return nil }
            var divisor = count
            if isSample {
                let isOne = Expression.call(.equal, [count.expression, one.expression], .boolean)
                divisor = Bound(
                    .conditional(
                        [Expression.Branch(condition: isOne, result: .literal(.null, type))],
                        otherwise: fewer.expression, type), isNullable: true)
            }
            guard let variance = combine(.divide, deviations, divisor, type) else { return nil }
            guard isRoot else { return Bound(variance.expression, isNullable: true) }
            let root = Expression.call(
                .power, [Coercion.cast(variance.expression, to: .double), .literal(.double(0.5), .double)], .double)
            return Bound(Coercion.cast(root, to: type), isNullable: true)
        }
    }

    private func sumType(_ type: DataType) -> DataType {
        if case .decimal(_, let scale) = type { .decimal(precision: 38, scale: scale) } else { type }
    }

    private func cast(_ bound: Bound, _ type: DataType) -> Bound {
        Bound(Coercion.cast(bound.expression, to: type), isNullable: bound.isNullable)
    }

    private func combine(_ op: ExpressionSyntax.BinaryOperator, _ a: Bound, _ b: Bound, _ type: DataType) -> Bound? {
        binder.arithmetic(op, a, b, range).map { cast($0, type) }
    }
}
