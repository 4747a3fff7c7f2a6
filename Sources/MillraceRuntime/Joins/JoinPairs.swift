import MillraceCore

/// Pairs of kept rows on their way out: collects them as a batch and asks the residual condition.
///
/// Cells borrow the rows' bytes: what has been collected leaves before any of the rows is freed.
final class JoinPairs {
    private let batch: ColumnBatch
    /// Without the right columns, for `semi` and `anti`.
    private let leftBatch: ColumnBatch
    private let leftCount: Int
    private let hasRightColumns: Bool
    private let residual: ExpressionEvaluator?
    private let object: String
    private let capacity: Int
    private let selection = RowSelection()
    /// The owner's numbers of the rows of each pair.
    private(set) var left: [Int32] = []
    private(set) var right: [Int32] = []

    init(_ plan: StreamJoinPlan, left: Schema, right: Schema, object: String, limits: Limits) throws(Diagnostic) {
        if let condition = plan.residual {
            residual = try ExpressionEvaluator([condition])
        } else {
            residual = nil
        }
        hasRightColumns = plan.kind.hasRightColumns
        self.object = object
        leftCount = left.count
        batch = ColumnBatch(columns: (left.fields + right.fields).map { Column($0.type) })
        leftBatch = ColumnBatch(columns: Array(batch.columns[..<left.count]))
        capacity = max(1, limits.batchRows)
    }

    var count: Int { batch.count }
    var isFull: Bool { batch.count >= capacity }
    var hasCondition: Bool { residual != nil }

    /// A missing side is NULL. `watermark`: as it stood before the cause of this row.
    func append(
        _ leftRow: JoinRow?, _ rightRow: JoinRow?, numbers: (left: Int32, right: Int32) = (-1, -1), origin: Int32,
        watermark: Int64
    ) {
        append(leftRow, to: batch.columns[..<leftCount])
        append(rightRow, to: batch.columns[leftCount...])
        left.append(numbers.left)
        right.append(numbers.right)
        batch.metadata.reserve(batch.count + 1)
        batch.metadata.origins[batch.count] = origin
        batch.metadata.watermarks[batch.count] = watermark
        batch.count += 1
    }

    private func append(_ row: JoinRow?, to columns: ArraySlice<Column>) {
        if let row {
            JoinRowStore.append(row.bytes, to: columns)
        } else {
            for column in columns { column.appendNull() }
        }
    }

    /// The collected pairs that satisfy the residual condition; those on which it fails are rejected.
    func check(_ context: ShardContext) throws(Diagnostic) -> [Int32] {
        guard let residual else { return (0..<batch.count).map { Int32($0) } }
        return try residual.filter(batch, context: context) { (pair, reason) throws(Diagnostic) in
            try context.reject(
                origin: batch.metadata.origins[pair], reason, object: object, detail: "join condition")
        }
    }

    /// The chosen pairs (nil: all) as the join puts them out. Valid until the next `append`.
    func output(_ chosen: [Int32]? = nil) -> ColumnBatch {
        var result = batch
        if !hasRightColumns {
            leftBatch.count = batch.count
            leftBatch.metadata = batch.metadata
            result = leftBatch
        }
        guard let chosen else { return result }
        selection.replace(by: chosen)
        return selection.apply(result)
    }

    func clear() {
        batch.clear()
        left.removeAll(keepingCapacity: true)
        right.removeAll(keepingCapacity: true)
    }
}

extension StreamJoinPlan {
    /// For rows that come out alone: nothing is left to ask.
    var unconditional: StreamJoinPlan {
        var plan = self
        plan.residual = nil
        return plan
    }
}
