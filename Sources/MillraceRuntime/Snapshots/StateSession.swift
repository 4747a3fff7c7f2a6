package import MillraceCore

/// A sink session that keeps operators' state beside the positions: what is stored of one belongs to what is stored of the
/// other, because both are in the same transactions.
package protocol StateSession: SinkSession {
    /// What the next `submit` appends to the log; it empties it.
    var openChanges: ByteBuffer { get }
    /// The next `submit` puts this in the place of the group's older snapshot. The bytes are copied.
    func addSnapshot(operator: Int, group: Int, _ snapshot: ByteRef)
    /// The next `submit` deletes this part of the log.
    func dropLog(_ sequences: ClosedRange<Int64>)
    /// Where the changes of a ticket stand in the log: ascending through all runs, by one from ticket to ticket.
    func sequence(of ticket: Int64) -> Int64
    /// Reads all that is stored, snapshots first, then the log from its oldest entry. Waits. The bytes are valid during the
    /// call. Before the first `submit`.
    func readState(
        snapshot: (_ operator: Int, _ group: Int, _ sequence: Int64, ByteRef) throws(Diagnostic) -> Void,
        changes: (_ sequence: Int64, ByteRef) throws(Diagnostic) -> Void
    ) throws(Diagnostic)
}
