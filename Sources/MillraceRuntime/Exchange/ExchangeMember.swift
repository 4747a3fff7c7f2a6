public import MillraceCore

/// One shard's place in the exchange: sends the partials of its closed windows, merges and emits the groups it owns, and
/// holds back what must not be durable before other shards' commits are.
///
/// Owned by the shard's thread. The order that makes a crash at any point harmless:
/// 1. a window closes here; its rows lie below this shard's offsets;
/// 2. a commit of this shard reaches behind them; only then its partials leave;
/// 3. the owners emit, and store "emitted through" in the transaction of the rows;
/// 4. when all owners have, replay no longer needs the rows, and dead letters of rows that came late for the window may be
///    written: before, a crash would give the late row another chance to be in time, and it would be in both places.
public final class ExchangeMember {
    private struct HeldLetter {
        var letter: DeadLetter
        var late: LateWindow
        var input: Int
        var partition: Int
    }

    private let exchange: Exchange
    private let shard: Int
    private let windows: [WindowAggregateOperator]
    private var inputs: [ShardInput] = []
    /// By window aggregate, in the order in which they came.
    private var held: [[HeldLetter]]
    /// Watermark of each window aggregate when the others were last told.
    private var told: [Int64]
    private var lastTicket: Int64 = -1
    private var durableTicket: Int64 = -1

    /// - Parameter windows: the plan's window aggregates, in the order of the plan, of this shard's graph.
    public init(_ exchange: Exchange, shard: Int, windows: [WindowAggregateOperator]) throws(Diagnostic) {
        self.exchange = exchange
        self.shard = shard
        self.windows = windows
        told = windows.map { _ in EventTime.none }
        held = windows.map { _ in [] }
        for (index, window) in windows.enumerated() { try window.join(exchange, window: index, shard: shard) }
    }

    func start(_ inputs: [ShardInput], wake: @escaping @Sendable () -> Void) {
        self.inputs = inputs
        exchange.onWake(shard, wake)
        for window in windows { window.offsetsAt = { [unowned self] in self.offsets(at: $0, $1) } }
    }

    // MARK: - Turns

    /// Between batches: event time of the other shards, mail, emission. True when something was done.
    func turn(mayEmit: () -> Bool, context: ShardContext) throws(Diagnostic) -> Bool {
        var worked = false
        for input in inputs { try input.watermark?.follow(context) }
        for (index, window) in windows.enumerated() {
            window.markIfRequested()
            worked = window.sendClosed(durable: durableTicket) || worked
            worked = try window.mergeAndEmit(mayEmit: mayEmit, context) || worked
            tellOthers(index, window)
        }
        return worked
    }

    /// A sleeping shard must close its windows when this one moves time past them, or has closed its own.
    private func tellOthers(_ index: Int, _ window: WindowAggregateOperator) {
        let channel = exchange.channels[index]
        channel.setTimer(shard, window.firstOpenLast)
        let hasClosed = window.takeHasClosed()
        let watermark = window.currentWatermark
        guard hasClosed || watermark > told[index] else { return }
        told[index] = watermark
        for other in 0..<exchange.shards
        where other != shard && (hasClosed || channel.timer(other) <= watermark) {
            exchange.wake(other)
        }
    }

    /// By input, then partition: where the rows end that the windows have seen by the time the row of `origin` comes.
    private func offsets(at origin: Int32, _ context: ShardContext) -> [[Int64]] {
        inputs.map { input in
            var bounds = input.source.partitions.indices.map { input.source.nextOffset(partition: $0) }
            if input.index == context.source, origin >= 0, let records = context.records {
                for record in Int(origin)..<records.count {
                    let partition = Int(records.partition[record])
                    bounds[partition] = min(bounds[partition], records.offset[record])
                }
            }
            return bounds
        }
    }

    /// Every window of every shard has been emitted, durably. Only after the end of bounded input.
    var isComplete: Bool { held.allSatisfy(\.isEmpty) && exchange.channels.allSatisfy { $0.durable == EventTime.end } }

    /// Groups of closed windows, and dead letters, that wait for other shards' commits: bounded by not reading on.
    var waitingRows: Int { windows.reduce(0) { $0 + $1.retainedGroups } + held.reduce(0) { $0 + $1.count } }

    // MARK: - Late rows

    /// Keeps a late row's dead letter until the window it missed is durable. False: it may be written now.
    func hold(_ letter: DeadLetter, _ late: LateWindow, input: Int, partition: Int) -> Bool {
        guard late.window < windows.count else { return false }
        let isDurable = late.last <= exchange.channels[late.window].durable
        // In order: the offset below which all have been written is what is stored.
        guard !isDurable || !held[late.window].isEmpty else { return false }
        held[late.window].append(HeldLetter(letter: letter, late: late, input: input, partition: partition))
        if !isDurable { windows[late.window].closeEmpty(through: late.last) }
        return true
    }

    /// Letters that may be written now.
    func release() -> [DeadLetter] {
        var hasMoved = false
        var letters: [DeadLetter] = []
        for (index, window) in windows.enumerated() {
            if window.releaseDurable() { hasMoved = true }
            let durable = exchange.channels[index].durable
            let count = held[index].firstIndex { $0.late.last > durable } ?? held[index].count
            letters += held[index][..<count].map(\.letter)
            held[index].removeFirst(count)
        }
        // What is stored of their partitions must change in the same transaction.
        if hasMoved || !letters.isEmpty {
            for input in inputs where !input.plan.isStatic { input.hasMoved = true }
        }
        return letters
    }

    /// The first row of a partition whose dead letter is held; nil: none.
    func firstHeld(_ window: Int, input: Int, partition: Int) -> Int64? {
        held[window].first { $0.input == input && $0.partition == partition }?.letter.offset
    }

    /// Some row below `bounds` has come late for this aggregate and its dead letter is held. For each aggregate by itself:
    /// shards close windows of one in the same order, those of several in any.
    private func isHeld(_ window: Int) -> (_ bounds: [[Int64]]) -> Bool {
        { [held] bounds in
            held[window].contains { letter in
                letter.partition < bounds[letter.input].count
                    && (letter.letter.offset ?? .max) < bounds[letter.input][letter.partition]
            }
        }
    }

    // MARK: - Commits

    var wantsCommit: Bool {
        if windows.contains(where: { $0.hasNewEmission }) { return true }
        return windows.indices.contains { windows[$0].wantsCommit(isHeld($0)) }
    }

    /// Nothing was read since the last commit: that one covers what has closed since.
    func nothingMoved() {
        for (index, window) in windows.enumerated() {
            window.covered(by: lastTicket, isHeld(index))
            _ = window.sendClosed(durable: durableTicket)
        }
    }

    /// What this shard has emitted, to be stored with the next commit.
    func positions() -> [SourcePosition] {
        windows.enumerated().compactMap { index, window in
            guard window.hasNewEmission else { return nil }
            return EmittedWindows.position(
                window: index, shard: shard, of: exchange.shards, through: window.storedThrough)
        }
    }

    /// Every window up to here is durable, of every aggregate and owner.
    var emittedWatermark: Int64 {
        var result = EventTime.end
        for (index, window) in windows.enumerated() {
            let durable = exchange.channels[index].durable
            result = min(result, durable == EventTime.end ? window.newestClosed : durable)
        }
        return result
    }

    func submitted(_ ticket: Int64) {
        lastTicket = ticket
        for (index, window) in windows.enumerated() {
            window.covered(by: ticket, isHeld(index))
            window.submitted(ticket)
        }
    }

    func durable(_ ticket: Int64) {
        durableTicket = ticket
        var isNews = false
        for window in windows {
            isNews = window.durable(ticket) || isNews
            _ = window.sendClosed(durable: ticket)
        }
        if isNews { exchange.wakeAll() }
    }
}

/// The window that a late row missed.
public struct LateWindow: Sendable {
    /// Which of the plan's window aggregates.
    public var window: Int
    /// Its last millisecond; `EventTime.none` when an earlier run had emitted it for the row's key.
    public var last: Int64
}
