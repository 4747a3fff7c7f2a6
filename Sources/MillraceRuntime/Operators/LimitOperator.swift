public import MillraceCore

/// LIMIT and OFFSET: drops the first `offset` rows, passes `count` rows, drops all others.
public final class LimitOperator: Operator {
    private var skipped: Int
    private var remaining: Int
    private let selection = RowSelection()

    public init(offset: Int, count: Int, object: String) {
        skipped = offset
        remaining = count
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let first = min(skipped, batch.count)
        skipped -= first
        let taken = min(remaining, batch.count - first)
        remaining -= taken
        guard taken > 0 else { return }
        selection.clear()
        for row in first..<first + taken { selection.append(row) }
        try emit(selection.apply(batch), context: context)
    }
}
