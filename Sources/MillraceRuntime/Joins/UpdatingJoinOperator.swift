public import MillraceCore

/// A join of two inputs whose rows are kept for ever and whose results change: outer joins, `anti`, and any kind over rows that
/// are taken back.
///
/// Each change meets the kept rows of the other side at once. An outer row comes out alone until its first partner comes, and
/// again when its last one goes; for that each row of an outer side counts its partners. As Flink's
/// `StreamingJoinOperator` and `StreamingSemiAntiJoinOperator`. A retraction of a row that is not there is left alone.
///
/// With a time to live a row is forgotten so long after it was written, without a change: when it came, and on a side that counts
/// partners when their number changed. A retraction of a forgotten row takes back what its partners of today make of it.
public final class UpdatingJoinOperator: Operator {
    final class Side {
        /// Kept rows by number; a free number has no bytes in use.
        var rows: [JoinRow] = []
        /// How many kept rows of the other side each is joined with; only counted where it matters.
        var partners: [Int32] = []
        var free: [Int32] = []
        /// Numbers of the rows of each key, in order of arrival.
        var byKey: [[Int32]] = []
        let keys: [Int]
        /// Rows without a partner come out.
        let isOuter: Bool
        /// Of rows by number.
        var ttl: StateTTL?

        init(keys: [Int], isOuter: Bool, ttl: Int64?) {
            self.keys = keys
            self.isOuter = isOuter
            self.ttl = StateTTL(milliseconds: ttl)
        }

        @discardableResult
        func insert(_ row: JoinRow, partners count: Int32) -> Int32 {
            let number: Int32
            if let known = free.popLast() {
                number = known
                rows[Int(number)] = row
                partners[Int(number)] = count
            } else {
                number = Int32(rows.count)
                rows.append(row)
                partners.append(count)
            }
            while byKey.count <= Int(row.key) { byKey.append([]) }
            byKey[Int(row.key)].append(number)
            ttl?.touch(number)
            return number
        }

        func rows(of key: Int32) -> [Int32] { Int(key) < byKey.count ? byKey[Int(key)] : [] }

        /// Counts a partner more or less.
        func changePartners(of number: Int32, by change: Int32) {
            partners[Int(number)] += change
            ttl?.touch(number)
        }

        /// The row of a number is no longer kept; its bytes are the caller's.
        func remove(_ number: Int32, at place: Int) {
            byKey[Int(rows[Int(number)].key)].remove(at: place)
            ttl?.remove(number)
            free.append(number)
        }
    }

    private let plan: StreamJoinPlan
    let limits: Limits
    let keys: JoinKeys
    let store = JoinRowStore()
    let schemas: (left: Schema, right: Schema)
    /// What has changed, for stored state; nil: not asked for.
    var changes: Changes?
    private let candidates: JoinPairs
    private let output: ChangeOutput
    private let leftCount: Int
    let left: Side
    let right: Side
    var time = JoinTime()
    /// Rows that were taken back, until the output that borrows their bytes has left.
    private var gone: [JoinRow] = []
    private var matched: [Int32] = []

    /// - Throws: `.bug` for another form, `.user` for a condition it cannot evaluate.
    public init(_ plan: StreamJoinPlan, left: Schema, right: Schema, object: String, limits: Limits)
        throws(Diagnostic)
    {
        guard plan.form == .regular else { throw Diagnostic("updating join with a bound", fault: .bug) }
        self.plan = plan
        self.limits = limits
        keys = JoinKeys(plan.leftKeys.map { left[$0].type })
        candidates = try JoinPairs(plan, left: left, right: right, object: object, limits: limits)
        leftCount = left.count
        let fields = plan.kind.hasRightColumns ? left.fields + right.fields : left.fields
        output = ChangeOutput(fields.map(\.type), rows: limits.batchRows)
        let ttl = plan.stateTTLMilliseconds
        self.left = Side(keys: plan.leftKeys, isOuter: plan.kind.keepsLeft || !plan.kind.hasRightColumns, ttl: ttl)
        self.right = Side(keys: plan.rightKeys, isOuter: plan.kind.keepsRight, ttl: ttl)
        schemas = (left, right)
        super.init(object: object)
    }

    /// Rows of both sides that are kept now.
    public var rowCount: Int { store.rows }

    // MARK: - Rows

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        if left.ttl != nil {
            left.ttl?.look(at: context.clock)
            right.ttl?.look(at: context.clock)
            expire()
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
            let kind = batch.metadata.kind(row)
            let origin = batch.metadata.origins[row]
            if !isMuted { time.advance(to: time.next(batch.metadata.watermarks[row], port: port)) }
            if changes != nil, context.isReplayed(origin: origin) { continue }
            let key = keys.number(row)
            if key < 0 {
                // NULL matches nothing, now or later.
                if side.isOuter, plan.kind != .semi {
                    let made = store.make(batch, row, time: 0, key: -1, context)
                    gone.append(made)
                    append(made, nil, port, alone(kind), origin)
                }
            } else if isMuted, !isWanted(keys.group(of: key)) {
                keys.drop(key)
            } else if kind.isRetraction {
                try takeBack(batch, row, port, key, kind, context)
            } else if store.rows >= limits.joinRows, !isMuted {
                keys.drop(key)
                try context.rejectFullJoin(origin: origin, object: object, limit: limits.joinRows)
            } else {
                note(batch, row, port, key)
                try add(batch, row, port, key, kind, context)
            }
            if output.isFull { try flush(context) }
        }
        try flush(context)
    }

    /// Rows whose time to live has passed.
    func expire() {
        for side in [left, right] {
            while let number = side.ttl?.firstExpired {
                let row = side.rows[Int(number)]
                changes?.groups.insert(keys.group(of: row.key))
                // The oldest rows of a key stand in front.
                side.remove(number, at: side.byKey[Int(row.key)].firstIndex(of: number)!)
                store.free(row)
                keys.release(row.key)
            }
        }
    }

    /// The rows of a key that are still alive. (The list of the time to live may be out of order while state is restored.)
    private func numbers(of key: Int32, _ side: Side) -> [Int32] {
        let numbers = side.rows(of: key)
        guard isMuted, let ttl = side.ttl else { return numbers }
        return numbers.filter { !ttl.isExpired($0) }
    }

    private func add(
        _ batch: ColumnBatch, _ row: Int, _ port: Int, _ key: Int32, _ kind: RowKind, _ context: ShardContext
    ) throws(Diagnostic) {
        let (own, other) = port == 0 ? (left, right) : (right, left)
        let origin = batch.metadata.origins[row]
        let made = store.make(batch, row, time: 0, key: key, context)
        keys.retain(key)
        try match(made, port, origin, context)
        if !plan.kind.hasRightColumns {
            if port == 0 {
                if matched.isEmpty == (plan.kind == .anti) { append(made, nil, port, kind, origin) }
            } else {
                for number in matched {
                    if left.partners[Int(number)] == 0 {
                        append(left.rows[Int(number)], nil, 0, plan.kind == .anti ? .delete : .insert, origin)
                    }
                    left.changePartners(of: number, by: 1)
                }
            }
        } else if matched.isEmpty {
            if own.isOuter { append(made, nil, port, .insert, origin) }
        } else {
            if other.isOuter {
                for number in matched {
                    if other.partners[Int(number)] == 0 {
                        append(other.rows[Int(number)], nil, 1 - port, .delete, origin)
                    }
                    other.changePartners(of: number, by: 1)
                }
            }
            let each: RowKind = own.isOuter || other.isOuter ? .insert : kind
            for number in matched { append(made, other.rows[Int(number)], port, each, origin) }
        }
        own.insert(made, partners: Int32(matched.count))
    }

    private func takeBack(
        _ batch: ColumnBatch, _ row: Int, _ port: Int, _ key: Int32, _ kind: RowKind, _ context: ShardContext
    ) throws(Diagnostic) {
        let (own, other) = port == 0 ? (left, right) : (right, left)
        let origin = RowMetadata.retracted
        let taken: JoinRow
        if let place = own.rows(of: key).lastIndex(where: { store.isSame(batch, row, as: own.rows[Int($0)]) }) {
            let number = own.rows(of: key)[place]
            note(batch, row, port, key)
            taken = own.rows[Int(number)]
            own.remove(number, at: place)
        } else if own.ttl != nil {
            note(batch, row, port, key)
            taken = store.make(batch, row, time: 0, key: key, context)
            keys.retain(key)
        } else {
            keys.drop(key)
            return
        }
        gone.append(taken)
        try match(taken, port, origin, context)
        if !plan.kind.hasRightColumns {
            if port == 0 {
                if matched.isEmpty == (plan.kind == .anti) { append(taken, nil, port, kind, origin) }
            } else {
                for number in matched {
                    left.changePartners(of: number, by: -1)
                    if left.partners[Int(number)] == 0 {
                        append(left.rows[Int(number)], nil, 0, plan.kind == .anti ? .insert : .delete, origin)
                    }
                }
            }
        } else if matched.isEmpty {
            if own.isOuter { append(taken, nil, port, .delete, origin) }
        } else {
            let each: RowKind = own.isOuter || other.isOuter ? .delete : kind
            for number in matched { append(taken, other.rows[Int(number)], port, each, origin) }
            if other.isOuter {
                for number in matched {
                    other.changePartners(of: number, by: -1)
                    if other.partners[Int(number)] == 0 {
                        append(other.rows[Int(number)], nil, 1 - port, .insert, origin)
                    }
                }
            }
        }
    }

    /// The kept rows of the other side that a row is joined with, into `matched`.
    private func match(_ row: JoinRow, _ port: Int, _ origin: Int32, _ context: ShardContext) throws(Diagnostic) {
        let other = port == 0 ? right : left
        let numbers = numbers(of: row.key, other)
        guard candidates.hasCondition else {
            matched = numbers
            return
        }
        matched.removeAll(keepingCapacity: true)
        var start = 0
        while start < numbers.count {
            while start < numbers.count, !candidates.isFull {
                let partner = other.rows[Int(numbers[start])]
                candidates.append(
                    port == 0 ? row : partner, port == 0 ? partner : row, numbers: (numbers[start], 0),
                    origin: origin, watermark: time.combined)
                start += 1
            }
            for pair in try candidates.check(context) { matched.append(candidates.left[Int(pair)]) }
            candidates.clear()
        }
    }

    /// A row without a partner for ever.
    private func alone(_ kind: RowKind) -> RowKind {
        if !plan.kind.hasRightColumns { return kind }
        return kind.isRetraction ? .delete : .insert
    }

    /// - Parameter port: the side of `own`; the other side is NULL without `partner`.
    private func append(_ own: JoinRow, _ partner: JoinRow?, _ port: Int, _ kind: RowKind, _ origin: Int32) {
        let columns = output.batch.columns
        if plan.kind.hasRightColumns {
            append(port == 0 ? own : partner, to: columns[..<leftCount])
            append(port == 0 ? partner : own, to: columns[leftCount...])
        } else {
            append(own, to: columns[...])
        }
        output.commit(kind, origin: origin, watermark: time.combined)
    }

    private func append(_ row: JoinRow?, to columns: ArraySlice<Column>) {
        if let row {
            JoinRowStore.append(row.bytes, to: columns)
        } else {
            for column in columns { column.appendNull() }
        }
    }

    private func flush(_ context: ShardContext) throws(Diagnostic) {
        if output.batch.count > 0 {
            try emit(output.batch, context: context)
            output.clear()
        }
        for row in gone {
            store.free(row)
            keys.release(row.key)
        }
        gone.removeAll(keepingCapacity: true)
    }

    // MARK: - Time

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        let next = time.next(watermark, port: port)
        time.advance(to: next)
        guard next > EventTime.none else { return }
        try emit(watermark: next, context: context)
    }

    // MARK: - Restart

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        if changes == nil { store.lower(&offsets, source: source) }
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        super.restore(emittedWatermark: time.restore(emittedWatermark, port: port), port: 0)
    }
}
