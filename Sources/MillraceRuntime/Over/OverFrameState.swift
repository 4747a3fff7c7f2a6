import MillraceCore

/// The state of one frame of an OVER operator, for all keys: rows are added as they become current and taken back as they
/// leave, so the cost of a row does not grow with the frame (but for aggregates that list all its values).
final class OverFrameState {
    /// What one key has in this frame.
    final class Key {
        let record: UnsafeMutableRawPointer
        /// Rows of a ROWS frame, or of a RANGE frame by key; oldest first.
        var rows = SlotQueue()
        /// Of a RANGE frame by key: the times of `rows`, from `timesHead` on.
        var times: [Int64] = []
        var timesHead = 0
        /// By call.
        var queues: [SlotQueue]
        var sets: [KeyTable?]
        /// Rows in a RANGE frame.
        var count = 0
        /// Different times of `times`, and the buckets that Java's hash table of them has.
        private var differentTimes = 0
        private var buckets: Int64 = 16

        /// After a time was added.
        func grow() {
            let last = times.count - 1
            guard last == timesHead || times[last - 1] != times[last] else { return }
            differentTimes += 1
            while Int64(differentTimes) * 4 > buckets * 3 { buckets *= 2 }
        }

        func shrink(_ expired: [(time: Int64, slot: Int32)]) {
            for i in expired.indices where i == 0 || expired[i - 1].time != expired[i].time { differentTimes -= 1 }
        }

        /// Where Java's hash table keeps a time.
        func bucket(_ time: Int64) -> Int64 {
            let hash = UInt32(truncatingIfNeeded: time ^ (time >> 32))
            return Int64(hash ^ (hash >> 16)) & (buckets - 1)
        }

        init(record: UnsafeMutableRawPointer, calls: Int) {
            self.record = record
            queues = Array(repeating: SlotQueue(), count: calls)
            sets = Array(repeating: nil, count: calls)
        }
    }

    private let extent: OverFrame.Extent
    private let hasFloatingSums: Bool
    let calls: [OverCallLayout]
    private let rows: RowStore
    private let keys: KeyTable
    private let store: StateStore
    private let types: [DataType]
    private let pool: RecordPool
    private var states: [Key?] = []
    /// Rows of a RANGE frame, of all keys, by time: the front leaves first.
    private var log: [(time: Int64, slot: Int32, key: Int32)] = []
    private var logHead = 0
    /// Every call is a number that needs nothing of the row after it was added.
    private let keepsRows: Bool
    private let text = ByteBuffer(capacity: 64)
    /// Rows of a RANGE frame leave when their key's time has gone on, and with `clean`; else when time has.
    private let isByKey: Bool

    init(
        _ frame: OverFrame, rows: RowStore, keys: KeyTable, store: StateStore, input: Schema, isByKey: Bool = false
    ) throws(Diagnostic) {
        extent = frame.extent
        self.isByKey = isByKey
        self.rows = rows
        self.keys = keys
        self.store = store
        types = input.fields.map(\.type)
        var calls: [OverCallLayout] = []
        for (index, call) in frame.calls.enumerated() {
            calls.append(try OverCallLayout(call, offset: index * OverCallLayout.recordBytes, input: input))
        }
        self.calls = calls
        hasFloatingSums = calls.contains { $0.kind == .sumDouble || $0.kind == .sumFloat }
        pool = RecordPool(stride: max(16, calls.count * OverCallLayout.recordBytes))
        switch frame.extent {
        case .rows(.some), .range(.some): keepsRows = true
        case .rows(nil), .range(nil): keepsRows = false
        }
    }

    /// Rows of equal time see each other.
    var isRange: Bool { if case .range = extent { true } else { false } }

    private func state(_ key: Int32) -> Key {
        while states.count <= Int(key) { states.append(nil) }
        if let state = states[Int(key)] { return state }
        let state = Key(record: pool.allocate(), calls: calls.count)
        states[Int(key)] = state
        // ROWS and unbounded frames remember a key for ever.
        keys.retain(key)
        return state
    }

    // MARK: - Rows

    /// A row becomes part of its key's frame.
    func add(_ slot: Int32, key: Int32, time: Int64) {
        let state = state(key)
        // First out, then in, as Flink does it: sums of DOUBLE depend on the order.
        if case .rows(let preceding?) = extent, state.rows.count > preceding { remove(state.rows.removeFirst(), state) }
        if isByKey, case .range(let preceding?) = extent { expire(state, before: time - preceding) }
        for index in calls.indices { add(index, slot, state) }
        switch extent {
        case .range(.some) where isByKey:
            rows.retain(slot)
            state.rows.append(slot)
            state.times.append(time)
            state.grow()
        case .range(.some):
            rows.retain(slot)
            log.append((time, slot, key))
            state.count += 1
        case .rows(.some):
            rows.retain(slot)
            state.rows.append(slot)
        case .range(nil), .rows(nil): break
        }
    }

    /// Rows older than `time` by more than the frame leave it.
    func expire(at time: Int64) {
        guard !isByKey, case .range(let preceding?) = extent else { return }
        let (start, overflow) = time.subtractingReportingOverflow(preceding)
        guard !overflow else { return }
        while logHead < log.count, log[logHead].time < start {
            let (_, slot, key) = log[logHead]
            logHead += 1
            guard let state = states[Int(key)] else { continue }
            remove(slot, state)
            state.count -= 1
            if state.count == 0 { forget(key, state) }
        }
        if logHead == log.count {
            log.removeAll(keepingCapacity: true)
            logHead = 0
        } else if logHead >= 1024, logHead * 2 > log.count {
            log.removeFirst(logHead)
            logHead = 0
        }
    }

    private func expire(_ state: Key, before start: Int64) {
        var expired: [(time: Int64, slot: Int32)] = []
        while state.timesHead < state.times.count, state.times[state.timesHead] < start {
            expired.append((state.times[state.timesHead], state.rows.removeFirst()))
            state.timesHead += 1
        }
        state.shrink(expired)
        if expired.count < 2 || !hasFloatingSums {
            for row in expired { remove(row.slot, state) }
        } else {
            // Sums of DOUBLE depend on the order in which values leave: that of the hash table in which Flink keeps them.
            let places = expired.indices.sorted {
                let (a, b) = (state.bucket(expired[$0].time), state.bucket(expired[$1].time))
                return a == b ? $0 < $1 : a < b
            }
            for (index, call) in calls.enumerated() {
                let isSum = call.kind == .sumDouble || call.kind == .sumFloat
                for place in expired.indices { retract(index, expired[isSum ? places[place] : place].slot, state) }
            }
            for row in expired { rows.release(row.slot) }
        }
        if state.timesHead >= 32, state.timesHead * 2 > state.times.count {
            state.times.removeFirst(state.timesHead)
            state.timesHead = 0
        }
    }

    /// Forgets what a key has in a RANGE frame.
    func clean(_ key: Int32) {
        guard isRange, Int(key) < states.count, let state = states[Int(key)] else { return }
        expire(state, before: .max)
        forget(key, state)
    }

    private func forget(_ key: Int32, _ state: Key) {
        pool.deallocate(state.record)
        states[Int(key)] = nil
        keys.release(key)
    }

    private func remove(_ slot: Int32, _ state: Key) {
        for index in calls.indices { retract(index, slot, state) }
        rows.release(slot)
    }

    // MARK: - Calls

    @inline(__always)
    private func counts(_ call: OverCallLayout, _ slot: Int32) -> Bool {
        if let filter = call.filter {
            let column = rows.columns[filter]
            guard column.states[Int(slot)] == CellState.valid, column.ints[Int(slot)] != 0 else { return false }
        }
        guard let argument = call.argument, !call.keepsNulls else { return true }
        return rows.isValid(argument, slot)
    }

    private func add(_ index: Int, _ slot: Int32, _ state: Key) {
        let call = calls[index]
        guard counts(call, slot) else { return }
        if call.isDistinct {
            let set = values(index, state)
            set.bind([rows.columns[call.argument!]])
            let id = set.intern(row: Int(slot))
            set.retain(id)
            if set.references(id) > 1 { return }
        }
        let record = state.record + call.offset
        let count = record.assumingMemoryBound(to: Int64.self)
        count.pointee += 1
        switch call.kind {
        case .count: break
        case .sumInteger, .sumDouble, .sumFloat, .sumDecimal: sum(call, slot, record + 16, isAdded: true)
        case .moments:
            (record + 16).assumingMemoryBound(to: Moments.self).pointee.add(
                rows.columns[call.argument!].double(at: Int(slot)), count: count.pointee)
        case .minimum, .maximum: addExtreme(index, call, slot, state)
        case .first: if keepsRows || state.queues[index].isEmpty { hold(index, slot, state) }
        case .last:
            if !keepsRows { drop(index, state) }
            hold(index, slot, state)
        case .listAgg, .arrayAgg, .collect, .percentile: hold(index, slot, state)
        case .lag:
            hold(index, slot, state)
            if case .lag(_, let offset, _, _) = call.call, state.queues[index].count > offset + 1 {
                rows.release(state.queues[index].removeFirst())
            }
        }
    }

    private func retract(_ index: Int, _ slot: Int32, _ state: Key) {
        let call = calls[index]
        guard counts(call, slot), call.kind != .lag else { return }
        if call.isDistinct {
            let set = values(index, state)
            set.bind([rows.columns[call.argument!]])
            let id = set.intern(row: Int(slot))
            let isLast = set.references(id) <= 1
            set.release(id)
            guard isLast else { return }
        }
        let record = state.record + call.offset
        let count = record.assumingMemoryBound(to: Int64.self)
        count.pointee -= 1
        switch call.kind {
        case .count, .lag: break
        case .sumInteger, .sumDouble, .sumFloat, .sumDecimal:
            // What rounding leaves behind stays, as in Flink, until the key is cleaned.
            sum(call, slot, record + 16, isAdded: false)
        case .moments:
            (record + 16).assumingMemoryBound(to: Moments.self).pointee.remove(
                rows.columns[call.argument!].double(at: Int(slot)), count: count.pointee)
        case .minimum, .maximum, .first, .last, .listAgg, .arrayAgg, .collect, .percentile:
            if state.queues[index].first == slot { rows.release(state.queues[index].removeFirst()) }
        }
    }

    private func sum(_ call: OverCallLayout, _ slot: Int32, _ value: UnsafeMutableRawPointer, isAdded: Bool) {
        let column = rows.columns[call.argument!]
        let row = Int(slot)
        switch call.kind {
        case .sumInteger:
            let cell = column.ints[row]
            value.assumingMemoryBound(to: Int64.self).pointee &+= isAdded ? cell : 0 &- cell
        case .sumDecimal:
            // Wrapping: a sum that left 128 bits comes back when its values leave.
            let cell = column.decimals[row]
            value.assumingMemoryBound(to: Int128.self).pointee &+= isAdded ? cell : 0 &- cell
        default:
            value.assumingMemoryBound(to: RetractableSum.self).pointee.add(
                column.doubles[row], sign: isAdded ? 1 : -1, isFloat: call.kind == .sumFloat)
        }
    }

    /// Values that the new one beats can never be the extreme again: they leave, so the queue stays sorted.
    private func addExtreme(_ index: Int, _ call: OverCallLayout, _ slot: Int32, _ state: Key) {
        let column = rows.columns[call.argument!]
        func beats(_ other: Int32) -> Bool {
            let order = RowOrder.compare(column, column.layout, Int(slot), Int(other))
            return call.kind == .minimum ? order < 0 : order > 0
        }
        if !keepsRows, let best = state.queues[index].first, !beats(best) { return }
        while let other = state.queues[index].last, beats(other) {
            state.queues[index].removeLast()
            rows.release(other)
        }
        hold(index, slot, state)
    }

    private func hold(_ index: Int, _ slot: Int32, _ state: Key) {
        rows.retain(slot)
        state.queues[index].append(slot)
    }

    private func drop(_ index: Int, _ state: Key) {
        while !state.queues[index].isEmpty { rows.release(state.queues[index].removeFirst()) }
    }

    private func values(_ index: Int, _ state: Key) -> KeyTable {
        if let set = state.sets[index] { return set }
        let set = KeyTable(types: [types[calls[index].argument!]], store: store)
        state.sets[index] = set
        return set
    }

    // MARK: - Results

    /// Appends each call's value for the row `slot` of a key; strings are copied into `arena`.
    func append(_ slot: Int32, key: Int32, to columns: ArraySlice<Column>, arena: BatchArena) {
        guard let state = states[Int(key)] else { return }
        for (index, call) in calls.enumerated() {
            append(index, call, slot, state, columns[columns.startIndex + index], arena)
        }
    }

    private func append(
        _ index: Int, _ call: OverCallLayout, _ slot: Int32, _ state: Key, _ column: Column, _ arena: BatchArena
    ) {
        let record = state.record + call.offset
        let count = record.load(as: Int64.self)
        switch call.kind {
        case .count: column.append(int: count)
        case .collect: appendMultiset(index, call, state, column, arena)
        case .lag:
            guard case .lag(let argument, let offset, let otherwise, _) = call.call else { return }
            let queue = state.queues[index]
            if queue.count > offset {
                appendCopy(argument, queue[queue.count - 1 - offset], column, arena)
            } else if let otherwise {
                appendCopy(otherwise, slot, column, arena)
            } else {
                column.appendNull()
            }
        default:
            guard count > 0 else {
                column.appendNull()
                return
            }
            appendValue(index, call, count, record + 16, state, column, arena)
        }
    }

    private func appendValue(
        _ index: Int, _ call: OverCallLayout, _ count: Int64, _ value: UnsafeMutableRawPointer, _ state: Key,
        _ column: Column, _ arena: BatchArena
    ) {
        guard case .aggregate(let aggregate) = call.call, let argument = call.argument else { return }
        let isAverage = aggregate.function == .average
        switch call.kind {
        case .sumInteger:
            let sum = value.load(as: Int64.self)
            column.append(int: Accumulators.wrap(isAverage ? sum / count : sum, to: aggregate.type))
        case .sumDouble, .sumFloat:
            let sum = value.load(as: RetractableSum.self).value
            let result = isAverage ? sum / Double(count) : sum
            column.append(double: aggregate.type == .float ? Double(Float(result)) : result)
        case .sumDecimal: appendDecimal(value.load(as: Int128.self), count, aggregate, types[argument], column)
        case .moments:
            value.load(as: Moments.self).append(aggregate.function, count: count, type: aggregate.type, to: column)
        case .minimum, .maximum, .first: appendCopy(argument, state.queues[index].first!, column, arena)
        case .last: appendCopy(argument, state.queues[index].last!, column, arena)
        case .listAgg:
            text.clear()
            for (i, slot) in listed(index, call, state).enumerated() {
                if i > 0 { text.append(aggregate.separator) }
                text.append(rows.columns[argument].refs[Int(slot)])
            }
            column.append(bytes: arena.copy(text.bytes))
        case .arrayAgg:
            let start = Int32(column.children[0].count)
            for slot in listed(index, call, state) { appendCopy(argument, slot, column.children[0], arena) }
            column.append(list: ListRef(start: start, count: Int32(column.children[0].count) - start))
        case .percentile:
            let values = WeightedValues()
            for slot in listed(index, call, state) {
                var weight: Int64 = 1
                if let column = aggregate.weight {
                    weight = rows.isValid(column, slot) ? max(0, rows.columns[column].ints[Int(slot)]) : 0
                }
                values.add(rows.columns[argument].double(at: Int(slot)), weight: weight)
            }
            values.append(aggregate, to: column)
        case .count, .collect, .lag: break
        }
    }

    private func appendDecimal(
        _ sum: Int128, _ count: Int64, _ aggregate: AggregateCall, _ type: DataType, _ column: Column
    ) {
        let (precision, scale) = aggregate.type.exactPrecision ?? (38, 0)
        var result: Int128? = sum
        if aggregate.function == .average {
            result = Accumulators.average(sum, over: count, scale: type.exactPrecision?.scale ?? 0, to: scale)
        }
        if let result, result.magnitude < Accumulators.power10(precision) {
            column.append(decimal: result)
        } else {
            column.appendNull()
        }
    }

    /// The rows whose values make up a list, the first of equal ones with DISTINCT.
    private func listed(_ index: Int, _ call: OverCallLayout, _ state: Key) -> [Int32] {
        let all = (0..<state.queues[index].count).map { state.queues[index][$0] }
        guard call.listsDistinct else { return all }
        let set = KeyTable(types: [types[call.argument!]], store: store)
        set.bind([rows.columns[call.argument!]])
        return all.filter { slot in
            let id = set.intern(row: Int(slot))
            set.retain(id)
            return set.references(id) == 1
        }
    }

    private func appendMultiset(
        _ index: Int, _ call: OverCallLayout, _ state: Key, _ column: Column, _ arena: BatchArena
    ) {
        let set = KeyTable(types: [types[call.argument!]], store: store)
        set.bind([rows.columns[call.argument!]])
        for slot in listed(index, call, state) { set.retain(set.intern(row: Int(slot))) }
        let values = Column(types[call.argument!])
        let start = Int32(column.children[0].count)
        set.appendAll(to: values, counts: column.children[1])
        for row in 0..<values.count { copy(values, row, column.children[0], arena) }
        column.append(list: ListRef(start: start, count: Int32(values.count)))
    }

    private func appendCopy(_ argument: Int, _ slot: Int32, _ column: Column, _ arena: BatchArena) {
        if types[argument].childTypes.isEmpty {
            copy(rows.columns[argument], Int(slot), column, arena)
            return
        }
        // A nested cell: its encoded bytes are copied, the strings in it borrow the copy.
        var cursor = UnsafeRawPointer(arena.copy(rows.columns[argument].refs[Int(slot)]).start)
        CellCodec.read(&cursor, into: column)
    }

    private func copy(_ source: Column, _ row: Int, _ column: Column, _ arena: BatchArena) {
        guard source.states[row] == CellState.valid else {
            column.append(state: source.states[row])
            return
        }
        switch source.layout {
        case .int64: column.append(int: source.ints[row])
        case .double: column.append(double: source.doubles[row])
        case .decimal: column.append(decimal: source.decimals[row])
        case .bytes: column.append(bytes: arena.copy(source.refs[row]))
        case .row, .list: break
        }
    }
}
