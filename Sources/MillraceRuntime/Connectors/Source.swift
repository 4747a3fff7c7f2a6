public import MillraceCore

/// A Kafka partition, a file: the unit that is read in order and has offsets.
public struct SourcePartition: Hashable, Sendable {
    /// Topic or file path.
    public var topic: String
    public var partition: Int32
    public init(topic: String, partition: Int32) {
        self.topic = topic
        self.partition = partition
    }
}

/// From where a partition is read after a restart; stored with the rows it belongs to.
public struct SourcePosition: Hashable, Sendable {
    public var partition: SourcePartition
    /// Every record below has been applied to the sinks.
    public var nextOffset: Int64
    /// The oldest record that an open window still needs; equals `nextOffset` without windows.
    public var replayOffset: Int64
    /// The partition's own watermark (`EventTime`).
    public var watermark: Int64
    /// The source's combined watermark: windows that end at or before it have been emitted.
    public var emittedWatermark: Int64

    public init(
        partition: SourcePartition, nextOffset: Int64, replayOffset: Int64, watermark: Int64 = EventTime.none,
        emittedWatermark: Int64 = EventTime.none
    ) {
        self.partition = partition
        self.nextOffset = nextOffset
        self.replayOffset = replayOffset
        self.watermark = watermark
        self.emittedWatermark = emittedWatermark
    }
}

/// What a commit says of the sources: one entry each, without positions when the source has not moved since the last one.
public typealias SourceProgress = [(source: SourceName, positions: [SourcePosition])]

public enum SourceStatus: Sendable {
    /// More may be there now: poll again soon.
    case more
    /// Nothing more until the descriptor says so.
    case drained
    /// Bounded input has ended.
    case finished
}

/// A stream of rows from outside. Owned by one shard thread; never blocks in `poll`.
public protocol Source: AnyObject {
    /// Becomes readable when `poll` would return something; -1 when `poll` may always be called. `poll` is called when it
    /// is readable, after `more`, at `wakeDeadline`, and every 100 ms.
    var descriptor: Int32 { get }
    /// Known partitions; grows when new ones are discovered, never reorders. `RecordTable.partition` indexes it.
    var partitions: [SourcePartition] { get }
    /// True while the reader stands at the partition's end as far as it knows (for idleness).
    func isAtEnd(partition: Int) -> Bool
    /// Absolute monotonic microseconds at which `poll` will return something although no descriptor says so; nil: none.
    var wakeDeadline: Int64? { get }
    /// Connects and starts reading. Positions come from the database; partitions without one start as the options say.
    /// Reads from `replayOffset`. Throws what `check` could not know: topic missing, authentication refused.
    func start(from positions: [SourcePosition]) throws(Diagnostic)
    /// Clears `batch` and fills it with what has arrived, at most `Limits.batchRows` records. Never waits.
    func poll(into batch: SourceBatch) throws(Diagnostic) -> SourceStatus
    /// The offset after the last polled record, by partition (for positions; equals the start offset before any record).
    func nextOffset(partition: Int) -> Int64
    /// Positions that are durable now, for the outside's own bookkeeping (Kafka's committed offsets, lag monitors).
    func committed(_ positions: [SourcePosition])
    func close()
}

extension Source {
    public var wakeDeadline: Int64? { nil }
}

/// The probe side of a lookup join.
public protocol LookupTable: AnyObject {
    /// Finds the rows whose key columns equal `keys` (one column a lookup key, `rows` rows; NULL matches nothing).
    ///
    /// Appends the found rows to `result` (cleared first) and one pair of indices a match to `matches`, ascending by probe
    /// row. `result`'s string bytes stay valid until the next call. May block for a round trip on a cache miss.
    /// - Throws: `.external` when the outside cannot be reached after retries.
    func lookup(keys: [Column], rows: Int, into result: ColumnBatch, matches: inout JoinMatches) throws(Diagnostic)
    /// Called between batches, for refreshes.
    func maintain(now: Int64) throws(Diagnostic)
    func close()
}

/// Pairs of row indices (probe, build), ascending by probe row.
public struct JoinMatches {
    public var probe: [Int32] = []
    public var build: [Int32] = []
    public init() {}
    public mutating func clear() {
        probe.removeAll(keepingCapacity: true)
        build.removeAll(keepingCapacity: true)
    }
    @inlinable public mutating func append(probe p: Int32, build b: Int32) {
        probe.append(p)
        build.append(b)
    }
}
