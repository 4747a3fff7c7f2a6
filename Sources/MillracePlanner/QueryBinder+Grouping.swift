import MillraceCore

/// GROUP BY without a window and DISTINCT.
extension QueryBinder {
    /// Groups the rows of `node`: once at the end of bounded input, otherwise with a change for every row.
    ///
    /// - Parameter columns: keys, then aggregates.
    func grouping(
        _ node: LogicalNode, keys: [Int], aggregates: [AggregateCall], columns: [OutputColumn], cause: UpdateCause
    ) -> LogicalNode {
        guard isContinuous(node) else {
            return LogicalNode(
                .groupAggregate(keys: keys, aggregates: aggregates), inputs: [node], columns: columns, object: object)
        }
        return LogicalNode(
            .updatingAggregate(keys: keys, aggregates: aggregates, ttlMilliseconds: stateTTLMilliseconds),
            inputs: [node], columns: columns, object: object,
            // A group without aggregates stays as it came.
            updates: aggregates.isEmpty ? nil : cause)
    }

    /// Each row once. Over a stream that only adds rows, the result only adds rows.
    func distinct(_ node: LogicalNode) -> LogicalNode {
        let keys = Array(node.columns.indices)
        let columns = node.columns.map { column in
            var column = column
            if column.time == .event { column.time = .lost("a row stands for others with another arrival") }
            return column
        }
        return LogicalNode(
            isContinuous(node)
                ? .updatingAggregate(keys: keys, aggregates: [], ttlMilliseconds: stateTTLMilliseconds)
                : .groupAggregate(keys: keys, aggregates: []),
            inputs: [node], columns: columns, object: object)
    }

    /// Whether results are to be given before the input ends.
    func isContinuous(_ node: LogicalNode) -> Bool { !node.isBounded || isStreaming }
}
