public import MillraceCore

/// One output column an expression. Rows with an error cell are rejected, with the first such column's name.
///
/// Column references pass the input's column on without a copy.
public final class ProjectOperator: Operator {
    private let evaluator: ExpressionEvaluator
    private let names: [String]
    private let output = ColumnBatch(columns: [])
    private let selection = RowSelection()

    /// - Parameter schema: the output's; its names appear in dead letters.
    public init(_ expressions: [Expression], schema: Schema, object: String) throws(Diagnostic) {
        evaluator = try ExpressionEvaluator(expressions)
        names = schema.fields.map(\.name)
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let columns = evaluator.evaluate(batch, context: context)
        output.columns = columns
        output.count = batch.count
        output.metadata = batch.metadata
        if columns.containsBorrowed(where: { !$0.allValid }), try findErrors(columns, batch, context) {
            try emit(selection.apply(output), context: context)
        } else {
            try emit(output, context: context)
        }
    }

    /// Rejects the rows with error cells and selects the others; false when there are none.
    private func findErrors(_ columns: [Column], _ batch: ColumnBatch, _ context: ShardContext) throws(Diagnostic)
        -> Bool
    {
        // NULLs are common, errors are not: look whether there is any before touching row by row.
        var found = false
        for column in columns where !column.allValid && !found {
            var highest: UInt8 = 0
            for row in 0..<batch.count { highest = max(highest, column.states[row]) }
            found = highest > CellState.valid
        }
        guard found else { return false }
        selection.clear()
        for row in 0..<batch.count {
            if let index = columns.firstIndex(where: { !$0.allValid && $0.states[row] > CellState.valid }) {
                try context.reject(
                    origin: batch.metadata.origins[row], .of(columns[index].states[row]), object: object,
                    detail: "column \"\(names[index])\"")
            } else {
                selection.append(row)
            }
        }
        return true
    }
}
