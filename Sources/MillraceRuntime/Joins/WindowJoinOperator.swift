public import MillraceCore

/// Joins the rows of two windowed inputs that belong to the same window, when the combined watermark closes it.
///
/// A row of a window that has closed is late. Rows of a window leave in the order of the left side, unmatched right rows last.
public final class WindowJoinOperator: Operator, SizedOperator {
    final class Window {
        let end: Int64
        var left: [JoinRow] = []
        var right: [JoinRow] = []
        init(end: Int64) { self.end = end }
    }

    private let plan: StreamJoinPlan
    let limits: Limits
    private let ends: (left: Int, right: Int)
    let keys: JoinKeys
    let store = JoinRowStore()
    let schemas: (left: Schema, right: Schema)
    /// What has changed, for stored state; nil: not asked for.
    var changes: JoinChanges?
    private let pairs: JoinPairs
    private let alone: JoinPairs
    /// By ascending end.
    var windows: [Window] = []
    var time = JoinTime()
    private var emittedWatermark = EventTime.none
    private var newestEmitted = EventTime.none
    /// The right rows of the window that is being joined: by key the first one, by row the next one of its key.
    private var firstRow: [Int32: Int32] = [:]
    private var nextRow: [Int32] = []

    /// - Throws: `.bug` for another form, `.user` for a condition it cannot evaluate.
    public init(_ plan: StreamJoinPlan, left: Schema, right: Schema, object: String, limits: Limits)
        throws(Diagnostic)
    {
        guard case .window(let leftEnd, let rightEnd) = plan.form else {
            throw Diagnostic("window join without window columns", fault: .bug)
        }
        self.plan = plan
        self.limits = limits
        ends = (leftEnd, rightEnd)
        keys = JoinKeys(plan.leftKeys.map { left[$0].type })
        schemas = (left, right)
        pairs = try JoinPairs(plan, left: left, right: right, object: object, limits: limits)
        alone = try JoinPairs(plan.unconditional, left: left, right: right, object: object, limits: limits)
        super.init(object: object)
    }

    /// Rows of both sides that are kept now.
    public var rowCount: Int { store.rows }

    public override var emittedThrough: Int64 { newestEmitted }

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
        let end = batch.columns[port == 0 ? ends.left : ends.right]
        keys.bind((port == 0 ? plan.leftKeys : plan.rightKeys).map { batch.columns[$0] })
        let needsKey =
            port == 0 ? plan.kind == .inner || plan.kind == .right || plan.kind == .semi : !plan.kind.keepsRight
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
            guard end.isValid(row) else {
                try context.reject(origin: origin, .nullEventTime, object: object, detail: "window_end of the join")
                continue
            }
            let windowEnd = EventTime.milliseconds(fromMicroseconds: end.ints[row])
            var closed = max(time.combined, emittedWatermark)
            if plan.sharesTime { closed = max(closed, batch.metadata.watermarks[row]) }
            if windowEnd - 1 <= closed, !isMuted {
                try context.reject(
                    origin: origin, .lateRow, object: object, detail: LateRow.detail(end: windowEnd, watermark: closed))
                continue
            }
            let key = keys.number(row)
            if key < 0, needsKey { continue }
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
                let group = JoinChanges.group(place)
                guard isWanted(group) else {
                    keys.drop(key)
                    continue
                }
                changes?.groups.insert(group)
            }
            keys.retain(key)
            var made = store.make(batch, row, time: windowEnd, key: key, context)
            if changes != nil { made.offset = place }
            let window = window(windowEnd)
            if port == 0 { window.left.append(made) } else { window.right.append(made) }
        }
    }

    func window(_ end: Int64) -> Window {
        var index = windows.count
        while index > 0 {
            let window = windows[index - 1]
            if window.end == end { return window }
            if window.end < end { break }
            index -= 1
        }
        let window = Window(end: end)
        windows.insert(window, at: index)
        return window
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
        var closed = 0
        while closed < windows.count, windows[closed].end - 1 <= watermark {
            let window = windows[closed]
            newestEmitted = max(newestEmitted, window.end - 1)
            if !isMuted { try join(window, context) }
            forget(window.left + window.right)
            closed += 1
        }
        if closed > 0 { windows.removeFirst(closed) }
    }

    private func join(_ window: Window, _ context: ShardContext) throws(Diagnostic) {
        firstRow.removeAll(keepingCapacity: true)
        nextRow.removeAll(keepingCapacity: true)
        nextRow.append(contentsOf: repeatElement(-1, count: window.right.count))
        for number in window.right.indices.reversed() where window.right[number].key >= 0 {
            let key = window.right[number].key
            nextRow[number] = firstRow[key] ?? -1
            firstRow[key] = Int32(number)
        }
        for number in window.left.indices where window.left[number].key >= 0 {
            var match = firstRow[window.left[number].key] ?? -1
            if !plan.kind.hasRightColumns, !pairs.hasCondition {
                window.left[number].isMatched = match >= 0
                continue
            }
            while match >= 0 {
                pairs.append(
                    window.left[number], window.right[Int(match)], numbers: (Int32(number), match), origin: -1,
                    watermark: time.combined)
                if pairs.isFull { try settle(window, context) }
                match = nextRow[Int(match)]
            }
        }
        try settle(window, context)
        let keepsLeft = plan.kind.keepsLeft || plan.kind == .anti
        for row in window.left where row.isMatched ? plan.kind == .semi : keepsLeft {
            try appendAlone(row, nil, context)
        }
        if plan.kind.keepsRight {
            for row in window.right where !row.isMatched { try appendAlone(nil, row, context) }
        }
        try emit(alone.output(), context: context)
        alone.clear()
    }

    private func forget(_ rows: [JoinRow]) {
        for row in rows {
            changes?.groups.insert(JoinChanges.group(row.offset))
            store.free(row)
            keys.release(row.key)
        }
    }

    private func settle(_ window: Window, _ context: ShardContext) throws(Diagnostic) {
        guard pairs.count > 0 else { return }
        let chosen = try pairs.check(context)
        for pair in chosen {
            window.left[Int(pairs.left[Int(pair)])].isMatched = true
            window.right[Int(pairs.right[Int(pair)])].isMatched = true
        }
        if plan.kind.hasRightColumns { try emit(pairs.output(chosen), context: context) }
        pairs.clear()
    }

    private func appendAlone(_ left: JoinRow?, _ right: JoinRow?, _ context: ShardContext) throws(Diagnostic) {
        alone.append(left, right, origin: -1, watermark: time.combined)
        guard alone.isFull else { return }
        try emit(alone.output(), context: context)
        alone.clear()
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
