public import MillraceCore

/// GROUP BY over TUMBLE or HOP windows that give a result before their end, or correct it after: Flink's legacy group windows with
/// `table.exec.emit.*`.
///
/// A group's result is given when its window ends, and when the plan's `emit` says so before and after; each time only if it
/// differs from the one given last, as an update of it. A row is late when `end - 1 + allowed lateness` has passed; until then a
/// window that has ended takes rows.
public final class EmittingWindowOperator: Operator, TimedOperator, SizedOperator {
    final class Group {
        let key: Int32
        var record: UnsafeMutableRawPointer
        /// The result given last; -1: none.
        var given: Int32 = -1
        /// Wall clock, microseconds: the first moment of its period, and the next one when rows wait for it.
        var phase: Int64?
        var deadline: Int64?
        /// Among the changes; no longer there.
        var isListed = false
        var isGone = false
        init(_ key: Int32, _ record: UnsafeMutableRawPointer) { (self.key, self.record) = (key, record) }
    }
    final class Window {
        let start: Int64
        let end: Int64
        var isFired = false
        /// In order of arrival, and by key.
        var groups: [Group] = []
        var byKey: [Int32: Group] = [:]
        init(_ start: Int64, _ end: Int64) { (self.start, self.end) = (start, end) }
    }

    private let plan: WindowAggregatePlan
    private let emission: WindowEmitPlan
    private let limits: Limits
    private let assigner: WindowAssigner
    private let lateness: Int64
    let store = StateStore()
    let keys: KeyTable
    let state: GroupState
    let pool: RecordPool
    /// Results that were given.
    let results: RowStore
    private let output: ChangeOutput
    private let made: ColumnBatch
    private let usedColumns: [Int]
    /// Ascending by end, then start.
    var windows: [Window] = []
    var groupCount = 0
    var watermark = EventTime.none
    private var leaving: [Int32] = []
    /// What has changed, for stored state; nil: not asked for.
    var changes: Changes?
    public internal(set) var nextDeadline: Int64?

    /// - Throws: `.bug` for an aggregate that has no accumulator.
    public init(_ plan: WindowAggregatePlan, input: Schema, object: String, limits: Limits) throws(Diagnostic) {
        self.plan = plan
        self.limits = limits
        emission = plan.emit ?? WindowEmitPlan()
        assigner = WindowAssigner(kind: plan.window)
        lateness = max(0, plan.allowedLatenessMilliseconds)
        let keyTypes = plan.keys.map { input[$0].type }
        keys = KeyTable(types: keyTypes, store: store)
        state = try GroupState(plan.aggregates, input: input, retracts: false, store: store)
        pool = RecordPool(stride: state.recordBytes)
        let types = plan.aggregates.map(\.type)
        results = RowStore(Schema(types.map { Field("", $0) }), store: store)
        made = ColumnBatch(columns: types.map { Column($0) })
        let plain = DataType.timestamp(precision: 3)
        var time = plain
        if case .timestampLTZ = input[plan.timeColumn].type { time = .timestampLTZ(precision: 3) }
        output = ChangeOutput(keyTypes + types + [plain, plain, time], rows: limits.batchRows)
        usedColumns = Array(Set(plan.keys + state.argumentColumns)).sorted()
        super.init(object: object)
    }

    deinit { for window in windows { for group in window.groups { state.release(group.record) } } }

    // MARK: - Rows

    /// (window, key) groups.
    package var stateSize: StateSize {
        StateSize(
            rows: groupCount, keys: keys.count,
            bytes: store.usedBytes + keys.tableBytes + results.slotBytes + groupCount * (pool.stride + 96))
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        keys.bind(plan.keys.map { batch.columns[$0] })
        let time = batch.columns[plan.timeColumn]
        for row in 0..<batch.count {
            if batch.metadata.watermarks[row] > watermark { try fire(upTo: batch.metadata.watermarks[row], context) }
            let origin = batch.metadata.origins[row]
            if changes != nil, context.isReplayed(origin: origin) { continue }
            guard try context.hasEventTime(time, row, origin: origin, object: object) else { continue }
            guard try context.isSound(batch, row, usedColumns, object: object, detail: "input of the window aggregate")
            else { continue }
            let milliseconds = EventTime.milliseconds(fromMicroseconds: time.ints[row])
            var isLate = true
            try assigner.forEach(milliseconds) { (start, end) throws(Diagnostic) in
                guard end - 1 + lateness > watermark else { return }
                isLate = false
                try add(batch, row, start, end, context)
            }
            if isLate {
                let (start, end) = assigner.lastWindow(milliseconds)
                try context.reject(
                    origin: origin, .lateRow, object: object,
                    detail: LateRow.detail(start: start, end: end, watermark: watermark))
            }
            if output.isFull { try flush(context) }
        }
        try flush(context)
    }

    private func add(
        _ batch: ColumnBatch, _ row: Int, _ start: Int64, _ end: Int64, _ context: ShardContext
    ) throws(Diagnostic) {
        let origin = batch.metadata.origins[row]
        let key = keys.intern(row: row)
        let window = window(start, end)
        let group: Group
        if let known = window.byKey[key] {
            group = known
        } else {
            guard groupCount < limits.windowGroups else {
                keys.drop(key)
                try context.rejectExcess(
                    origin: origin, object: object, limit: limits.windowGroups, of: "open windows and keys")
                return
            }
            keys.retain(key)
            group = Group(key, pool.allocate())
            window.byKey[key] = group
            window.groups.append(group)
            groupCount += 1
        }
        note(group, window)
        state.fold(batch, row: row, into: group.record, isRetraction: false)
        let isBehind = end - 1 <= watermark
        guard let period = isBehind ? emission.lateMilliseconds ?? 0 : emission.earlyMilliseconds else { return }
        if period == 0 || isBehind && !window.isFired {
            give(group, window, origin, context)
        } else {
            schedule(group, period * 1000, context.clock.wallMicroseconds())
        }
    }

    func window(_ start: Int64, _ end: Int64) -> Window {
        var index = windows.count
        while index > 0 {
            let window = windows[index - 1]
            if window.end == end, window.start == start { return window }
            if window.end < end || (window.end == end && window.start < start) { break }
            index -= 1
        }
        let window = Window(start, end)
        windows.insert(window, at: index)
        return window
    }

    // MARK: - Time

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        if watermark > self.watermark { try fire(upTo: watermark, context) }
        try flush(context)
        try emit(watermark: watermark, context: context)
    }

    /// Windows that end give their results; those past their lateness go.
    private func fire(upTo newWatermark: Int64, _ context: ShardContext) throws(Diagnostic) {
        for window in windows {
            guard window.end - 1 <= newWatermark else { break }
            guard !window.isFired else { continue }
            window.isFired = true
            for group in window.groups {
                note(group, window)
                give(group, window, -1, context)
                (group.phase, group.deadline) = (nil, nil)
                if output.isFull { try flush(context) }
            }
        }
        watermark = newWatermark
        guard let first = windows.first, first.end - 1 + lateness <= newWatermark else { return }
        // Bytes of given rows lie in the state: only now may it go.
        try flush(context)
        removePassed()
    }

    /// Windows whose lateness has passed.
    func removePassed() {
        windows.removeAll { window in
            guard window.end - 1 + lateness <= watermark else { return false }
            for group in window.groups { remove(group) }
            return true
        }
    }

    /// Its window and the output do not refer to it.
    func remove(_ group: Group) {
        group.isGone = true
        changes?.groups.insert(keys.group(of: group.key))
        state.release(group.record)
        pool.deallocate(group.record)
        keys.release(group.key)
        if group.given >= 0 { results.release(group.given) }
        groupCount -= 1
    }

    /// The next moment of the group's period, which begins with its first row.
    private func schedule(_ group: Group, _ period: Int64, _ now: Int64) {
        guard group.deadline == nil else { return }
        let phase = group.phase ?? now
        group.phase = phase
        let deadline = phase + ((now - phase) / period + 1) * period
        group.deadline = deadline
        nextDeadline = min(nextDeadline ?? deadline, deadline)
    }

    public func tick(now: Int64, context: ShardContext) throws(Diagnostic) {
        guard let deadline = nextDeadline, deadline <= now else { return }
        var next: Int64?
        for window in windows {
            for group in window.groups {
                guard let deadline = group.deadline else { continue }
                if deadline <= now {
                    group.deadline = nil
                    note(group, window)
                    give(group, window, -1, context)
                    if output.isFull { try flush(context) }
                } else {
                    next = min(next ?? deadline, deadline)
                }
            }
        }
        nextDeadline = next
        try flush(context)
    }

    // MARK: - Results

    /// Gives the group's result unless it is the one given last.
    private func give(_ group: Group, _ window: Window, _ origin: Int32, _ context: ShardContext) {
        for column in made.columns { column.clear() }
        state.append(group.record, to: made.columns[...], arena: context.arena)
        made.count = 1
        let new = results.insert(made, 0)
        if group.given >= 0 {
            if results.columns.allSatisfy({ $0.isEqual(Int(new), to: Int(group.given), of: $0) }) {
                results.release(new)
                return
            }
            if plan.emitsBefore { append(.updateBefore, group, window, group.given, origin) }
            append(.updateAfter, group, window, new, origin)
            leaving.append(group.given)
        } else {
            append(.insert, group, window, new, origin)
        }
        group.given = new
    }

    private func append(_ kind: RowKind, _ group: Group, _ window: Window, _ result: Int32, _ origin: Int32) {
        let columns = output.batch.columns
        keys.append(group.key, to: columns[..<plan.keys.count])
        for index in results.columns.indices { results.append(index, result, to: columns[plan.keys.count + index]) }
        let base = plan.keys.count + results.columns.count
        columns[base].append(int: window.start &* 1000)
        columns[base + 1].append(int: window.end &* 1000)
        columns[base + 2].append(int: (window.end - 1) &* 1000)
        output.commit(kind, origin: origin, watermark: watermark)
    }

    private func flush(_ context: ShardContext) throws(Diagnostic) {
        try emit(output.batch, context: context)
        output.clear()
        for slot in leaving { results.release(slot) }
        leaving.removeAll(keepingCapacity: true)
    }
}
