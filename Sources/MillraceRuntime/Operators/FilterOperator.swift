public import MillraceCore

/// Keeps the rows whose predicate is TRUE; FALSE and NULL drop a row, an error in the predicate rejects it.
public final class FilterOperator: Operator {
    private let evaluator: ExpressionEvaluator
    private let selection = RowSelection()

    public init(_ predicate: Expression, object: String) throws(Diagnostic) {
        evaluator = try ExpressionEvaluator([predicate])
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let object = object
        let rows = try evaluator.filter(batch, context: context) { (row, reason) throws(Diagnostic) in
            try context.reject(
                origin: batch.metadata.origins[row], reason, object: object, detail: "filter condition")
        }
        selection.replace(by: rows)
        try emit(selection.apply(batch), context: context)
    }
}
