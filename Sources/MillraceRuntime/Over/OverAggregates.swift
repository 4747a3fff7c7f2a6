import MillraceCore

/// The calls of one frame: what they remember of a key's rows, which are added and taken back, first in first out, so the
/// cost of a row does not grow with the frame (but for aggregates that list all its values).
final class OverAggregates {
    /// What the calls remember of one key. Give it back with `discard`.
    class Key {
        fileprivate let record: UnsafeMutableRawPointer
        /// By call.
        fileprivate var queues: [SlotQueue]
        fileprivate var distinct: [DistinctCounts]

        init(_ aggregates: OverAggregates) {
            record = aggregates.pool.allocate()
            queues = Array(repeating: SlotQueue(), count: aggregates.usesQueues ? aggregates.calls.count : 0)
            distinct = Array(repeating: DistinctCounts(), count: aggregates.values.count)
        }

        func queue(_ index: Int) -> SlotQueue { queues[index] }
        func enqueue(_ slot: Int32, _ index: Int, at place: Int) { queues[index].insert(slot, at: place) }
        func removeQueued(_ index: Int, at place: Int) -> Int32 { queues[index].remove(at: place) }
        func changeCount(_ call: OverCallLayout, by change: Int64) {
            (record + call.offset).assumingMemoryBound(to: Int64.self).pointee += change
        }
    }

    let calls: [OverCallLayout]
    /// Some call keeps rows of its own, in the order in which they came.
    let usesQueues: Bool
    /// By call, if any is DISTINCT: its values, of all keys.
    private let values: [KeyTable]
    let rows: RowStore
    private let store: StateStore
    private let types: [DataType]
    private let pool: RecordPool
    /// Rows leave the frame.
    private let keepsRows: Bool
    private let sumsWidely: Bool
    private let text = ByteBuffer(capacity: 64)

    /// - Parameters:
    ///   - input: what `rows` holds and the calls' columns name.
    ///   - keepsRows: rows are taken back again.
    ///   - sumsWidely: sums of DOUBLE are kept twice as wide, so that they hardly depend on the order in which rows came and
    ///     left. Flink's are not.
    init(
        _ calls: [OverCall], rows: RowStore, store: StateStore, input: Schema, keepsRows: Bool,
        sumsWidely: Bool = false
    ) throws(Diagnostic) {
        self.rows = rows
        self.store = store
        self.keepsRows = keepsRows
        self.sumsWidely = sumsWidely
        types = input.fields.map(\.type)
        var layouts: [OverCallLayout] = []
        for (index, call) in calls.enumerated() {
            layouts.append(try OverCallLayout(call, offset: index * OverCallLayout.recordBytes, input: input))
        }
        self.calls = layouts
        usesQueues = layouts.contains(where: \.usesQueue)
        var values: [KeyTable] = []
        if layouts.contains(where: \.isDistinct) {
            for call in layouts {
                values.append(KeyTable(types: [call.argument.map { input[$0].type } ?? .bigInt], store: store))
            }
        }
        self.values = values
        pool = RecordPool(stride: max(16, layouts.count * OverCallLayout.recordBytes))
    }

    /// What a key takes: its object, its record, and the heads of its queues and sets.
    var keyBytes: Int {
        48 + pool.stride + (usesQueues ? 32 + calls.count * 48 : 0) + (values.isEmpty ? 0 : 32 + calls.count * 64)
    }

    /// Forgets all rows of a key.
    func clear(_ state: Key) {
        for index in state.queues.indices { drop(index, state) }
        forgetValues(state)
        state.record.initializeMemory(as: UInt8.self, repeating: 0, count: pool.stride)
    }

    /// The key must not be used any more.
    func discard(_ state: Key) {
        for index in state.queues.indices { drop(index, state) }
        forgetValues(state)
        pool.deallocate(state.record)
    }

    // MARK: - Snapshots

    /// Appends all that the calls remember of a key; for frames that no row leaves, whose rows are not kept otherwise.
    func write(_ state: Key, to buffer: ByteBuffer) {
        buffer.append(ByteRef(start: state.record.assumingMemoryBound(to: UInt8.self), count: pool.stride))
        for queue in state.queues {
            buffer.append(varint: UInt64(queue.count))
            for place in 0..<queue.count { rows.write(queue[place], to: buffer) }
        }
        for (index, counts) in state.distinct.enumerated() {
            buffer.append(varint: UInt64(counts.count))
            counts.forEach { value, count in
                values[index].write(value, to: buffer)
                buffer.append(varint: UInt64(count))
            }
        }
    }

    /// Reads what `write` wrote into the state of a key without rows.
    func read(_ state: Key, from reader: inout StateReader) {
        let stride = pool.stride
        _ = reader.read { cursor in
            state.record.copyMemory(from: cursor, byteCount: stride)
            cursor += stride
        }
        for index in state.queues.indices {
            for _ in 0..<reader.count() where !reader.isDamaged {
                state.queues[index].append(rows.insert(from: &reader))
            }
        }
        for index in state.distinct.indices {
            for _ in 0..<reader.count() {
                guard let value = reader.read({ values[index].intern(from: &$0) }) else { return }
                values[index].retain(value)
                state.distinct[index].set(value, count: Int32(truncatingIfNeeded: reader.count()))
            }
        }
    }

    // MARK: - Rows

    func add(_ slot: Int32, _ state: Key) {
        for index in calls.indices { add(index, slot, state) }
    }

    /// Takes back the oldest row; one of another place where no call uses queues.
    func retract(_ slot: Int32, _ state: Key) {
        for index in calls.indices { retract(index, slot, state) }
    }

    // MARK: - Calls

    @inline(__always)
    func counts(_ call: OverCallLayout, _ slot: Int32) -> Bool {
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
            let value = number(index, call, slot)
            guard state.distinct[index].add(value) else { return }
            values[index].retain(value)
        }
        let record = state.record + call.offset
        let count = record.assumingMemoryBound(to: Int64.self)
        count.pointee += 1
        switch call.kind {
        case .count: break
        case .sumInteger, .sumDouble, .sumFloat, .sumDecimal: sum(call, slot, record + 16, isAdded: true)
        case .moments:
            let value = rows.columns[call.argument!].double(at: Int(slot))
            if sumsWidely {
                addMoment(value, record, sign: 1)
            } else {
                (record + 16).assumingMemoryBound(to: Moments.self).pointee.add(value, count: count.pointee)
            }
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

    /// The same of one call.
    func retract(_ index: Int, _ slot: Int32, _ state: Key) {
        let call = calls[index]
        guard counts(call, slot), call.kind != .lag else { return }
        if call.isDistinct {
            let value = number(index, call, slot)
            guard state.distinct[index].remove(value) else { return }
            values[index].release(value)
        }
        let record = state.record + call.offset
        let count = record.assumingMemoryBound(to: Int64.self)
        count.pointee -= 1
        switch call.kind {
        case .count, .lag: break
        case .sumInteger, .sumDouble, .sumFloat, .sumDecimal:
            sum(call, slot, record + 16, isAdded: false)
            // What rounding leaves behind stays, as in Flink, until the key is cleaned; of wide sums it goes with the last value.
            if sumsWidely, count.pointee == 0 {
                (record + 16).initializeMemory(as: UInt8.self, repeating: 0, count: 32)
            }
        case .moments:
            let value = rows.columns[call.argument!].double(at: Int(slot))
            if sumsWidely {
                addMoment(value, record, sign: -1)
                if count.pointee == 0 { (record + 16).initializeMemory(as: UInt8.self, repeating: 0, count: 32) }
            } else {
                (record + 16).assumingMemoryBound(to: Moments.self).pointee.remove(value, count: count.pointee)
            }
        case .minimum, .maximum, .first, .last, .listAgg, .arrayAgg, .collect, .percentile:
            if state.queues[index].first == slot { rows.release(state.queues[index].removeFirst()) }
        }
    }

    /// Of what is not finite only the number is kept, behind the count.
    private func addMoment(_ value: Double, _ record: UnsafeMutableRawPointer, sign: Double) {
        if value.isFinite {
            (record + 16).assumingMemoryBound(to: WideMoments.self).pointee.add(value, sign: sign)
        } else {
            (record + 8).assumingMemoryBound(to: Int64.self).pointee += Int64(sign)
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
                column.doubles[row], sign: isAdded ? 1 : -1, isFloat: call.kind == .sumFloat && !sumsWidely,
                isWide: sumsWidely)
        }
    }

    /// A row is the extreme rather than another one.
    @inline(__always)
    func beats(_ call: OverCallLayout, _ slot: Int32, _ other: Int32) -> Bool {
        let column = rows.columns[call.argument!]
        let order = RowOrder.compare(column, column.layout, Int(slot), Int(other))
        return call.kind == .minimum ? order < 0 : order > 0
    }

    /// Values that the new one beats can never be the extreme again: they leave, so the queue stays sorted.
    private func addExtreme(_ index: Int, _ call: OverCallLayout, _ slot: Int32, _ state: Key) {
        if !keepsRows, let best = state.queues[index].first, !beats(call, slot, best) { return }
        while let other = state.queues[index].last, beats(call, slot, other) {
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

    /// Of the argument's value among those of all keys.
    private func number(_ index: Int, _ call: OverCallLayout, _ slot: Int32) -> Int32 {
        // The store's columns move as they grow.
        values[index].bind([rows.columns[call.argument!]])
        return values[index].intern(row: Int(slot))
    }

    private func forgetValues(_ state: Key) {
        for (index, counts) in state.distinct.enumerated() {
            counts.forEach { value, _ in values[index].release(value) }
            state.distinct[index] = DistinctCounts()
        }
    }

    // MARK: - Results

    /// Appends each call's value for the row `slot` of a key; strings are copied into `arena`.
    func append(_ slot: Int32, _ state: Key, to columns: ArraySlice<Column>, arena: BatchArena) {
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
                rows.append(argument, queue[queue.count - 1 - offset], to: column, copyingInto: arena)
            } else if let otherwise {
                rows.append(otherwise, slot, to: column, copyingInto: arena)
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
            var moments = Moments()
            if !sumsWidely {
                moments = value.load(as: Moments.self)
            } else if (value - 8).load(as: Int64.self) > 0 {
                moments.squares = .nan
            } else {
                moments = value.load(as: WideMoments.self).moments(count: count)
            }
            moments.append(aggregate.function, count: count, type: aggregate.type, to: column)
        case .minimum, .maximum, .first:
            rows.append(argument, state.queues[index].first!, to: column, copyingInto: arena)
        case .last: rows.append(argument, state.queues[index].last!, to: column, copyingInto: arena)
        case .listAgg:
            text.clear()
            for (i, slot) in listed(index, call, state).enumerated() {
                if i > 0 { text.append(aggregate.separator) }
                text.append(rows.columns[argument].refs[Int(slot)])
            }
            column.append(bytes: arena.copy(text.bytes))
        case .arrayAgg:
            let start = Int32(column.children[0].count)
            for slot in listed(index, call, state) {
                rows.append(argument, slot, to: column.children[0], copyingInto: arena)
            }
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
        for row in 0..<values.count { RowStore.copy(values, row, to: column.children[0], arena) }
        column.append(list: ListRef(start: start, count: Int32(values.count)))
    }
}
