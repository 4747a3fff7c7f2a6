public import MillraceCore

/// Joins each left row with the version of its key's right row that was valid at the left row's time
/// (`FOR SYSTEM_TIME AS OF o.rowtime`).
///
/// A left row waits until the combined watermark has reached its time. Of the versions that the watermark has passed only
/// the newest of each key is kept. A left row behind the watermark meets what is kept, with the next watermark.
public final class TemporalJoinOperator: Operator, SizedOperator {
    private let plan: StreamJoinPlan
    let limits: Limits
    private let times: (left: Int, right: Int)
    let keys: JoinKeys
    let store = JoinRowStore()
    let schemas: (left: Schema, right: Schema)
    /// What has changed, for stored state; nil: not asked for.
    var changes: JoinChanges?
    var waitingGroups: KeyGroups?
    private let pairs: JoinPairs
    private let alone: JoinPairs
    var waiting: [JoinRow] = []
    private var freeNumbers: [Int32] = []
    var waitingByTime = EventTimeQueue()
    /// By key: versions by ascending time.
    var versions: [[JoinRow]] = []
    /// Keys by the times of their versions.
    private var keysByTime = EventTimeQueue()
    var time = JoinTime()
    private var emittedWatermark = EventTime.none
    private var due: [JoinRow] = []

    /// - Throws: `.bug` for another form or kind, `.user` for a condition it cannot evaluate.
    public init(_ plan: StreamJoinPlan, left: Schema, right: Schema, object: String, limits: Limits)
        throws(Diagnostic)
    {
        guard case .temporal(let leftTime, let rightTime) = plan.form, plan.kind == .inner || plan.kind == .left else {
            throw Diagnostic("temporal join without time columns or of kind \(plan.kind.rawValue)", fault: .bug)
        }
        self.plan = plan
        self.limits = limits
        times = (leftTime, rightTime)
        keys = JoinKeys(plan.leftKeys.map { left[$0].type })
        schemas = (left, right)
        pairs = try JoinPairs(plan, left: left, right: right, object: object, limits: limits)
        alone = try JoinPairs(plan.unconditional, left: left, right: right, object: object, limits: limits)
        super.init(object: object)
    }

    /// Waiting rows and versions that are kept now.
    public var rowCount: Int { store.rows }

    /// Rows of both sides.
    package var stateSize: StateSize {
        StateSize(rows: store.rows, keys: keys.count, bytes: store.keptBytes + keys.usedBytes)
    }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        try take(batch, port, context) { _ in true }
    }

    /// The rows of the key groups that `isWanted` names.
    func take(
        _ batch: ColumnBatch, _ port: Int, _ context: ShardContext, isWanted: (_ group: Int) -> Bool
    ) throws(Diagnostic) {
        let rowtime = batch.columns[port == 0 ? times.left : times.right]
        keys.bind((port == 0 ? plan.leftKeys : plan.rightKeys).map { batch.columns[$0] })
        for row in 0..<batch.count {
            let before = batch.metadata.watermarks[row]
            // The log knows what both inputs had come to.
            let watermark = isMuted ? before : time.next(before, port: port)
            if watermark > time.combined {
                try fire(upTo: watermark, context)
                time.advance(to: watermark)
            }
            let origin = batch.metadata.origins[row]
            if changes != nil, context.isReplayed(origin: origin) { continue }
            guard
                try context.hasEventTime(
                    rowtime, row, origin: origin, object: object, detail: "event-time column of the join")
            else { continue }
            let rowTime = EventTime.milliseconds(fromMicroseconds: rowtime.ints[row])
            // Joined before the restart.
            if port == 0, rowTime <= emittedWatermark, context.isReplayed(origin: origin) { continue }
            let key = keys.number(row)
            if key < 0, port == 1 || plan.kind == .inner { continue }
            guard store.rows < limits.joinRows || isMuted else {
                keys.drop(key)
                try context.rejectFullJoin(origin: origin, object: object, limit: limits.joinRows)
                continue
            }
            var place: Int64 = 0
            if let next = changes?.place {
                place = next
                changes?.place = next + 1
                if !isMuted { changes?.rows.side(port).append(batch, row, at: time.combined) }
                guard isWanted(port == 0 ? JoinChanges.group(place) : keys.group(of: key)) else {
                    keys.drop(key)
                    continue
                }
            }
            keys.retain(key)
            var made = store.make(batch, row, time: rowTime, key: key, context)
            if changes != nil { made.offset = place }
            if port == 0 { wait(made) } else { add(made) }
        }
    }

    func wait(_ row: JoinRow) {
        let number: Int32
        if let free = freeNumbers.popLast() {
            number = free
            waiting[Int(free)] = row
        } else {
            number = Int32(waiting.count)
            waiting.append(row)
        }
        guard changes != nil else {
            waitingByTime.push(time: row.time, slot: number, key: row.key)
            return
        }
        waitingByTime.push(EventTimeQueue.Entry(time: row.time, sequence: row.offset, slot: number, key: row.key))
        waitingGroups?.add(number, hash: UInt64(row.offset >> 8))
        changes?.groups.insert(JoinChanges.group(row.offset))
    }

    /// A version of the same time takes the older one's place.
    func add(_ row: JoinRow) {
        let key = Int(row.key)
        changes?.groups.insert(keys.group(of: row.key))
        while key >= versions.count { versions.append([]) }
        var index = versions[key].count
        while index > 0, versions[key][index - 1].time > row.time { index -= 1 }
        if index > 0, versions[key][index - 1].time == row.time {
            forget(versions[key][index - 1])
            versions[key][index - 1] = row
            return
        }
        versions[key].insert(row, at: index)
        keysByTime.push(time: row.time, slot: 0, key: row.key)
    }

    private func forget(_ row: JoinRow) {
        store.free(row)
        keys.release(row.key)
    }

    // MARK: - Time

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        let next = time.next(watermark, port: port)
        if next > time.combined {
            try fire(upTo: next, context)
            time.advance(to: next)
        }
        guard next > EventTime.none else { return }
        try emit(watermark: next, context: context)
    }

    func fire(upTo watermark: Int64, _ context: ShardContext) throws(Diagnostic) {
        while let number = waitingByTime.pop(upTo: watermark)?.slot {
            let row = waiting[Int(number)]
            due.append(row)
            freeNumbers.append(number)
            guard changes != nil else { continue }
            waitingGroups?.remove(number, hash: UInt64(row.offset >> 8))
            changes?.groups.insert(JoinChanges.group(row.offset))
        }
        for number in due.indices {
            let row = due[number]
            if let version = version(row) {
                pairs.append(
                    row, version, numbers: (Int32(number), 0), origin: -1, watermark: time.combined)
                if pairs.isFull { try settle(context) }
            }
        }
        try settle(context)
        if plan.kind == .left {
            for row in due where !row.isMatched {
                alone.append(row, nil, origin: -1, watermark: time.combined)
                guard alone.isFull else { continue }
                try emit(alone.output(), context: context)
                alone.clear()
            }
            try emit(alone.output(), context: context)
            alone.clear()
        }
        for row in due { forget(row) }
        due.removeAll(keepingCapacity: true)
        while let key = keysByTime.pop(upTo: watermark)?.key { removePassed(Int(key), watermark) }
    }

    private func version(_ row: JoinRow) -> JoinRow? {
        guard row.key >= 0, Int(row.key) < versions.count else { return nil }
        return versions[Int(row.key)].last { $0.time <= row.time }
    }

    private func settle(_ context: ShardContext) throws(Diagnostic) {
        guard pairs.count > 0 else { return }
        let chosen = try pairs.check(context)
        for pair in chosen { due[Int(pairs.left[Int(pair)])].isMatched = true }
        try emit(pairs.output(chosen), context: context)
        pairs.clear()
    }

    /// Versions before the newest one that `watermark` has passed.
    private func removePassed(_ key: Int, _ watermark: Int64) {
        guard let newest = versions[key].lastIndex(where: { $0.time <= watermark }), newest > 0 else { return }
        changes?.groups.insert(keys.group(of: Int32(key)))
        for row in versions[key][..<newest] { forget(row) }
        versions[key].removeFirst(newest)
    }

    // MARK: - Restart

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        if changes == nil { store.lower(&offsets, source: source) }
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        self.emittedWatermark = time.restore(emittedWatermark, port: port)
        super.restore(emittedWatermark: self.emittedWatermark, port: 0)
    }
}
