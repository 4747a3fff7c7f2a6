import MillraceCore

/// Rows of an input that wait until the watermark has passed them: OVER and ORDER BY take them out in event-time order.
///
/// A row at or behind the watermark before it is late and rejected, unless a restart reads it again: then its result was
/// written before, and it only rebuilds state. Rows beyond the limit are rejected.
final class EventTimeBuffer {
    let rows: RowStore
    private(set) var queue = EventTimeQueue()
    private(set) var watermark = EventTime.none
    /// The watermark that operators behind know: what leaves is not late to them.
    private(set) var announced = EventTime.none
    /// Results up to this time were written before a restart.
    private(set) var emittedWatermark = EventTime.none
    /// The time of the newest row that left.
    private(set) var newest = EventTime.none
    private var replay: ReplayBuckets
    private let retention: Int64
    private let timeColumn: Int
    private let checked: [Int]
    private let limit: Int
    private let object: String

    /// - Parameters:
    ///   - retention: milliseconds that rows are needed after they have left; nil: for ever, a restart cannot rebuild them.
    ///   - checked: columns whose error cells reject a row.
    ///   - rows: where rows are kept, perhaps with those of other buffers; the limit is on all of them.
    init(
        _ rows: RowStore, timeColumn: Int, retention: Int64?, checked: [Int], limits: Limits, object: String
    ) {
        self.rows = rows
        self.timeColumn = timeColumn
        self.retention = retention ?? 0
        replay = ReplayBuckets(retention: retention ?? 0)
        self.checked = checked
        limit = limits.keptRows
        self.object = object
    }

    /// Takes a row, unless it is late, wrong or one too many. `key` numbers it when nothing else speaks against it; nil: it
    /// has rejected the row.
    ///
    /// - Parameters:
    ///   - isStrict: a row behind the watermark is late; else `key` decides.
    ///   - before: the watermark before the row; nil: the source's.
    func add(
        _ batch: ColumnBatch, _ row: Int, _ context: ShardContext, isStrict: Bool = true,
        watermark before: Int64? = nil, key: () throws(Diagnostic) -> Int32?
    ) throws(Diagnostic) {
        let origin = batch.metadata.origins[row]
        if rows.held != nil, context.isReplayed(origin: origin) { return }
        watermark = max(watermark, before ?? batch.metadata.watermarks[row])
        let time = batch.columns[timeColumn]
        guard try context.hasEventTime(time, row, origin: origin, object: object) else { return }
        guard try context.isSound(batch, row, checked, object: object, detail: "input of OVER") else { return }
        let milliseconds = EventTime.milliseconds(fromMicroseconds: time.ints[row])
        let passed = max(watermark, emittedWatermark)
        if isStrict, milliseconds <= passed, !context.isReplayed(origin: origin) {
            try context.reject(
                origin: origin, .lateRow, object: object, detail: LateRow.detail(time: milliseconds, watermark: passed))
            return
        }
        guard rows.count < limit || rows.held?.isRestoring == true else {
            try context.rejectExcess(origin: origin, object: object, limit: limit, of: "rows kept")
            return
        }
        guard let key = try key() else { return }
        let slot = rows.insert(batch, row)
        if let held = rows.held {
            held.add(slot, batch, row)
        } else {
            replay.note(milliseconds, origin: origin, context)
        }
        queue.push(time: milliseconds, slot: slot, key: key)
    }

    /// Takes out the rows of the oldest time that `watermark` has passed, in order of arrival; false when there are none.
    func take(upTo watermark: Int64, into run: inout [EventTimeQueue.Entry]) -> Bool {
        run.removeAll(keepingCapacity: true)
        guard let time = queue.firstTime, time <= watermark else { return false }
        while queue.firstTime == time { run.append(queue.pop()) }
        newest = max(newest, time)
        return true
    }

    /// Says that a row came behind one that has left.
    func rejectLate(_ batch: ColumnBatch, _ row: Int, behind passed: Int64, _ context: ShardContext) throws(Diagnostic)
    {
        try context.reject(
            origin: batch.metadata.origins[row], .lateRow, object: object,
            detail: LateRow.detail(time: milliseconds(batch, row), watermark: passed))
    }

    /// The event time of a row that has one.
    func milliseconds(_ batch: ColumnBatch, _ row: Int) -> Int64 {
        EventTime.milliseconds(fromMicroseconds: batch.columns[timeColumn].ints[row])
    }

    /// After the rows up to `watermark` have been taken.
    func passed(_ watermark: Int64) {
        self.watermark = max(self.watermark, watermark)
        announced = self.watermark
        forget(before: watermark)
    }

    /// Some row waits that `watermark` has passed.
    func isDue(_ watermark: Int64) -> Bool { queue.firstTime.map { $0 <= watermark } ?? false }

    /// A restart needs no rows that `watermark` has passed by more than the retention.
    func forget(before watermark: Int64) {
        let (start, overflow) = watermark.subtractingReportingOverflow(retention)
        replay.expire(before: overflow ? EventTime.none : start)
    }

    /// Results of this time were written before a restart.
    func isEmitted(_ time: Int64) -> Bool { time <= emittedWatermark }

    func restore(emittedWatermark: Int64) { self.emittedWatermark = max(self.emittedWatermark, emittedWatermark) }
    func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) { replay.lower(&offsets, source: source) }
}
