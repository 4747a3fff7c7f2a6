import MillraceCore

/// Rows that outlive their batch: copied in one by one, given back one by one, never moved.
///
/// A row is a slot, the same in every column. Flat cells can be read in place through `columns`; ROW, ARRAY and MAP cells are
/// kept encoded (`CellCodec`). Slots are counted: the last `release` frees the row. Steady state allocates nothing.
/// Single-threaded.
final class RowStore {
    /// By input column. Of nested types a BYTES column with the encoded cells: read those with `append`.
    let columns: [Column]
    private let types: [DataType]
    private let isNested: [Bool]
    private let holdsBytes: [Int]
    private let store: StateStore
    private let scratch = ByteBuffer(capacity: 128)
    private var references: [Int32] = []
    private var free: [Int32] = []
    /// Rows that are kept.
    private(set) var count = 0
    /// The rows as stored state; nil: not asked for.
    var held: HeldRows?

    init(_ schema: Schema, store: StateStore) {
        types = schema.fields.map(\.type)
        isNested = types.map { !$0.childTypes.isEmpty }
        columns = types.map { $0.childTypes.isEmpty ? Column($0) : Column(.bytes) }
        holdsBytes = columns.indices.filter { [columns] in columns[$0].layout == .bytes }
        self.store = store
        for column in columns { column.allValid = false }
    }

    /// Copies a row; it has one reference.
    func insert(_ batch: ColumnBatch, _ row: Int) -> Int32 {
        let slot = nextSlot()
        let index = Int(slot)
        for (i, column) in columns.enumerated() {
            let source = batch.columns[i]
            if isNested[i] {
                scratch.clear()
                CellCodec.append(source, row, to: scratch)
                column.refs[index] = ByteRef(start: store.copy(scratch.bytes), count: scratch.count)
                column.states[index] = CellState.valid
                continue
            }
            let state = source.states[row]
            column.states[index] = state
            switch column.layout {
            case .int64: column.ints[index] = source.ints[row]
            case .double: column.doubles[index] = source.doubles[row]
            case .decimal: column.decimals[index] = source.decimals[row]
            case .bytes:
                let bytes = source.refs[row]
                column.refs[index] =
                    state == CellState.valid ? ByteRef(start: store.copy(bytes), count: bytes.count) : .absent
            case .row, .list: break
            }
        }
        return slot
    }

    /// Writes a row in a form that `insert(from:)` reads.
    func write(_ slot: Int32, to buffer: ByteBuffer) {
        let row = Int(slot)
        var isWhole = true
        for column in columns where column.states[row] != CellState.valid { isWhole = false }
        buffer.append(isWhole ? 1 : 0)
        for column in columns {
            if !isWhole { buffer.append(column.states[row]) }
            if column.states[row] == CellState.valid { buffer.append(cell: row, of: column) }
        }
    }

    /// A row that `write` wrote; it has one reference.
    func insert(from reader: inout StateReader) -> Int32 {
        let slot = nextSlot()
        let row = Int(slot)
        let isWhole = reader.byte() == 1
        for column in columns {
            let state = isWhole ? CellState.valid : reader.byte()
            column.states[row] = state
            let isValid = state == CellState.valid
            switch column.layout {
            case .int64: column.ints[row] = isValid ? reader.signed() : 0
            case .double: column.doubles[row] = isValid ? reader.raw(Double.self, otherwise: 0) : 0
            case .decimal: column.decimals[row] = isValid ? reader.raw(Int128.self, otherwise: 0) : 0
            case .bytes:
                column.refs[row] = .absent
                guard isValid else { continue }
                let bytes = reader.counted()
                column.refs[row] = ByteRef(start: store.copy(bytes), count: bytes.count)
            case .row, .list: break
            }
        }
        return slot
    }

    /// Bytes of the rows themselves, in use or not; without those of strings, which are the store's.
    var slotBytes: Int {
        columns.reduce(references.capacity * 4 + free.capacity * 4) { sum, column in
            let cell =
                switch column.layout {
                case .int64, .double, .list: 8
                case .decimal, .bytes: 16
                case .row: 1
                }
            return sum + column.capacity * (cell + 1)
        }
    }

    private func nextSlot() -> Int32 {
        count += 1
        if let slot = free.popLast() {
            references[Int(slot)] = 1
            return slot
        }
        references.append(1)
        for column in columns {
            column.reserve(references.count)
            column.count = references.count
        }
        return Int32(references.count - 1)
    }

    @inline(__always)
    func retain(_ slot: Int32) { references[Int(slot)] += 1 }

    @inline(__always)
    func release(_ slot: Int32) {
        references[Int(slot)] -= 1
        guard references[Int(slot)] == 0 else { return }
        held?.remove(slot)
        for i in holdsBytes { freeBytes(i, Int(slot)) }
        free.append(slot)
        count -= 1
    }

    /// Gives the bytes of some columns back early; their cells must not be read any more.
    func trim(_ slot: Int32, _ columns: [Int]) { for i in columns { freeBytes(i, Int(slot)) } }

    /// Columns whose cells hold bytes of their own, but for those in `kept`.
    func trimmable(except kept: Set<Int>) -> [Int] { holdsBytes.filter { !kept.contains($0) } }

    private func freeBytes(_ column: Int, _ slot: Int) {
        let bytes = columns[column].refs[slot]
        guard !bytes.isAbsent else { return }
        store.deallocate(UnsafeMutableRawPointer(mutating: bytes.start), bytes.count)
        columns[column].refs[slot] = .absent
    }

    /// Replaces the contents of `target`, a column of the input's type, by the cells of `slots`. Strings borrow the store's
    /// bytes: valid until the row is released.
    func gather(_ column: Int, _ slots: [Int32], into target: Column) {
        guard isNested[column] else {
            slots.withUnsafeBufferPointer { slots in
                guard let base = slots.baseAddress else { return }
                target.gather(from: columns[column], indices: base, count: slots.count)
            }
            return
        }
        target.clear()
        for slot in slots { append(column, slot, to: target) }
    }

    /// Appends one cell. Strings borrow.
    func append(_ column: Int, _ slot: Int32, to target: Column) {
        let index = Int(slot)
        let source = columns[column]
        if isNested[column] {
            var cursor = UnsafeRawPointer(source.refs[index].start)
            CellCodec.read(&cursor, into: target)
            return
        }
        guard source.states[index] == CellState.valid else {
            target.append(state: source.states[index])
            return
        }
        switch source.layout {
        case .int64: target.append(int: source.ints[index])
        case .double: target.append(double: source.doubles[index])
        case .decimal: target.append(decimal: source.decimals[index])
        case .bytes: target.append(bytes: source.refs[index])
        case .row, .list: break
        }
    }

    /// Appends one cell; its bytes are copied into `arena`.
    func append(_ column: Int, _ slot: Int32, to target: Column, copyingInto arena: BatchArena) {
        guard isNested[column] else {
            RowStore.copy(columns[column], Int(slot), to: target, arena)
            return
        }
        // The encoded bytes are copied; the strings in the cell borrow the copy.
        var cursor = UnsafeRawPointer(arena.copy(columns[column].refs[Int(slot)]).start)
        CellCodec.read(&cursor, into: target)
    }

    /// Appends a flat cell of `source`; its bytes are copied into `arena`.
    static func copy(_ source: Column, _ row: Int, to column: Column, _ arena: BatchArena) {
        guard source.states[row] == CellState.valid else {
            column.append(state: source.states[row])
            return
        }
        switch source.layout {
        case .int64: column.append(int: source.ints[row])
        case .double: column.append(double: source.doubles[row])
        case .decimal: column.append(decimal: source.decimals[row])
        case .bytes: column.append(bytes: arena.copy(source.refs[row]))
        case .row, .list: break
        }
    }

    /// Whether the cell is neither NULL nor an error.
    @inline(__always)
    func isValid(_ column: Int, _ slot: Int32) -> Bool {
        if isNested[column] { return columns[column].refs[Int(slot)].start[0] == CellState.valid }
        return columns[column].states[Int(slot)] == CellState.valid
    }
}
