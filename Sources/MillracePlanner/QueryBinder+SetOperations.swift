import MillraceCore
import MillraceSQL

extension QueryBinder {
    /// INTERSECT and EXCEPT: the rows of both sides grouped by all columns, NULL like any other value, with the sides each
    /// group comes from.
    ///
    /// - Parameter columns: of the result; both sides are cast to their types.
    func membership(
        _ op: QuerySyntax.SetOperator, _ left: LogicalNode, _ right: LogicalNode, _ columns: [OutputColumn],
        _ range: SourceRange
    ) -> LogicalNode {
        let mark = Expression.literal(.integer(1), .integer)
        let none = Expression.literal(.null, .integer)
        let inputs = [(left, mark, none), (right, none, mark)].map { input, isLeft, isRight in
            LogicalNode.project(
                input,
                zip(columns, input.columns.enumerated()).map {
                    ($0.name, Coercion.cast(.column($1.offset, $1.element.type), to: $0.type), $0.isNullable)
                } + [("left", isLeft, true), ("right", isRight, true)])
        }
        let keys = columns.map { column in
            var column = column
            column.time = .lost("a row stands for others with another arrival")
            return column
        }
        let marks = ["left", "right"].map { OutputColumn($0, .integer) }
        let both = LogicalNode(.union, inputs: inputs, columns: keys + marks, object: object)
        let count = columns.count
        let calls = [count, count + 1].map { AggregateCall(.maximum, argument: $0, type: .integer) }
        let isBounded = both.isBounded
        let cause = UpdateCause(
            clause: "\(op.rawValue) of streams", range: range,
            hint: isBounded
                ? "Leave out SET 'execution.runtime-mode' = 'streaming': bounded input then gives its result once, at the end."
                : "Read bounded inputs, or write to a table that takes changes, such as print.")
        let groups = grouping(
            both, keys: Array(0..<count), aggregates: calls, columns: keys + marks, cause: cause)
        func test(_ function: BuiltinFunction, _ column: Int) -> Expression {
            .call(function, [.column(column, .integer)], .boolean)
        }
        let condition = Expression.call(
            .and, [test(.isNotNull, count), test(op == .intersect ? .isNotNull : .isNull, count + 1)], .boolean)
        let kept = LogicalNode(.filter(condition), inputs: [groups], columns: groups.columns, object: object)
        return kept.selecting(Array(0..<count))
    }
}
