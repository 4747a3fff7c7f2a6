public import MillraceCore

/// SESSION without aggregation: input columns, then window_start, window_end and window_time.
///
/// Rows of a session wait until the watermark has passed its end, for a later row may make it longer; they leave in order of
/// arrival. A row whose session has ended is late. No record is read again for it after a restart: its state is stored, or its
/// input is read once.
public final class SessionAssignOperator: Operator, SizedOperator {
    private struct Session {
        var start: Int64
        var end: Int64
        var slots: [Int32]
    }

    private let timeColumn: Int
    private let keyColumns: [Int]
    private let gap: Int64
    let limits: Limits
    private let limit: Int
    let input: Schema
    let store = StateStore()
    let keys: KeyTable
    let rows: RowStore
    /// By key; few at a time, for they end.
    private var sessions: [[Session]] = []
    private var firstEnd = Int64.max
    private var watermark = EventTime.none
    private let output: ColumnBatch
    private let inputColumns: Int

    public init(_ plan: SessionAssignPlan, input: Schema, object: String, limits: Limits) {
        timeColumn = plan.timeColumn
        keyColumns = plan.keys
        gap = plan.gapMilliseconds
        limit = limits.keptRows
        self.limits = limits
        self.input = input
        keys = KeyTable(types: plan.keys.map { input[$0].type }, store: store)
        rows = RowStore(input, store: store)
        inputColumns = input.count
        var time = DataType.timestamp(precision: 3)
        if case .timestampLTZ = input[plan.timeColumn].type { time = .timestampLTZ(precision: 3) }
        output = ColumnBatch(
            columns: input.fields.map { Column($0.type) } + [
                Column(.timestamp(precision: 3)), Column(.timestamp(precision: 3)), Column(time),
            ])
        super.init(object: object)
    }

    /// Rows that wait for the end of their session.
    package var stateSize: StateSize {
        StateSize(rows: rows.count, keys: keys.count, bytes: store.usedBytes + keys.tableBytes + rows.slotBytes)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let time = batch.columns[timeColumn]
        keys.bind(keyColumns.map { batch.columns[$0] })
        for row in 0..<batch.count {
            let before = batch.metadata.watermarks[row]
            if before > watermark { try pass(before, context) }
            let origin = batch.metadata.origins[row]
            if rows.held != nil, context.isReplayed(origin: origin) { continue }
            guard try context.hasEventTime(time, row, origin: origin, object: object) else { continue }
            guard try context.isSound(batch, row, keyColumns, object: object, detail: "key of SESSION") else {
                continue
            }
            guard rows.count < limit || isMuted else {
                try context.rejectExcess(origin: origin, object: object, limit: limit, of: "rows kept")
                continue
            }
            try add(batch, row, EventTime.milliseconds(fromMicroseconds: time.ints[row]), context)
        }
    }

    private func add(_ batch: ColumnBatch, _ row: Int, _ time: Int64, _ context: ShardContext) throws(Diagnostic) {
        let key = keys.intern(row: row)
        while sessions.count <= Int(key) { sessions.append([]) }
        var joined = Session(start: time, end: time &+ gap, slots: [])
        let touching = sessions[Int(key)].indices.filter {
            sessions[Int(key)][$0].start <= time &+ gap && sessions[Int(key)][$0].end >= time
        }
        for index in touching {
            joined.start = min(joined.start, sessions[Int(key)][index].start)
            joined.end = max(joined.end, sessions[Int(key)][index].end)
        }
        guard joined.end - 1 > watermark else {
            keys.drop(key)
            try context.reject(
                origin: batch.metadata.origins[row], .lateRow, object: object,
                detail: LateRow.detail(start: joined.start, end: joined.end, watermark: watermark))
            return
        }
        for index in touching { joined.slots += sessions[Int(key)][index].slots }
        for index in touching.reversed() { sessions[Int(key)].remove(at: index) }
        keys.retain(key)
        let slot = rows.insert(batch, row)
        rows.held?.add(slot, batch, row)
        joined.slots.append(slot)
        sessions[Int(key)].append(joined)
        firstEnd = min(firstEnd, joined.end)
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        if watermark > self.watermark { try pass(watermark, context) }
        rows.held?.advance(to: watermark)
        try emit(watermark: watermark, context: context)
    }

    private func pass(_ next: Int64, _ context: ShardContext) throws(Diagnostic) {
        defer { watermark = next }
        guard firstEnd != .max, firstEnd - 1 <= next else { return }
        var ended: [(key: Int32, session: Session)] = []
        firstEnd = .max
        for key in sessions.indices where !sessions[key].isEmpty {
            for session in sessions[key] {
                if session.end - 1 <= next {
                    ended.append((Int32(key), session))
                } else {
                    firstEnd = min(firstEnd, session.end)
                }
            }
            sessions[key].removeAll { $0.end - 1 <= next }
        }
        ended.sort { ($0.session.end, $0.key) < ($1.session.end, $1.key) }
        for (key, session) in ended { try leave(session, key, context) }
    }

    private func leave(_ session: Session, _ key: Int32, _ context: ShardContext) throws(Diagnostic) {
        for column in 0..<inputColumns { rows.gather(column, session.slots, into: output.columns[column]) }
        let bounds = [session.start, session.end, session.end - 1]
        for (offset, bound) in bounds.enumerated() {
            let column = output.columns[inputColumns + offset]
            column.clear()
            for _ in session.slots { column.append(int: bound &* 1000) }
        }
        output.count = session.slots.count
        output.metadata.reserve(output.count)
        output.metadata.origins.update(repeating: -1, count: output.count)
        output.metadata.watermarks.update(repeating: watermark, count: output.count)
        try emit(output, context: context)
        for slot in session.slots {
            rows.release(slot)
            keys.release(key)
        }
    }
}
