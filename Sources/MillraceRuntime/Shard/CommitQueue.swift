import MillraceCore

/// Transactions on their way: what each carries, which are durable.
///
/// Sessions without positions (files, Kafka) are flushed first and the checkpoint last, so a crash between them repeats
/// rows there and never loses any; the checkpoint's own rows are exactly once. Those that follow the checkpoint (`Outbox`)
/// take no part in a ticket.
final class CommitQueue {
    /// What one ticket carries. Used again once that is durable, so that a steady stream of commits allocates nothing.
    final class Commit {
        fileprivate(set) var ticket: Int64 = -1
        /// Rows handed to sinks.
        var rows = 0
        /// One entry a source that has positions, in the order of the shard's streams; behind them what shards tell of
        /// one another.
        var positions: SourceProgress
        var deadLetters: [DeadLetter] = []
        /// Record timestamps, microseconds since 1970, of a sample of the records behind the rows.
        var sampledTimestamps: [Int64] = []

        fileprivate init(sources: [SourceName]) { positions = sources.map { ($0, []) } }

        fileprivate func clear(sources: Int) {
            rows = 0
            if positions.count > sources { positions.removeLast(positions.count - sources) }
            for i in positions.indices { positions[i].positions.removeAll(keepingCapacity: true) }
            deadLetters.removeAll(keepingCapacity: true)
            sampledTimestamps.removeAll(keepingCapacity: true)
        }
    }

    private let sources: [SourceName]
    private let others: [ShardSession]
    private let followers: [ShardSession]
    private let checkpoint: ShardSession?
    /// What the next submit carries.
    private(set) var open: Commit
    private var inFlight: [Commit] = []
    private var held: Commit?
    private var spares: [Commit] = []
    /// Of the last submit.
    private(set) var ticket: Int64 = 0

    /// Records sampled for the latency histogram, a poll.
    private static let samplesPerPoll = 64
    private static let samplesPerCommit = 4096

    /// - Parameter sources: names of the streams, in the shard's order.
    init(sources: [SourceName], sessions: [ShardSession], checkpoint: ShardSession?) {
        self.sources = sources
        self.checkpoint = checkpoint
        others = sessions.filter { $0 !== checkpoint && !$0.session.followsCheckpoint }
        followers = sessions.filter(\.session.followsCheckpoint)
        open = Commit(sources: sources)
    }

    var isBusy: Bool { !inFlight.isEmpty || held != nil }
    /// A checkpoint waits for the flush of the other sessions: no row may be written meanwhile.
    var awaitsFlush: Bool { held != nil }
    var canSubmit: Bool {
        held == nil && (checkpoint?.session.canSubmit ?? true) && !others.containsBorrowed { !$0.session.canSubmit }
    }

    func sample(_ records: RecordTable) {
        guard open.sampledTimestamps.count < CommitQueue.samplesPerCommit else { return }
        let step = max(1, records.count / CommitQueue.samplesPerPoll)
        var i = 0
        while i < records.count {
            if records.timestamp[i] != Int64.min { open.sampledTimestamps.append(records.timestamp[i]) }
            i += step
        }
    }

    /// Sends what is open, its positions filled in by the caller.
    func submit(now: Int64) throws(Diagnostic) {
        ticket += 1
        let commit = open
        commit.ticket = ticket
        open = spares.popLast() ?? Commit(sources: sources)
        try others.forEachBorrowed { (session) throws(Diagnostic) in try session.submit(commit) }
        held = commit
        try releaseHeld(now: now)
    }

    /// Drives every session that has something to do, and hands over the commits that have become durable, oldest first;
    /// each is valid during the call. True when there was one.
    func drive(now: Int64, durable isDurable: (Commit) -> Void) throws(Diagnostic) -> Bool {
        if held != nil { try releaseHeld(now: now) }
        var durable = try flushed(now: now)
        if let checkpoint {
            try checkpoint.drive(now: now)
            durable = min(durable, checkpoint.durable)
        }
        try followers.forEachBorrowed { (session) throws(Diagnostic) in try session.drive(now: now) }
        var count = 0
        while count < inFlight.count, inFlight[count].ticket <= durable {
            isDurable(inFlight[count])
            inFlight[count].clear(sources: sources.count)
            count += 1
        }
        guard count > 0 else { return false }
        spares.append(contentsOf: inFlight[..<count])
        inFlight.removeFirst(count)
        return true
    }

    private func flushed(now: Int64) throws(Diagnostic) -> Int64 {
        var durable = Int64.max
        try others.forEachBorrowed { (session) throws(Diagnostic) in
            try session.drive(now: now)
            durable = min(durable, session.durable)
        }
        return durable
    }

    private func releaseHeld(now: Int64) throws(Diagnostic) {
        guard let commit = held else { return }
        if !others.isEmpty, try flushed(now: now) < commit.ticket { return }
        held = nil
        inFlight.append(commit)
        try checkpoint?.submit(commit)
    }
}
