public import MillraceCore

/// Joins each row with what the outside holds for its key now (`FOR SYSTEM_TIME AS OF`).
public final class LookupJoinOperator: Operator {
    private let plan: JoinPlan
    private let table: any LookupTable
    private let output: JoinOutput
    private let found: ColumnBatch
    private var matches = JoinMatches()

    /// - Parameter lookup: schema of the rows that `table` returns.
    public init(_ plan: JoinPlan, probe: Schema, lookup: Schema, table: any LookupTable, object: String)
        throws(Diagnostic)
    {
        self.plan = plan
        self.table = table
        output = try JoinOutput(plan, probe: probe, build: lookup, object: object)
        found = ColumnBatch(lookup)
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        found.clear()
        matches.clear()
        try table.lookup(
            keys: plan.probeKeys.map { batch.columns[$0] }, rows: batch.count, into: found, matches: &matches)
        try emit(
            output.make(matches, rows: 0..<batch.count, probe: batch, build: found.columns, context: context),
            context: context)
    }
}
