public import MillraceCore

/// Aggregates OVER the rows before each row, answered when the row arrives: the input's columns, then one column a call.
///
/// A row sees the rows of its frame that have come before it, also when it is late. Batches pass through with their origins
/// and watermarks; nothing is held back, so a restart that reads rows again only rebuilds the frames. The cost of a row in
/// order does not grow with the frame, nor, for the most part, that of a row out of order, but for what lists values.
public final class OverArrivalOperator: Operator {
    private let plan: OverPlan
    private let limit: Int
    private let keyLimit: Int
    private let keyRowLimit: Int
    let input: Schema
    let store = StateStore()
    let keys: KeyTable
    /// Only the columns that calls read.
    let rows: RowStore
    private let read: [Int]
    private let readColumns = ColumnBatch(columns: [])
    private let checked: [Int]

    var frames: [OverArrivalFrame] = []
    /// LAG is a look at the timeline.
    private var lags: [Lag] = []
    private struct Lag {
        var argument: Int
        var offset: Int
        var otherwise: Int?
        var spanMilliseconds: Int64?
        var column: Column
    }
    private(set) var timelines: [KeyTimeline?] = []
    /// Rows before the watermark less this are not there any more; nil: no frame is bounded by time.
    private let retention: Int64?
    /// The newest rows of a key that stay whatever their age.
    private let kept: Int
    /// A key without rows leaves no trace.
    private let forgets: Bool
    private let keepsRows: Bool
    /// Keys by the time at which their oldest row is to be looked at.
    private var visits = EventTimeQueue()
    private let visitDelay: Int64
    private var replay: ReplayBuckets
    /// Rows that the database does not have yet; nil where state is not stored.
    var log: InputLog?
    /// Key groups that have changed since they were written whole.
    var changed = GroupSet()
    /// The newest watermark before a row.
    var watermark = EventTime.none
    private var hasDropped = false
    private var hasWarned = false

    private let resultColumns: [Column]
    private let selected = RowSelection()
    private let passed = ColumnBatch(columns: [])
    private let arena = BatchArena(chunkBytes: 1 << 14)

    /// - Parameter slack: milliseconds for which operators behind may ask for rows again after the watermark has passed them:
    ///   the frames of those rows are rebuilt, too.
    public init(_ plan: OverPlan, input: Schema, object: String, slack: Int64 = 0, limits: Limits) throws(Diagnostic) {
        precondition(plan.isOnArrival)
        self.plan = plan
        limit = limits.keptRows
        keyLimit = limits.windowGroups
        keyRowLimit = max(1, limits.keptRowsOfKey)
        keys = KeyTable(types: plan.keys.map { input[$0].type }, store: store)
        let calls = plan.frames.flatMap(\.calls)
        let read = Array(Set(calls.flatMap(\.columns))).sorted()
        self.read = read
        checked = Array(Set(read + plan.keys)).sorted()
        let schema = Schema(read.map { input[$0] })
        rows = RowStore(schema, store: store)
        resultColumns = calls.map { Column($0.type) }

        var longest: Int64?
        var kept = 0
        var first = 0
        var hasUnbounded = false
        for frame in plan.frames {
            let span = plan.spanMilliseconds(frame.extent)
            if let span { longest = max(longest ?? 0, span) }
            var preceding: Int?
            if case .rows(let count) = frame.extent { preceding = count }
            // Calls that need rows in their order stand by themselves: the others are cheaper out of order.
            var parts: [(calls: [OverCall], columns: [Column])] = [([], []), ([], [])]
            for (call, column) in zip(frame.calls, resultColumns[first...]) {
                let local = call.mapColumns { original in read.firstIndex(of: original) ?? 0 }
                if case .lag(let argument, let offset, let otherwise, _) = local {
                    lags.append(
                        Lag(
                            argument: argument, offset: offset, otherwise: otherwise, spanMilliseconds: span,
                            column: column))
                    if span == nil { kept = max(kept, offset) }
                    continue
                }
                let part = try OverCallLayout(local, offset: 0, input: schema).usesQueue ? 1 : 0
                parts[part].calls.append(local)
                parts[part].columns.append(column)
            }
            for part in parts where !part.calls.isEmpty {
                let aggregates = try OverAggregates(
                    part.calls, rows: rows, store: store, input: schema, keepsRows: span != nil || preceding != nil,
                    sumsWidely: true)
                frames.append(
                    OverArrivalFrame(
                        index: frames.count, span: span, preceding: preceding, aggregates: aggregates,
                        columns: ArraySlice(part.columns)))
                if span == nil, let preceding { kept = max(kept, preceding + 1) }
                if span == nil, preceding == nil { hasUnbounded = true }
            }
            first += frame.calls.count
        }
        self.kept = kept
        retention = longest.map { $0.addingReportingOverflow(slack).overflow ? .max : $0 + slack }
        forgets = kept == 0 && !hasUnbounded
        keepsRows = kept > 0 || longest != nil
        // Later than need be, so that not every row of a quiet key costs a visit.
        visitDelay = (retention ?? 0) / 16
        replay = ReplayBuckets(retention: retention ?? 0)
        self.input = input
        super.init(object: object)
    }

    /// Rows that are kept now.
    public var keptRows: Int { rows.count }
    /// Bytes of keys, strings and sets that are kept now.
    public var stateBytes: Int { store.usedBytes }
    /// Keys that are known now.
    public var keptKeys: Int { keys.count }
    /// Times a row was counted into a frame or out of one, so far.
    public var steps: Int { frames.reduce(0) { $0 + $1.steps } }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        guard let timeColumn = plan.timeColumn else { return }
        keys.bind(plan.keys.map { batch.columns[$0] })
        readColumns.columns = read.map { batch.columns[$0] }
        let times = batch.columns[timeColumn]
        selected.clear()
        for row in 0..<batch.count {
            if log != nil, context.isReplayed(origin: batch.metadata.origins[row]) { continue }
            guard try isFit(batch, row, times, context), let key = try key(batch, row, context) else { continue }
            let time = EventTime.milliseconds(fromMicroseconds: times.ints[row])
            watermark = max(watermark, batch.metadata.watermarks[row])
            if let log {
                log.append(batch, row)
                changed.insert(keys.group(of: key))
            } else if forgets {
                replay.note(time, origin: batch.metadata.origins[row], context)
            }
            answer(
                rows.insert(readColumns, row), time: time, key: key, horizon: horizon(batch.metadata.watermarks[row]),
                arena: arena)
            selected.append(row)
        }
        if hasDropped { warn(context) }
        let chosen = selected.apply(batch)
        passed.columns = chosen.columns + resultColumns
        passed.count = chosen.count
        passed.metadata = chosen.metadata
        try emit(passed, context: context)
        for column in resultColumns { column.clear() }
        arena.reset()
    }

    private func isFit(_ batch: ColumnBatch, _ row: Int, _ times: Column, _ context: ShardContext) throws(Diagnostic)
        -> Bool
    {
        let origin = batch.metadata.origins[row]
        guard try context.hasEventTime(times, row, origin: origin, object: object) else { return false }
        guard try context.isSound(batch, row, checked, object: object, detail: "input of OVER") else { return false }
        guard rows.count < limit else {
            try context.rejectExcess(origin: origin, object: object, limit: limit, of: "rows kept")
            return false
        }
        return true
    }

    /// The row's key, which has a timeline; nil after the row was rejected as one key too many.
    private func key(_ batch: ColumnBatch, _ row: Int, _ context: ShardContext) throws(Diagnostic) -> Int32? {
        let key = keys.intern(row: row)
        if Int(key) < timelines.count, timelines[Int(key)] != nil { return key }
        if keys.count > keyLimit {
            keys.drop(key)
            try context.rejectExcess(origin: batch.metadata.origins[row], object: object, limit: keyLimit, of: "keys")
            return nil
        }
        _ = begin(key)
        return key
    }

    /// A timeline for a key that has none.
    func begin(_ key: Int32) -> KeyTimeline {
        while timelines.count <= Int(key) { timelines.append(nil) }
        keys.retain(key)
        let timeline = KeyTimeline(states: frames.map { OverAggregates.Key($0.aggregates) })
        timelines[Int(key)] = timeline
        return timeline
    }

    func horizon(_ watermark: Int64) -> Int64 {
        guard let retention else { return .min }
        let (time, overflow) = watermark.subtractingReportingOverflow(retention)
        return overflow ? .min : time
    }

    /// - Parameter arena: nil: the row was answered before a restart, and is only taken in again.
    private func answer(_ slot: Int32, time: Int64, key: Int32, horizon: Int64, arena: BatchArena?) {
        guard let timeline = timelines[Int(key)] else { return }
        var isKept = keepsRows
        if time >= timeline.newestTime ?? .min {
            for index in frames.indices {
                frames[index].answerNewest(slot, time: time, timeline, horizon: horizon, arena: arena)
            }
            for lag in lags where arena != nil {
                append(lag, slot, time, at: timeline.end, floor: timeline.start, timeline, horizon)
            }
            if isKept { timeline.append(KeyTimeline.Entry(time: time, slot: slot)) }
        } else {
            let position = timeline.end(through: time)
            // Older rows may be there still, or not: they do not count.
            let floor = min(
                retention == nil ? timeline.end : timeline.first(from: horizon), timeline.end - kept)
            for index in frames.indices {
                frames[index].answerEarlier(
                    slot, time: time, at: position, floor: floor, timeline, horizon: horizon, arena: arena)
            }
            for lag in lags where arena != nil {
                append(lag, slot, time, at: position, floor: floor, timeline, horizon)
            }
            isKept = retention != nil && time >= horizon || timeline.end - position < kept
            if isKept {
                timeline.insert(KeyTimeline.Entry(time: time, slot: slot), at: position)
                for index in frames.indices {
                    frames[index].takeIn(slot, time: time, at: position, timeline, horizon: horizon)
                }
            }
        }
        if !isKept { rows.release(slot) }
        if timeline.count > keyRowLimit {
            hasDropped = true
            removeFirst(timeline)
        }
        trim(timeline, horizon)
        if !timeline.isAwaited { schedule(key, timeline) }
    }

    private func append(
        _ lag: Lag, _ slot: Int32, _ time: Int64, at position: Int, floor: Int, _ timeline: KeyTimeline,
        _ horizon: Int64
    ) {
        let place = position - lag.offset
        if lag.offset == 0 {
            rows.append(lag.argument, slot, to: lag.column, copyingInto: arena)
            return
        }
        if place >= max(floor, timeline.start) {
            let entry = timeline[place]
            if lag.spanMilliseconds.map({ entry.time >= horizon && time - entry.time <= $0 }) ?? true {
                rows.append(lag.argument, entry.slot, to: lag.column, copyingInto: arena)
                return
            }
        }
        if let otherwise = lag.otherwise {
            rows.append(otherwise, slot, to: lag.column, copyingInto: arena)
        } else {
            lag.column.appendNull()
        }
    }

    // MARK: - What leaves

    /// Rows that no frame can reach any more.
    func trim(_ timeline: KeyTimeline, _ horizon: Int64) {
        let oldest = retention == nil ? Int64.max : horizon
        while timeline.count > kept, timeline[timeline.start].time < oldest { removeFirst(timeline) }
    }

    private func removeFirst(_ timeline: KeyTimeline) {
        for index in frames.indices { frames[index].dropOldest(timeline) }
        rows.release(timeline.removeFirst().slot)
    }

    /// Once: rows are left out of a key's frames.
    private func warn(_ context: ShardContext) {
        guard !hasWarned else { return }
        hasWarned = true
        context.log(
            .warning, "a key has more rows in its frames than are kept; its oldest ones no longer count",
            ["object": object, "rows": String(keyRowLimit)])
    }

    /// Has the key looked at again when its oldest row has become too old; a key without rows is forgotten.
    func schedule(_ key: Int32, _ timeline: KeyTimeline) {
        guard retention != nil else { return }
        if timeline.isEmpty {
            if forgets { forget(key, timeline) }
            return
        }
        // The newest rows stay: there is nothing to wait for.
        if timeline.count <= kept { return }
        timeline.isAwaited = true
        let (due, overflow) = timeline[timeline.start].time.addingReportingOverflow(visitDelay)
        visits.push(time: overflow ? .max : due, slot: 0, key: key)
    }

    private func forget(_ key: Int32, _ timeline: KeyTimeline) {
        for (frame, state) in zip(frames, timeline.states) { frame.aggregates.discard(state) }
        timelines[Int(key)] = nil
        keys.release(key)
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        // The end of bounded input is not that of the histories: a later run goes on with them.
        if watermark == EventTime.end, log != nil {
            try emit(watermark: watermark, context: context)
            return
        }
        let horizon = horizon(watermark)
        while let due = visits.firstTime, due < horizon {
            let key = visits.pop().key
            guard let timeline = timelines[Int(key)] else { continue }
            timeline.isAwaited = false
            trim(timeline, horizon)
            schedule(key, timeline)
        }
        replay.expire(before: horizon)
        try emit(watermark: watermark, context: context)
    }

    // MARK: - Restart

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        if log == nil { replay.lower(&offsets, source: source) }
    }

    /// Takes rows of the log in again that `isWanted` by their key group.
    func takeAgain(_ batch: ColumnBatch, _ isWanted: (Int) -> Bool) {
        guard let timeColumn = plan.timeColumn else { return }
        keys.bind(plan.keys.map { batch.columns[$0] })
        readColumns.columns = read.map { batch.columns[$0] }
        for row in 0..<batch.count {
            watermark = max(watermark, batch.metadata.watermarks[row])
            let key = keys.intern(row: row)
            let group = keys.group(of: key)
            guard isWanted(group) else {
                keys.drop(key)
                continue
            }
            changed.insert(group)
            if Int(key) >= timelines.count || timelines[Int(key)] == nil { _ = begin(key) }
            answer(
                rows.insert(readColumns, row),
                time: EventTime.milliseconds(fromMicroseconds: batch.columns[timeColumn].ints[row]), key: key,
                horizon: horizon(batch.metadata.watermarks[row]), arena: nil)
        }
    }

    /// The columns that `takeAgain` reads.
    var loggedColumns: [Int] { Array(Set(read + plan.keys + (plan.timeColumn.map { [$0] } ?? []))).sorted() }
}
