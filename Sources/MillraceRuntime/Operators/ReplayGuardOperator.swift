public import MillraceCore

/// Stands before a sink that no window feeds: drops rows that were applied before a restart.
///
/// Rows made by windows pass: a window operator knows itself what it has emitted.
public final class ReplayGuardOperator: Operator {
    private let selection = RowSelection()

    public override init(object: String) { super.init(object: object) }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        guard !context.appliedOffsets.isEmpty else {
            try emit(batch, context: context)
            return
        }
        selection.clear()
        for row in 0..<batch.count where !context.isReplayed(origin: batch.metadata.origins[row]) {
            selection.append(row)
        }
        try emit(selection.apply(batch), context: context)
    }
}
