public import MillraceCore

/// What the changes of bounded input add up to: its rows, once, at the end, in the order in which they came.
public final class FinalRowsOperator: Operator, SizedOperator {
    private let limits: Limits
    private let store = JoinRowStore()
    private let output: ColumnBatch
    private var rows: [JoinRow?] = []
    /// Numbers of the rows by the hash of their bytes.
    private var byHash: [Int: [Int32]] = [:]

    public init(_ input: Schema, object: String, limits: Limits) {
        self.limits = limits
        output = ColumnBatch(columns: input.fields.map { Column($0.type) })
        super.init(object: object)
    }

    /// Rows that wait for the end of the input.
    package var stateSize: StateSize { StateSize(rows: store.rows, keys: 0, bytes: store.keptBytes) }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        for row in 0..<batch.count {
            let hash = store.hash(batch, row)
            if batch.metadata.kind(row).isRetraction {
                guard let numbers = byHash[hash],
                    let place = numbers.lastIndex(where: { store.isSame(batch, row, as: rows[Int($0)]!) })
                else { continue }
                let number = Int(numbers[place])
                store.free(rows[number]!)
                rows[number] = nil
                byHash[hash]!.remove(at: place)
                if byHash[hash]!.isEmpty { byHash[hash] = nil }
            } else if store.rows >= limits.joinRows {
                try context.rejectExcess(
                    origin: batch.metadata.origins[row], object: object, limit: limits.joinRows, of: "rows")
            } else {
                byHash[hash, default: []].append(Int32(rows.count))
                rows.append(store.make(batch, row, time: 0, key: -1, context))
            }
        }
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        guard watermark == EventTime.end else { return }
        for row in rows {
            guard let row else { continue }
            JoinRowStore.append(row.bytes, to: output.columns[...])
            output.metadata.reserve(output.count + 1)
            output.metadata.origins[output.count] = -1
            output.metadata.watermarks[output.count] = EventTime.none
            output.count += 1
            if output.count >= limits.batchRows { try flush(context) }
        }
        try flush(context)
        for row in rows { if let row { store.free(row) } }
        rows = []
        byHash = [:]
        try emit(watermark: watermark, context: context)
    }

    private func flush(_ context: ShardContext) throws(Diagnostic) {
        guard output.count > 0 else { return }
        try emit(output, context: context)
        output.clear()
    }

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        store.lower(&offsets, source: source)
    }
}
