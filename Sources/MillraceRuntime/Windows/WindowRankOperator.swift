public import MillraceCore

/// ROW_NUMBER, RANK or DENSE_RANK within windows: a window's rows leave ranked when the watermark reaches `end - 1 ms`, group by
/// group in order of first arrival. Also Top-N and deduplication within windows, with the plan's `last`.
///
/// A row whose window has closed is late; the copies of one record in overlapping windows count as one row.
public final class WindowRankOperator: Operator, SizedOperator {
    /// Rows of one window with equal keys.
    private final class Group {
        let key: Int32
        var slots: [Int32] = []
        init(key: Int32) { self.key = key }
    }
    private struct Window {
        var end: Int64
        var groups: [Group] = []
        var offsets = ContributingOffsets()
    }

    /// Up to this many ranks a group keeps no more rows than it will give.
    private static let sortedRowsMax = 1024

    private let plan: WindowRankPlan
    let limits: Limits
    private let limit: Int
    let input: Schema
    let store = StateStore()
    let keys: KeyTable
    let rows: RowStore
    private let order: RowOrder
    private let checked: [Int]
    /// By key; a key holds the window's bounds, so it is in one window.
    private var groups: [Group?] = []
    /// Ascending by end.
    private var windows: [Window] = []
    private var slots = OffsetSlots()
    private var watermark = EventTime.none
    /// The watermark that operators behind know: what leaves is not late to them.
    private var announced = EventTime.none
    private var emittedWatermark = EventTime.none
    private var newestEmitted = EventTime.none

    private let output: ColumnBatch
    private let rank = Column(.bigInt)
    private var outputSlots: [Int32] = []
    private let batchRows: Int

    public init(_ plan: WindowRankPlan, input: Schema, object: String, limits: Limits) {
        self.plan = plan
        limit = limits.keptRows
        self.limits = limits
        self.input = input
        keys = KeyTable(types: plan.keys.map { input[$0].type }, store: store)
        rows = RowStore(input, store: store)
        order = RowOrder(plan.order, rows)
        checked = Array(Set(plan.keys + plan.order.map(\.column) + [plan.startColumn, plan.endColumn])).sorted()
        output = ColumnBatch(columns: input.fields.map { Column($0.type) } + [rank])
        batchRows = max(1, limits.batchRows)
        super.init(object: object)
    }

    /// Rows that are kept now.
    public var keptRows: Int { rows.count }

    /// Rows that may still get a rank.
    package var stateSize: StateSize {
        StateSize(rows: rows.count, keys: keys.count, bytes: store.usedBytes + keys.tableBytes + rows.slotBytes)
    }

    public override var emittedThrough: Int64 { newestEmitted }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        keys.bind(plan.keys.map { batch.columns[$0] })
        let ends = batch.columns[plan.endColumn]
        var row = 0
        while row < batch.count {
            // The copies of a record in overlapping windows stand side by side.
            let origin = batch.metadata.origins[row]
            var next = row + 1
            while origin >= 0, next < batch.count, batch.metadata.origins[next] == origin { next += 1 }
            if rows.held != nil, context.isReplayed(origin: origin) {
                row = next
                continue
            }
            var isLate = true
            for copy in row..<next {
                watermark = max(watermark, batch.metadata.watermarks[copy])
                if let failed = checked.first(where: { batch.columns[$0].states[copy] > CellState.valid }) {
                    try context.reject(
                        origin: origin, .of(batch.columns[failed].states[copy]), object: object, detail: "input of OVER"
                    )
                    isLate = false
                    break
                }
                let end = EventTime.milliseconds(fromMicroseconds: ends.ints[copy])
                if end - 1 <= max(watermark, emittedWatermark) { continue }
                isLate = false
                try add(batch, copy, end, context)
            }
            if isLate { try rejectLate(batch, next - 1, context) }
            row = next
        }
    }

    private func rejectLate(_ batch: ColumnBatch, _ row: Int, _ context: ShardContext) throws(Diagnostic) {
        func bound(_ column: Int) -> Int64 {
            EventTime.milliseconds(fromMicroseconds: batch.columns[column].ints[row])
        }
        let passed = max(watermark, emittedWatermark)
        try context.reject(
            origin: batch.metadata.origins[row], .lateRow, object: object,
            detail: LateRow.detail(start: bound(plan.startColumn), end: bound(plan.endColumn), watermark: passed))
    }

    private func add(_ batch: ColumnBatch, _ row: Int, _ end: Int64, _ context: ShardContext) throws(Diagnostic) {
        let origin = batch.metadata.origins[row]
        guard rows.count < limit || isMuted else {
            try context.rejectExcess(origin: origin, object: object, limit: limit, of: "rows kept")
            return
        }
        let index = window(end)
        let key = keys.intern(row: row)
        while groups.count <= Int(key) { groups.append(nil) }
        let group: Group
        if let known = groups[Int(key)] {
            group = known
        } else {
            keys.retain(key)
            group = Group(key: key)
            groups[Int(key)] = group
            windows[index].groups.append(group)
        }
        if rows.held == nil, origin >= 0, let records = context.records {
            let slot = slots.slot(source: context.source, partition: Int(records.partition[Int(origin)]))
            windows[index].offsets.note(slot, records.offset[Int(origin)])
        }
        let slot = rows.insert(batch, row)
        rows.held?.add(slot, batch, row)
        insert(slot, into: group)
    }

    private func window(_ end: Int64) -> Int {
        var index = windows.count
        while index > 0, windows[index - 1].end > end { index -= 1 }
        if index > 0, windows[index - 1].end == end { return index - 1 }
        windows.insert(Window(end: end), at: index)
        return index
    }

    private var keepsSorted: Bool {
        guard let last = plan.last, plan.function == .rowNumber else { return false }
        return last <= WindowRankOperator.sortedRowsMax
    }

    private func insert(_ slot: Int32, into group: Group) {
        guard keepsSorted, let last = plan.last else {
            group.slots.append(slot)
            return
        }
        // The place behind all rows that come before the new one.
        var (low, high) = (0, group.slots.count)
        while low < high {
            let middle = (low + high) / 2
            let order = order.compare(group.slots[middle], slot)
            if order < 0 || order == 0 && !plan.prefersNewest { low = middle + 1 } else { high = middle }
        }
        if low >= last {
            rows.release(slot)
            return
        }
        group.slots.insert(slot, at: low)
        if group.slots.count > last { rows.release(group.slots.removeLast()) }
    }

    // MARK: - Windows

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        var closed = 0
        while closed < windows.count, windows[closed].end - 1 <= watermark {
            newestEmitted = max(newestEmitted, windows[closed].end - 1)
            for group in windows[closed].groups { try emit(group, context) }
            closed += 1
        }
        windows.removeFirst(closed)
        try flush(context)
        self.watermark = max(self.watermark, watermark)
        announced = max(announced, watermark)
        rows.held?.advance(to: watermark)
        try emit(watermark: watermark, context: context)
    }

    private func emit(_ group: Group, _ context: ShardContext) throws(Diagnostic) {
        var ranked = group.slots
        if !keepsSorted {
            let places = ranked.indices.sorted { a, b in
                let order = order.compare(group.slots[a], group.slots[b])
                return order == 0 ? (plan.prefersNewest ? a > b : a < b) : order < 0
            }
            ranked = places.map { group.slots[$0] }
        }
        var current = 0
        for (place, slot) in ranked.enumerated() {
            let isTie = place > 0 && order.compare(ranked[place - 1], slot) == 0
            switch plan.function {
            case .rowNumber: current = place + 1
            case .rank: if !isTie { current = place + 1 }
            case .denseRank: if !isTie { current += 1 }
            }
            if let last = plan.last, current > last {
                rows.release(slot)
                continue
            }
            outputSlots.append(slot)
            rank.append(int: Int64(current))
            if outputSlots.count >= batchRows { try flush(context) }
        }
        groups[Int(group.key)] = nil
        keys.release(group.key)
    }

    private func flush(_ context: ShardContext) throws(Diagnostic) {
        guard !outputSlots.isEmpty else { return }
        for index in 0..<output.columns.count - 1 { rows.gather(index, outputSlots, into: output.columns[index]) }
        output.count = outputSlots.count
        output.metadata.reserve(output.count)
        output.metadata.origins.update(repeating: -1, count: output.count)
        output.metadata.watermarks.update(repeating: announced, count: output.count)
        try emit(output, context: context)
        for slot in outputSlots { rows.release(slot) }
        outputSlots.removeAll(keepingCapacity: true)
        rank.clear()
    }

    // MARK: - Restart

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        for window in windows { slots.lower(&offsets, source: source, by: window.offsets) }
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        self.emittedWatermark = max(self.emittedWatermark, emittedWatermark)
        super.restore(emittedWatermark: emittedWatermark, port: port)
    }
}
