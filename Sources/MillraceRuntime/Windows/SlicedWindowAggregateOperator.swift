public import MillraceCore

/// GROUP BY over TUMBLE, HOP or CUMULATE windows by slices: the pieces of time of which all windows are made.
///
/// Sums of DOUBLE and lists depend on the order in which rows are put together. This operator puts them together as Flink
/// does, for input that is read once: rows fold into a slice; with pre-aggregation into a part of it, which joins the slice
/// whenever a window that has parts closes; slices merge into windows. Lateness, and what else a window gives, is as in
/// `WindowAggregateOperator`.
public final class SlicedWindowAggregateOperator: Operator, SizedOperator {
    private let plan: WindowAggregatePlan
    private let slicing: WindowSlicing
    private let limits: Limits
    private let assigner: WindowAssigner
    private let sliceSize: Int64
    private let offset: Int64
    private let store = StateStore()
    private let keys: KeyTable
    private let accumulators: Accumulators
    private let pool: RecordPool
    private let output: GroupOutput
    private let readColumns: [Int]

    /// By ascending end.
    private var slices: [OpenWindow] = []
    private var parts: [OpenWindow] = []
    private var spare: [OpenWindow] = []
    private let merged = OpenWindow()
    private var groups = 0
    private var watermark = EventTime.none
    private var nextTimer = EventTime.end
    private var newestEmitted = EventTime.none
    /// The first end of the slices with parts, those of late rows too.
    private var firstPartEnd = Int64.max
    /// The watermark at which parts are looked at next.
    private var nextJoin: Int64 = 0

    private var pendingRows: [Int32] = []
    private var pendingRecords: [UnsafeMutableRawPointer] = []

    public init(_ plan: WindowAggregatePlan, _ slicing: WindowSlicing, input: Schema, object: String, limits: Limits)
        throws(Diagnostic)
    {
        self.plan = plan
        self.slicing = slicing
        self.limits = limits
        assigner = WindowAssigner(kind: plan.window)
        switch plan.window {
        case .tumble(let size, let offset): (sliceSize, self.offset) = (size, offset)
        case .hop(let slide, let size, let offset): (sliceSize, self.offset) = (Self.divisor(slide, size), offset)
        case .cumulate(let step, _, let offset): (sliceSize, self.offset) = (step, offset)
        case .session, .attached: throw Diagnostic("window has no slices", fault: .bug)
        }
        keys = KeyTable(types: plan.keys.map { input[$0].type }, store: store)
        accumulators = try Accumulators(plan.aggregates, input: input, store: store)
        pool = RecordPool(stride: accumulators.recordBytes)
        output = GroupOutput(
            keys: plan.keys.map { input[$0].type }, aggregates: plan.aggregates.map(\.type),
            timeType: input[plan.timeColumn].type, rows: limits.batchRows)
        readColumns = Array(Set(plan.keys + accumulators.argumentColumns)).sorted()
        super.init(object: object)
    }

    deinit {
        for slice in slices + parts { for record in slice.records { accumulators.release(record) } }
    }

    private static func divisor(_ a: Int64, _ b: Int64) -> Int64 { b == 0 ? a : divisor(b, a % b) }

    /// Rows: (slice, key) groups, those of pre-aggregation too.
    package var stateSize: StateSize {
        StateSize(
            rows: groups, keys: keys.count,
            bytes: store.usedBytes + keys.tableBytes + groups * (pool.stride + OpenWindow.groupBytes))
    }

    public override var emittedThrough: Int64 { newestEmitted }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let time = batch.columns[plan.timeColumn]
        keys.bind(plan.keys.map { batch.columns[$0] })
        for row in 0..<batch.count {
            let before = batch.metadata.watermarks[row]
            if before > watermark { try pass(before, batch, context) }
            let origin = batch.metadata.origins[row]
            guard try context.hasEventTime(time, row, origin: origin, object: object) else { continue }
            guard try context.isSound(batch, row, readColumns, object: object, detail: "input of the window aggregate")
            else { continue }
            try add(batch, row, EventTime.milliseconds(fromMicroseconds: time.ints[row]), context)
        }
        fold(batch)
    }

    private func add(_ batch: ColumnBatch, _ row: Int, _ time: Int64, _ context: ShardContext) throws(Diagnostic) {
        let origin = batch.metadata.origins[row]
        let start = WindowAssigner.start(time, size: sliceSize, offset: offset)
        let end = start &+ sliceSize
        if slicing.isPreaggregated { firstPartEnd = min(firstPartEnd, end) }
        let last = assigner.lastWindow(time)
        guard last.end - 1 > watermark else {
            try context.reject(
                origin: origin, .lateRow, object: object,
                detail: LateRow.detail(start: last.start, end: last.end, watermark: watermark))
            return
        }
        let key = keys.intern(row: row)
        let slice = slicing.isPreaggregated ? open(start, end, &parts) : open(start, end, &slices)
        guard groups < limits.windowGroups || slice.find(key) != nil else {
            keys.drop(key)
            try context.rejectExcess(
                origin: origin, object: object, limit: limits.windowGroups, of: "open windows and keys")
            return
        }
        pendingRows.append(Int32(truncatingIfNeeded: row))
        pendingRecords.append(record(key, slice))
        // The first window of the slice that has not fired; late rows are for the open ones.
        if let end = windowEnds(of: slice).first(where: { $0 - 1 > watermark }) { nextTimer = min(nextTimer, end - 1) }
    }

    /// Folds the collected rows into their groups.
    private func fold(_ batch: ColumnBatch?) {
        guard let batch, !pendingRows.isEmpty else { return }
        pendingRows.withUnsafeMutableBufferPointer { rows in
            pendingRecords.withUnsafeMutableBufferPointer { records in
                accumulators.update(
                    batch, rows: rows.baseAddress!, records: records.baseAddress!, count: rows.count)
            }
        }
        pendingRows.removeAll(keepingCapacity: true)
        pendingRecords.removeAll(keepingCapacity: true)
    }

    // MARK: - Slices

    private func open(_ start: Int64, _ end: Int64, _ list: inout [OpenWindow]) -> OpenWindow {
        var index = list.count
        while index > 0, list[index - 1].end >= end {
            if list[index - 1].end == end { return list[index - 1] }
            index -= 1
        }
        let slice = spare.popLast() ?? OpenWindow()
        slice.reuse(start: start, end: end)
        list.insert(slice, at: index)
        return slice
    }

    private func record(_ key: Int32, _ slice: OpenWindow) -> UnsafeMutableRawPointer {
        if let found = slice.find(key) { return found }
        let record = pool.allocate()
        keys.retain(key)
        slice.insert(key, record)
        groups += 1
        return record
    }

    private func close(_ slice: OpenWindow) {
        for i in slice.keys.indices {
            accumulators.release(slice.records[i])
            pool.deallocate(slice.records[i])
            keys.release(slice.keys[i])
        }
        groups -= slice.keys.count
        slice.reuse(start: 0, end: 0)
        if slice !== merged, spare.count < 64 { spare.append(slice) }
    }

    /// Ends of the windows that a slice is a piece of, ascending.
    private func windowEnds(of slice: OpenWindow) -> StrideThrough<Int64> {
        switch plan.window {
        case .hop(let slide, let size, let offset):
            let last = WindowAssigner.start(slice.start, size: slide, offset: offset) &+ size
            let windows = (last &- slice.end) / slide
            return stride(from: last &- windows &* slide, through: last, by: Int(slide))
        case .cumulate(let step, let size, let offset):
            let last = WindowAssigner.start(slice.start, size: size, offset: offset) &+ size
            return stride(from: slice.end, through: last, by: Int(step))
        default: return stride(from: slice.end, through: slice.end, by: 1)
        }
    }

    private func start(ofWindowEnding end: Int64) -> Int64 {
        switch plan.window {
        case .tumble(let size, _), .hop(_, let size, _): end &- size
        case .cumulate(_, let size, let offset): WindowAssigner.start(end &- 1, size: size, offset: offset)
        case .session, .attached: end
        }
    }

    private func join() {
        for part in parts {
            let slice = open(part.start, part.end, &slices)
            for i in part.keys.indices {
                accumulators.merge(part.records[i], into: record(part.keys[i], slice))
            }
            close(part)
        }
        parts.removeAll(keepingCapacity: true)
        firstPartEnd = .max
    }

    // MARK: - Time

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        if watermark > self.watermark { try pass(watermark, nil, context) }
        try emit(watermark: watermark, context: context)
    }

    private func pass(_ next: Int64, _ batch: ColumnBatch?, _ context: ShardContext) throws(Diagnostic) {
        // Parts are looked at when time enters the next slice, as the local half of Flink's aggregate does it.
        if slicing.isPreaggregated, next >= nextJoin || offset != 0 {
            if firstPartEnd != .max, firstPartEnd - 1 <= next {
                fold(batch)
                join()
            }
            if next < EventTime.end - 2 * sliceSize {
                let trigger = WindowAssigner.start(next, size: sliceSize, offset: 0) + sliceSize - 1
                nextJoin = trigger > next ? trigger : trigger + sliceSize
            }
        }
        if next >= nextTimer {
            fold(batch)
            try fire(upTo: next, context)
        }
        watermark = next
    }

    private func fire(upTo next: Int64, _ context: ShardContext) throws(Diagnostic) {
        var ends: Set<Int64> = []
        for slice in slices {
            for end in windowEnds(of: slice) where end - 1 <= next && end - 1 > watermark { ends.insert(end) }
        }
        for end in ends.sorted() {
            try fire(start(ofWindowEnding: end), end, context)
            newestEmitted = max(newestEmitted, end - 1)
        }
        let done = slices.prefix { (windowEnds(of: $0).reversed().first ?? $0.end) - 1 <= next }
        for slice in done { close(slice) }
        slices.removeFirst(done.count)
        nextTimer = EventTime.end
        for slice in slices + parts {
            if let end = windowEnds(of: slice).first(where: { $0 - 1 > next }) { nextTimer = min(nextTimer, end - 1) }
        }
    }

    private func fire(_ start: Int64, _ end: Int64, _ context: ShardContext) throws(Diagnostic) {
        let inside = slices.filter { $0.start >= start && $0.end <= end }
        guard inside.count > 1 else {
            if let only = inside.first { try append(only, start, end, context) }
            return
        }
        for slice in slicing.mergesNewestFirst ? inside.reversed() : inside {
            for i in slice.keys.indices {
                accumulators.merge(slice.records[i], into: record(slice.keys[i], merged))
            }
        }
        try append(merged, start, end, context)
        close(merged)
    }

    private func append(_ window: OpenWindow, _ start: Int64, _ end: Int64, _ context: ShardContext)
        throws(Diagnostic)
    {
        for i in window.keys.indices {
            output.append(
                window.keys[i], window.records[i], keys: keys, accumulators: accumulators, start: start, end: end,
                watermark: watermark)
            if output.isFull { try emitOutput(context) }
        }
        // Strings of the rows lie in the state, which may go now.
        try emitOutput(context)
    }

    private func emitOutput(_ context: ShardContext) throws(Diagnostic) {
        guard output.batch.count > 0 else { return }
        try emit(output.batch, context: context)
        output.batch.clear()
    }
}
