public import MillraceCore

/// Joins a stream (port 0) with a bounded table (port 1) that is read to its end first and kept in memory.
///
/// Duplicate keys fan out in the table's order, NULL never matches. Event time is the stream's alone.
public final class StaticJoinOperator: Operator, SizedOperator {
    private let plan: JoinPlan
    private let limits: Limits
    private let output: JoinOutput
    public let table: StaticTable
    public private(set) var isBuilt = false
    private var matches = JoinMatches()

    public init(_ plan: JoinPlan, probe: Schema, build: Schema, object: String, limits: Limits) throws(Diagnostic) {
        self.plan = plan
        self.limits = limits
        output = try JoinOutput(plan, probe: probe, build: build, object: object)
        table = StaticTable(build, keys: plan.buildKeys)
        super.init(object: object)
    }

    /// Rows of the table.
    package var stateSize: StateSize { table.size }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        if port == 1 {
            guard !isBuilt else {
                throw Diagnostic("static join \"\(object)\" got table rows after its end", fault: .bug)
            }
            try table.append(batch, limit: limits.staticRows, object: object)
            return
        }
        guard isBuilt else { throw Diagnostic("static join \"\(object)\" got rows before its table", fault: .bug) }
        table.bind(plan.probeKeys.map { batch.columns[$0] })
        // A local: appending to a property checks for exclusive access each time.
        var matches = JoinMatches()
        swap(&matches, &self.matches)
        defer { self.matches = matches }
        matches.clear()
        var start = 0
        for row in 0..<batch.count {
            var match = table.first(row: row)
            while match >= 0 {
                matches.append(probe: Int32(row), build: match)
                match = table.next(after: match)
            }
            // Fan-out stays bounded: pairs leave in batches, cut between probe rows.
            if matches.probe.count >= limits.batchRows, row + 1 < batch.count {
                try emit(matches, start..<row + 1, batch, context)
                matches.clear()
                start = row + 1
                table.bind(plan.probeKeys.map { batch.columns[$0] })
            }
        }
        try emit(matches, start..<batch.count, batch, context)
    }

    private func emit(_ matches: JoinMatches, _ rows: Range<Int>, _ batch: ColumnBatch, _ context: ShardContext)
        throws(Diagnostic)
    {
        try emit(
            output.make(matches, rows: rows, probe: batch, build: table.columns, context: context), context: context)
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        if port == 1 {
            if watermark == EventTime.end { isBuilt = true }
            return
        }
        try emit(watermark: watermark, context: context)
    }

    /// A restart replays the stream; the table is read anew.
    public override func restore(emittedWatermark: Int64, port: Int) {
        if port == 0 { super.restore(emittedWatermark: emittedWatermark, port: port) }
    }
}
