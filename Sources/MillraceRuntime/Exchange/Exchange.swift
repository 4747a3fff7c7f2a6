import MillraceCore
import Synchronization

/// What the shards of one run share when they aggregate over windows: event time, and the way of partial aggregates to
/// their owners. See `docs/ARCHITECTURE.md`, "Exchange".
///
/// Shards touch it when windows close and between batches, never for a row.
public final class Exchange: Sendable {
    public let shards: Int
    /// By index of the plan's sources.
    public let time: [SharedWatermark]
    let channels: [WindowChannel]
    private let wakers: [Waker]

    /// - Parameters:
    ///   - sources: how many sources the plan has.
    ///   - windows: how many window aggregates.
    public init(shards: Int, sources: Int, windows: Int) {
        self.shards = shards
        time = (0..<sources).map { _ in SharedWatermark(shards: shards) }
        channels = (0..<windows).map { _ in WindowChannel(shards: shards) }
        wakers = (0..<shards).map { _ in Waker() }
    }

    func onWake(_ shard: Int, _ wake: @escaping @Sendable () -> Void) { wakers[shard].set(wake) }
    func wake(_ shard: Int) { wakers[shard].call() }
    func wakeAll() { for shard in 0..<shards { wake(shard) } }

    private final class Waker: Sendable {
        private let body = Mutex<(@Sendable () -> Void)?>(nil)
        func set(_ wake: @escaping @Sendable () -> Void) { body.withLock { $0 = wake } }
        func call() { body.withLock { $0 }?() }
    }
}

/// The groups of one closed window that one shard sends to their owner.
struct PartialWindow: Sendable {
    var start: Int64
    var end: Int64
    var groups: Int
    /// `KeyTable.write`, then `Accumulators.write`, for each group.
    var bytes: [UInt8]
}

/// A shard's promise: all its rows of windows that end at or before `through` are in what it has sent.
struct PartialPackage: Sendable {
    var shard: Int
    var through: Int64
    /// The largest last millisecond of a window closed so far; where the run goes on after the end of bounded input.
    var newestClosed: Int64
    var windows: [PartialWindow]
}

/// The way of one window aggregate's partials.
final class WindowChannel: Sendable {
    private final class Inbox: Sendable {
        let packages = Mutex<[PartialPackage]>([])
        let hasMail = Atomic<Bool>(false)
    }
    private final class Progress: Sendable {
        /// The owner's emission of all windows up to here is durable.
        let durable = Atomic<Int64>(EventTime.none)
        /// The last millisecond of the shard's first open window.
        let timer = Atomic<Int64>(EventTime.end)
    }

    private let inboxes: [Inbox]
    private let progress: [Progress]
    /// The largest watermark at which a shard has closed a window: all others must say that they have, too.
    private let requestedValue = Atomic<Int64>(EventTime.none)

    init(shards: Int) {
        inboxes = (0..<shards).map { _ in Inbox() }
        progress = (0..<shards).map { _ in Progress() }
    }

    func send(_ package: PartialPackage, to owner: Int) {
        inboxes[owner].packages.withLock { $0.append(package) }
        inboxes[owner].hasMail.store(true, ordering: .releasing)
    }

    /// In the order in which each shard sent them; one atomic load when there is nothing.
    func receive(_ owner: Int) -> [PartialPackage] {
        guard inboxes[owner].hasMail.load(ordering: .acquiring) else { return [] }
        return inboxes[owner].packages.withLock { packages in
            inboxes[owner].hasMail.store(false, ordering: .relaxed)
            defer { packages.removeAll() }
            return packages
        }
    }

    var requested: Int64 { requestedValue.load(ordering: .acquiring) }
    func request(_ watermark: Int64) { requestedValue.max(watermark, ordering: .acquiringAndReleasing) }

    func setTimer(_ shard: Int, _ last: Int64) { progress[shard].timer.store(last, ordering: .releasing) }
    func timer(_ shard: Int) -> Int64 { progress[shard].timer.load(ordering: .acquiring) }

    func setDurable(_ owner: Int, _ watermark: Int64) {
        progress[owner].durable.max(watermark, ordering: .acquiringAndReleasing)
    }
    /// Every owner has durably emitted its groups of the windows up to here.
    var durable: Int64 { progress.reduce(EventTime.end) { min($0, $1.durable.load(ordering: .acquiring)) } }
}
