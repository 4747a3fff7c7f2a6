import MillraceCore

/// One shard's part of one exchanged window aggregate, as a sender: closed windows on their way to the owners.
///
/// A closed window leaves only when a commit of this shard is durable that reaches behind all rows in it. So whatever its
/// owner makes durable is, after a crash, below this shard's stored offsets: known as applied, neither new nor late.
final class PartialSender {
    private struct Closing {
        var through: Int64
        /// By input, then partition: rows of the closed windows lie below these offsets. Empty: nothing was closed.
        var bounds: [[Int64]]
        /// The commit that reaches behind `bounds`; nil: none yet.
        var ticket: Int64?
        /// By owner.
        var windows: [[PartialWindow]]
    }

    let channel: WindowChannel
    private let exchange: Exchange
    private let shard: Int
    private var waiting: [Closing] = []
    /// Closed windows whose emission is not durable at every owner: replay must still reach their rows.
    private var retained: [(last: Int64, offsets: ContributingOffsets, groups: Int)] = []
    /// The watermark of the newest closing.
    private(set) var closedThrough = EventTime.none
    private var newestClosed = EventTime.none
    /// Groups in `retained`.
    private(set) var retainedGroups = 0
    /// Windows were closed since the last look: the other shards must hear of it.
    var hasClosed = false
    private let buffers: [ByteBuffer]
    private var closing: [[PartialWindow]]

    init(_ exchange: Exchange, window: Int, shard: Int) {
        self.exchange = exchange
        self.shard = shard
        channel = exchange.channels[window]
        buffers = (0..<exchange.shards).map { _ in ByteBuffer() }
        closing = Array(repeating: [], count: exchange.shards)
    }

    // MARK: - Closing

    /// Takes the groups of a window that closes; its memory may go.
    func add(_ window: OpenWindow, keys: KeyTable, accumulators: Accumulators) {
        for buffer in buffers { buffer.clear() }
        var groups = [Int](repeating: 0, count: buffers.count)
        for i in window.keys.indices {
            let key = window.keys[i]
            let owner = EmittedWindows.owner(of: keys.hash(of: key), shards: buffers.count)
            groups[owner] += 1
            keys.write(key, to: buffers[owner])
            accumulators.write(window.records[i], to: buffers[owner])
        }
        for (owner, count) in groups.enumerated() where count > 0 {
            closing[owner].append(
                PartialWindow(
                    start: window.start, end: window.end, groups: count, bytes: buffers[owner].bytes.array))
        }
        retained.append((window.end - 1, window.offsets, window.keys.count))
        retainedGroups += window.keys.count
        newestClosed = max(newestClosed, window.end - 1)
    }

    /// The windows added since the last call were all that end at or before `watermark`. `bounds`: see `Closing`.
    func close(through watermark: Int64, bounds: [[Int64]]) {
        closedThrough = watermark
        waiting.append(Closing(through: watermark, bounds: bounds, ticket: nil, windows: closing))
        for owner in closing.indices { closing[owner].removeAll() }
        hasClosed = true
        channel.request(watermark)
    }

    /// This shard has no window that ends at or before `watermark` left. Nothing to wait for but earlier closings.
    func mark(through watermark: Int64) {
        closedThrough = watermark
        waiting.append(
            Closing(
                through: watermark, bounds: [], ticket: Int64.min, windows: closing))
    }

    /// A row has come late for a window that ends at or before `watermark`, and no shard need have had a row of it. All are
    /// asked to promise that none will come, so that it is stored as emitted, empty or not; this shard does so here, before
    /// a later closing waits for the verdict about the row.
    func closeEmpty(through watermark: Int64) {
        guard watermark > closedThrough else { return }
        mark(through: watermark)
        hasClosed = true
        channel.request(watermark)
    }

    // MARK: - Sending

    /// True when a commit would let something go. `isHeld`: some row below the bounds has no verdict yet.
    func wantsCommit(_ isHeld: ([[Int64]]) -> Bool) -> Bool {
        guard let first = waiting.first(where: { $0.ticket == nil }) else { return false }
        return !isHeld(first.bounds)
    }

    /// The commit `ticket` covers everything processed so far.
    func covered(by ticket: Int64, _ isHeld: ([[Int64]]) -> Bool) {
        for i in waiting.indices where waiting[i].ticket == nil {
            if isHeld(waiting[i].bounds) { return }
            waiting[i].ticket = ticket
        }
    }

    /// Commits up to `ticket` are durable: sends what waited for them. True when something went.
    func send(durable ticket: Int64) -> Bool {
        var count = 0
        while count < waiting.count, let needed = waiting[count].ticket, needed <= ticket {
            for owner in 0..<exchange.shards {
                channel.send(
                    PartialPackage(
                        shard: shard, through: waiting[count].through, newestClosed: newestClosed,
                        windows: waiting[count].windows[owner]), to: owner)
            }
            count += 1
        }
        guard count > 0 else { return false }
        waiting.removeFirst(count)
        exchange.wakeAll()
        return true
    }

    // MARK: - Replay

    /// Forgets the windows that all owners have made durable. True when there were any.
    func release() -> Bool {
        guard let first = retained.first, first.last <= channel.durable else { return false }
        let durable = channel.durable
        let count = retained.firstIndex { $0.last > durable } ?? retained.count
        for entry in retained[..<count] { retainedGroups -= entry.groups }
        retained.removeFirst(count)
        return true
    }

    func lower(_ offsets: inout [Int64], source: Int, _ slots: OffsetSlots) {
        for entry in retained { slots.lower(&offsets, source: source, by: entry.offsets) }
    }
}
