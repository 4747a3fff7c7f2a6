public import MillraceCore

/// The end of an INSERT: hands rows to a sink, without those that were applied before a restart.
public final class SinkOperator: Operator {
    private let sink: any Sink
    /// Rows handed over since the shard last asked.
    public var writtenRows = 0
    private var kept: [Int32] = []
    private let guarded = ColumnBatch(columns: [])
    private var own: [Column] = []

    public init(sink: any Sink, object: String) {
        self.sink = sink
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let rows = withoutReplayed(batch, context: context)
        guard rows.count > 0 else { return }
        var rejected: [(row: Int, reason: RowErrorCode, detail: String)] = []
        try sink.write(rows) { row, reason, detail in rejected.append((row, reason, detail)) }
        writtenRows += rows.count - rejected.count
        for (row, reason, detail) in rejected {
            try context.reject(origin: rows.metadata.origins[row], reason, object: object, detail: detail)
        }
    }

    /// Rows that only rebuild windows must not be written again.
    private func withoutReplayed(_ batch: ColumnBatch, context: ShardContext) -> ColumnBatch {
        guard !context.appliedOffsets.isEmpty else { return batch }
        kept.removeAll(keepingCapacity: true)
        for row in 0..<batch.count where !context.isReplayed(origin: batch.metadata.origins[row]) {
            kept.append(Int32(row))
        }
        if kept.count == batch.count { return batch }
        if own.isEmpty { own = batch.columns.map { Column($0.type) } }
        kept.withUnsafeBufferPointer { indices in
            guard let base = indices.baseAddress, !indices.isEmpty else { return }
            for (target, source) in zip(own, batch.columns) {
                target.gather(from: source, indices: base, count: indices.count)
            }
            guarded.metadata.gather(from: batch.metadata, indices: base, count: indices.count)
        }
        guarded.columns = own
        guarded.count = kept.count
        return guarded
    }
}
