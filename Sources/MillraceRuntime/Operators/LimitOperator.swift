public import MillraceCore

/// LIMIT and OFFSET: drops the first `offset` rows, passes `count` rows, drops all others.
public final class LimitOperator: Operator {
    /// Rows still to be dropped, then rows still to be passed.
    var skipped: Int
    var remaining: Int
    private let selection = RowSelection()
    /// For stored state: asked for, and what is not in the log and in the snapshot yet.
    var keepsChanges = false
    var isUnlogged = false
    var isUnsaved = false

    public init(offset: Int, count: Int, object: String) {
        skipped = offset
        remaining = count
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        if keepsChanges { return try processFresh(batch, context) }
        let first = min(skipped, batch.count)
        skipped -= first
        let taken = min(remaining, batch.count - first)
        remaining -= taken
        guard taken > 0 else { return }
        selection.clear()
        for row in first..<first + taken { selection.append(row) }
        try emit(selection.apply(batch), context: context)
    }

    /// Leaves out rows that are only read again for others.
    private func processFresh(_ batch: ColumnBatch, _ context: ShardContext) throws(Diagnostic) {
        guard skipped > 0 || remaining > 0 else { return }
        selection.clear()
        for row in 0..<batch.count where !context.isReplayed(origin: batch.metadata.origins[row]) {
            if skipped > 0 {
                skipped -= 1
            } else if remaining > 0 {
                remaining -= 1
                selection.append(row)
            }
            (isUnlogged, isUnsaved) = (true, true)
        }
        try emit(selection.apply(batch), context: context)
    }
}
