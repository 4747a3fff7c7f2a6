import MillraceCore

/// One shard's part of one exchanged window aggregate, as an owner: merges what all shards sent of its keys, and emits.
///
/// A window is emitted once every shard has promised that nothing more will come. Partials are merged in the order of the
/// shards, so sums of floating-point numbers depend on what each shard read, not on who was first.
final class PartialMerger {
    private struct Pending {
        var start: Int64
        var end: Int64
        /// By shard.
        var parts: [PartialWindow?]
    }

    private let channel: WindowChannel
    private let shard: Int
    private let store = StateStore()
    private let keys: KeyTable
    private let accumulators: Accumulators
    private let pool: RecordPool
    private let output: GroupOutput
    private let window = OpenWindow()
    /// By shard: the promise so far.
    private var promised: [Int64]
    /// By ascending end, then start.
    private var pending: [Pending] = []
    private(set) var emitted = EventTime.none
    /// The largest last millisecond of a window that any shard closed.
    private(set) var newestClosed = EventTime.none
    /// `emitted` has gone up since it was last written.
    private(set) var isDirty = false
    /// What an earlier run stored in this place; more than this run has come to, as long as other owners lagged behind.
    private var restored = EventTime.none
    private let shards: Int
    private var written: [(ticket: Int64, through: Int64)] = []

    init(
        _ exchange: Exchange, window: Int, shard: Int, plan: WindowAggregatePlan, input: Schema, rows: Int
    ) throws(Diagnostic) {
        channel = exchange.channels[window]
        self.shard = shard
        shards = exchange.shards
        let types = plan.keys.map { input[$0].type }
        keys = KeyTable(types: types, store: store)
        accumulators = try Accumulators(plan.aggregates, input: input, store: store)
        pool = RecordPool(stride: accumulators.recordBytes)
        output = GroupOutput(
            keys: types, aggregates: plan.aggregates.map(\.type), timeType: input[plan.timeColumn].type, rows: rows)
        promised = Array(repeating: EventTime.none, count: exchange.shards)
    }

    /// Reads the mail and emits what is complete, as long as `mayEmit` says so. True when it did something.
    func turn(
        mayEmit: () -> Bool, emit: (ColumnBatch) throws(Diagnostic) -> Void
    ) throws(Diagnostic) -> Bool {
        for package in channel.receive(shard) { take(package) }
        let complete = promised.min()!
        guard complete > emitted else { return false }
        var count = 0
        while count < pending.count, pending[count].end - 1 <= complete {
            guard mayEmit() else { break }
            try merge(pending[count], emit)
            emitted = pending[count].end - 1
            isDirty = true
            count += 1
        }
        let isDone = count == pending.count || pending[count].end - 1 > complete
        pending.removeFirst(count)
        if isDone {
            emitted = complete
            isDirty = true
        }
        return count > 0 || isDone
    }

    private func take(_ package: PartialPackage) {
        promised[package.shard] = max(promised[package.shard], package.through)
        newestClosed = max(newestClosed, package.newestClosed)
        for window in package.windows {
            var index = pending.count
            while index > 0, (pending[index - 1].end, pending[index - 1].start) > (window.end, window.start) {
                index -= 1
            }
            if index == 0 || pending[index - 1].end != window.end || pending[index - 1].start != window.start {
                let parts = [PartialWindow?](repeating: nil, count: promised.count)
                pending.insert(Pending(start: window.start, end: window.end, parts: parts), at: index)
                index += 1
            }
            pending[index - 1].parts[package.shard] = window
        }
    }

    private func merge(_ closed: Pending, _ emit: (ColumnBatch) throws(Diagnostic) -> Void) throws(Diagnostic) {
        window.reuse(start: closed.start, end: closed.end)
        let scratch = pool.allocate()
        for part in closed.parts {
            guard let part else { continue }
            part.bytes.withUnsafeBytes { bytes in
                guard var cursor = bytes.baseAddress else { return }
                for _ in 0..<part.groups {
                    let key = keys.intern(from: &cursor)
                    let record: UnsafeMutableRawPointer
                    if let found = window.find(key) {
                        record = found
                    } else {
                        record = pool.allocate()
                        keys.retain(key)
                        window.insert(key, record)
                    }
                    accumulators.fold(&cursor, into: record, scratch: scratch)
                }
            }
        }
        pool.deallocate(scratch)
        for i in window.keys.indices {
            output.append(
                window.keys[i], window.records[i], keys: keys, accumulators: accumulators, start: closed.start,
                end: closed.end, watermark: closed.end - 1)
            if output.isFull { try flush(emit) }
        }
        try flush(emit)
        // Strings of emitted rows lie in the state: only now may it go.
        for i in window.keys.indices {
            accumulators.release(window.records[i])
            pool.deallocate(window.records[i])
            keys.release(window.keys[i])
        }
    }

    private func flush(_ emit: (ColumnBatch) throws(Diagnostic) -> Void) throws(Diagnostic) {
        guard output.batch.count > 0 else { return }
        try emit(output.batch)
        output.batch.clear()
    }

    // MARK: - Commit

    /// `emitted` for the database. After the end of bounded input, which closes every window: the newest there was, so that
    /// a later run over new rows finds its windows open.
    /// Never less than what is stored: that stays true.
    var storedThrough: Int64 { max(restored, emitted == EventTime.end ? newestClosed : emitted) }

    func restore(_ emitted: EmittedWindows) { restored = emitted.through(shard: shard, of: shards) }

    /// The commit `ticket` carries all that was emitted so far.
    func submitted(_ ticket: Int64) {
        guard isDirty else { return }
        isDirty = false
        written.append((ticket, emitted))
    }

    /// Commits up to `ticket` are durable. True when that told something new.
    func durable(_ ticket: Int64) -> Bool {
        var count = 0
        while count < written.count, written[count].ticket <= ticket { count += 1 }
        guard count > 0 else { return false }
        channel.setDurable(shard, written[count - 1].through)
        written.removeFirst(count)
        return true
    }
}
