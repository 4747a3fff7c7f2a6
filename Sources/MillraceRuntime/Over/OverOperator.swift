public import MillraceCore

/// Aggregates OVER the rows before each row: the input's columns, then one column a call.
///
/// In event time a row waits until the watermark has passed it; rows leave in event-time order, rows of one time in order of
/// arrival, and carry the watermark before the one that let them go. In processing time a row leaves at once.
///
/// Where all rows of a key come from one partition (`OverPlan.isPartitionLocal`) each partition has a time of its own: the
/// watermark of its rows, or that of the source where that is ahead. Its rows leave, are late, and are forgotten by it, so
/// nobody waits for a slow partition. To the operators behind no such row is late: their time is the source's, which is
/// never ahead of what a row was judged by, and they hear of it after the rows that it lets go.
public final class OverOperator: Operator, SizedOperator {
    private let plan: OverPlan
    private let limit: Int
    private let keyLimit: Int
    private let store = StateStore()
    private let rows: RowStore
    private let checked: [Int]
    private let input: Schema
    private let limits: Limits
    /// One; or by partition, those that have had rows.
    private var parts: [OverPart] = []
    /// The watermark that operators behind know.
    private var announced = EventTime.none
    /// Where each partition has its own time: up to where results were written before a restart.
    private var restored: [Int64] = []
    private var emittedWatermark = EventTime.none
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
        self.input = input
        self.limits = limits
        let calls = plan.frames.flatMap(\.calls)
        let read = Set(calls.flatMap(\.columns))
        checked = Array(read.union(plan.keys)).sorted()
        rows = RowStore(input, store: store)
        if plan.judgesLatenessByKey, plan.timeColumn != nil, plan.isBounded { progress = OverProgress(plan.frames) }
        trimmed = rows.trimmable(except: read)
        inputColumns = input.fields.map { Column($0.type) }
        resultColumns = calls.map { Column($0.type) }
        output = ColumnBatch(columns: inputColumns + resultColumns)
        batchRows = max(1, limits.batchRows)
        super.init(object: object)
        parts = [try makePart()]
    }

    private func makePart() throws(Diagnostic) -> OverPart {
        let keys = KeyTable(types: plan.keys.map { input[$0].type }, store: store)
        let buffer = plan.timeColumn.map {
            EventTimeBuffer(
                rows, timeColumn: $0, retention: plan.retentionMilliseconds, checked: checked, limits: limits,
                object: object)
        }
        var frames: [OverFrameState] = []
        for frame in plan.frames {
            frames.append(
                try OverFrameState(
                    frame, rows: rows, keys: keys, store: store, input: input, isByKey: progress != nil))
        }
        return OverPart(keys: keys, buffer: buffer, frames: frames)
    }

    /// The part of a partition, with what is known of its past.
    private func part(_ partition: Int) throws(Diagnostic) -> OverPart {
        while parts.count <= partition {
            let part = try makePart()
            part.buffer?.restore(emittedWatermark: max(emittedWatermark, restored(parts.count)))
            part.buffer?.passed(announced)
            parts.append(part)
        }
        return parts[partition]
    }

    private func restored(_ partition: Int) -> Int64 {
        partition < restored.count ? restored[partition] : EventTime.none
    }

    /// Rows that are kept now.
    public var keptRows: Int { rows.count }
    /// Bytes of keys, strings and sets that are kept now.
    public var stateBytes: Int { store.usedBytes }
    /// Rows that wait or that frames hold.
    package var stateSize: StateSize {
        let keys = parts.reduce(0) { $0 + $1.keys.count }
        let bytes = parts.reduce(store.usedBytes + rows.slotBytes) { $0 + $1.keys.tableBytes }
        return StateSize(
            rows: rows.count, keys: keys, bytes: bytes + keys * (parts[0].frames.reduce(0) { $0 + $1.keyBytes }))
    }

    public override var emittedThrough: Int64 {
        parts.reduce(EventTime.none) { max($0, $1.buffer?.newest ?? EventTime.none) }
    }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        guard plan.timeColumn != nil else {
            try processAtOnce(batch, context)
            return
        }
        if plan.isPartitionLocal {
            try processByPartition(batch, context)
            return
        }
        let part = parts[0]
        guard let buffer = part.buffer else { return }
        part.keys.bind(plan.keys.map { batch.columns[$0] })
        for row in 0..<batch.count {
            guard progress != nil else {
                try buffer.add(batch, row, context) { () throws(Diagnostic) in try key(batch, row, part, context) }
                continue
            }
            // What leaves before this row decides whether it is late.
            let watermark = batch.metadata.watermarks[row]
            if watermark > buffer.watermark {
                try fire(upTo: watermark, part, buffer, context)
                // Late to what comes behind, if it was late here.
                try flush(buffer.watermark, context)
            }
            try buffer.add(batch, row, context, isStrict: false) { () throws(Diagnostic) in
                try timelyKey(batch, row, part, buffer, context)
            }
        }
        if progress != nil { try flush(buffer.watermark, context) }
    }

    /// The key of a row that comes before every row of its key that has not left; nil after it was rejected.
    private func timelyKey(
        _ batch: ColumnBatch, _ row: Int, _ part: OverPart, _ buffer: EventTimeBuffer, _ context: ShardContext
    ) throws(Diagnostic) -> Int32? {
        let time = buffer.milliseconds(batch, row)
        let key = part.keys.intern(row: row)
        if part.keys.references(key) == 0 { progress?.forget(key) }
        if let last = progress?.last(key), time <= last {
            try buffer.rejectLate(batch, row, behind: last, context)
            return nil
        }
        guard let key = try self.key(batch, row, part, context) else { return nil }
        progress?.note(key, time)
        return key
    }

    /// Lets the rows go that `watermark` has passed, and cleans keys, in the order of their times.
    private func fire(
        upTo watermark: Int64, _ part: OverPart, _ buffer: EventTimeBuffer, _ context: ShardContext
    ) throws(Diagnostic) {
        while true {
            let next = min(watermark, buffer.queue.firstTime ?? .max)
            if let key = progress?.takeCleaned(upTo: next) {
                for frame in part.frames { frame.clean(key) }
                continue
            }
            guard buffer.take(upTo: watermark, into: &run) else { return }
            for entry in run { progress?.left(entry.key, run[0].time) }
            try leave(run, part, buffer, context)
        }
    }

    /// The row's key, retained; nil after it was rejected as one key too many.
    private func key(
        _ batch: ColumnBatch, _ row: Int, _ part: OverPart, _ context: ShardContext
    ) throws(Diagnostic) -> Int32? {
        let key = part.keys.intern(row: row)
        if part.keys.references(key) == 0, parts.reduce(0, { $0 + $1.keys.count }) > keyLimit {
            part.keys.drop(key)
            try context.rejectExcess(origin: batch.metadata.origins[row], object: object, limit: keyLimit, of: "keys")
            return nil
        }
        part.keys.retain(key)
        return key
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        for part in parts {
            guard let buffer = part.buffer else { continue }
            if progress == nil {
                try leave(upTo: watermark, part, buffer, context)
            } else {
                try fire(upTo: watermark, part, buffer, context)
                for frame in part.frames { frame.expire(at: watermark == EventTime.end ? watermark : watermark + 1) }
            }
            try flush(progress == nil ? announced : buffer.watermark, context)
            buffer.passed(watermark)
        }
        announced = max(announced, watermark)
        try emit(watermark: watermark, context: context)
    }

    private func leave(upTo watermark: Int64, _ part: OverPart, _ buffer: EventTimeBuffer, _ context: ShardContext)
        throws(Diagnostic)
    {
        while buffer.take(upTo: watermark, into: &run) { try leave(run, part, buffer, context) }
        for frame in part.frames { frame.expire(at: watermark == EventTime.end ? watermark : watermark + 1) }
    }

    // MARK: - Partitions with a time of their own

    override var wantsPartitionTimes: Bool { plan.isPartitionLocal || super.wantsPartitionTimes }

    private func processByPartition(_ batch: ColumnBatch, _ context: ShardContext) throws(Diagnostic) {
        var bound = -1
        let columns = plan.keys.map { batch.columns[$0] }
        for row in 0..<batch.count {
            let origin = batch.metadata.origins[row]
            let partition = context.partition(origin: origin)
            let part = try part(partition)
            if bound != partition {
                part.keys.bind(columns)
                bound = partition
            }
            try part.buffer?.add(
                batch, row, context,
                watermark: batch.metadata.partitionWatermarks?[row] ?? batch.metadata.watermarks[row]
            ) { () throws(Diagnostic) in try key(batch, row, part, context) }
        }
    }

    override func advance(partitionsTo watermarks: [Int64], context: ShardContext) throws(Diagnostic) {
        guard plan.isPartitionLocal else {
            try super.advance(partitionsTo: watermarks, context: context)
            return
        }
        for (partition, watermark) in watermarks.enumerated() where partition < parts.count && watermark > announced {
            guard let buffer = parts[partition].buffer, watermark > buffer.watermark || buffer.isDue(watermark) else {
                continue
            }
            try leave(upTo: watermark, parts[partition], buffer, context)
            try flush(announced, context)
            buffer.forget(before: watermark)
        }
    }

    /// Rows of one time.
    private func leave(
        _ run: [EventTimeQueue.Entry], _ part: OverPart, _ buffer: EventTimeBuffer, _ context: ShardContext
    )
        throws(Diagnostic)
    {
        let time = run[0].time
        let isEmitted = buffer.isEmitted(time)
        for frame in part.frames {
            frame.expire(at: time)
            guard frame.isRange else { continue }
            for entry in run { frame.add(entry.slot, key: entry.key, time: time, sequence: entry.sequence) }
        }
        for entry in run {
            for frame in part.frames where !frame.isRange {
                frame.add(entry.slot, key: entry.key, time: time, sequence: entry.sequence)
            }
            if isEmitted {
                rows.release(entry.slot)
            } else {
                appendResults(entry.slot, entry.key, part)
                outputSlots.append(entry.slot)
            }
            part.keys.release(entry.key)
            if outputSlots.count >= batchRows {
                try flush(progress == nil ? announced : buffer.watermark, context)
            }
        }
    }

    private func appendResults(_ slot: Int32, _ key: Int32, _ part: OverPart) {
        var first = 0
        for frame in part.frames {
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
        let part = parts[0]
        part.keys.bind(plan.keys.map { batch.columns[$0] })
        let now = context.clock.wallMicroseconds() / 1000
        selected.clear()
        for row in 0..<batch.count {
            let origin = batch.metadata.origins[row]
            guard try context.isSound(batch, row, checked, object: object, detail: "input of OVER") else { continue }
            guard rows.count < limit else {
                try context.rejectExcess(origin: origin, object: object, limit: limit, of: "rows kept")
                continue
            }
            guard let key = try key(batch, row, part, context) else { continue }
            let slot = rows.insert(batch, row)
            for frame in part.frames {
                frame.expire(at: now)
                frame.add(slot, key: key, time: now, sequence: 0)
            }
            appendResults(slot, key, part)
            rows.trim(slot, trimmed)
            rows.release(slot)
            part.keys.release(key)
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
        for part in parts { part.buffer?.lowerReplayOffsets(&offsets, source: source) }
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        self.emittedWatermark = max(self.emittedWatermark, emittedWatermark)
        for part in parts { part.buffer?.restore(emittedWatermark: emittedWatermark) }
        super.restore(emittedWatermark: emittedWatermark, port: port)
    }

    override func restore(partitionWatermarks: [Int64]) {
        if plan.isPartitionLocal {
            restored = partitionWatermarks
            for (partition, part) in parts.enumerated() {
                part.buffer?.restore(emittedWatermark: restored(partition))
            }
        }
        super.restore(partitionWatermarks: partitionWatermarks)
    }
}
