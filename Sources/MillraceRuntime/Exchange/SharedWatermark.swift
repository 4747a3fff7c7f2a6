import MillraceCore
import Synchronization

/// Event time of one source whose partitions several shards read: each publishes its own, all go by the minimum.
///
/// A shard whose partitions are all idle, or that has none, holds nothing back. `agreed` is the largest minimum that any
/// shard has seen: it never goes back, so a shard that returns from idleness late has late rows, as a partition does.
public final class SharedWatermark: Sendable {
    private final class Slot: Sendable {
        let watermark = Atomic<Int64>(EventTime.none)
        let newest = Atomic<Int64>(EventTime.none)
        let isIdle = Atomic<Bool>(false)
    }

    private let slots: [Slot]
    private let agreedValue = Atomic<Int64>(EventTime.none)

    public init(shards: Int) { slots = (0..<shards).map { _ in Slot() } }

    /// What one shard has come to. Both orders matter: a shard that publishes and then looks sees what another published
    /// before it looked, so one of the two sees the new minimum.
    func publish(_ shard: Int, watermark: Int64, newest: Int64, isIdle: Bool) {
        slots[shard].newest.store(newest, ordering: .sequentiallyConsistent)
        slots[shard].watermark.store(watermark, ordering: .sequentiallyConsistent)
        slots[shard].isIdle.store(isIdle, ordering: .sequentiallyConsistent)
    }

    /// The minimum of the other shards that are not idle; nil when all of them are.
    func others(than shard: Int) -> Int64? {
        var minimum: Int64?
        for (index, slot) in slots.enumerated()
        where index != shard && !slot.isIdle.load(ordering: .sequentiallyConsistent) {
            minimum = min(minimum ?? EventTime.end, slot.watermark.load(ordering: .sequentiallyConsistent))
        }
        return minimum
    }

    /// The newest watermark of any partition of any shard.
    var newest: Int64 { slots.reduce(EventTime.none) { max($0, $1.newest.load(ordering: .sequentiallyConsistent)) } }

    var agreed: Int64 { agreedValue.load(ordering: .sequentiallyConsistent) }

    func agree(on watermark: Int64) { agreedValue.max(watermark, ordering: .sequentiallyConsistent) }
}
