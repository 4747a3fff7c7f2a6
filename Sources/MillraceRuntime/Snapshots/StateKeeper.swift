import MillraceCore

/// How much snapshot work goes with how much log.
package struct StatePace {
    /// A shorter log is not worth a cycle.
    package var cycleBytes = 256 << 10
    /// Groups are added to a transaction until they have this size; the last one may be larger.
    package var snapshotBytes = 32 << 10
    /// Entries deleted by one transaction, and how many transactions lie between two that do.
    package var droppedEntries: Int64 = 64
    package var dropInterval: Int64 = 16

    package init() {}
}

/// Has the state of a shard's operators stored with its transactions, and takes it back after a restart.
///
/// Each transaction carries what its rows have changed (the log). Key groups are written whole now and then, as many bytes
/// of them as of the log: a cycle goes once over all groups that have changed, and with its end the log from before its
/// beginning is not needed any more. So the log is never much longer than twice the state. (A group that a cycle finds
/// unchanged is whole without that part of the log.)
final class StateKeeper {
    private let operators: [any StatefulOperator]
    private let session: any StateSession
    private let pace: StatePace
    private let scratch = ByteBuffer(capacity: 4096)

    /// Bytes of the log since the last cycle began.
    private var bytesSinceCycle = 0
    /// Sequence of the transaction with which the cycle began; nil between two of them.
    private var cycle: Int64?
    private var nextOperator = 0
    private var nextGroup = 0
    /// Bytes of snapshots that the log has paid for.
    private var credit = 0
    /// What there is of the log, by run; oldest first.
    private var stored: [ClosedRange<Int64>] = []
    private var droppableThrough = Int64.min
    private var lastDrop: Int64 = 0

    /// What an entry takes in the database besides its bytes.
    private static let entryBytes = 64

    init(_ operators: [any StatefulOperator], _ session: any StateSession, pace: StatePace) {
        self.operators = operators
        self.pace = pace
        self.session = session
    }

    // MARK: Restart

    /// Before the first row. Waits for the database.
    ///
    /// - Returns: how many bytes were read.
    func restore() throws(Diagnostic) -> Int {
        var bytesRead = 0
        for each in operators { each.keepChanges() }
        var sequences = [Int64](repeating: .min, count: operators.count * StateFormat.keyGroups)
        try session.readState(
            snapshot: { (index, group, sequence, bytes) throws(Diagnostic) in
                guard operators.indices.contains(index), (0..<StateFormat.keyGroups).contains(group) else { return }
                sequences[index * StateFormat.keyGroups + group] = sequence
                bytesRead += bytes.count
                if bytes.count > 0 { try operators[index].restore(group: group, from: bytes) }
            },
            changes: { (sequence, bytes) throws(Diagnostic) in
                note(sequence)
                bytesRead += bytes.count
                bytesSinceCycle += bytes.count + StateKeeper.entryBytes
                var reader = StateReader(bytes)
                while !reader.isAtEnd {
                    let index = reader.count()
                    let part = reader.counted()
                    guard operators.indices.contains(index) else { break }
                    let base = index * StateFormat.keyGroups
                    try operators[index].restore(changes: part) { sequences[base + $0] >= sequence }
                }
                try reader.check("the pipeline")
            })
        for each in operators { try each.endRestore() }
        return bytesRead
    }

    /// One more entry of the log.
    private func note(_ sequence: Int64) {
        if let last = stored.last, sequence >= last.lowerBound, sequence >> 40 == last.lowerBound >> 40 {
            stored[stored.count - 1] = last.lowerBound...max(last.upperBound, sequence)
        } else {
            stored.append(sequence...sequence)
        }
    }

    // MARK: Transactions

    /// Moves what has changed into the transaction that gathers; it may be called several times before one is submitted.
    func gather(ticket: Int64) {
        let log = session.openChanges
        let before = log.count
        for (index, each) in operators.enumerated() {
            scratch.clear()
            each.writeChanges(to: scratch)
            guard scratch.count > 0 else { continue }
            log.append(varint: UInt64(index))
            log.append(counted: scratch.bytes)
        }
        guard log.count > before else { return }
        note(session.sequence(of: ticket))
        let bytes = log.count - before + (before == 0 ? StateKeeper.entryBytes : 0)
        bytesSinceCycle += bytes
        credit += bytes
    }

    /// Before a submit: the changes, and a part of the snapshot work.
    func collect(ticket: Int64) {
        gather(ticket: ticket)
        let sequence = session.sequence(of: ticket)
        if cycle == nil, bytesSinceCycle >= pace.cycleBytes {
            cycle = sequence
            bytesSinceCycle = 0
            credit = 0
            (nextOperator, nextGroup) = (0, 0)
        }
        if cycle == nil || !writeGroups(atMost: max(pace.snapshotBytes, session.openChanges.count)) {
            drop(ticket, sequence)
        }
    }

    /// True when a group was written.
    private func writeGroups(atMost limit: Int) -> Bool {
        var written = 0
        while credit >= 0, written < limit {
            guard let (index, group) = nextChanged() else {
                droppableThrough = cycle ?? droppableThrough
                cycle = nil
                break
            }
            scratch.clear()
            operators[index].writeGroup(group, to: scratch)
            session.addSnapshot(operator: index, group: group, scratch.bytes)
            // An empty group costs its row.
            written += scratch.count + StateKeeper.entryBytes
            credit -= scratch.count + StateKeeper.entryBytes
        }
        return written > 0
    }

    private func nextChanged() -> (operator: Int, group: Int)? {
        while nextOperator < operators.count {
            while nextGroup < StateFormat.keyGroups {
                nextGroup += 1
                if operators[nextOperator].hasChanged(group: nextGroup - 1) { return (nextOperator, nextGroup - 1) }
            }
            nextOperator += 1
            nextGroup = 0
        }
        return nil
    }

    /// A few entries at a time, so that it takes no longer than the rows of one.
    private func drop(_ ticket: Int64, _ sequence: Int64) {
        guard let oldest = stored.first, oldest.lowerBound <= droppableThrough,
            sequence - lastDrop >= pace.dropInterval
        else { return }
        lastDrop = sequence
        let last = min(oldest.lowerBound + pace.droppedEntries - 1, oldest.upperBound, droppableThrough)
        session.dropLog(oldest.lowerBound...last)
        if last == oldest.upperBound { stored.removeFirst() } else { stored[0] = (last + 1)...oldest.upperBound }
    }
}
