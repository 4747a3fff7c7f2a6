import MillraceCore

/// Which rows below the stored offsets still need a verdict when they turn out late on replay.
///
/// A late row's dead letter is held while the window it missed is not durable (`ExchangeMember`). What is stored for the
/// partition and window aggregate then: rows from `replayOffset` up to `nextOffset` have no letter yet. Stored only while
/// there are any, and once more when there are none, so the usual commit carries nothing.
struct LateVerdicts {
    /// By partition, from the run before: `from..<to` is still to be judged. Empty ranges: nothing.
    private var pending: [Range<Int64>] = []
    /// By partition: the last stored range was not empty.
    private var isStored: [Bool] = []
    private(set) var undecidedOffsets: [Int64] = []

    /// `window`: which of the plan's window aggregates, from 0.
    static func sourceName(of source: SourceName, window: Int) -> SourceName { "(late \(window)) " + source }

    mutating func restore(_ positions: [SourcePosition], partitions: [SourcePartition]) {
        for position in positions where position.replayOffset < position.nextOffset {
            guard let partition = partitions.firstIndex(of: position.partition) else { continue }
            grow(partition + 1)
            pending[partition] = position.replayOffset..<position.nextOffset
            isStored[partition] = true
        }
        guard pending.contains(where: { !$0.isEmpty }) else { return }
        undecidedOffsets = pending.map { $0.isEmpty ? Int64.max : $0.lowerBound }
    }

    /// All rows below the stored offsets have been read again.
    mutating func endReplay() {
        for i in pending.indices { pending[i] = 0..<0 }
        undecidedOffsets = []
    }

    /// What to store with the commit that moves the partition to `next`; nil: what is stored holds.
    ///
    /// - Parameters:
    ///   - read: the reader's own offset, behind `next` while it reads again.
    ///   - firstHeld: the first row whose letter is held.
    mutating func position(
        of partition: SourcePartition, _ index: Int, read: Int64, next: Int64, firstHeld: Int64?
    ) -> SourcePosition? {
        guard firstHeld != nil || index < isStored.count && isStored[index] else { return nil }
        grow(index + 1)
        var from = firstHeld ?? next
        if read < pending[index].upperBound { from = min(from, max(read, pending[index].lowerBound)) }
        isStored[index] = from < next
        return SourcePosition(partition: partition, nextOffset: next, replayOffset: from)
    }

    private mutating func grow(_ count: Int) {
        while pending.count < count {
            pending.append(0..<0)
            isStored.append(false)
        }
    }
}
