public import MillraceCore

/// Event time of one source: the largest watermark of each partition, combined by minimum, moved after each record.
///
/// Fills `metadata.watermarks` with the combined watermark before each row, then announces the last one. A row whose rowtime
/// is NULL is rejected. The combined watermark never goes back: a partition that returns late has late rows.
///
/// Idleness follows the wall clock that `tick` is given. A partition is idle when it stands at its end and the timeout has
/// passed since its last record; one that never delivered is idle at once. When all are idle, event time may go on with
/// the wall clock, up to the wall clock minus the declared bound.
public final class WatermarkOperator: Operator {
    private struct Partition {
        var watermark = EventTime.none
        /// Wall clock of the last record, microseconds; nil before the first.
        var lastRecord: Int64?
        /// Wall clock when the reader was last seen before the end, for example because the brokers were away.
        var lastBehind = Int64.min
        var lastActivity: Int64? { lastRecord.map { max($0, lastBehind) } }
        var isIdle = false
        /// Records below the stored position are still to be read again.
        var isReplaying = false
    }

    /// How often event time follows the wall clock while all partitions are idle, and a late reader is looked at again.
    private static let idleStepMicroseconds: Int64 = 50_000

    private let plan: WatermarkPlan
    private let evaluator: ExpressionEvaluator
    private let isBounded: Bool
    private let isSequential: Bool
    /// Plain memory: an array in a class costs several checks for every row.
    private var partitions: UnsafeMutableBufferPointer<Partition>
    private var combined = EventTime.none
    private var announced = EventTime.none
    /// While partitions replay, time stands still: windows must not fire before they are rebuilt.
    private var replaying = 0
    /// Of all the shard's sources; another one's replay holds this one's time, too.
    private var replay = Replay()
    private var standsStill: Bool { replay.partitions > 0 }
    /// Wall clock and newest watermark when the last partition became idle.
    private var allIdleSince: (wall: Int64, watermark: Int64)?
    /// Wall clock, microseconds, at which `tick` has something to do; nil: not before the next record.
    public private(set) var nextDeadline: Int64?
    /// An operator behind goes by each partition's own time.
    private lazy var marksPartitions = !isSequential && wantsPartitionTimes
    private let selection = RowSelection()
    private let rowtimeName: String
    /// The minimum over the active partitions; it goes back when one returns late, `combined` does not.
    private var own = EventTime.none
    /// The partition that holds `own`, -1 when unknown, and the next smallest watermark: up to there it alone moves `own`.
    private var slowest = -1
    private var nextSlowest = EventTime.none
    private var newest = EventTime.none
    private var isAtEnd = false
    /// Other shards read partitions of the same source.
    private var shared: (time: SharedWatermark, shard: Int)?
    /// The minimum of the other shards as last looked at; nil when all of them are idle or there are none.
    private var others: Int64?

    /// - Parameters:
    ///   - partitions: known ones; more may come, by index.
    ///   - isBounded: never looks at the wall clock.
    ///   - rowtimeName: the event-time column, for dead letters.
    ///   - isSequential: partitions are read one after the other (files), so they have one watermark together; a file that
    ///     has not begun holds nothing back. As in Flink, where a reader has one split at a time.
    public init(
        _ plan: WatermarkPlan, partitions: Int, isBounded: Bool = false, isSequential: Bool = false,
        rowtimeName: String = "event time", object: String
    ) throws(Diagnostic) {
        self.plan = plan
        self.rowtimeName = rowtimeName
        self.isBounded = isBounded
        self.isSequential = isSequential
        evaluator = try ExpressionEvaluator([plan.expression])
        self.partitions = .allocate(capacity: partitions)
        self.partitions.initialize(repeating: Partition())
        super.init(object: object)
        if usesClock, partitions > 0 { nextDeadline = .min }
    }

    deinit { partitions.deallocate() }

    private var usesClock: Bool { !isBounded && plan.idleTimeoutMicroseconds > 0 }

    /// For positions: each partition's own watermark, and what windows have been fired up to.
    public var partitionWatermarks: [Int64] { partitions.map(\.watermark) }
    public var combinedWatermark: Int64 { combined }

    /// Newly discovered partitions hold event time until they deliver or turn out to be idle.
    public func setPartitionCount(_ count: Int) {
        guard count > partitions.count, !isSequential || partitions.isEmpty else { return }
        let count = isSequential ? 1 : count
        let larger = UnsafeMutableBufferPointer<Partition>.allocate(capacity: count)
        larger.initialize(repeating: Partition())
        for index in partitions.indices { larger[index] = partitions[index] }
        partitions.deallocate()
        partitions = larger
        allIdleSince = nil
        own = EventTime.none
        slowest = -1
        if usesClock { nextDeadline = .min }
    }

    // MARK: - Records

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let rowtime = batch.columns[plan.rowtimeColumn]
        let values = evaluator.evaluate(batch, context: context)[0]
        let metadata = batch.metadata
        let records = context.records
        let now = usesClock ? context.clock.wallMicroseconds() : 0
        allIdleSince = nil
        lookAtOthers()
        var rejected = false
        let marksPartitions = marksPartitions
        if marksPartitions { metadata.usePartitionWatermarks() }
        for row in 0..<batch.count {
            let origin = metadata.origins[row]
            metadata.watermarks[row] = combined
            var index = 0
            if !isSequential, let records, origin >= 0 { index = Int(records.partition[Int(origin)]) }
            if index >= partitions.count { setPartitionCount(index + 1) }
            partitions[index].lastRecord = now
            if marksPartitions {
                metadata.partitionWatermarks![row] = max(combined, partitions[index].watermark)
            }
            if !rowtime.allValid, rowtime.states[row] != CellState.valid {
                if !rejected {
                    rejected = true
                    selection.clear()
                    for earlier in 0..<row { selection.append(earlier) }
                }
                let state = rowtime.states[row]
                try context.reject(
                    origin: origin, state == CellState.null ? .nullEventTime : .of(state), object: object,
                    detail: "column \"\(rowtimeName)\"")
                continue
            }
            if rejected { selection.append(row) }
            let wasIdle = partitions[index].isIdle
            partitions[index].isIdle = false
            let before = partitions[index].watermark
            var moved = wasIdle
            if values.states[row] == CellState.valid {
                let watermark = EventTime.milliseconds(fromMicroseconds: values.ints[row])
                if watermark > before {
                    partitions[index].watermark = watermark
                    if watermark > newest { newest = watermark }
                    if index == slowest, watermark <= nextSlowest {
                        own = watermark
                        raise()
                    } else if before <= own {
                        // Only the slowest partition holds the minimum.
                        moved = true
                    }
                }
            }
            if replaying > 0, partitions[index].isReplaying, let records, origin >= 0,
                index >= context.appliedOffsets.count
                    || records.offset[Int(origin)] + 1 >= context.appliedOffsets[index]
            {
                endReplay(index)
                moved = true
            }
            if moved { combine() }
        }
        if usesClock { schedule(now) }
        publish()
        try emit(rejected ? selection.apply(batch) : batch, context: context)
        try announcePartitions(context)
        try announce(context)
    }

    private func announcePartitions(_ context: ShardContext) throws(Diagnostic) {
        guard marksPartitions else { return }
        try advance(
            partitionsTo: partitions.map { $0.isReplaying ? EventTime.none : $0.watermark }, context: context)
    }

    /// The input's own end; anything before it is this operator's to say.
    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        guard watermark == EventTime.end else { return }
        isAtEnd = true
        own = EventTime.end
        nextDeadline = nil
        raise()
        publish()
        try announce(context)
    }

    /// Finds the minimum over the partitions that are not idle.
    private func combine() {
        guard !standsStill, !isAtEnd else { return }
        var minimum = EventTime.end
        slowest = -1
        nextSlowest = EventTime.end
        for index in partitions.indices where !partitions[index].isIdle {
            let watermark = partitions[index].watermark
            if slowest < 0 || watermark < minimum {
                if slowest >= 0 { nextSlowest = minimum }
                slowest = index
                minimum = watermark
            } else {
                nextSlowest = min(nextSlowest, watermark)
            }
        }
        guard slowest >= 0 else { return }
        own = minimum
        raise()
    }

    /// Event time follows `own` as far as the other shards allow; never back.
    @inline(__always)
    private func raise() {
        let bounded = others.map { min($0, own) } ?? own
        if bounded > combined { combined = bounded }
    }

    private func announce(_ context: ShardContext) throws(Diagnostic) {
        guard combined > announced else { return }
        announced = combined
        try emit(watermark: combined, context: context)
    }

    // MARK: - Other shards

    /// Before the first batch: event time is the minimum over all shards that read this source.
    public func share(_ time: SharedWatermark, shard: Int) { shared = (time, shard) }

    /// The partitions to start with are known: the others need no longer wait to hear of this shard.
    func begin() {
        if !standsStill { combine() }
        publish()
    }

    private func lookAtOthers() {
        guard let shared else { return }
        others = shared.time.others(than: shared.shard)
        if !standsStill { combined = max(combined, shared.time.agreed) }
    }

    /// This shard holds nobody back.
    private var isIdle: Bool { !isAtEnd && !standsStill && partitions.allSatisfy(\.isIdle) }

    private func publish() {
        guard let shared else { return }
        let isIdle = isIdle
        shared.time.publish(shared.shard, watermark: own, newest: newest, isIdle: isIdle)
        lookAtOthers()
        if !standsStill, !isIdle { raise() }
        shared.time.agree(on: combined)
    }

    /// Between batches: takes over what the other shards' event time has come to. Costs a few loads.
    func follow(_ context: ShardContext) throws(Diagnostic) {
        guard let shared, !standsStill else { return }
        lookAtOthers()
        if isIdle {
            if let others { combined = max(combined, others) }
        } else {
            raise()
        }
        guard combined > announced else { return }
        shared.time.agree(on: combined)
        try announce(context)
    }

    // MARK: - Idleness

    /// Looks at the clock. Call when `nextDeadline` has come; more often does no harm.
    ///
    /// - Parameter now: wall clock, microseconds since 1970.
    public func tick(now: Int64, isAtEnd: (Int) -> Bool, context: ShardContext) throws(Diagnostic) {
        guard usesClock, !standsStill, combined != EventTime.end, !partitions.isEmpty else {
            // The end of the replay, by row or `endReplay`, sets it again.
            nextDeadline = nil
            return
        }
        var allIdle = true
        var hasChanged = false
        lookAtOthers()
        for index in partitions.indices {
            var isIdle = isAtEnd(index)
            if !isIdle, partitions[index].lastRecord != nil { partitions[index].lastBehind = now }
            if isIdle, let last = partitions[index].lastActivity {
                isIdle = now - last >= plan.idleTimeoutMicroseconds
            } else if isIdle, partitions[index].watermark != EventTime.none {
                // It delivered before a restart: the timeout starts over.
                partitions[index].lastRecord = now
                isIdle = false
            }
            if isIdle != partitions[index].isIdle { hasChanged = true }
            partitions[index].isIdle = isIdle
            if !isIdle { allIdle = false }
        }
        if !allIdle {
            allIdleSince = nil
            if hasChanged { combine() }
        } else if let others {
            // Only this shard is idle: the others' time is everyone's.
            allIdleSince = nil
            combined = max(combined, others)
        } else if plan.advancesWhenIdle {
            let newest = max(combined, shared?.time.newest ?? newest)
            if allIdleSince == nil { allIdleSince = (now, newest) }
            if let since = allIdleSince, since.watermark != EventTime.none {
                let elapsed = since.watermark + (now - since.wall) / 1000
                let bound = EventTime.milliseconds(fromMicroseconds: now - plan.boundMicroseconds)
                combined = max(combined, min(elapsed, bound))
            }
        }
        schedule(now, allIdle: allIdle)
        publish()
        try announce(context)
    }

    private func schedule(_ now: Int64, allIdle: Bool = false) {
        if allIdle {
            // While other shards are active, whether they still are is looked at again.
            let moves = plan.advancesWhenIdle && (others != nil || allIdleSince?.watermark != EventTime.none)
            nextDeadline = moves ? now + WatermarkOperator.idleStepMicroseconds : nil
            return
        }
        var next: Int64?
        for partition in partitions where !partition.isIdle {
            var due = now + WatermarkOperator.idleStepMicroseconds
            // One that stays behind for longer than the timeout is looked at often: the timeout runs from when it no longer is.
            let last = partition.lastBehind == now ? partition.lastRecord : partition.lastActivity
            if let last { due = max(due, last + plan.idleTimeoutMicroseconds) }
            next = min(next ?? due, due)
        }
        nextDeadline = next
    }

    // MARK: - Restart

    /// Before the first batch: continues from stored positions, and tells the operators behind it.
    ///
    /// - Parameter replaying: partitions that are read from before their stored position. Event time stands still until
    ///   each has come to it: by a row at or behind the last applied one, or by `endReplay`. A sequential source reads its
    ///   rows in the same order again, so its time cannot run ahead.
    public func restore(partitionWatermarks: [Int64], combined: Int64, replaying: [Bool] = []) {
        setPartitionCount(partitionWatermarks.count)
        for (index, watermark) in partitionWatermarks.enumerated() {
            let place = isSequential ? 0 : index
            partitions[place].watermark = max(partitions[place].watermark, watermark)
        }
        self.combined = combined
        announced = EventTime.none
        for (index, isReplaying) in replaying.enumerated()
        where isReplaying && !isSequential && index < partitions.count {
            partitions[index].isReplaying = true
        }
        self.replaying = partitions.count { $0.isReplaying }
        replay.partitions += self.replaying
        newest = partitions.reduce(combined) { max($0, $1.watermark) }
        own = self.replaying > 0 ? combined : EventTime.none
        slowest = -1
        restore(emittedWatermark: combined, port: 0)
        if marksPartitions { restore(partitionWatermarks: partitions.map(\.watermark)) }
    }

    /// The reader of `partition` has come to its stored position. Needed where the last applied record gave no row.
    public func endReplay(partition: Int, context: ShardContext) throws(Diagnostic) {
        guard partition < partitions.count, partitions[partition].isReplaying else { return }
        endReplay(partition)
        try resume(context)
    }

    private func endReplay(_ partition: Int) {
        partitions[partition].isReplaying = false
        replaying -= 1
        replay.partitions -= 1
    }

    // MARK: - Other sources

    /// Before `restore`: the shard's sources stand still together.
    public func share(_ replay: Replay) { self.replay = replay }

    /// After all sources were restored: a source that replays nothing waits for those that do.
    public func hold() {
        guard standsStill else { return }
        slowest = -1
    }

    /// Event time goes on after a replay, to where this source's own partitions are.
    public func resume(_ context: ShardContext) throws(Diagnostic) {
        combine()
        publish()
        if usesClock { nextDeadline = .min }
        try announcePartitions(context)
        try announce(context)
    }
}
