import MillraceCore

/// A source as its shard sees it: where it stands, what was applied before a restart.
final class ShardInput {
    let plan: SourcePlan
    let index: Int
    let source: any Source
    let head: Operator
    let watermark: WatermarkOperator?
    let batch: SourceBatch
    var isFinished = false
    /// To be polled at the next occasion: its descriptor was ready, or the last poll left something.
    var isReady = true
    /// Positions differ from the last submitted ones.
    var hasMoved = false
    var reportedWatermark = EventTime.none
    /// By partition: records below were applied before the restart. Empty once all have been read again.
    var appliedOffsets: [Int64] = []
    /// By window aggregate.
    private var verdicts: [LateVerdicts] = []
    /// See `ShardContext.undecidedOffsets`.
    private(set) var undecidedOffsets: [[Int64]] = []
    private var replayScratch: [Int64] = []
    /// What is stored, by partition, so that a commit carries only what has changed.
    private var stored: [SourcePosition] = []
    private var storedWatermark = EventTime.none
    /// Monotonic microseconds when all that had changed was last submitted.
    private var lastComplete: Int64?
    /// Partitions whose replay offset alone has moved are stored this often.
    private static let completeIntervalMicroseconds: Int64 = 1_000_000

    init(_ input: ShardGraph.Input) {
        plan = input.plan
        index = input.index
        source = input.source
        head = input.head
        watermark = input.watermark
        batch = SourceBatch(input.plan.schema, arena: BatchArena())
    }

    /// - Parameters:
    ///   - all: the positions of every source, by name.
    ///   - windows: how many window aggregates the plan has.
    func start(from all: [SourceName: [SourcePosition]], windows: Int) throws(Diagnostic) {
        verdicts = Array(repeating: LateVerdicts(), count: windows)
        let positions = all[plan.name] ?? []
        try source.start(from: positions)
        watermark?.setPartitionCount(source.partitions.count)
        defer { watermark?.begin() }
        guard !positions.isEmpty else { return }
        let count = source.partitions.count
        var watermarks = [Int64](repeating: EventTime.none, count: count)
        var applied = [Int64](repeating: Int64.min, count: count)
        var replaying = [Bool](repeating: false, count: count)
        var emitted = EventTime.none
        for position in positions {
            emitted = max(emitted, position.emittedWatermark)
            guard let partition = source.partitions.firstIndex(of: position.partition) else { continue }
            watermarks[partition] = position.watermark
            applied[partition] = position.nextOffset
            replaying[partition] = position.replayOffset < position.nextOffset
        }
        if replaying.contains(true) { appliedOffsets = applied }
        storedWatermark = emitted
        for window in verdicts.indices {
            let stored = all[LateVerdicts.sourceName(of: plan.name, window: window)] ?? []
            verdicts[window].restore(stored, partitions: source.partitions)
        }
        if verdicts.contains(where: { !$0.undecidedOffsets.isEmpty }) {
            undecidedOffsets = verdicts.map(\.undecidedOffsets)
        }
        if let watermark {
            watermark.restore(partitionWatermarks: watermarks, combined: emitted, replaying: replaying)
        } else {
            head.restore(emittedWatermark: emitted, port: 0)
        }
    }

    /// Event time may move again in partitions that have come to their stored position; replay ends with the last.
    func endReplay(context: ShardContext) throws(Diagnostic) {
        guard !appliedOffsets.isEmpty else { return }
        var isDone = true
        for (partition, applied) in appliedOffsets.enumerated() {
            if source.nextOffset(partition: partition) < applied {
                isDone = false
            } else {
                try watermark?.endReplay(partition: partition, context: context)
            }
        }
        if isDone {
            appliedOffsets = []
            undecidedOffsets = []
            for window in verdicts.indices { verdicts[window].endReplay() }
        }
    }

    func isDue(_ now: Int64) -> Bool {
        if isFinished { return false }
        if isReady || source.descriptor < 0 { return true }
        guard let deadline = source.wakeDeadline else { return false }
        return now >= deadline
    }

    /// How long the shard may sleep as far as this source goes, microseconds; 0 or less: not at all.
    func patience(_ now: Int64, _ clock: any Clock, isHeldBack: Bool) -> Int64 {
        if isReady, !isHeldBack { return 0 }
        var patience = Int64.max
        if let deadline = source.wakeDeadline {
            patience = deadline - now
        } else if source.descriptor < 0 {
            patience = 1000
        }
        if let deadline = watermark?.nextDeadline {
            // A deadline may be "at once", far below any clock.
            let wall = clock.wallMicroseconds()
            patience = min(patience, deadline <= wall ? 0 : deadline - wall)
        }
        return patience
    }

    /// Where a restart would go on now, as far as it is not stored yet: partitions that were read, and from time to time
    /// those of which less would have to be read again.
    ///
    /// - Parameters:
    ///   - result: takes the table's positions; empty.
    ///   - late: takes those of `LateVerdicts`, by their names.
    ///   - exchange: on several shards, what all of them have emitted is what counts.
    ///   - input: this input's place among the shard's.
    ///   - isComplete: all that has changed.
    func writePositions(
        to result: inout [SourcePosition], late: inout SourceProgress, operators: [Operator],
        exchange: ExchangeMember?, input: Int, now: Int64, isComplete: Bool
    ) {
        let partitions = source.partitions
        replayScratch.removeAll(keepingCapacity: true)
        // What is still to be read again may hold rows of open windows.
        for partition in partitions.indices { replayScratch.append(source.nextOffset(partition: partition)) }
        for each in operators { each.lowerReplayOffsets(&replayScratch, source: index) }
        let own = watermark?.partitionWatermarks ?? []
        var combined = watermark?.combinedWatermark ?? EventTime.none
        if let exchange {
            combined = max(exchange.emittedWatermark, storedWatermark)
        } else if combined == EventTime.end {
            // The end of bounded input closed every open window. A later run over new rows must neither find all of them
            // late nor open those windows again.
            combined = operators.reduce(own.max() ?? EventTime.none) { max($0, $1.emittedThrough) }
        }
        let isComplete = isComplete || now - (lastComplete ?? 0) >= ShardInput.completeIntervalMicroseconds
        if isComplete { lastComplete = now }
        for (i, partition) in partitions.enumerated() {
            let next = next(i)
            for window in verdicts.indices {
                let firstHeld = exchange?.firstHeld(window, input: input, partition: i)
                if let firstHeld { replayScratch[i] = min(replayScratch[i], firstHeld) }
                if let verdict = verdicts[window].position(
                    of: partition, i, read: source.nextOffset(partition: i), next: next, firstHeld: firstHeld)
                {
                    late.append(verdict, of: LateVerdicts.sourceName(of: plan.name, window: window))
                }
            }
            let position = SourcePosition(
                partition: partition, nextOffset: next, replayOffset: replayScratch[i],
                watermark: i < own.count ? own[i] : EventTime.none, emittedWatermark: combined)
            if i == stored.count {
                stored.append(position)
            } else {
                let hasMoved = position.nextOffset != stored[i].nextOffset || position.watermark != stored[i].watermark
                if !hasMoved {
                    guard position.replayOffset != stored[i].replayOffset else { continue }
                    // Later: it only shortens a replay.
                    if !isComplete {
                        self.hasMoved = true
                        continue
                    }
                }
                stored[i] = position
            }
            result.append(position)
        }
        // The largest stored watermark is the source's: some position must carry it.
        if combined > storedWatermark, result.isEmpty, !stored.isEmpty {
            stored[0].emittedWatermark = combined
            stored[0].replayOffset = replayScratch[0]
            result.append(stored[0])
        }
        storedWatermark = max(storedWatermark, combined)
    }

    private func next(_ partition: Int) -> Int64 {
        let read = source.nextOffset(partition: partition)
        return partition < appliedOffsets.count ? max(read, appliedOffsets[partition]) : read
    }
}

extension SourceProgress {
    /// A position more of a source that may not be there yet; for the few that are not streams of the shard.
    mutating func append(_ position: SourcePosition, of name: SourceName) {
        if let place = firstIndex(where: { $0.source == name }) {
            self[place].positions.append(position)
        } else {
            append((name, [position]))
        }
    }
}
