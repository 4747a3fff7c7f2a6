import CLibpq
import MillraceCore
import MillraceRuntime

/// Making the connection anew, without waiting.
extension PostgresSession {
    /// Forgets the connection, keeps every transaction, and tries again after a pause that grows.
    func connectionLost() {
        if case .ready = state {
            log(.warning, "PostgreSQL connection lost, connecting again", ["shard": String(shard)])
        }
        connection = nil
        isPipelined = false
        wantsFlush = false
        units.removeAll()
        unitFailure = nil
        recovery = nil
        prepared.removeAll()
        // A deletion under way may not have happened.
        deletedFromOutbox = outboxes.map { _ in -1 }
        sentCount = 0
        state = .waiting(until: clock.monotonicMicroseconds() + Int64(backoffMilliseconds) * 1000)
        backoffMilliseconds = min(backoffMilliseconds * 2, limits.retryBackoffMillisecondsMax)
    }

    func startConnecting(_ now: Int64) {
        connectionGeneration += 1
        guard let new = Connection.start(address), !new.isBroken else { return connectionLost() }
        connection = new
        state = .connecting(until: now + 10_000_000, isWriting: true)
    }

    func goOnConnecting(_ now: Int64, until: Int64) throws(Diagnostic) {
        guard let connection else { return connectionLost() }
        if now >= until { return connectionLost() }
        switch PQconnectPoll(connection.raw) {
        case PGRES_POLLING_READING: state = .connecting(until: until, isWriting: false)
        case PGRES_POLLING_WRITING: state = .connecting(until: until, isWriting: true)
        case PGRES_POLLING_OK:
            PQsetnonblocking(connection.raw, 1)
            state = .ready
            log(.info, "PostgreSQL connection made again", ["shard": String(shard)])
            // Nothing else is sent before the answer.
            if epoch > 0 { try resynchronize() }
        default:
            if connection.isRefusedForGood { throw connection.connectDiagnostic() }
            connectionLost()
        }
    }
}
