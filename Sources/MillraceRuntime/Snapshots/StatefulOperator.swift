package import MillraceCore

/// An operator whose state a restart takes from the database instead of reading rows again.
///
/// The database holds, of each such operator, the newest snapshot of every key group and a log of what has changed since.
/// Each transaction carries what its own rows have changed, so the state that is stored always belongs to the offsets that are
/// stored: a row is never applied to it twice, and nothing is emitted again. Key groups are written again one at a time, a few
/// a second, as the log grows; that is all the snapshot work there is, and the log before the oldest of them is deleted.
///
/// What both blobs hold is the operator's own business; `StateFormat.version` tells one layout from the next.
package protocol StatefulOperator: SizedOperator {
    /// Called once, before the first row and before `restore`: from now on changes are noted, and rows that are only read again
    /// for others (`ShardContext.isReplayed`) are left alone. Never called where nothing is stored: then noting costs nothing.
    func keepChanges()
    /// Appends what has changed since the last call, in the order in which it is to be applied; nothing when nothing has.
    /// Called before each transaction, so its cost counts as latency.
    func writeChanges(to log: ByteBuffer)
    /// True when `group` has changed since `writeGroup` was last called for it (or it was restored from its snapshot without
    /// a change behind it).
    func hasChanged(group: Int) -> Bool
    /// Appends the whole state of a key group; nothing when it is empty. Called between batches, after `writeChanges`.
    func writeGroup(_ group: Int, to snapshot: ByteBuffer)
    /// What `writeGroup` wrote; before any `restore(changes:isInSnapshot:)`.
    func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic)
    /// What one `writeChanges` wrote, oldest first. A blob may concern several groups: those for which
    /// `isInSnapshot` is true hold it already.
    func restore(changes: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic)
    /// All has been restored: the first row comes next.
    func endRestore() throws(Diagnostic)
}

/// What all snapshots have in common.
package enum StateFormat {
    /// Changes when what operators write does; state of another version is refused.
    package static let version = 1
    /// A key's group is its hash modulo this: small enough that writing one does not show in a latency, whatever the number
    /// of keys. (1,000,000 keys: 244 a group.)
    package static let keyGroups = 4096
}
