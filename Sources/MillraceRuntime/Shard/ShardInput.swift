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

    /// Event time may also move with the wall clock between deadlines once every partition is idle.
    var ticksEachTime: Bool { false }

    func start(from positions: [SourcePosition]) throws(Diagnostic) {
        try source.start(from: positions)
        guard !positions.isEmpty else { return }
        var watermarks = [Int64](repeating: EventTime.none, count: source.partitions.count)
        var applied = [Int64](repeating: Int64.min, count: source.partitions.count)
        var emitted = EventTime.none
        for position in positions {
            emitted = max(emitted, position.emittedWatermark)
            guard let partition = source.partitions.firstIndex(of: position.partition) else { continue }
            watermarks[partition] = position.watermark
            applied[partition] = position.nextOffset
        }
        if positions.contains(where: { $0.replayOffset < $0.nextOffset }) { appliedOffsets = applied }
        watermark?.restore(partitionWatermarks: watermarks, combined: emitted)
        head.restore(emittedWatermark: emitted, port: 0)
    }

    func forgetReplayWhenDone() {
        guard !appliedOffsets.isEmpty else { return }
        for (partition, applied) in appliedOffsets.enumerated() where source.nextOffset(partition: partition) < applied {
            return
        }
        appliedOffsets = []
    }

    /// Where a restart would go on now.
    func positions(operators: [Operator]) -> [SourcePosition] {
        let partitions = source.partitions
        replayScratch.removeAll(keepingCapacity: true)
        for partition in partitions.indices { replayScratch.append(next(partition)) }
        for each in operators { each.lowerReplayOffsets(&replayScratch, source: index) }
        let combined = watermark?.combinedWatermark ?? EventTime.none
        let own = watermark?.partitionWatermarks ?? []
        var result: [SourcePosition] = []
        result.reserveCapacity(partitions.count)
        for (i, partition) in partitions.enumerated() {
            result.append(
                SourcePosition(
                    partition: partition, nextOffset: next(i), replayOffset: replayScratch[i],
                    watermark: i < own.count ? own[i] : EventTime.none, emittedWatermark: combined))
        }
        return result
    }

    private func next(_ partition: Int) -> Int64 {
        let read = source.nextOffset(partition: partition)
        return partition < appliedOffsets.count ? max(read, appliedOffsets[partition]) : read
    }
}
