import MillraceCore

/// A sink session as its shard sees it: when it has to be driven, what of it is durable.
///
/// Driving one that is not ready costs a system call that finds nothing, a tenth of what an event costs at one event a
/// batch; so that is left to the descriptor, the deadline and the heartbeat.
final class ShardSession {
    let session: any SinkSession
    /// To be driven at the next occasion.
    var isReady = true
    /// The newest durable ticket, as last told.
    private(set) var durable: Int64 = -1
    /// The connection when it was last watched.
    private var generation: Int

    init(_ session: any SinkSession) {
        self.session = session
        generation = session.connectionGeneration
    }

    func submit(_ commit: CommitQueue.Commit) throws(Diagnostic) {
        try session.submit(ticket: commit.ticket, positions: commit.positions, deadLetters: commit.deadLetters)
        // With nothing left to wait for it is durable now, and no descriptor will say so.
        isReady = isReady || session.uncommittedRows == 0
    }

    func drive(now: Int64) throws(Diagnostic) {
        guard isReady || session.descriptor < 0 || isDue(now) else { return }
        isReady = false
        durable = try session.drive(now: now)
    }

    private func isDue(_ now: Int64) -> Bool {
        guard let deadline = session.deadline else { return false }
        return now >= deadline
    }

    func watch(in loop: EventLoop) {
        if generation != session.connectionGeneration {
            generation = session.connectionGeneration
            loop.forget(session.descriptor)
        }
        loop.watch(session.descriptor, forWriting: session.wantsWrite)
    }
}
