import MillraceCore

/// How far a remote model's rows have come, beside how far their source has been read.
///
/// Rows on their way to a remote model are read but not done; other branches of the source have done them already. So a
/// partition has two offsets: its own `nextOffset`, up to which it has been read, and one of the operator, up to which
/// rows have left it. Both go into the same transaction. A restart reads from the smaller one; rows below the source's
/// offset are not written again (`ShardContext.isReplayed`), except behind the operator, where its own offset decides.
///
/// That is enough where neither side of the operator keeps state: an operator before it that keeps some may leave
/// out rows that are read again, and one behind it would have to know which time had come to it. There nothing is stored, and
/// commits wait until no row is on its way.
final class RemotePositions {
    let isStored: Bool
    private let index: Int
    /// By source, then partition: rows below were applied before the restart, behind the operator.
    private var applied: [[Int64]] = []
    private var stored: [[Int64]] = []
    /// What is stored may be out of date.
    var hasMoved = false

    init(index: Int, isStored: Bool) {
        self.index = index
        self.isStored = isStored
    }

    private func name(_ source: SourceName) -> SourceName { "(remote \(index)) " + source }

    /// After the source has started. Without an offset of its own a partition has the source's.
    func restore(_ all: [SourceName: [SourcePosition]], _ input: ShardInput) {
        let partitions = input.source.partitions
        while applied.count <= input.index {
            applied.append([])
            stored.append([])
        }
        var offsets = [Int64](repeating: .min, count: partitions.count)
        func take(_ positions: [SourcePosition]) {
            for position in positions {
                guard let partition = partitions.firstIndex(of: position.partition) else { continue }
                offsets[partition] = position.nextOffset
            }
        }
        take(all[input.plan.name] ?? [])
        let own = all[name(input.plan.name)] ?? []
        if isStored {
            take(own)
            stored[input.index] = [Int64](repeating: .min, count: partitions.count)
            for position in own {
                guard let partition = partitions.firstIndex(of: position.partition) else { continue }
                stored[input.index][partition] = position.nextOffset
            }
        }
        applied[input.index] = offsets.contains { $0 != .min } ? offsets : []
    }

    /// For `ShardContext.appliedOffsets` while rows of the source go on.
    func appliedOffsets(source: Int) -> [Int64] { source < applied.count ? applied[source] : [] }

    /// The row went on before the restart.
    func isApplied(origin: Int32, _ context: ShardContext) -> Bool {
        guard origin >= 0, let records = context.records, context.source < applied.count else { return false }
        let partition = Int(records.partition[Int(origin)])
        let offsets = applied[context.source]
        return partition < offsets.count && records.offset[Int(origin)] < offsets[partition]
    }

    /// Adds what has changed since it was last stored.
    func write(of input: ShardInput, _ waiting: WaitingRows, to progress: inout SourceProgress) {
        guard isStored else { return }
        while stored.count <= input.index { stored.append([]) }
        for (partition, name) in input.source.partitions.enumerated() {
            var next = input.source.nextOffset(partition: partition)
            if let oldest = waiting.oldest(source: input.index, partition: partition) { next = min(next, oldest) }
            if input.index < applied.count, partition < applied[input.index].count {
                next = max(next, applied[input.index][partition])
            }
            if partition == stored[input.index].count { stored[input.index].append(.min) }
            guard next != stored[input.index][partition] else { continue }
            stored[input.index][partition] = next
            progress.append(
                SourcePosition(partition: name, nextOffset: next, replayOffset: next), of: self.name(input.plan.name))
        }
    }
}
