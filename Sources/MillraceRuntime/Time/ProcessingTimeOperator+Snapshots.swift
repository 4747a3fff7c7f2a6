package import MillraceCore

/// How far time has come, in the first key group: the newest row's and the one announced. A window that was open when the process
/// ended closes at once if its time has passed since.
extension ProcessingTimeOperator: StatefulOperator {
    struct Changes {
        var logged = [EventTime.none, EventTime.none]
        var saved = [EventTime.none, EventTime.none]
    }

    /// Rows: none are kept.
    package var stateSize: StateSize { StateSize(rows: 0, keys: 0, bytes: 16) }

    package func keepChanges() { changes = Changes() }

    /// The end of the input is no moment to go on from.
    private var times: [Int64] { [newest, combined == EventTime.end ? newest : combined] }

    package func writeChanges(to log: ByteBuffer) {
        guard let known = changes, known.logged != times else { return }
        changes?.logged = times
        for time in times { log.append(signed: time) }
    }

    package func hasChanged(group: Int) -> Bool { group == 0 && changes.map { $0.saved != times } ?? false }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        guard group == 0 else { return }
        changes?.saved = times
        for time in times { snapshot.append(signed: time) }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        try read(snapshot)
        changes?.saved = times
    }

    package func restore(changes log: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        try read(log)
    }

    private func read(_ bytes: ByteRef) throws(Diagnostic) {
        var reader = StateReader(bytes)
        newest = max(newest, reader.signed())
        combined = max(combined, reader.signed())
        try reader.check(object)
    }

    package func endRestore() throws(Diagnostic) {
        changes?.logged = times
        // It may have passed: then `tick` says what the clock shows now.
        if newest != EventTime.none { schedule(after: max(newest, combined + 1)) }
    }
}
