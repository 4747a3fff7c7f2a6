import MillraceCore

/// A row that a join of two streams keeps: its cells as bytes, and where it came from.
struct JoinRow {
    /// Event time or window end, milliseconds.
    var time: Int64
    var bytes: UnsafeMutableRawPointer
    var count: Int32
    /// Number of the equality key; -1: a NULL is in it.
    var key: Int32
    /// Source partition by slot, -1 without a source record, and the record's offset. Where state is stored, the offset is the
    /// row's place in the order of arrival.
    var slot: Int32
    var offset: Int64
    /// The record of the first partner: that this row is matched is known by reading both again.
    var partnerSlot: Int32 = -1
    var partnerOffset: Int64 = 0
    var isMatched = false
    /// Applied before a restart; it only rebuilds the state.
    var isReplayed = false

    /// The encoded cells.
    var content: ByteRef { ByteRef(start: bytes.assumingMemoryBound(to: UInt8.self), count: Int(count)) }
}

/// Encodes rows for keeping, and knows which records a restart has to read again for them.
final class JoinRowStore {
    private let store = StateStore(chunkBytes: 1 << 18)
    private let scratch = ByteBuffer(capacity: 1024)
    private var slots = OffsetSlots()
    private var live: [LiveOffsets] = []
    private(set) var rows = 0
    /// False where state is stored: no record has to be read again.
    var tracksOffsets = true

    var usedBytes: Int { store.usedBytes }
    /// With the rows themselves.
    var keptBytes: Int { store.usedBytes + rows * MemoryLayout<JoinRow>.stride }

    /// A copy of one row of a batch.
    func make(_ batch: ColumnBatch, _ row: Int, time: Int64, key: Int32, _ context: ShardContext) -> JoinRow {
        encode(batch, row)
        let bytes = store.allocate(scratch.count)
        bytes.copyMemory(from: scratch.start, byteCount: scratch.count)
        rows += 1
        var result = JoinRow(time: time, bytes: bytes, count: Int32(scratch.count), key: key, slot: -1, offset: 0)
        let origin = batch.metadata.origins[row]
        if origin >= 0, tracksOffsets, let records = context.records {
            let slot = slots.slot(source: context.source, partition: Int(records.partition[Int(origin)]))
            result.slot = Int32(slot)
            result.offset = records.offset[Int(origin)]
            result.isReplayed = context.isReplayed(origin: origin)
            while slot >= live.count { live.append(LiveOffsets()) }
            live[slot].add(result.offset)
        }
        return result
    }

    /// A row that was kept before a restart.
    func keep(_ bytes: ByteRef, time: Int64, key: Int32) -> JoinRow {
        rows += 1
        return JoinRow(
            time: time, bytes: UnsafeMutableRawPointer(store.copy(bytes)), count: Int32(bytes.count), key: key,
            slot: -1, offset: 0)
    }

    /// Of a row's bytes as it would be kept.
    func hash(_ batch: ColumnBatch, _ row: Int) -> Int {
        encode(batch, row)
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(start: scratch.start, count: scratch.count))
        return hasher.finalize()
    }

    /// Whether a row of a batch has the cells of a kept one.
    func isSame(_ batch: ColumnBatch, _ row: Int, as kept: JoinRow) -> Bool {
        encode(batch, row)
        guard scratch.count == Int(kept.count) else { return false }
        let own = UnsafeRawBufferPointer(start: scratch.start, count: scratch.count)
        return own.elementsEqual(UnsafeRawBufferPointer(start: kept.bytes, count: scratch.count))
    }

    private func encode(_ batch: ColumnBatch, _ row: Int) {
        scratch.clear()
        for column in batch.columns { CellCodec.append(column, row, to: scratch) }
    }

    /// Marks a row as matched; its first partner's record is needed as long as the row is.
    func match(_ row: inout JoinRow, with partner: JoinRow) {
        guard !row.isMatched else { return }
        row.isMatched = true
        guard partner.slot >= 0 else { return }
        row.partnerSlot = partner.slot
        row.partnerOffset = partner.offset
        live[Int(partner.slot)].add(partner.offset)
    }

    /// The bytes that output columns may still borrow become invalid.
    func free(_ row: JoinRow) {
        store.deallocate(row.bytes, Int(row.count))
        rows -= 1
        if row.slot >= 0 { live[Int(row.slot)].remove(row.offset) }
        if row.partnerSlot >= 0 { live[Int(row.partnerSlot)].remove(row.partnerOffset) }
    }

    /// Appends the row's cells, one to each column. Strings borrow the row's bytes.
    static func append(_ bytes: UnsafeMutableRawPointer, to columns: ArraySlice<Column>) {
        var cursor = UnsafeRawPointer(bytes)
        for column in columns { CellCodec.read(&cursor, into: column) }
    }

    func lower(_ offsets: inout [Int64], source: Int) {
        var contributing = ContributingOffsets()
        for slot in live.indices { contributing.note(slot, live[slot].oldest) }
        slots.lower(&offsets, source: source, by: contributing)
    }
}

/// Equality keys of both sides of a join as small numbers.
final class JoinKeys {
    private let table: KeyTable
    private let store = StateStore(chunkBytes: 1 << 16)
    private let isEmpty: Bool
    private var columns: [Column] = []

    var count: Int { table.count }
    var usedBytes: Int { store.usedBytes + table.tableBytes }

    /// - Parameter types: of one side; the other has the same layouts.
    init(_ types: [DataType]) {
        table = KeyTable(types: types, store: store)
        isEmpty = types.isEmpty
    }

    func bind(_ columns: [Column]) {
        self.columns = columns
        table.bind(columns)
    }

    /// The number of the bound columns' key; -1 when a part of it is NULL, which matches nothing. Not retained.
    @inline(__always)
    func number(_ row: Int) -> Int32 {
        if isEmpty { return 0 }
        for column in columns where column.states[row] != CellState.valid { return -1 }
        return table.intern(row: row)
    }

    func retain(_ key: Int32) { if key >= 0, !isEmpty { table.retain(key) } }
    func release(_ key: Int32) { if key >= 0, !isEmpty { table.release(key) } }
    func drop(_ key: Int32) { if key >= 0, !isEmpty { table.drop(key) } }

    // MARK: - Snapshots

    func keepGroups() { table.keepGroups() }
    /// Of the key group; what has no key is in the first.
    func group(of key: Int32) -> Int { key < 0 || isEmpty ? 0 : table.group(of: key) }
    func keys(of group: Int) -> [Int32] { isEmpty ? (group == 0 ? [0] : []) : table.keys(of: group) }
    func write(_ key: Int32, to buffer: ByteBuffer) { if !isEmpty { table.write(key, to: buffer) } }
    /// What `write` wrote; not retained. Nil: there is nothing to read.
    func read(_ reader: inout StateReader) -> Int32? {
        isEmpty ? 0 : reader.read { table.intern(from: &$0) }
    }
}

extension ShardContext {
    /// A row that a join has no room for.
    func rejectFullJoin(origin: Int32, object: String, limit: Int) throws(Diagnostic) {
        try reject(
            origin: origin, .limitExceeded, object: object, detail: "the join keeps \(limit) rows already")
    }
}
