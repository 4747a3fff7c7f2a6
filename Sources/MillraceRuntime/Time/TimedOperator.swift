package import MillraceCore

/// An operator that the clock alone may make emit. The shard looks at its deadline between batches.
package protocol TimedOperator: Operator {
    /// Wall clock, microseconds; nil: not before the next row.
    var nextDeadline: Int64? { get }
    /// The clock shows `now`, microseconds since 1970. Called when `nextDeadline` has come; more often does no harm.
    func tick(now: Int64, context: ShardContext) throws(Diagnostic)
}
