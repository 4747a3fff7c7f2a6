public import MillraceCore

/// The end of an INSERT: hands rows to a sink, without those that were applied before a restart.
public final class SinkOperator: Operator {
    private let sink: any Sink
    /// Rows handed over since the shard last asked.
    public var writtenRows = 0
    /// NOT NULL columns whose NULLs the sink would write.
    private let required: [(index: Int, name: String)]
    private let fresh = RowSelection()
    private let complete = RowSelection()

    /// - Parameter required: columns that must not be NULL, by index and name; rows that have one are rejected.
    public init(sink: any Sink, required: [(index: Int, name: String)] = [], object: String) {
        self.sink = sink
        self.required = required
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let rows = try withoutNulls(withoutReplayed(batch, context: context), context)
        guard rows.count > 0 else { return }
        var rejected: [(row: Int, reason: RowErrorCode, detail: String)] = []
        try sink.write(rows) { row, reason, detail in rejected.append((row, reason, detail)) }
        writtenRows += rows.count - rejected.count
        for (row, reason, detail) in rejected {
            try context.reject(origin: rows.metadata.origins[row], reason, object: object, detail: detail)
        }
    }

    private func withoutNulls(_ batch: ColumnBatch, _ context: ShardContext) throws(Diagnostic) -> ColumnBatch {
        guard required.contains(where: { !batch.columns[$0.index].allValid }) else { return batch }
        complete.clear()
        for row in 0..<batch.count {
            if let missing = required.first(where: { !batch.columns[$0.index].isValid(row) }) {
                try context.reject(
                    origin: batch.metadata.origins[row], .notNullViolation, object: object,
                    detail: "column \"\(missing.name)\"")
            } else {
                complete.append(row)
            }
        }
        return complete.apply(batch)
    }

    /// Rows that only rebuild windows must not be written again.
    private func withoutReplayed(_ batch: ColumnBatch, context: ShardContext) -> ColumnBatch {
        guard !context.appliedOffsets.isEmpty else { return batch }
        fresh.clear()
        for row in 0..<batch.count where !context.isReplayed(origin: batch.metadata.origins[row]) {
            fresh.append(row)
        }
        return fresh.apply(batch)
    }
}
