import MillraceCore

/// Rows that wait for a remote model, in order of arrival, each with the record behind it: by the time they go on, their batch
/// is long gone.
final class WaitingRows {
    struct Row {
        var slot: Int32
        /// Index into the plan's sources; -1: no record stands behind the row.
        var source: Int32
        var partition: Int32
        var kind: RowKind
        var offset: Int64
        var timestamp: Int64
        var watermark: Int64
        /// Monotonic microseconds.
        var arrived: Int64
        var key: ByteRef
        var value: ByteRef
        /// What its origin was, when no record stands behind it.
        var origin: Int32
    }
    let cells: RowStore
    private let store = StateStore(chunkBytes: 1 << 18)
    private var rows: [Row] = []
    private var head = 0
    private var slots = OffsetSlots()
    private var inFlight: [InFlightOffsets] = []
    /// Without a record.
    private(set) var unrecorded = 0
    /// Rows that have ever entered.
    private(set) var entered = 0

    init(_ schema: Schema) { cells = RowStore(schema, store: store) }

    var count: Int { rows.count - head }
    /// Rows that have left.
    var left: Int { entered - count }
    var usedBytes: Int { store.usedBytes }
    /// From the oldest.
    subscript(index: Int) -> Row { rows[head + index] }

    func append(_ batch: ColumnBatch, _ index: Int, now: Int64, _ context: ShardContext) {
        let origin = batch.metadata.origins[index]
        var row = Row(
            slot: cells.insert(batch, index), source: -1, partition: 0, kind: batch.metadata.kind(index), offset: 0,
            timestamp: .min, watermark: batch.metadata.watermarks[index], arrived: now, key: .absent, value: .absent,
            origin: origin)
        entered += 1
        if origin >= 0, let records = context.records {
            let record = Int(origin)
            row.source = Int32(context.source)
            row.partition = records.partition[record]
            row.offset = records.offset[record]
            row.timestamp = records.timestamp[record]
            row.key = copy(records.key[record])
            row.value = copy(records.value[record])
            let slot = slots.slot(source: context.source, partition: Int(row.partition))
            while slot >= inFlight.count { inFlight.append(InFlightOffsets()) }
            inFlight[slot].enter(row.offset)
        } else {
            unrecorded += 1
        }
        rows.append(row)
    }

    private func copy(_ bytes: ByteRef) -> ByteRef {
        bytes.isAbsent ? bytes : ByteRef(start: store.copy(bytes), count: bytes.count)
    }

    private func free(_ bytes: ByteRef) {
        guard !bytes.isAbsent else { return }
        store.deallocate(UnsafeMutableRawPointer(mutating: bytes.start), bytes.count)
    }

    /// The oldest `count` rows have gone on.
    func removeFirst(_ count: Int) {
        for index in head..<head + count {
            let row = rows[index]
            cells.release(row.slot)
            if row.source >= 0 {
                free(row.key)
                free(row.value)
                inFlight[slots.slot(source: Int(row.source), partition: Int(row.partition))].leave(row.offset)
            } else {
                unrecorded -= 1
            }
        }
        head += count
        if head == rows.count {
            rows.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 1024, head * 2 > rows.count {
            rows.removeFirst(head)
            head = 0
        }
    }

    /// The oldest offset of the partition on its way; nil: none.
    func oldest(source: Int, partition: Int) -> Int64? {
        slots.find(source: source, partition: partition).flatMap { inFlight[$0].oldest }
    }

    /// See `InFlightOffsets.isTorn`.
    var isTorn: Bool { inFlight.contains { $0.isTorn } }

    func lower(_ offsets: inout [Int64], source: Int) {
        for partition in offsets.indices {
            if let oldest = oldest(source: source, partition: partition) {
                offsets[partition] = min(offsets[partition], oldest)
            }
        }
    }
}
