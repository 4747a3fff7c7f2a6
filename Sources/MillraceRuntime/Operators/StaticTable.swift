public import MillraceCore

/// A table in memory, with a hash index over its key columns. Rows are copied in and stay.
///
/// Rows with a NULL in a key can never match and are not kept.
public final class StaticTable {
    public let schema: Schema
    private let keyColumns: [Int]
    /// The rows; for reading.
    public let columns: [Column]
    public private(set) var count = 0
    private let arena = BatchArena(chunkBytes: 1 << 20)
    private let keys: KeyTable
    /// By key number: first and last row; by row: the next one with its key, -1 at the end.
    private var firstRow: [Int32] = []
    private var lastRow: [Int32] = []
    private var nextRow: [Int32] = []
    private var chosen: [Int32] = []

    public init(_ schema: Schema, keys: [Int]) {
        self.schema = schema
        keyColumns = keys
        columns = schema.fields.map { Column($0.type) }
        self.keys = KeyTable(types: keys.map { schema[$0].type }, store: StateStore(chunkBytes: 1 << 20))
    }

    /// Elements of ROW, ARRAY and MAP are not counted.
    var size: StateSize {
        let rowBytes = columns.reduce(12) { sum, column in
            switch column.layout {
            case .int64, .double, .row, .list: sum + 9
            case .decimal, .bytes: sum + 17
            }
        }
        return StateSize(rows: count, keys: keys.count, bytes: count * rowBytes + arena.heldBytes + keys.tableBytes)
    }

    /// Copies the rows of `batch`.
    /// - Throws: `.user` beyond `limit` rows.
    public func append(_ batch: ColumnBatch, limit: Int, object: String) throws(Diagnostic) {
        let keyed = keyColumns.map { batch.columns[$0] }
        chosen.removeAll(keepingCapacity: true)
        for row in 0..<batch.count where keyed.allSatisfy({ $0.isValid(row) }) { chosen.append(Int32(row)) }
        guard count + chosen.count <= limit else {
            throw Diagnostic(
                "table \"\(object)\" has more than \(limit) rows, the most a static join keeps in memory",
                hint: "Use a lookup join (FOR SYSTEM_TIME AS OF) instead.")
        }
        guard !chosen.isEmpty else { return }
        chosen.withUnsafeBufferPointer { indices in
            for (column, source) in zip(columns, batch.columns) {
                let elements = column.children.map(\.count)
                column.appendGathered(from: source, indices: indices.baseAddress!, count: indices.count)
                own(column, from: count, elements: elements)
            }
        }
        keys.bind(keyed)
        for (i, row) in chosen.enumerated() {
            nextRow.append(-1)
            guard !keyColumns.isEmpty else { continue }
            let key = Int(keys.intern(row: Int(row)))
            let stored = Int32(count + i)
            if key == firstRow.count {
                keys.retain(Int32(key))
                firstRow.append(stored)
                lastRow.append(stored)
            } else {
                nextRow[Int(lastRow[key])] = stored
                lastRow[key] = stored
            }
        }
        count += chosen.count
    }

    /// Copies the bytes that cells from `start` on still borrow.
    private func own(_ column: Column, from start: Int, elements: [Int]) {
        switch column.layout {
        case .bytes: for row in start..<column.count { column.refs[row] = arena.copy(column.refs[row]) }
        case .row: for child in column.children { own(child, from: start, elements: child.children.map { _ in 0 }) }
        case .list:
            for (child, first) in zip(column.children, elements) {
                own(child, from: first, elements: child.children.map { _ in 0 })
            }
        case .int64, .double, .decimal: break
        }
    }

    /// Keys of the probe rows to come; layouts as the table's keys.
    func bind(_ probeKeys: [Column]) { keys.bind(probeKeys) }

    /// First row with the bound keys of `row`, -1: none.
    @inline(__always)
    func first(row: Int) -> Int32 {
        if keyColumns.isEmpty { return count > 0 ? 0 : -1 }
        let key = keys.findMatch(row: row)
        return key < 0 ? -1 : firstRow[Int(key)]
    }
    @inline(__always)
    func next(after row: Int32) -> Int32 {
        if keyColumns.isEmpty { return Int(row) + 1 < count ? row + 1 : -1 }
        return nextRow[Int(row)]
    }
}
