public import MillraceCore

/// UNION ALL: rows pass as they come; event time is the minimum of the inputs'.
///
/// A row's watermark becomes the minimum of its own input's before the row and the others' now.
public final class UnionOperator: Operator {
    private var watermarks: [Int64]
    private var combined = EventTime.none
    private var restored: [Int64]
    private let output = ColumnBatch(columns: [])
    private let metadata = RowMetadata()

    public init(inputs: Int, object: String) {
        watermarks = Array(repeating: EventTime.none, count: max(1, inputs))
        restored = watermarks
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        var others = EventTime.end
        for i in watermarks.indices where i != port { others = min(others, watermarks[i]) }
        // Own metadata: another operator may be reading the input's.
        metadata.reserve(batch.count)
        for row in 0..<batch.count {
            metadata.origins[row] = batch.metadata.origins[row]
            combined = max(combined, min(others, batch.metadata.watermarks[row]))
            metadata.watermarks[row] = combined
        }
        if batch.metadata.kinds != nil || metadata.kinds != nil {
            metadata.useKinds()
            for row in 0..<batch.count { metadata.kinds![row] = batch.metadata.kind(row) }
        }
        output.columns = batch.columns
        output.count = batch.count
        output.metadata = metadata
        try emit(output, context: context)
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        watermarks[port] = max(watermarks[port], watermark)
        let new = watermarks.min()!
        // Rows have carried `combined` downstream, the advance has not: pass it on when it is the same, too.
        guard new >= combined, new > EventTime.none else { return }
        combined = new
        try emit(watermark: combined, context: context)
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        restored[port] = max(restored[port], emittedWatermark)
        // Windows behind this operator fired at the minimum.
        super.restore(emittedWatermark: restored.min()!, port: 0)
    }
}
