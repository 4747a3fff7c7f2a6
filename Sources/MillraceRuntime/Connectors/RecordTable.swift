public import MillraceCore

/// The source records behind one batch: where each came from, and its raw bytes for the dead-letter table.
///
/// A row's `origins` entry is an index into it. Filled by the source with each poll; bytes stay valid until the next one.
///
/// Plain memory, valid until the next `append` or `reserve`: it is written for every record, and an array in a class costs
/// an exclusivity and a uniqueness check each time.
public final class RecordTable {
    /// Index into the source's `partitions`.
    public private(set) var partition: UnsafeMutablePointer<Int32>
    public private(set) var offset: UnsafeMutablePointer<Int64>
    /// Kafka record timestamp, microseconds since 1970; Int64.min when there is none.
    public private(set) var timestamp: UnsafeMutablePointer<Int64>
    public private(set) var key: UnsafeMutablePointer<ByteRef>
    public private(set) var value: UnsafeMutablePointer<ByteRef>
    /// Writers through the pointers `reserve` first and set it last.
    public var count = 0
    private var capacity = 64
    /// The record's headers as text for the dead-letter table; called only for rejected records.
    public var headers: ((Int) -> [(name: String, value: ByteRef)])?

    public init() {
        partition = .allocate(capacity: capacity)
        offset = .allocate(capacity: capacity)
        timestamp = .allocate(capacity: capacity)
        key = .allocate(capacity: capacity)
        value = .allocate(capacity: capacity)
    }

    deinit {
        partition.deallocate()
        offset.deallocate()
        timestamp.deallocate()
        key.deallocate()
        value.deallocate()
    }

    public var values: UnsafeBufferPointer<ByteRef> { UnsafeBufferPointer(start: value, count: count) }
    public var keys: UnsafeBufferPointer<ByteRef> { UnsafeBufferPointer(start: key, count: count) }

    public func clear() { count = 0 }

    @inline(__always)
    public func append(partition: Int32, offset: Int64, timestamp: Int64, key: ByteRef, value: ByteRef) {
        let row = count
        reserve(row + 1)
        self.partition[row] = partition
        self.offset[row] = offset
        self.timestamp[row] = timestamp
        self.key[row] = key
        self.value[row] = value
        count = row + 1
    }

    /// Room for `records` records in all; keeps the contents.
    public func reserve(_ records: Int) {
        guard records > capacity else { return }
        let target = max(records, capacity * 2)
        partition = RecordTable.enlarged(partition, count, target)
        offset = RecordTable.enlarged(offset, count, target)
        timestamp = RecordTable.enlarged(timestamp, count, target)
        key = RecordTable.enlarged(key, count, target)
        value = RecordTable.enlarged(value, count, target)
        capacity = target
    }

    private static func enlarged<T>(_ old: UnsafeMutablePointer<T>, _ count: Int, _ capacity: Int)
        -> UnsafeMutablePointer<T>
    {
        let new = UnsafeMutablePointer<T>.allocate(capacity: capacity)
        new.moveInitialize(from: old, count: count)
        old.deallocate()
        return new
    }
}

/// A record that could not be decoded.
public struct RejectedRecord {
    /// Index into the `RecordTable`.
    public var record: Int32
    public var reason: RowErrorCode
    /// What was wrong, without row values where possible: `column "amount": expected a number`.
    public var detail: String
    public init(record: Int32, reason: RowErrorCode, detail: String) {
        self.record = record
        self.reason = reason
        self.detail = detail
    }
}

/// What one poll of a source returned.
public final class SourceBatch {
    /// The source's planned columns; `metadata.origins` index `records`. Watermarks are not filled in yet.
    public let rows: ColumnBatch
    public let records: RecordTable
    public var rejected: [RejectedRecord] = []
    /// For decoders: valid until the next poll.
    public let arena: BatchArena

    public init(_ schema: Schema, arena: BatchArena) {
        rows = ColumnBatch(schema)
        records = RecordTable()
        self.arena = arena
    }

    /// Forgets the last poll, its arena included.
    public func clear() {
        rows.clear()
        records.clear()
        rejected.removeAll(keepingCapacity: true)
        arena.reset()
    }
}
