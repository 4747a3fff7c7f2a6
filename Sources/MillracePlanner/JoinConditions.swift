import MillraceCore
import MillraceSQL

/// The two inputs of a join, with their places in the file.
struct JoinSides {
    let left: LogicalNode
    let right: LogicalNode
    let rightRange: SourceRange
    let range: SourceRange
}

/// The parts of WHERE on their way to the join that can use them; the rest is a filter behind it.
final class PendingConditions {
    private(set) var open: [ExpressionSyntax]
    private(set) var taken: [ExpressionSyntax] = []

    init(_ parts: [ExpressionSyntax]) { open = parts }

    /// The conditions over `scope` that compare both sides of a join, whose right columns begin at `splitAt`.
    func take(_ scope: Scope, splitAt count: Int, _ functions: FunctionTable) -> [Expression] {
        var found: [Expression] = []
        open.removeAll { part in
            let silent = ExpressionBinder(scope: scope, log: DiagnosticLog(), functions: functions, place: "WHERE")
            guard !part.containsSubQuery, let bound = silent.bind(part), bound.type == .boolean else { return false }
            let used = bound.expression.usedColumns
            guard used.contains(where: { $0 < count }), used.contains(where: { $0 >= count }) else { return false }
            found += bound.expression.conjuncts
            taken.append(part)
            return true
        }
        return found
    }
}

/// A join's condition: what has to be equal, and the rest.
struct EquiCondition {
    /// Pairwise, of one type; each over its own side's columns.
    private(set) var left: [Expression] = []
    private(set) var right: [Expression] = []
    /// Over left, then right columns.
    private(set) var rest: [Expression] = []

    /// - Parameter parts: over left, then right columns, which begin at `leftCount`.
    init(_ parts: [Expression], leftCount: Int) {
        for part in parts {
            guard case .call(.equal, let sides, _) = part, sides.count == 2,
                let first = Self.side(sides[0], leftCount), let second = Self.side(sides[1], leftCount),
                first != second
            else {
                if part != .literal(.boolean(true), .boolean) { rest.append(part) }
                continue
            }
            var leftKey = first == 0 ? sides[0] : sides[1]
            var rightKey = (first == 0 ? sides[1] : sides[0]).mapColumns { $0 - leftCount }
            if !Coercion.isSame(leftKey.type, rightKey.type), let type = Coercion.common(leftKey.type, rightKey.type) {
                leftKey = Coercion.cast(leftKey, to: type)
                rightKey = Coercion.cast(rightKey, to: type)
            }
            left.append(leftKey)
            right.append(rightKey)
        }
    }

    /// 0 or 1 when all columns are of that side; nil for none or both.
    static func side(_ expression: Expression, _ leftCount: Int) -> Int? {
        let used = expression.usedColumns
        if used.isEmpty { return nil }
        if used.allSatisfy({ $0 < leftCount }) { return 0 }
        return used.allSatisfy { $0 >= leftCount } ? 1 : nil
    }
}

/// Bounds on the difference of two event times, found among the parts of a condition.
struct TimeBounds {
    let leftTime: Int
    let rightTime: Int
    /// Of left - right, milliseconds, included.
    private(set) var lower: Int64?
    private(set) var upper: Int64?
    private(set) var rest: [Expression] = []

    /// Nil unless two event-time columns are bounded on both sides.
    init?(_ parts: [Expression], _ sides: JoinSides) {
        let leftCount = sides.left.columns.count
        func isTime(_ column: Int) -> Bool {
            (column < leftCount ? sides.left.columns[column] : sides.right.columns[column - leftCount]).time == .event
        }
        var pair: (left: Int, right: Int)?
        for part in parts {
            guard case .call(let function, let operands, _) = part, operands.count == 2,
                let a = Self.shifted(operands[0]), let b = Self.shifted(operands[1]), isTime(a.column),
                isTime(b.column), (a.column < leftCount) != (b.column < leftCount)
            else {
                rest.append(part)
                continue
            }
            let isFlipped = a.column >= leftCount
            let (left, right) = isFlipped ? (b, a) : (a, b)
            guard let comparison = Self.comparison(function, isFlipped: isFlipped),
                pair == nil || pair! == (left.column, right.column)
            else {
                rest.append(part)
                continue
            }
            pair = (left.column, right.column)
            // left + x op right + y: left - right op y - x.
            let distance = right.shift - left.shift
            let floor = EventTime.milliseconds(fromMicroseconds: distance)
            let isWhole = distance % 1000 == 0
            if comparison.isLower {
                let bound = isWhole ? floor + (comparison.isStrict ? 1 : 0) : floor + 1
                lower = max(lower ?? bound, bound)
            }
            if comparison.isUpper {
                let bound = isWhole && comparison.isStrict ? floor - 1 : floor
                upper = min(upper ?? bound, bound)
            }
        }
        guard let pair, lower != nil, upper != nil else { return nil }
        leftTime = pair.left
        rightTime = pair.right - leftCount
    }

    private static func comparison(
        _ function: BuiltinFunction, isFlipped: Bool
    ) -> (isLower: Bool, isUpper: Bool, isStrict: Bool)? {
        switch function {
        case .equal: (true, true, false)
        case .greater, .greaterOrEqual: (!isFlipped, isFlipped, function == .greater)
        case .less, .lessOrEqual: (isFlipped, !isFlipped, function == .less)
        default: nil
        }
    }

    /// A column with constant intervals added, microseconds.
    private static func shifted(_ expression: Expression) -> (column: Int, shift: Int64)? {
        switch expression {
        case .column(let index, _): (index, 0)
        case .cast(let inner, let type, _) where type.isTimestamp && inner.type.isTimestamp: shifted(inner)
        case .call(let function, let operands, _):
            if function == .addInterval || function == .subtractInterval, operands.count == 2,
                case .literal(.integer(let value), .intervalDayTime) = operands[1], let inner = shifted(operands[0])
            {
                (inner.column, inner.shift + (function == .addInterval ? value : -value))
            } else {
                nil
            }
        default: nil
        }
    }
}
