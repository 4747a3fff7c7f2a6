import MillraceCore

/// Collects changes into batches, an update's two rows always in the same one.
final class ChangeOutput {
    let batch: ColumnBatch
    private let rows: Int

    /// - Parameters:
    ///   - rows: a batch is full with that many; it may hold a few more.
    ///   - hasKinds: false when all rows are new ones.
    init(_ types: [DataType], rows: Int, hasKinds: Bool = true) {
        batch = ColumnBatch(columns: types.map { Column($0) })
        if hasKinds { batch.metadata.useKinds() }
        self.rows = max(1, rows)
    }

    var isFull: Bool { batch.count >= rows }

    /// Completes the row whose cells were appended to the columns.
    ///
    /// - Parameter origin: of the row that caused it; a retraction does not keep it.
    @inline(__always)
    func commit(_ kind: RowKind, origin: Int32, watermark: Int64) {
        let row = batch.count
        batch.metadata.reserve(row + 1)
        batch.metadata.kinds?[row] = kind
        batch.metadata.origins[row] = kind.isRetraction ? RowMetadata.retracted : origin
        batch.metadata.watermarks[row] = watermark
        batch.count = row + 1
    }

    /// Takes the last `count` committed rows back, and cells that were appended behind them.
    func drop(_ count: Int) {
        batch.count -= count
        for column in batch.columns { column.truncate(to: batch.count) }
    }

    func clear() { batch.clear() }
}
