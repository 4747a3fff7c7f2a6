public import MillraceCore

/// The source records behind one batch: where each came from, and its raw bytes for the dead-letter table.
///
/// A row's `origins` entry is an index into it. Filled by the source with each poll; bytes stay valid until the next one.
public final class RecordTable {
    /// Index into the source's `partitions`.
    public var partition: [Int32] = []
    public var offset: [Int64] = []
    /// Kafka record timestamp, microseconds since 1970; Int64.min when there is none.
    public var timestamp: [Int64] = []
    public var key: [ByteRef] = []
    public var value: [ByteRef] = []
    /// The record's headers as text for the dead-letter table; called only for rejected records.
    public var headers: ((Int) -> [(name: String, value: ByteRef)])?

    public init() {}
    public var count: Int { offset.count }

    public func clear() {
        partition.removeAll(keepingCapacity: true)
        offset.removeAll(keepingCapacity: true)
        timestamp.removeAll(keepingCapacity: true)
        key.removeAll(keepingCapacity: true)
        value.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    public func append(partition: Int32, offset: Int64, timestamp: Int64, key: ByteRef, value: ByteRef) {
        self.partition.append(partition)
        self.offset.append(offset)
        self.timestamp.append(timestamp)
        self.key.append(key)
        self.value.append(value)
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
