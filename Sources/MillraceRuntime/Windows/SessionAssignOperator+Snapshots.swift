package import MillraceCore

/// The rows that are held: see `HeldRows`.
extension SessionAssignOperator: StatefulOperator {
    package func keepChanges() {
        rows.held = HeldRows(input)
    }
    package func writeChanges(to log: ByteBuffer) { rows.held?.writeChanges(to: log) }
    package func hasChanged(group: Int) -> Bool { rows.held?.hasChanged(group: group) ?? false }
    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        rows.held?.writeGroup(group, rows, to: snapshot)
    }
    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        try rows.held?.restore(group: group, rows, from: snapshot, object: object)
    }
    package func restore(changes: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        try rows.held?.restore(changes: changes, rows, object: object, isInSnapshot: isInSnapshot)
    }
    package func endRestore() throws(Diagnostic) { try rows.held?.endRestore(self, rows, limits: limits) }
}
