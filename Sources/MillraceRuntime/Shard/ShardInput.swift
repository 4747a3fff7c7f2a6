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
    private var replayScratch: [Int64] = []

    init(_ input: ShardGraph.Input) {
        plan = input.plan
        index = input.index
        source = input.source
        head = input.head
        watermark = input.watermark
        batch = SourceBatch(input.plan.schema, arena: BatchArena())
    }

    func start(from positions: [SourcePosition]) throws(Diagnostic) {
        try source.start(from: positions)
        watermark?.setPartitionCount(source.partitions.count)
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
        if isDone { appliedOffsets = [] }
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

    /// Where a restart would go on now, in place of what `result` holds.
    func writePositions(to result: inout [SourcePosition], operators: [Operator]) {
        let partitions = source.partitions
        replayScratch.removeAll(keepingCapacity: true)
        for partition in partitions.indices { replayScratch.append(next(partition)) }
        for each in operators { each.lowerReplayOffsets(&replayScratch, source: index) }
        let own = watermark?.partitionWatermarks ?? []
        var combined = watermark?.combinedWatermark ?? EventTime.none
        if combined == EventTime.end {
            // The end of bounded input closed every open window. A later run over new rows must neither find all of them
            // late nor open those windows again.
            combined = operators.reduce(own.max() ?? EventTime.none) { max($0, $1.emittedThrough) }
        }
        result.removeAll(keepingCapacity: true)
        for (i, partition) in partitions.enumerated() {
            result.append(
                SourcePosition(
                    partition: partition, nextOffset: next(i), replayOffset: replayScratch[i],
                    watermark: i < own.count ? own[i] : EventTime.none, emittedWatermark: combined))
        }
    }

    private func next(_ partition: Int) -> Int64 {
        let read = source.nextOffset(partition: partition)
        return partition < appliedOffsets.count ? max(read, appliedOffsets[partition]) : read
    }
}
