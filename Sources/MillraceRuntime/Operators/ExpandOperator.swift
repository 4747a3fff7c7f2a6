public import MillraceCore

/// GROUPING SETS before an aggregate: every row once for each set, with the keys that the set leaves out as NULL.
///
/// The copies of a row stand side by side, so that an aggregate behind judges all of them against the same watermark.
public final class ExpandOperator: Operator {
    private let plan: ExpandPlan
    private let copies: [Column]
    private let keys: [Column]
    private let number = Column(.integer)
    private let output: ColumnBatch
    private var rows: [Int32] = []
    private var keptRows: [Int32] = []

    public init(_ plan: ExpandPlan, input: Schema, object: String) {
        self.plan = plan
        copies = input.fields.map { Column($0.type) }
        keys = plan.keys.map { Column(input[$0].type) }
        output = ColumnBatch(columns: copies + keys + [number])
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        rows.removeAll(keepingCapacity: true)
        number.clear()
        for row in 0..<batch.count {
            for set in plan.sets.indices {
                rows.append(Int32(truncatingIfNeeded: row))
                number.append(int: Int64(set))
            }
        }
        rows.withUnsafeBufferPointer { indices in
            guard let base = indices.baseAddress else { return }
            for (column, source) in zip(copies, batch.columns) {
                column.gather(from: source, indices: base, count: indices.count)
            }
            output.metadata.gather(from: batch.metadata, indices: base, count: indices.count)
        }
        for (index, key) in plan.keys.enumerated() {
            keptRows.removeAll(keepingCapacity: true)
            for row in 0..<batch.count {
                // -1 gathers NULL.
                for set in plan.sets { keptRows.append(set[index] ? Int32(truncatingIfNeeded: row) : -1) }
            }
            keptRows.withUnsafeBufferPointer { indices in
                guard let base = indices.baseAddress else { return }
                keys[index].gather(from: batch.columns[key], indices: base, count: indices.count)
            }
        }
        output.count = rows.count
        try emit(output, context: context)
    }
}
