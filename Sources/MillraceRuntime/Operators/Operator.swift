public import MillraceCore

/// What the operators of one shard share.
public final class ShardContext {
    public let clock: any Clock
    public let limits: Limits
    public let log: Log
    /// For strings that expressions make; reset before each source batch, together with the source's own.
    public let arena: BatchArena
    /// The records behind the rows that are being processed (`RowMetadata.origins`); nil while only time advances.
    public var records: RecordTable?
    /// The source those records belong to: index into the plan's sources.
    public var source = 0
    /// Set by the shard: counts, and writes the dead letter or fails, as the source's `errors` option says.
    public var onReject: (Rejection) throws(Diagnostic) -> Void = { _ in }
    /// Rows of the source below this offset have been applied before a restart: they rebuild windows, nothing else.
    /// By partition index of the current source; empty when nothing is replayed.
    public var appliedOffsets: [Int64] = []
    /// Of the rows below `appliedOffsets`, those from here on that are late for a window aggregate still need a dead letter:
    /// by aggregate (`LateWindow.window`), then partition. Empty: none.
    var undecidedOffsets: [[Int64]] = []

    public struct Rejection {
        /// -1 when no source record stands behind the row.
        public var origin: Int32
        public var reason: RowErrorCode
        public var object: String
        public var detail: String
        /// Of a late row: the window it missed.
        public var late: LateWindow?
    }

    public init(clock: any Clock, limits: Limits = Limits(), log: Log = .silent, arena: BatchArena = BatchArena()) {
        self.clock = clock
        self.limits = limits
        self.log = log
        self.arena = arena
    }

    /// True for rows that were applied before a restart and only rebuild windows now.
    @inline(__always)
    public func isReplayed(origin: Int32) -> Bool {
        guard !appliedOffsets.isEmpty, origin >= 0, let records else { return false }
        let partition = Int(records.partition[Int(origin)])
        return partition < appliedOffsets.count && records.offset[Int(origin)] < appliedOffsets[partition]
    }

    /// The partition that the row came from: index into its source's; 0 when no record stands behind the row.
    @inline(__always)
    func partition(origin: Int32) -> Int {
        guard origin >= 0, let records else { return 0 }
        return Int(records.partition[Int(origin)])
    }

    /// Sends a row to the dead-letter table. Replayed rows were judged before the restart, retractions when their row came:
    /// nothing happens.
    public func reject(
        origin: Int32, _ reason: RowErrorCode, object: String, detail: @autoclosure () -> String,
        late: LateWindow? = nil
    ) throws(Diagnostic) {
        if origin == RowMetadata.retracted { return }
        if isReplayed(origin: origin), !isUndecided(origin: origin, late) { return }
        try onReject(Rejection(origin: origin, reason: reason, object: object, detail: detail(), late: late))
    }

    /// A replayed row that had come late in the run before, or may have: the verdict was not yet durable.
    private func isUndecided(origin: Int32, _ late: LateWindow?) -> Bool {
        guard let late, late.window < undecidedOffsets.count, origin >= 0, let records else { return false }
        let partition = Int(records.partition[Int(origin)])
        let offsets = undecidedOffsets[late.window]
        return partition < offsets.count && records.offset[Int(origin)] >= offsets[partition]
    }
}

/// One step of a pipeline. Single-threaded, owned by a shard; processes a batch to completion, never blocks.
open class Operator {
    /// The SQL object it stands for.
    public let object: String
    public private(set) var outputs: [(target: Operator, port: Int)] = []

    /// State is being restored: nothing comes out.
    final var isMuted = false

    public init(object: String) { self.object = object }

    /// Wires this operator's output to a port of another.
    public func connect(to target: Operator, port: Int = 0) { outputs.append((target, port)) }

    /// Takes a batch. Each row is judged against `metadata.watermarks`, the watermark before it.
    open func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        try emit(batch, context: context)
    }

    /// The input's watermark is now `watermark` (after all rows so far); `EventTime.end` when the input has ended.
    open func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        try emit(watermark: watermark, context: context)
    }

    /// Lowers `offsets[partition]` to the oldest record of `source` that open state still needs. Default: none.
    open func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {}

    /// The last millisecond of the newest window that has been emitted; `EventTime.none` without windows.
    open var emittedThrough: Int64 { EventTime.none }

    /// Before the first batch after a restart: windows up to this watermark were emitted before it.
    open func restore(emittedWatermark: Int64, port: Int) {
        for output in outputs { output.target.restore(emittedWatermark: emittedWatermark, port: output.port) }
    }

    // MARK: Time of single partitions

    /// This operator, or one behind it, goes by the time of each partition of the source. What tells it is passed on only along
    /// such a way: by operators that pass rows on with their metadata.
    var wantsPartitionTimes: Bool { outputs.contains { $0.target.wantsPartitionTimes } }

    /// After a batch: the watermark of each partition's own rows, by index; `EventTime.none` while rows of it are read again
    /// that were applied before a restart.
    func advance(partitionsTo watermarks: [Int64], context: ShardContext) throws(Diagnostic) {
        for output in outputs where output.target.wantsPartitionTimes {
            try output.target.advance(partitionsTo: watermarks, context: context)
        }
    }

    /// Before the first batch after a restart, and after `restore(emittedWatermark:port:)`: rows of each partition up to its
    /// watermark were applied before it.
    func restore(partitionWatermarks: [Int64]) {
        for output in outputs where output.target.wantsPartitionTimes {
            output.target.restore(partitionWatermarks: partitionWatermarks)
        }
    }

    public final func emit(_ batch: ColumnBatch, context: ShardContext) throws(Diagnostic) {
        guard batch.count > 0, !isMuted else { return }
        for output in outputs { try output.target.process(batch, port: output.port, context: context) }
    }

    public final func emit(watermark: Int64, context: ShardContext) throws(Diagnostic) {
        guard !isMuted else { return }
        for output in outputs { try output.target.advance(to: watermark, port: output.port, context: context) }
    }
}
