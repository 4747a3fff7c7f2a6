import MillraceCore

/// Transactions on their way: what each carries, which are durable.
///
/// Sessions without positions (files, Kafka) are flushed first and the checkpoint last, so a crash between them repeats
/// rows there and never loses any; the checkpoint's own rows are exactly once.
struct CommitQueue {
    struct Commit {
        var ticket: Int64
        var rows: Int
        var positions: [SourceName: [SourcePosition]]
        /// Record timestamps, microseconds since 1970, of a sample of the records behind the rows.
        var sampledTimestamps: [Int64]
    }

    private let others: [any SinkSession]
    private let checkpoint: (any SinkSession)?
    private var inFlight: [Commit] = []
    private var held: (commit: Commit, deadLetters: [DeadLetter])?
    /// Of the last submit.
    private(set) var ticket: Int64 = 0
    private var samples: [Int64] = []
    /// Rows handed to sinks since the last submit.
    var writtenRows = 0
    /// Monotonic microseconds of the last submit.
    var lastPositions: Int64 = 0

    /// Records sampled for the latency histogram, a poll.
    private static let samplesPerPoll = 64
    private static let samplesPerCommit = 4096

    init(sessions: [any SinkSession], checkpoint: (any SinkSession)?) {
        self.checkpoint = checkpoint
        others = sessions.filter { $0 !== checkpoint }
    }

    var isBusy: Bool { !inFlight.isEmpty || held != nil }
    /// A checkpoint waits for the flush of the other sessions: no row may be written meanwhile.
    var awaitsFlush: Bool { held != nil }
    var canSubmit: Bool {
        held == nil && (checkpoint?.canSubmit ?? true) && others.allSatisfy(\.canSubmit)
    }

    mutating func sample(_ records: RecordTable) {
        guard samples.count < CommitQueue.samplesPerCommit else { return }
        let step = max(1, records.count / CommitQueue.samplesPerPoll)
        var i = 0
        while i < records.count {
            if records.timestamp[i] != Int64.min { samples.append(records.timestamp[i]) }
            i += step
        }
    }

    mutating func submit(positions: [SourceName: [SourcePosition]], deadLetters: [DeadLetter]) throws(Diagnostic) {
        ticket += 1
        let commit = Commit(ticket: ticket, rows: writtenRows, positions: positions, sampledTimestamps: samples)
        samples.removeAll(keepingCapacity: true)
        writtenRows = 0
        for session in others { try session.submit(ticket: ticket, positions: positions, deadLetters: deadLetters) }
        held = (commit, deadLetters)
        try releaseHeld(now: 0)
    }

    /// Drives every session; returns the commits that have become durable, oldest first.
    mutating func drive(now: Int64) throws(Diagnostic) -> [Commit] {
        if held != nil { try releaseHeld(now: now) }
        var durable = try flushed(now: now)
        if let checkpoint { durable = min(durable, try checkpoint.drive(now: now)) }
        guard let first = inFlight.first, first.ticket <= durable else { return [] }
        let count = inFlight.firstIndex { $0.ticket > durable } ?? inFlight.count
        let done = Array(inFlight[..<count])
        inFlight.removeFirst(count)
        return done
    }

    private func flushed(now: Int64) throws(Diagnostic) -> Int64 {
        var durable = Int64.max
        for session in others { durable = min(durable, try session.drive(now: now)) }
        return durable
    }

    private mutating func releaseHeld(now: Int64) throws(Diagnostic) {
        guard let (commit, deadLetters) = held else { return }
        if !others.isEmpty, try flushed(now: now) < commit.ticket { return }
        held = nil
        inFlight.append(commit)
        try checkpoint?.submit(ticket: commit.ticket, positions: commit.positions, deadLetters: deadLetters)
    }
}
