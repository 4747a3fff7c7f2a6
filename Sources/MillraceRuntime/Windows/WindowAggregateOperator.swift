public import MillraceCore

/// GROUP BY over TUMBLE, HOP, CUMULATE or SESSION windows: one row a (window, key) when the watermark reaches `end - 1 ms`.
///
/// A row is judged against the watermark before it, and windows fire between rows where `metadata.watermarks` moves, so a
/// batch gives what its rows one by one would. A row that belongs only to fired windows is late: rejected with the last of
/// them. NULL is a key like any other. Emitted rows carry the watermark before the one that fired them.
///
/// With an allowed lateness a fired window stays until `end - 1 + lateness`; a late row corrects its group, and the
/// corrected row is emitted again (once a run of rows). SESSION has no allowed lateness, as in Flink.
public final class WindowAggregateOperator: Operator {
    let plan: WindowAggregatePlan
    let limits: Limits
    let input: Schema
    private let assigner: WindowAssigner
    private let lateness: Int64
    let store = StateStore()
    let keys: KeyTable
    let accumulators: Accumulators
    /// nil when no sum depends on the order of additions.
    var parts: PartialSums?
    let pool: RecordPool
    private let output: GroupOutput
    let sessions: SessionWindows?
    private var slots = OffsetSlots()

    /// Aligned windows by ascending end, then start.
    private(set) var windows: [OpenWindow] = []
    private var spare: [OpenWindow] = []
    var groups = 0
    var watermark = EventTime.none
    /// The smallest watermark at which a window fires or goes away.
    var nextTimer = EventTime.end
    private var emittedWatermark = EventTime.none
    private(set) var newestEmitted = EventTime.none
    /// What owners of earlier runs on several shards had emitted.
    private var emitted = EmittedWindows()
    private var index = 0
    /// Closed windows go to the shards that own their keys.
    var exchanged: Exchanged?
    /// See `ExchangeMember`.
    var offsetsAt: (_ origin: Int32, ShardContext) -> [[Int64]] = { _, _ in [] }

    private let pendingCapacity = 4096
    private let pendingRows: UnsafeMutablePointer<Int32>
    private let pendingRecords: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// The slice of its window that a row is in, where windows have several.
    private let pendingSlices: UnsafeMutablePointer<Int32>
    private var pending = 0
    private var corrected: [(window: OpenWindow, key: Int32, record: UnsafeMutableRawPointer)] = []
    private(set) var readColumns: [Int] = []
    /// Rows that the database does not have yet; nil where state is not stored. See `WindowAggregateOperator+Snapshots`.
    var log: InputLog?
    /// What stands in front of the log's next part.
    let logHeader = ByteBuffer(capacity: 48)
    /// Key groups that have changed since they were written whole.
    var changed = GroupSet()
    /// The newest watermark of what was read back.
    var newestStored = EventTime.none
    /// While the log is read back, by row: its group is whole without it. Nothing is emitted then.
    var skipped: [Bool]?
    /// The batch's source records, and the slot of the partition met last.
    private var originPartitions: UnsafePointer<Int32>?
    private var originOffsets: UnsafePointer<Int64>?
    private var originSource = 0
    private var lastPartition: Int32 = -1
    private var lastSlot = 0

    /// - Throws: `.user` for an allowed lateness with SESSION, `.bug` for an aggregate that has no accumulator.
    public init(_ plan: WindowAggregatePlan, input: Schema, object: String, limits: Limits) throws(Diagnostic) {
        self.plan = plan
        self.limits = limits
        self.input = input
        assigner = WindowAssigner(kind: plan.window)
        lateness = max(0, plan.allowedLatenessMilliseconds)
        keys = KeyTable(types: plan.keys.map { input[$0].type }, store: store)
        accumulators = try Accumulators(
            plan.aggregates, input: input, store: store, parts: plan.addsInParts ? PartialSums(plan.window) : nil)
        parts = accumulators.parts
        pool = RecordPool(stride: accumulators.recordBytes)
        output = GroupOutput(
            keys: plan.keys.map { input[$0].type }, aggregates: plan.aggregates.map(\.type),
            timeType: input[plan.timeColumn].type, rows: limits.batchRows)
        if case .session(let gap) = plan.window {
            guard lateness == 0 else {
                throw Diagnostic(
                    "option \"late.lateness\" does not work with SESSION windows",
                    hint: "Remove the option, or use TUMBLE or HOP.")
            }
            sessions = SessionWindows(gap: gap)
        } else {
            sessions = nil
        }
        pendingRows = .allocate(capacity: pendingCapacity)
        pendingRecords = .allocate(capacity: pendingCapacity)
        pendingSlices = .allocate(capacity: pendingCapacity)
        pendingSlices.initialize(repeating: 0, count: pendingCapacity)
        readColumns = Array(Set(plan.keys + accumulators.argumentColumns)).sorted()
        super.init(object: object)
    }

    deinit {
        for window in windows { for record in window.records { accumulators.release(record) } }
        sessions?.forEachRecord { accumulators.release($0) }
        pendingRows.deallocate()
        pendingRecords.deallocate()
        pendingSlices.deallocate()
    }

    /// (window, key) groups that are kept now.
    public var groupCount: Int { groups }
    /// Bytes of keys, strings and sets that are kept now.
    public var stateBytes: Int { store.usedBytes }

    public override var emittedThrough: Int64 { newestEmitted }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let time = batch.columns[plan.timeColumn]
        let micros = time.ints
        let metadata = batch.metadata
        let checksErrors = readColumns.contains { !batch.columns[$0].allValid }
        keys.bind(plan.keys.map { batch.columns[$0] })
        bindOrigins(context)
        if keys.isLarge { warm(batch.count) }
        // The newest window, so that most rows need neither division nor search: its bounds in microseconds.
        var (recentLow, recentHigh) = (Int64.max, Int64.min)
        var recent: OpenWindow?
        var isTumble = false
        if case .tumble = plan.window { isTumble = true }
        // Of rows that bring their window.
        var bounds: (starts: UnsafeMutablePointer<Int64>, ends: UnsafeMutablePointer<Int64>)?
        if case .attached(let start, let end) = plan.window {
            bounds = (batch.columns[start].ints, batch.columns[end].ints)
        }

        for row in 0..<batch.count {
            if log != nil, context.isReplayed(origin: metadata.origins[row]) { continue }
            let before = metadata.watermarks[row]
            if before > watermark {
                if before >= nextTimer {
                    // The row itself may be refused.
                    if skipped == nil { log?.append(watermark: before) }
                    try fire(upTo: before, batch, origin: metadata.origins[row], context)
                    recent = nil
                    (recentLow, recentHigh) = (.max, .min)
                }
                if parts != nil { advanceParts(to: before, batch) }
                watermark = before
            }
            let origin = metadata.origins[row]
            if !time.allValid, time.states[row] != CellState.valid {
                let state = time.states[row]
                try context.reject(
                    origin: origin, RowErrorCode(rawValue: state) ?? .nullEventTime, object: object,
                    detail: "event-time column")
                continue
            }
            if checksErrors, let code = firstError(batch, row) {
                try context.reject(origin: origin, code, object: object, detail: "input of the window aggregate")
                continue
            }
            if log != nil, !note(batch, row) { continue }
            if let recent, micros[row] >= recentLow, micros[row] < recentHigh {
                if parts != nil { parts!.note(end: recent.end) }
                try add(row, origin, recent, batch, context)
                continue
            }
            let milliseconds = EventTime.milliseconds(fromMicroseconds: micros[row])
            if let sessions {
                try addToSession(sessions, row, origin, milliseconds, batch, context)
                continue
            }
            var isLate = true
            if let bounds {
                let start = EventTime.milliseconds(fromMicroseconds: bounds.starts[row])
                let end = EventTime.milliseconds(fromMicroseconds: bounds.ends[row])
                let closed = max(watermark, emittedWatermark)
                if parts != nil { parts!.note(end: end) }
                if end - 1 + lateness > closed {
                    try add(row, origin, openWindow(start, end), batch, context)
                } else {
                    try context.reject(
                        origin: origin, .lateRow, object: object,
                        detail: LateRow.detail(start: start, end: end, watermark: closed))
                }
                continue
            }
            if isTumble {
                let (start, end) = assigner.lastWindow(milliseconds)
                if parts != nil { parts!.note(end: end) }
                if end - 1 + lateness > max(watermark, emittedWatermark), !wasEmitted(row, end) {
                    let window = openWindow(start, end)
                    try add(row, origin, window, batch, context)
                    isLate = false
                    if end - 1 > watermark, !window.isFired, end - 1 > emitted.ceiling {
                        recent = window
                        recentLow = start &* 1000
                        recentHigh = end &* 1000
                    }
                }
            } else {
                let horizon = max(watermark, emittedWatermark)
                if parts != nil { parts!.note(end: parts!.sliceEnd(milliseconds)) }
                let sliceSize = parts.map { $0.slices > 1 ? $0.sliceSize : 0 } ?? 0
                try assigner.forEach(milliseconds) { (start, end) throws(Diagnostic) in
                    guard end - 1 + lateness > horizon, !wasEmitted(row, end) else { return }
                    if sliceSize > 0 {
                        if pending == pendingCapacity { flush(batch) }
                        pendingSlices[pending] = Int32(truncatingIfNeeded: (milliseconds - start) / sliceSize)
                    }
                    try add(row, origin, openWindow(start, end), batch, context)
                    isLate = false
                }
            }
            if isLate { try rejectLate(row, origin, milliseconds, context) }
        }
        try finishRun(batch, context)
    }

    /// Puts the row into the log. False while the log is read back, for a row that is not to be taken in again.
    private func note(_ batch: ColumnBatch, _ row: Int) -> Bool {
        guard let skipped else {
            log?.append(batch, row)
            return true
        }
        guard skipped[row] else { return true }
        if parts != nil, sessions == nil {
            let time = EventTime.milliseconds(fromMicroseconds: batch.columns[plan.timeColumn].ints[row])
            var end = parts!.sliceEnd(time)
            if case .attached(_, let column) = plan.window {
                end = EventTime.milliseconds(fromMicroseconds: batch.columns[column].ints[row])
            }
            parts!.note(end: end)
        }
        return false
    }

    /// Before many keys: reads ahead what the rows of the batch will need of the newest window.
    private func warm(_ count: Int) {
        let count = min(count, pendingCapacity)
        keys.warm(count: count, ids: pendingRows)
        windows.last?.warm(pendingRows, count: count)
    }

    /// The row's key had its row of this window before a restart, although not every key had.
    @inline(__always)
    private func wasEmitted(_ row: Int, _ end: Int64) -> Bool {
        end - 1 <= emitted.ceiling && wasEmitted(row, last: end - 1)
    }

    private func wasEmitted(_ row: Int, last: Int64) -> Bool {
        let key = keys.intern(row: row)
        defer { keys.drop(key) }
        return emitted.covers(hash: keys.hash(of: key), last: last)
    }

    private func bindOrigins(_ context: ShardContext) {
        originPartitions = context.records.map { UnsafePointer($0.partition) }
        originOffsets = context.records.map { UnsafePointer($0.offset) }
        originSource = context.source
        lastPartition = -1
    }

    /// Slot and offset of the source record behind a row; nil when there is none. Rows of a partition come in long runs.
    @inline(__always)
    private func contribution(_ origin: Int32) -> (slot: Int, offset: Int64)? {
        guard origin >= 0, let originPartitions, let originOffsets else { return nil }
        let partition = originPartitions[Int(origin)]
        if partition != lastPartition {
            lastSlot = slots.slot(source: originSource, partition: Int(partition))
            lastPartition = partition
        }
        return (lastSlot, originOffsets[Int(origin)])
    }

    private func firstError(_ batch: ColumnBatch, _ row: Int) -> RowErrorCode? {
        for index in readColumns {
            let state = batch.columns[index].states[row]
            if state > CellState.valid { return .of(state) }
        }
        return nil
    }

    private func rejectLate(_ row: Int, _ origin: Int32, _ time: Int64, _ context: ShardContext) throws(Diagnostic) {
        let (start, end) = assigner.lastWindow(time)
        let watermark = max(self.watermark, emittedWatermark, emitted.floor, end - 1)
        let isClosedByThisRun = end - 1 > emittedWatermark && end - 1 <= self.watermark
        try context.reject(
            origin: origin, .lateRow, object: object,
            detail: LateRow.detail(start: start, end: end, watermark: watermark),
            late: LateWindow(window: index, last: isClosedByThisRun ? end - 1 : EventTime.none))
    }

    @inline(__always)
    private func add(
        _ row: Int, _ origin: Int32, _ window: OpenWindow, _ batch: ColumnBatch, _ context: ShardContext
    ) throws(Diagnostic) {
        let key = keys.intern(row: row)
        let record: UnsafeMutableRawPointer
        if let found = window.find(key) {
            record = found
        } else {
            guard groups < limits.windowGroups else {
                keys.drop(key)
                try rejectOverLimit(origin, context)
                return
            }
            record = pool.allocate()
            keys.retain(key)
            window.insert(key, record)
            groups += 1
        }
        if log != nil { changed.insert(keys.group(of: key)) }
        if pending == pendingCapacity { flush(batch) }
        pendingRows[pending] = Int32(truncatingIfNeeded: row)
        pendingRecords[pending] = record
        pending += 1
        if let (slot, offset) = contribution(origin) { window.note(slot, offset) }
        if window.isFired, !context.isReplayed(origin: origin) {
            // A late row within the allowed lateness: the header says whether its group is on the list already.
            let isListed = record.assumingMemoryBound(to: Int64.self)
            if isListed.pointee == 0 {
                isListed.pointee = 1
                corrected.append((window, key, record))
            }
        }
    }

    private func rejectOverLimit(_ origin: Int32, _ context: ShardContext) throws(Diagnostic) {
        let limit = limits.windowGroups
        try context.reject(
            origin: origin, .limitExceeded, object: object, detail: "more than \(limit) open windows and keys")
    }

    /// Folds the collected rows into their groups.
    private func flush(_ batch: ColumnBatch) {
        accumulators.update(
            batch, rows: pendingRows, records: pendingRecords, slices: (parts?.slices ?? 1) > 1 ? pendingSlices : nil,
            count: pending)
        pending = 0
    }

    /// Sums of rows before a firing are settled apart from those behind it.
    func advanceParts(to watermark: Int64, _ batch: ColumnBatch?) {
        guard parts!.advance(to: watermark) else { return }
        if let batch { flush(batch) }
        parts!.next()
        accumulators.epoch = parts!.epoch
    }

    /// Before a window fires and at the end of a batch: fold, then emit the corrected rows of late groups.
    private func finishRun(_ batch: ColumnBatch?, _ context: ShardContext) throws(Diagnostic) {
        if let batch { flush(batch) }
        guard !corrected.isEmpty else { return }
        for (window, key, record) in corrected {
            record.storeBytes(of: 0, as: Int64.self)
            try append(key, record, window.start, window.end, context)
        }
        corrected.removeAll(keepingCapacity: true)
        try emitOutput(context)
    }

    // MARK: - Windows

    func openWindow(_ start: Int64, _ end: Int64) -> OpenWindow {
        // Windows are few and new rows are near the newest: search from the back.
        var index = windows.count
        while index > 0 {
            let window = windows[index - 1]
            if window.end == end, window.start == start { return window }
            if window.end < end || (window.end == end && window.start < start) { break }
            index -= 1
        }
        let window = spare.popLast() ?? OpenWindow()
        window.reuse(start: start, end: end)
        // Emitted before a restart, or late within the allowed lateness.
        window.isFired = end - 1 <= max(watermark, emittedWatermark)
        windows.insert(window, at: index)
        nextTimer = min(nextTimer, window.isFired ? end - 1 + lateness : end - 1)
        return window
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        if watermark > self.watermark {
            if watermark >= nextTimer {
                log?.append(watermark: watermark)
                try fire(upTo: watermark, nil, origin: -1, context)
            }
            if parts != nil { advanceParts(to: watermark, nil) }
            self.watermark = watermark
        }
        try emit(watermark: watermark, context: context)
    }

    /// Emits the windows whose last millisecond is at or before `newWatermark`, by end, and forgets those past their lateness.
    ///
    /// - Parameter origin: of the row before which they fire; -1 between batches.
    func fire(
        upTo newWatermark: Int64, _ batch: ColumnBatch?, origin: Int32, _ context: ShardContext
    ) throws(Diagnostic) {
        try finishRun(batch, context)
        if let exchanged {
            close(upTo: newWatermark, exchanged.sender, origin: origin, context)
            return
        }
        if let sessions {
            try fireSessions(sessions, newWatermark, context)
            return
        }
        for window in windows {
            guard window.end - 1 <= newWatermark else { break }
            guard !window.isFired else { continue }
            window.isFired = true
            newestEmitted = max(newestEmitted, window.end - 1)
            for i in window.keys.indices {
                try append(window.keys[i], window.records[i], window.start, window.end, context)
            }
        }
        try emitOutput(context)
        // Strings of emitted rows lie in the state: only now may it go.
        var done = 0
        while done < windows.count, windows[done].end - 1 + lateness <= newWatermark {
            let window = windows[done]
            for i in window.keys.indices { forget(window.keys[i], window.records[i]) }
            window.reuse(start: 0, end: 0)
            if spare.count < 64 { spare.append(window) }
            done += 1
        }
        windows.removeFirst(done)
        findNextTimer()
    }

    func findNextTimer() {
        nextTimer = sessions?.firstEnd.map { $0 - 1 } ?? EventTime.end
        for window in windows {
            nextTimer = min(nextTimer, window.isFired ? window.end - 1 + lateness : window.end - 1)
        }
    }

    /// As `fire`, but what there is goes to the owners of the keys.
    private func close(
        upTo newWatermark: Int64, _ sender: PartialSender, origin: Int32, _ context: ShardContext
    ) {
        var done = 0
        while done < windows.count, windows[done].end - 1 <= newWatermark {
            let window = windows[done]
            if parts != nil { for record in window.records { accumulators.settle(record) } }
            sender.add(window, keys: keys, accumulators: accumulators)
            for i in window.keys.indices { forget(window.keys[i], window.records[i]) }
            window.reuse(start: 0, end: 0)
            if spare.count < 64 { spare.append(window) }
            done += 1
        }
        windows.removeFirst(done)
        nextTimer = windows.first.map { $0.end - 1 } ?? EventTime.end
        if done > 0 { sender.close(through: newWatermark, bounds: offsetsAt(origin, context)) }
    }

    private func forget(_ key: Int32, _ record: UnsafeMutableRawPointer) {
        if log != nil { changed.insert(keys.group(of: key)) }
        accumulators.release(record)
        pool.deallocate(record)
        keys.release(key)
        groups -= 1
    }

    private func append(
        _ key: Int32, _ record: UnsafeMutableRawPointer, _ start: Int64, _ end: Int64, _ context: ShardContext
    ) throws(Diagnostic) {
        if parts != nil { accumulators.settle(record) }
        output.append(
            key, record, keys: keys, accumulators: accumulators, start: start, end: end, watermark: watermark)
        if output.isFull { try emitOutput(context) }
    }

    private func emitOutput(_ context: ShardContext) throws(Diagnostic) {
        guard output.batch.count > 0 else { return }
        // No source record stands behind these rows.
        if skipped == nil { try emit(output.batch, context: context) }
        output.batch.clear()
    }

    // MARK: - Sessions

    private func addToSession(
        _ sessions: SessionWindows, _ row: Int, _ origin: Int32, _ time: Int64, _ batch: ColumnBatch,
        _ context: ShardContext
    ) throws(Diagnostic) {
        let key = keys.intern(row: row)
        let bounds = sessions.merged(key, time)
        // A replayed row is part of a session that may only reach past the emitted watermark with rows still to come.
        let isReplayed = context.isReplayed(origin: origin)
        if bounds.end - 1 <= max(watermark, emittedWatermark), !isReplayed {
            keys.drop(key)
            try context.reject(
                origin: origin, .lateRow, object: object,
                detail: LateRow.detail(
                    start: bounds.start, end: bounds.end, watermark: max(watermark, emittedWatermark)))
            return
        }
        if bounds.sessions == 0, groups >= limits.windowGroups {
            keys.drop(key)
            try rejectOverLimit(origin, context)
            return
        }
        if bounds.sessions > 1 { flush(batch) }
        let session = sessions.join(key, time, makeRecord: pool.allocate) { source, target in
            accumulators.merge(source, into: target)
            forget(key, source)
        }
        if bounds.sessions == 0 {
            keys.retain(key)
            groups += 1
        }
        if log != nil { changed.insert(keys.group(of: key)) }
        if pending == pendingCapacity { flush(batch) }
        pendingRows[pending] = Int32(truncatingIfNeeded: row)
        pendingRecords[pending] = session.record
        pending += 1
        if let (slot, offset) = contribution(origin) { session.offsets.note(slot, offset) }
        nextTimer = min(nextTimer, session.end - 1)
        // Replayed sessions that end before the emitted watermark wait for the watermark to pass it.
        if nextTimer <= watermark { nextTimer = watermark == EventTime.end ? watermark : watermark + 1 }
    }

    private func fireSessions(_ sessions: SessionWindows, _ newWatermark: Int64, _ context: ShardContext)
        throws(Diagnostic)
    {
        let fired = sessions.takeFired(newWatermark)
        for session in fired where session.end - 1 > emittedWatermark {
            newestEmitted = max(newestEmitted, session.end - 1)
            try append(session.key, session.record, session.start, session.end, context)
        }
        try emitOutput(context)
        for session in fired { forget(session.key, session.record) }
        nextTimer = sessions.firstEnd.map { $0 - 1 } ?? EventTime.end
    }

    // MARK: - Restart

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        guard log == nil else { return }
        for window in windows { slots.lower(&offsets, source: source, by: window.offsets) }
        exchanged?.sender.lower(&offsets, source: source, slots)
        sessions?.forEach { slots.lower(&offsets, source: source, by: $0.offsets) }
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        self.emittedWatermark = max(self.emittedWatermark, emittedWatermark)
        super.restore(emittedWatermark: emittedWatermark, port: port)
    }

    /// Before the first batch after a restart: windows that an earlier run on several shards had emitted for some keys.
    ///
    /// - Parameter index: which of the plan's window aggregates this is, from 0.
    func restore(_ emitted: EmittedWindows, index: Int) {
        self.emitted = emitted
        self.index = index
        exchanged?.merger.restore(emitted)
    }
}
