import MillraceCore

/// The rows that an operator has taken, as its log of changes: those of its cells that it needs, and the watermark before each.
///
/// What an operator does with a row depends on its state and the row alone, so the rows behind a snapshot give the state
/// again, to the last bit, and take less room than what they change. Rows that went by before the operator kept changes are
/// not in it.
final class InputLog {
    private let columns: [Int]
    private let isNested: [Bool]
    private let buffer = ByteBuffer(capacity: 1024)
    /// Of the row before, in `buffer`.
    private var watermark: Int64 = 0
    /// Rows that are read back; columns that are not kept stay empty.
    private let batch: ColumnBatch

    /// A record's first byte: what it is and what follows.
    private enum Mark {
        static let row: UInt8 = 1
        static let movesWatermark: UInt8 = 2
        /// A state byte a cell; else all cells are there.
        static let hasStates: UInt8 = 4
        static let kindShift: UInt8 = 3
    }
    private static let batchRows = 1024

    /// - Parameter columns: of `input` that are kept.
    init(_ columns: [Int], input: Schema) {
        self.columns = columns
        isNested = columns.map { !input[$0].type.childTypes.isEmpty }
        batch = ColumnBatch(input, capacity: 16)
    }

    var isEmpty: Bool { buffer.count == 0 }

    /// - Parameters:
    ///   - kind: nil: the row's own.
    ///   - moment: in the place of the watermark before the row; nil: that.
    func append(_ source: ColumnBatch, _ row: Int, as kind: RowKind? = nil, at moment: Int64? = nil) {
        var mark = Mark.row | (kind ?? source.metadata.kind(row)).rawValue << Mark.kindShift
        let before = moment ?? source.metadata.watermarks[row]
        if before != watermark { mark |= Mark.movesWatermark }
        for column in columns where source.columns[column].states[row] != CellState.valid { mark |= Mark.hasStates }
        buffer.append(mark)
        if before != watermark {
            buffer.append(signed: before &- watermark)
            watermark = before
        }
        for (i, column) in columns.enumerated() {
            let column = source.columns[column]
            if isNested[i] {
                CellCodec.append(column, row, to: buffer)
                continue
            }
            if mark & Mark.hasStates != 0 { buffer.append(column.states[row]) }
            if column.states[row] == CellState.valid { buffer.append(cell: row, of: column) }
        }
    }

    /// The watermark alone has moved, and that has changed the state.
    func append(watermark new: Int64) {
        buffer.append(Mark.movesWatermark)
        buffer.append(signed: new &- watermark)
        watermark = new
    }

    /// Hands over what has gathered.
    func write(to log: ByteBuffer) {
        log.append(buffer.bytes)
        buffer.clear()
        watermark = 0
    }

    /// Gives the records back in their order: rows in batches, whose strings borrow `changes`.
    func read(
        _ reader: inout StateReader, rows: (ColumnBatch) throws(Diagnostic) -> Void,
        watermark moved: (Int64) throws(Diagnostic) -> Void
    ) throws(Diagnostic) {
        var watermark: Int64 = 0
        batch.clear()
        while !reader.isAtEnd {
            let mark = reader.byte()
            if mark & Mark.movesWatermark != 0 { watermark = watermark &+ reader.signed() }
            guard mark & Mark.row != 0 else {
                try hand(rows)
                try moved(watermark)
                continue
            }
            readCells(&reader, hasStates: mark & Mark.hasStates != 0)
            if reader.isDamaged { return }
            let metadata = batch.metadata
            metadata.reserve(batch.count + 1)
            metadata.origins[batch.count] = -1
            metadata.watermarks[batch.count] = watermark
            let kind = RowKind(rawValue: mark >> Mark.kindShift) ?? .insert
            if kind != .insert, metadata.kinds == nil {
                metadata.useKinds()
                for row in 0..<batch.count { metadata.kinds![row] = .insert }
            }
            metadata.kinds?[batch.count] = kind
            batch.count += 1
            // The two rows of an update stay together.
            if batch.count >= InputLog.batchRows, kind != .updateBefore { try hand(rows) }
        }
        try hand(rows)
    }

    private func hand(_ rows: (ColumnBatch) throws(Diagnostic) -> Void) throws(Diagnostic) {
        guard batch.count > 0 else { return }
        try rows(batch)
        batch.clear()
    }

    private func readCells(_ reader: inout StateReader, hasStates: Bool) {
        for (i, index) in columns.enumerated() {
            let column = batch.columns[index]
            if isNested[i] {
                reader.read { CellCodec.read(&$0, into: column) }
                continue
            }
            let state = hasStates ? reader.byte() : CellState.valid
            if state == CellState.valid { reader.cell(into: column) } else { column.append(state: state) }
        }
    }
}
