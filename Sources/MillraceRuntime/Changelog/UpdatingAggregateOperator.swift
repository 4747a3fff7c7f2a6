public import MillraceCore

/// GROUP BY without a window over a stream: each row that changes its group's result gives a change, at once.
///
/// The first row of a group gives an insert, a later one the old result and the new one unless they are equal, the row that
/// takes back the group's last one a deletion. Without aggregates (DISTINCT) a group's row never changes. A retraction for
/// a group that is not there is left alone. NULL is a key like any other. As Flink's GroupAggregate without mini-batches.
///
/// With a time to live a group that no row has come to for so long is forgotten, without a change. Its readers may forget their
/// rows, too: so every row gives its change then, even if the result stays.
public final class UpdatingAggregateOperator: Operator {
    private let plan: UpdatingAggregatePlan
    let limits: Limits
    let store = StateStore()
    let keys: KeyTable
    let state: GroupState
    let pool: RecordPool
    private let output: ChangeOutput
    /// By key number; nil: no rows.
    var groups: [UnsafeMutableRawPointer?] = []
    public internal(set) var groupCount = 0
    /// Keys whose group ended while their rows wait in the output.
    private var ended: [Int32] = []
    let usedColumns: [Int]
    let input: Schema
    var ttl: StateTTL?
    /// What has changed, for stored state; nil: not asked for.
    var changes: Changes?
    /// A group's results before a change, where they are not given.
    private let before: [Column]

    /// - Throws: `.user` for an aggregate that cannot take rows back over an input that does.
    public init(_ plan: UpdatingAggregatePlan, input: Schema, object: String, limits: Limits) throws(Diagnostic) {
        self.plan = plan
        self.limits = limits
        let types = plan.keys.map { input[$0].type }
        keys = KeyTable(types: types, store: store)
        state = try GroupState(plan.aggregates, input: input, retracts: plan.inputRetracts, store: store)
        pool = RecordPool(stride: state.recordBytes)
        output = ChangeOutput(types + plan.aggregates.map(\.type), rows: limits.batchRows)
        before = plan.emitsBefore ? [] : plan.aggregates.map { Column($0.type, capacity: 1) }
        usedColumns = Array(Set(plan.keys + state.argumentColumns)).sorted()
        self.input = input
        ttl = StateTTL(milliseconds: plan.stateTTLMilliseconds)
        super.init(object: object)
    }

    deinit { for group in groups { if let group { state.release(group) } } }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        bind(batch)
        if ttl != nil {
            ttl?.look(at: context.clock)
            expire()
        }
        let used = usedColumns.map { batch.columns[$0] }.filter { !$0.allValid }
        for row in 0..<batch.count {
            let origin = batch.metadata.origins[row]
            if changes != nil, context.isReplayed(origin: origin) { continue }
            if let failed = used.first(where: { $0.states[row] > CellState.valid }) {
                try context.reject(
                    origin: origin, .of(failed.states[row]), object: object, detail: "input of the aggregate")
                continue
            }
            try take(batch, row, keys.intern(row: row), context)
            if output.isFull { try flush(context) }
        }
        try flush(context)
    }

    func bind(_ batch: ColumnBatch) { keys.bind(plan.keys.map { batch.columns[$0] }) }
    var isOutputFull: Bool { output.isFull }

    /// One row, whose key is `key`.
    func take(_ batch: ColumnBatch, _ row: Int, _ key: Int32, _ context: ShardContext) throws(Diagnostic) {
        let isRetraction = plan.inputRetracts && batch.metadata.kind(row).isRetraction
        while groups.count <= Int(key) { groups.append(nil) }
        // Only while state is restored: else all that is too old has gone.
        if isMuted, ttl != nil, groups[Int(key)] != nil, ttl!.isExpired(key) {
            keys.retain(key)
            defer { keys.release(key) }
            forget(key)
            return try take(batch, row, key, context)
        }
        if let group = groups[Int(key)] {
            // Without aggregates only a retraction can tell how many rows there are.
            let matters = plan.inputRetracts || !plan.aggregates.isEmpty || ttl != nil
            if changes != nil, matters { note(key, batch, row) }
            ttl?.touch(key)
            change(key, group, batch, row, isRetraction, context)
        } else if isRetraction {
            keys.drop(key)
        } else if groupCount >= limits.windowGroups, !isMuted {
            keys.drop(key)
            try context.rejectExcess(
                origin: batch.metadata.origins[row], object: object, limit: limits.windowGroups, of: "groups")
        } else {
            if changes != nil { note(key, batch, row) }
            ttl?.touch(key)
            begin(key, batch, row, context)
        }
    }

    private func begin(_ key: Int32, _ batch: ColumnBatch, _ row: Int, _ context: ShardContext) {
        keys.retain(key)
        let group = pool.allocate()
        groups[Int(key)] = group
        groupCount += 1
        UpdatingAggregateOperator.rowCount(group).pointee = 1
        state.fold(batch, row: row, into: group, isRetraction: false)
        append(.insert, key, group, batch.metadata, row, context)
    }

    private func change(
        _ key: Int32, _ group: UnsafeMutableRawPointer, _ batch: ColumnBatch, _ row: Int, _ isRetraction: Bool,
        _ context: ShardContext
    ) {
        let count = UpdatingAggregateOperator.rowCount(group)
        count.pointee += isRetraction ? -1 : 1
        guard count.pointee > 0 else {
            append(.delete, key, group, batch.metadata, row, context)
            remove(key, group)
            ended.append(key)
            return
        }
        guard !plan.aggregates.isEmpty || ttl != nil else { return }
        let isAlways = ttl != nil
        let results = output.batch.columns[plan.keys.count...]
        if plan.emitsBefore {
            append(.updateBefore, key, group, batch.metadata, row, context)
            state.fold(batch, row: row, into: group, isRetraction: isRetraction)
            append(.updateAfter, key, group, batch.metadata, row, context)
            let last = output.batch.count - 1
            if !isAlways, results.allSatisfy({ $0.isEqual(last - 1, to: last, of: $0) }) { output.drop(2) }
        } else {
            for column in before { column.clear() }
            state.append(group, to: before[...], arena: context.arena)
            state.fold(batch, row: row, into: group, isRetraction: isRetraction)
            append(.updateAfter, key, group, batch.metadata, row, context)
            let last = output.batch.count - 1
            if !isAlways, zip(before, results).allSatisfy({ $0.isEqual(0, to: last, of: $1) }) { output.drop(1) }
        }
    }

    /// The header belongs to the operator: rows of the group that were not taken back.
    static func rowCount(_ group: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Int64> {
        group.assumingMemoryBound(to: Int64.self)
    }

    private func append(
        _ kind: RowKind, _ key: Int32, _ group: UnsafeMutableRawPointer, _ metadata: RowMetadata, _ row: Int,
        _ context: ShardContext
    ) {
        let columns = output.batch.columns
        keys.append(key, to: columns[..<plan.keys.count])
        state.append(group, to: columns[plan.keys.count...], arena: context.arena)
        output.commit(kind, origin: metadata.origins[row], watermark: metadata.watermarks[row])
    }

    /// Groups whose time to live has passed.
    func expire() {
        while let key = ttl?.firstExpired { forget(key) }
    }

    private func forget(_ key: Int32) {
        guard let group = groups[Int(key)] else { return }
        changes?.note(key, in: keys)
        remove(key, group)
        keys.release(key)
    }

    /// Frees a group; its key stays.
    func remove(_ key: Int32, _ group: UnsafeMutableRawPointer) {
        state.release(group)
        pool.deallocate(group)
        groups[Int(key)] = nil
        groupCount -= 1
        ttl?.remove(key)
    }

    func flush(_ context: ShardContext) throws(Diagnostic) {
        try emit(output.batch, context: context)
        output.clear()
        // Key bytes of the rows just emitted lie in the table: only now may they go.
        for key in ended { keys.release(key) }
        ended.removeAll(keepingCapacity: true)
    }
}
