public import MillraceCore

/// Adds a model's outputs to each row, and the model's version if asked for. Rows that the model fails on are rejected.
public final class PredictOperator: Operator {
    private let plan: PredictPlan
    private let scorer: any Scorer
    private let version: String
    private let names: [String]
    private let limit: Int
    private let results: [Column]
    /// Of one slice of a batch that is longer than the model takes at once.
    private let sliceInputs: [Column]
    private let sliceResults: [Column]
    private let versionColumn = Column(.string)
    private let output = ColumnBatch(columns: [])
    /// The input's columns as last seen, and the model's among them.
    private var inputColumns: [Column] = []
    private var arguments: [Column] = []
    private let selection = RowSelection()

    /// - Parameters:
    ///   - outputs: the model's OUTPUT columns.
    ///   - version: the model's content hash.
    public init(
        _ plan: PredictPlan, input: Schema, outputs: Schema, scorer: any Scorer, version: String, object: String,
        limits: Limits
    ) {
        self.plan = plan
        self.scorer = scorer
        self.version = version
        names = outputs.fields.map(\.name)
        limit = max(1, limits.modelRows)
        results = outputs.fields.map { Column($0.type) }
        sliceResults = outputs.fields.map { Column($0.type) }
        sliceInputs = plan.arguments.map { Column(input[$0].type) }
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        bind(batch.columns)
        let inputs = arguments
        results.forEachBorrowed { $0.clear() }
        if batch.count <= limit {
            scorer.score(inputs, rows: batch.count, into: results, arena: context.arena)
        } else {
            var start = 0
            while start < batch.count {
                let rows = min(limit, batch.count - start)
                for (slice, column) in zip(sliceInputs, inputs) {
                    slice.clear()
                    slice.appendRange(from: column, start: start, count: rows)
                }
                for column in sliceResults { column.clear() }
                scorer.score(sliceInputs, rows: rows, into: sliceResults, arena: context.arena)
                for (column, slice) in zip(results, sliceResults) {
                    column.appendRange(from: slice, start: 0, count: rows)
                }
                start += rows
            }
        }
        if results.containsBorrowed(where: { $0.count != batch.count }) {
            throw Diagnostic(
                "model of \"\(object)\" did not return one row for each of \(batch.count)", fault: .bug)
        }
        if plan.versionColumn != nil {
            versionColumn.fill(.string(version), rows: batch.count, arena: context.arena)
        }
        output.count = batch.count
        output.metadata = batch.metadata
        guard results.containsBorrowed(where: { !$0.allValid }) else {
            try emit(output, context: context)
            return
        }
        selection.clear()
        for row in 0..<batch.count {
            if let failed = results.firstIndex(where: { $0.states[row] > CellState.valid }) {
                try context.reject(
                    origin: batch.metadata.origins[row], .of(results[failed].states[row]), object: object,
                    detail: "output \"\(names[failed])\" of model version \(version)")
            } else {
                selection.append(row)
            }
        }
        try emit(selection.apply(output), context: context)
    }

    /// Arguments and output are made anew only for other input columns.
    private func bind(_ columns: [Column]) {
        guard inputColumns.isEmpty || !inputColumns.isSameArray(as: columns) else { return }
        inputColumns = columns
        arguments = plan.arguments.map { columns[$0] }
        output.columns = columns + results
        if plan.versionColumn != nil { output.columns.append(versionColumn) }
    }
}
