public import MillraceCore

/// Regular and interval joins: each row meets the kept rows of the other side at once, then is kept itself.
///
/// An interval join forgets a row when the combined watermark is past every partner that is not late, and puts it out alone
/// then if its side asks for it; a row that comes after that is joined with what is there and not kept. As Flink's
/// `TimeIntervalJoin` without a clean-up interval. A regular join keeps all rows.
///
/// After a restart, rows that had been applied rebuild the state: a pair of two of them is marked as replayed, a pair with
/// a new row is not, in whatever order they are read again. Where state is stored none is read again.
///
/// With a time to live (regular joins) a row is forgotten so long after it came; of a semi join the left row after it last found
/// a partner.
public final class StreamJoinOperator: Operator, SizedOperator {
    final class Side {
        /// Kept rows by number; a free number has no bytes in use.
        var rows: [JoinRow] = []
        var free: [Int32] = []
        /// By time of expiry.
        var expiry = EventTimeQueue()
        let keys: [Int]
        /// Event-time column, -1 without.
        let timeColumn: Int
        let isKeptAlone: Bool
        /// A row's last partner is at most this much later, milliseconds.
        let reach: Int64
        /// Of rows by number.
        var ttl: StateTTL?

        init(keys: [Int], timeColumn: Int, isKeptAlone: Bool, reach: Int64, ttl: Int64?) {
            self.ttl = StateTTL(milliseconds: ttl)
            self.keys = keys
            self.timeColumn = timeColumn
            self.isKeptAlone = isKeptAlone
            self.reach = reach
        }

        func insert(_ row: JoinRow) -> Int32 {
            if let number = free.popLast() {
                rows[Int(number)] = row
                return number
            }
            rows.append(row)
            return Int32(rows.count - 1)
        }
    }
    struct Bucket {
        var left: [Int32] = []
        var right: [Int32] = []
        var isEmpty: Bool { left.isEmpty && right.isEmpty }
    }

    private let plan: StreamJoinPlan
    let limits: Limits
    let isInterval: Bool
    private let lower: Int64
    private let upper: Int64
    /// How far event time behind the join stays back: a row may leave that much after its own time.
    private let delay: Int64
    let keys: JoinKeys
    let store = JoinRowStore()
    let schemas: (left: Schema, right: Schema)
    private let pairs: JoinPairs
    private let alone: JoinPairs
    let left: Side
    let right: Side
    var buckets: [Bucket] = []
    /// Rows that wait to leave alone although NULL is in their key.
    var unkeyed = Bucket()
    var time = JoinTime()
    /// What has changed, for stored state; nil: not asked for.
    var changes: JoinChanges?
    private var emittedWatermark = EventTime.none
    /// Rows that are not kept, until the pairs with them have left.
    private var passing: [(port: Int, number: Int32)] = []

    /// - Throws: `.bug` for a form or kind this operator is not made for, `.user` for a condition it cannot evaluate.
    public init(_ plan: StreamJoinPlan, left: Schema, right: Schema, object: String, limits: Limits)
        throws(Diagnostic)
    {
        self.plan = plan
        self.limits = limits
        var times = (left: -1, right: -1)
        switch plan.form {
        case .interval(let leftTime, let rightTime, let lower, let upper):
            guard plan.kind.hasRightColumns else {
                throw Diagnostic("interval join of kind \(plan.kind.rawValue)", fault: .bug)
            }
            (isInterval, self.lower, self.upper) = (true, lower, upper)
            times = (leftTime, rightTime)
        default:
            guard plan.kind == .inner || plan.kind == .semi else {
                throw Diagnostic("regular join of kind \(plan.kind.rawValue)", fault: .bug)
            }
            (isInterval, lower, upper) = (false, 0, 0)
        }
        delay = isInterval ? max(-lower, upper, 0) : 0
        keys = JoinKeys(plan.leftKeys.map { left[$0].type })
        pairs = try JoinPairs(plan, left: left, right: right, object: object, limits: limits)
        alone = try JoinPairs(plan.unconditional, left: left, right: right, object: object, limits: limits)
        let ttl = isInterval ? nil : plan.stateTTLMilliseconds
        self.left = Side(
            keys: plan.leftKeys, timeColumn: times.left, isKeptAlone: plan.kind.keepsLeft, reach: -lower, ttl: ttl)
        self.right = Side(
            keys: plan.rightKeys, timeColumn: times.right, isKeptAlone: plan.kind.keepsRight, reach: upper, ttl: ttl)
        schemas = (left, right)
        super.init(object: object)
    }

    /// Rows of both sides that are kept now.
    public var rowCount: Int { store.rows }

    /// Rows of both sides.
    package var stateSize: StateSize {
        StateSize(
            rows: store.rows, keys: keys.count,
            bytes: store.keptBytes + keys.usedBytes + (left.ttl?.bytes ?? 0) + (right.ttl?.bytes ?? 0))
    }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        if left.ttl != nil {
            left.ttl?.look(at: context.clock)
            right.ttl?.look(at: context.clock)
            forgetOld()
        }
        try take(batch, port, context) { _ in true }
    }

    /// The rows of the key groups that `isWanted` names.
    func take(
        _ batch: ColumnBatch, _ port: Int, _ context: ShardContext, isWanted: (_ group: Int) -> Bool
    ) throws(Diagnostic) {
        let side = port == 0 ? left : right
        keys.bind(side.keys.map { batch.columns[$0] })
        for row in 0..<batch.count {
            let moment = batch.metadata.watermarks[row]
            // The log knows what both inputs had come to.
            let watermark = isMuted ? (isInterval ? moment : time.combined) : time.next(moment, port: port)
            if watermark > time.combined {
                try expire(to: watermark, context)
                time.advance(to: watermark)
            }
            if changes != nil, context.isReplayed(origin: batch.metadata.origins[row]) { continue }
            var rowTime = EventTime.none
            if isInterval {
                let column = batch.columns[side.timeColumn]
                guard
                    try context.hasEventTime(
                        column, row, origin: batch.metadata.origins[row], object: object,
                        detail: "event-time column of the join")
                else { continue }
                rowTime = EventTime.milliseconds(fromMicroseconds: column.ints[row])
            }
            let key = keys.number(row)
            if key < 0, !side.isKeptAlone { continue }
            guard store.rows < limits.joinRows || isMuted else {
                keys.drop(key)
                try context.rejectFullJoin(origin: batch.metadata.origins[row], object: object, limit: limits.joinRows)
                continue
            }
            let place = note(batch, row, port, key)
            if isMuted, !isWanted(keys.group(of: key)) {
                keys.drop(key)
                continue
            }
            try take(batch, row, port, rowTime, key, side, place, context)
            if pairs.isFull { try settle(context) }
        }
        try settle(context)
    }

    private func take(
        _ batch: ColumnBatch, _ row: Int, _ port: Int, _ rowTime: Int64, _ key: Int32, _ side: Side, _ place: Int64?,
        _ context: ShardContext
    ) throws(Diagnostic) {
        let origin = batch.metadata.origins[row]
        var made = store.make(batch, row, time: rowTime, key: key, context)
        if let place { made.offset = place }
        keys.retain(key)
        let number = side.insert(made)
        side.ttl?.touch(number)
        if key >= 0 {
            while Int(key) >= buckets.count { buckets.append(Bucket()) }
            try probe(made, number, port, origin, context)
        }
        // Partners that are not late can still come, or the row is rebuilt for what it was matched with.
        let isKept = !isInterval || made.isReplayed || time.combined < sum(rowTime, side.reach)
        guard isKept else {
            passing.append((port, number))
            return
        }
        keep(made, number, port)
    }

    /// Puts a row where its partners find it, and where its time does.
    func keep(_ row: JoinRow, _ number: Int32, _ port: Int) {
        if row.key >= 0 {
            while Int(row.key) >= buckets.count { buckets.append(Bucket()) }
            if port == 0 {
                buckets[Int(row.key)].left.append(number)
            } else {
                buckets[Int(row.key)].right.append(number)
            }
        } else {
            if port == 0 { unkeyed.left.append(number) } else { unkeyed.right.append(number) }
        }
        guard isInterval else { return }
        let side = port == 0 ? left : right
        let expiry = expiry(of: row, side)
        if changes != nil {
            side.expiry.push(
                EventTimeQueue.Entry(time: expiry, sequence: row.offset, slot: number, key: row.key))
            return
        }
        // A row that is read again may be what another one, still to be read again, was matched with.
        side.expiry.push(
            time: row.isReplayed ? max(expiry, sum(emittedWatermark, 1)) : expiry, slot: number, key: row.key)
    }

    /// Rows whose time to live has passed. No pairs are open.
    func forgetOld() {
        for (port, side) in [left, right].enumerated() {
            while let number = side.ttl?.firstExpired {
                let row = side.rows[Int(number)]
                changes?.groups.insert(keys.group(of: row.key))
                StreamJoinOperator.drop(number, port, &buckets[Int(row.key)])
                remove(number, port)
            }
        }
    }

    private func probe(_ own: JoinRow, _ number: Int32, _ port: Int, _ origin: Int32, _ context: ShardContext)
        throws(Diagnostic)
    {
        let watermark = held(time.combined)
        let candidates = port == 0 ? buckets[Int(own.key)].right : buckets[Int(own.key)].left
        let ttl = isMuted ? (port == 0 ? right : left).ttl : nil
        for candidate in candidates {
            // The list of the time to live may be out of order while state is restored.
            if let ttl, ttl.isExpired(candidate) { continue }
            let other = port == 0 ? right.rows[Int(candidate)] : left.rows[Int(candidate)]
            if isInterval {
                let distance = port == 0 ? own.time &- other.time : other.time &- own.time
                guard distance >= lower, distance <= upper else { continue }
                // Only kept because it is being read again.
                if other.isReplayed, !own.isReplayed,
                    sum(other.time, port == 0 ? right.reach : left.reach) < time.combined
                {
                    continue
                }
            }
            let numbers = port == 0 ? (left: number, right: candidate) : (left: candidate, right: number)
            pairs.append(
                port == 0 ? own : other, port == 0 ? other : own, numbers: numbers,
                origin: own.isReplayed && !other.isReplayed ? -1 : origin, watermark: watermark)
            if pairs.isFull { try settle(context) }
        }
    }

    /// Sends the pairs that hold, then the rows that are not kept and found no partner.
    private func settle(_ context: ShardContext) throws(Diagnostic) {
        if pairs.count > 0 {
            let isPlain = !pairs.hasCondition && !left.isKeptAlone && !right.isKeptAlone && plan.kind == .inner
            if isPlain {
                try emit(pairs.output(), context: context)
            } else {
                var chosen = try pairs.check(context)
                if plan.kind == .semi {
                    chosen.removeAll { pair in
                        let row = Int(pairs.left[Int(pair)])
                        left.ttl?.touch(pairs.left[Int(pair)])
                        if left.rows[row].isMatched { return true }
                        left.rows[row].isMatched = true
                        return false
                    }
                } else {
                    for pair in chosen { mark(pairs.left[Int(pair)], pairs.right[Int(pair)]) }
                }
                try emit(pairs.output(chosen), context: context)
            }
            pairs.clear()
        }
        guard !passing.isEmpty else { return }
        for (port, number) in passing {
            let side = port == 0 ? left : right
            let row = side.rows[Int(number)]
            if side.isKeptAlone, !row.isMatched { try appendAlone(row, port, context) }
        }
        try emit(alone.output(), context: context)
        alone.clear()
        for (port, number) in passing { remove(number, port) }
        passing.removeAll(keepingCapacity: true)
    }

    private func mark(_ leftNumber: Int32, _ rightNumber: Int32) {
        let partners = (left.rows[Int(leftNumber)], right.rows[Int(rightNumber)])
        if left.isKeptAlone { store.match(&left.rows[Int(leftNumber)], with: partners.1) }
        if right.isKeptAlone { store.match(&right.rows[Int(rightNumber)], with: partners.0) }
    }

    private func appendAlone(_ row: JoinRow, _ port: Int, _ context: ShardContext) throws(Diagnostic) {
        alone.append(
            port == 0 ? row : nil, port == 0 ? nil : row, origin: -1, watermark: held(time.combined))
        guard alone.isFull else { return }
        try emit(alone.output(), context: context)
        alone.clear()
    }

    // MARK: - Kept rows

    private func remove(_ number: Int32, _ port: Int) {
        let side = port == 0 ? left : right
        let row = side.rows[Int(number)]
        side.ttl?.remove(number)
        store.free(row)
        keys.release(row.key)
        side.free.append(number)
    }

    // MARK: - Time

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        let next = time.next(watermark, port: port)
        if next > time.combined {
            try expire(to: next, context)
            time.advance(to: next)
        }
        guard next > EventTime.none else { return }
        try emit(watermark: held(next), context: context)
    }

    /// Forgets the rows whose last partner would be late at `watermark`.
    func expire(to watermark: Int64, _ context: ShardContext) throws(Diagnostic) {
        guard isInterval, min(left.expiry.firstTime ?? .max, right.expiry.firstTime ?? .max) <= watermark else {
            return
        }
        try settle(context)
        var gone: [(port: Int, number: Int32)] = []
        while let number = left.expiry.pop(upTo: watermark)?.slot {
            let row = left.rows[Int(number)]
            if row.key >= 0 {
                StreamJoinOperator.drop(number, 0, &buckets[Int(row.key)])
            } else {
                StreamJoinOperator.drop(number, 0, &unkeyed)
            }
            changes?.groups.insert(keys.group(of: row.key))
            try release(row, 0, context)
            gone.append((0, number))
        }
        while let number = right.expiry.pop(upTo: watermark)?.slot {
            let row = right.rows[Int(number)]
            if row.key >= 0 {
                StreamJoinOperator.drop(number, 1, &buckets[Int(row.key)])
            } else {
                StreamJoinOperator.drop(number, 1, &unkeyed)
            }
            changes?.groups.insert(keys.group(of: row.key))
            try release(row, 1, context)
            gone.append((1, number))
        }
        try emit(alone.output(), context: context)
        alone.clear()
        for (port, number) in gone { remove(number, port) }
    }

    /// Rows expire in about the order in which they came: the number is near the front.
    private static func drop(_ number: Int32, _ port: Int, _ bucket: inout Bucket) {
        if port == 0 {
            if let index = bucket.left.firstIndex(of: number) { bucket.left.remove(at: index) }
        } else {
            if let index = bucket.right.firstIndex(of: number) { bucket.right.remove(at: index) }
        }
    }

    /// An unmatched row leaves alone, unless it had left so before a restart.
    private func release(_ row: JoinRow, _ port: Int, _ context: ShardContext) throws(Diagnostic) {
        let side = port == 0 ? left : right
        guard side.isKeptAlone, !row.isMatched else { return }
        if row.isReplayed, expiry(of: row, side) <= emittedWatermark { return }
        try appendAlone(row, port, context)
    }

    /// The watermark at which every partner would be late.
    private func expiry(of row: JoinRow, _ side: Side) -> Int64 { sum(sum(row.time, side.reach), 1) }

    private func held(_ watermark: Int64) -> Int64 {
        if watermark == EventTime.end || watermark == EventTime.none { return watermark }
        let (result, overflow) = watermark.subtractingReportingOverflow(delay)
        return overflow ? EventTime.none : result
    }

    private func sum(_ a: Int64, _ b: Int64) -> Int64 {
        let (result, overflow) = a.addingReportingOverflow(b)
        return overflow ? (b < 0 ? Int64.min : Int64.max) : result
    }

    // MARK: - Restart

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        if changes == nil { store.lower(&offsets, source: source) }
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        let combined = time.restore(emittedWatermark, port: port)
        self.emittedWatermark = combined
        super.restore(emittedWatermark: held(combined), port: 0)
    }
}
