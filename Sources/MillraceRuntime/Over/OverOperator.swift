public import MillraceCore

/// Aggregates OVER the rows before each row: the input's columns, then one column a call.
///
/// In event time a row waits until the watermark has passed it; rows leave in event-time order, rows of one time in order of
/// arrival, and carry the watermark before the one that let them go. In processing time a row leaves at once.
public final class OverOperator: Operator {
    private let plan: OverPlan
    private let limit: Int
    private let keyLimit: Int
    private let store = StateStore()
    private let keys: KeyTable
    private let buffer: EventTimeBuffer?
    private let rows: RowStore
    private let frames: [OverFrameState]
    private let checked: [Int]
    /// Columns whose bytes nothing reads once the row has left.
    private let trimmed: [Int]
    private var run: [EventTimeQueue.Entry] = []
    /// Of lateness by key; nil: a row is late behind the watermark.
    private var progress: OverProgress?

    private let inputColumns: [Column]
    private let resultColumns: [Column]
    private let output: ColumnBatch
    private let batchRows: Int
    /// Rows of `output`, and what their strings need while it is being passed on.
    private var outputSlots: [Int32] = []
    private let arena = BatchArena(chunkBytes: 1 << 14)

    public init(_ plan: OverPlan, input: Schema, object: String, limits: Limits) throws(Diagnostic) {
        self.plan = plan
        limit = limits.keptRows
        keyLimit = limits.windowGroups
        keys = KeyTable(types: plan.keys.map { input[$0].type }, store: store)
        let calls = plan.frames.flatMap(\.calls)
        let read = Set(calls.flatMap(\.columns))
        checked = Array(read.union(plan.keys)).sorted()
        if let timeColumn = plan.timeColumn {
            let buffer = EventTimeBuffer(
                input, timeColumn: timeColumn, retention: plan.retentionMilliseconds, checked: checked, store: store,
                limits: limits,
                object: object)
            self.buffer = buffer
            rows = buffer.rows
        } else {
            buffer = nil
            rows = RowStore(input, store: store)
        }
        if plan.judgesLatenessByKey, plan.timeColumn != nil, plan.isBounded { progress = OverProgress(plan.frames) }
        var frames: [OverFrameState] = []
        for frame in plan.frames {
            frames.append(
                try OverFrameState(
                    frame, rows: rows, keys: keys, store: store, input: input, isByKey: progress != nil))
        }
        self.frames = frames
        trimmed = rows.trimmable(except: read)
        inputColumns = input.fields.map { Column($0.type) }
        resultColumns = calls.map { Column($0.type) }
        output = ColumnBatch(columns: inputColumns + resultColumns)
        batchRows = max(1, limits.batchRows)
        super.init(object: object)
    }

    /// Rows that are kept now.
    public var keptRows: Int { rows.count }
    /// Bytes of keys, strings and sets that are kept now.
    public var stateBytes: Int { store.usedBytes }

    public override var emittedThrough: Int64 { buffer?.newest ?? EventTime.none }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        keys.bind(plan.keys.map { batch.columns[$0] })
        guard let buffer else {
            try processAtOnce(batch, context)
            return
        }
        for row in 0..<batch.count {
            guard progress != nil else {
                try buffer.add(batch, row, context) { () throws(Diagnostic) in try key(batch, row, context) }
                continue
            }
            // What leaves before this row decides whether it is late.
            let watermark = batch.metadata.watermarks[row]
            if watermark > buffer.watermark {
                try fire(upTo: watermark, buffer, context)
                // Late to what comes behind, if it was late here.
                try flush(buffer.watermark, context)
            }
            try buffer.add(batch, row, context, isStrict: false) { () throws(Diagnostic) in
                try timelyKey(batch, row, buffer, context)
            }
        }
        if progress != nil { try flush(buffer.watermark, context) }
    }

    /// The key of a row that comes before every row of its key that has not left; nil after it was rejected.
    private func timelyKey(
        _ batch: ColumnBatch, _ row: Int, _ buffer: EventTimeBuffer, _ context: ShardContext
    ) throws(Diagnostic) -> Int32? {
        let time = buffer.milliseconds(batch, row)
        let key = keys.intern(row: row)
        if keys.references(key) == 0 { progress?.forget(key) }
        if let last = progress?.last(key), time <= last {
            try buffer.rejectLate(batch, row, behind: last, context)
            return nil
        }
        guard let key = try self.key(batch, row, context) else { return nil }
        progress?.note(key, time)
        return key
    }

    /// Lets the rows go that `watermark` has passed, and cleans keys, in the order of their times.
    private func fire(upTo watermark: Int64, _ buffer: EventTimeBuffer, _ context: ShardContext) throws(Diagnostic) {
        while true {
            let next = min(watermark, buffer.queue.firstTime ?? .max)
            if let key = progress?.takeCleaned(upTo: next) {
                for frame in frames { frame.clean(key) }
                continue
            }
            guard buffer.take(upTo: watermark, into: &run) else { return }
            for entry in run { progress?.left(entry.key, run[0].time) }
            try leave(run, buffer, context)
        }
    }

    /// The row's key, retained; nil after it was rejected as one key too many.
    private func key(_ batch: ColumnBatch, _ row: Int, _ context: ShardContext) throws(Diagnostic) -> Int32? {
        let key = keys.intern(row: row)
        if keys.count > keyLimit, keys.references(key) == 0 {
            keys.drop(key)
            try context.rejectExcess(origin: batch.metadata.origins[row], object: object, limit: keyLimit, of: "keys")
            return nil
        }
        keys.retain(key)
        return key
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        if let buffer {
            if progress == nil {
                while buffer.take(upTo: watermark, into: &run) { try leave(run, buffer, context) }
            } else {
                try fire(upTo: watermark, buffer, context)
            }
            for frame in frames { frame.expire(at: watermark == EventTime.end ? watermark : watermark + 1) }
            try flush(progress == nil ? buffer.announced : buffer.watermark, context)
            buffer.passed(watermark)
        }
        try emit(watermark: watermark, context: context)
    }

    /// Rows of one time.
    private func leave(_ run: [EventTimeQueue.Entry], _ buffer: EventTimeBuffer, _ context: ShardContext)
        throws(Diagnostic)
    {
        let time = run[0].time
        let isEmitted = buffer.isEmitted(time)
        for frame in frames {
            frame.expire(at: time)
            guard frame.isRange else { continue }
            for entry in run { frame.add(entry.slot, key: entry.key, time: time, sequence: entry.sequence) }
        }
        for entry in run {
            for frame in frames where !frame.isRange {
                frame.add(entry.slot, key: entry.key, time: time, sequence: entry.sequence)
            }
            if isEmitted {
                rows.release(entry.slot)
            } else {
                appendResults(entry.slot, entry.key)
                outputSlots.append(entry.slot)
            }
            keys.release(entry.key)
            if outputSlots.count >= batchRows {
                try flush(progress == nil ? buffer.announced : buffer.watermark, context)
            }
        }
    }

    private func appendResults(_ slot: Int32, _ key: Int32) {
        var first = 0
        for frame in frames {
            frame.append(slot, key: key, to: resultColumns[first..<first + frame.calls.count], arena: arena)
            first += frame.calls.count
        }
    }

    /// Passes on what has left; strings of the rows are in the store until then.
    private func flush(_ watermark: Int64, _ context: ShardContext) throws(Diagnostic) {
        guard !outputSlots.isEmpty else { return }
        for (index, column) in inputColumns.enumerated() { rows.gather(index, outputSlots, into: column) }
        output.count = outputSlots.count
        output.metadata.reserve(output.count)
        // No record of the present batch stands behind these rows.
        output.metadata.origins.update(repeating: -1, count: output.count)
        output.metadata.watermarks.update(repeating: watermark, count: output.count)
        try emit(output, context: context)
        for slot in outputSlots {
            rows.trim(slot, trimmed)
            rows.release(slot)
        }
        outputSlots.removeAll(keepingCapacity: true)
        for column in resultColumns { column.clear() }
        arena.reset()
    }

    // MARK: - Processing time

    private func processAtOnce(_ batch: ColumnBatch, _ context: ShardContext) throws(Diagnostic) {
        let now = context.clock.wallMicroseconds() / 1000
        selected.clear()
        for row in 0..<batch.count {
            let origin = batch.metadata.origins[row]
            guard try context.isSound(batch, row, checked, object: object, detail: "input of OVER") else { continue }
            guard rows.count < limit else {
                try context.rejectExcess(origin: origin, object: object, limit: limit, of: "rows kept")
                continue
            }
            guard let key = try key(batch, row, context) else { continue }
            let slot = rows.insert(batch, row)
            for frame in frames {
                frame.expire(at: now)
                frame.add(slot, key: key, time: now, sequence: 0)
            }
            appendResults(slot, key)
            rows.trim(slot, trimmed)
            rows.release(slot)
            keys.release(key)
            selected.append(row)
        }
        let chosen = selected.apply(batch)
        passed.columns = chosen.columns + resultColumns
        passed.count = chosen.count
        passed.metadata = chosen.metadata
        try emit(passed, context: context)
        for column in resultColumns { column.clear() }
        arena.reset()
    }
    private let selected = RowSelection()
    private let passed = ColumnBatch(columns: [])

    // MARK: - Restart

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        buffer?.lowerReplayOffsets(&offsets, source: source)
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        buffer?.restore(emittedWatermark: emittedWatermark)
        super.restore(emittedWatermark: emittedWatermark, port: port)
    }
}
