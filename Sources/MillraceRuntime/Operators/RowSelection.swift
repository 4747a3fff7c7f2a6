import MillraceCore

/// Keeps some rows of a batch: gathers columns and metadata into a batch of its own, whose memory is used again.
final class RowSelection {
    private(set) var rows: [Int32] = []
    private var owned: [Column] = []
    private let batch = ColumnBatch(columns: [])

    func clear() { rows.removeAll(keepingCapacity: true) }
    @inline(__always)
    func append(_ row: Int) { rows.append(Int32(truncatingIfNeeded: row)) }
    func replace(by rows: [Int32]) { self.rows = rows }

    /// The chosen rows of `source`; `source` itself when they are all of its rows. Valid until the next call.
    func apply(_ source: ColumnBatch) -> ColumnBatch {
        if rows.count == source.count { return source }
        if owned.count != source.columns.count
            || zip(owned, source.columns).contains(where: { $0.type != $1.type })
        {
            owned = source.columns.map { Column($0.type) }
        }
        rows.withUnsafeBufferPointer { indices in
            guard let base = indices.baseAddress else { return }
            for (column, from) in zip(owned, source.columns) {
                column.gather(from: from, indices: base, count: indices.count)
            }
            batch.metadata.gather(from: source.metadata, indices: base, count: indices.count)
        }
        batch.columns = owned
        batch.count = rows.count
        return batch
    }
}

extension RowErrorCode {
    /// Of a state byte that is neither NULL nor valid.
    @inline(__always)
    static func of(_ state: UInt8) -> RowErrorCode { RowErrorCode(rawValue: state) ?? .invalidArgument }
}
