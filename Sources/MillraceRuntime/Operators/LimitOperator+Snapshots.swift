package import MillraceCore

/// The two counts, in the first key group.
extension LimitOperator: StatefulOperator {
    /// Rows: none are kept.
    package var stateSize: StateSize { StateSize(rows: 0, keys: 0, bytes: 16) }

    package func keepChanges() { keepsChanges = true }

    package func writeChanges(to log: ByteBuffer) {
        guard isUnlogged else { return }
        isUnlogged = false
        write(to: log)
    }

    private func write(to buffer: ByteBuffer) {
        buffer.append(signed: Int64(skipped))
        buffer.append(signed: Int64(remaining))
    }

    private func read(_ bytes: ByteRef) throws(Diagnostic) {
        var reader = StateReader(bytes)
        (skipped, remaining) = (Int(reader.signed()), Int(reader.signed()))
        try reader.check(object)
    }

    package func hasChanged(group: Int) -> Bool { group == 0 && isUnsaved }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        guard group == 0 else { return }
        isUnsaved = false
        write(to: snapshot)
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) { try read(snapshot) }

    package func restore(changes: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        guard !isInSnapshot(0) else { return }
        try read(changes)
        isUnsaved = true
    }

    package func endRestore() throws(Diagnostic) {}
}
