import MillraceCore

/// The aggregates of one operator, for input that only adds rows or also takes some back.
final class GroupState {
    private let adding: Accumulators?
    private let retracting: RetractableAccumulators?
    let recordBytes: Int
    let argumentColumns: [Int]

    /// - Throws: `.user` for an aggregate that cannot take rows back.
    init(_ calls: [AggregateCall], input: Schema, retracts: Bool, store: StateStore) throws(Diagnostic) {
        if retracts {
            let made = try RetractableAccumulators(calls, input: input, store: store)
            (adding, retracting) = (nil, made)
            (recordBytes, argumentColumns) = (made.recordBytes, made.argumentColumns)
        } else {
            let made = try Accumulators(calls, input: input, store: store)
            (adding, retracting) = (made, nil)
            (recordBytes, argumentColumns) = (made.recordBytes, made.argumentColumns)
        }
    }

    func fold(_ batch: ColumnBatch, row: Int, into record: UnsafeMutableRawPointer, isRetraction: Bool) {
        if let adding {
            var index = Int32(truncatingIfNeeded: row)
            var target = record
            adding.update(batch, rows: &index, records: &target, count: 1)
        } else {
            retracting?.fold(batch, row: row, into: record, isRetraction: isRetraction)
        }
    }

    /// Appends the group's results, one cell to each column, independent of the record.
    func append(_ record: UnsafeMutableRawPointer, to columns: ArraySlice<Column>, arena: BatchArena) {
        guard let adding else {
            retracting?.append(record, to: columns, arena: arena)
            return
        }
        adding.append(record, to: columns)
        for column in columns { column.ownBytes(of: column.count - 1, in: arena) }
    }

    // MARK: - Snapshots

    /// True when no group's state grows with its rows.
    var isCompact: Bool { adding?.isCompact ?? retracting?.isCompact ?? true }

    func writeState(_ record: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        adding?.writeState(record, to: buffer)
        retracting?.writeState(record, to: buffer)
    }

    /// - Parameter record: of zeros.
    func readState(_ record: UnsafeMutableRawPointer, from reader: inout StateReader) {
        adding?.readState(record, from: &reader)
        retracting?.readState(record, from: &reader)
    }

    /// Bytes outside the store and the records.
    var objectBytes: Int { retracting?.objectBytes ?? 0 }

    func release(_ record: UnsafeMutableRawPointer) {
        adding?.release(record)
        retracting?.release(record)
    }
}
