public import MillraceCore

/// GROUP BY without a window over bounded input: one row a group at `EventTime.end`, in the order of first arrival.
///
/// Without any row there is no result, not even for a global aggregate, as in Flink's streaming mode.
public final class GroupAggregateOperator: Operator, SizedOperator {
    private let keyColumns: [Int]
    private let limits: Limits
    private let store = StateStore()
    private let keys: KeyTable
    private let accumulators: Accumulators
    private let pool: RecordPool
    private let output: GroupOutput
    private let groups = OpenWindow()
    private var slots = OffsetSlots()
    private var rows: [Int32] = []
    private var records: [UnsafeMutableRawPointer] = []

    public init(keys: [Int], aggregates: [AggregateCall], input: Schema, object: String, limits: Limits)
        throws(Diagnostic)
    {
        keyColumns = keys
        self.limits = limits
        let types = keys.map { input[$0].type }
        self.keys = KeyTable(types: types, store: store)
        accumulators = try Accumulators(aggregates, input: input, store: store)
        pool = RecordPool(stride: accumulators.recordBytes)
        output = GroupOutput(keys: types, aggregates: aggregates.map(\.type), timeType: nil, rows: limits.batchRows)
        super.init(object: object)
    }

    deinit { for record in groups.records { accumulators.release(record) } }

    /// Groups.
    package var stateSize: StateSize {
        StateSize(
            rows: groups.records.count, keys: keys.count,
            bytes: store.usedBytes + keys.tableBytes + groups.records.count * (pool.stride + OpenWindow.groupBytes))
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        keys.bind(keyColumns.map { batch.columns[$0] })
        let used = (keyColumns + accumulators.argumentColumns).map { batch.columns[$0] }.filter { !$0.allValid }
        rows.removeAll(keepingCapacity: true)
        records.removeAll(keepingCapacity: true)
        for row in 0..<batch.count {
            let origin = batch.metadata.origins[row]
            if let failed = used.first(where: { $0.states[row] > CellState.valid }) {
                try context.reject(
                    origin: origin, .of(failed.states[row]), object: object, detail: "input of the aggregate")
                continue
            }
            let key = keys.intern(row: row)
            var record = groups.find(key)
            if record == nil {
                guard groups.keys.count < limits.windowGroups else {
                    keys.drop(key)
                    try context.rejectExcess(origin: origin, object: object, limit: limits.windowGroups, of: "groups")
                    continue
                }
                keys.retain(key)
                record = pool.allocate()
                groups.insert(key, record!)
            }
            rows.append(Int32(row))
            records.append(record!)
            if origin >= 0, let table = context.records {
                let slot = slots.slot(source: context.source, partition: Int(table.partition[Int(origin)]))
                groups.note(slot, table.offset[Int(origin)])
            }
        }
        rows.withUnsafeMutableBufferPointer { rows in
            records.withUnsafeMutableBufferPointer { records in
                guard let row = rows.baseAddress, let record = records.baseAddress else { return }
                accumulators.update(batch, rows: row, records: record, count: rows.count)
            }
        }
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        guard watermark == EventTime.end else { return }
        for (key, record) in zip(groups.keys, groups.records) {
            output.append(key, record, keys: keys, accumulators: accumulators, watermark: EventTime.none)
            if output.isFull { try flush(context) }
        }
        try flush(context)
        for (key, record) in zip(groups.keys, groups.records) {
            accumulators.release(record)
            pool.deallocate(record)
            keys.release(key)
        }
        groups.reuse(start: 0, end: 0)
        try emit(watermark: watermark, context: context)
    }

    private func flush(_ context: ShardContext) throws(Diagnostic) {
        try emit(output.batch, context: context)
        output.batch.clear()
    }

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        slots.lower(&offsets, source: source, by: groups.offsets)
    }
}
