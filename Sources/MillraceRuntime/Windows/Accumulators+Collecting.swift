import MillraceCore

extension Accumulators.Kind {
    /// The record holds a block of the store.
    var holdsBytes: Bool {
        switch self {
        case .minimumBytes, .maximumBytes, .text, .firstCell, .lastCell, .cells, .jsonArray, .jsonObject: true
        default: false
        }
    }
}

/// Aggregates whose state grows with the group, and the statistics.
///
/// A record holds, behind the count: `.moments` a `Moments`; `.text` the joined text; `.firstCell` and `.lastCell` one encoded
/// cell, `.cells` all of them; `.multiset` a set of values with their counts.
extension Accumulators {
    static func collectingKind(_ call: AggregateCall, _ type: DataType) -> Kind? {
        switch call.function {
        case .stddevPop, .stddevSamp, .varPop, .varSamp: type.isNumeric ? .moments : nil
        case .listAgg: type.layout == .bytes ? .text : nil
        case .firstValue: .firstCell
        case .lastValue: .lastCell
        case .arrayAgg: .cells
        case .collect: .multiset
        case .percentile, .areaUnderCurve: type.isNumeric ? .percentile : nil
        case .jsonArrayAgg: .jsonArray
        case .jsonObjectAgg: .jsonObject
        case .countAll, .count, .sum, .average, .minimum, .maximum: nil
        }
    }

    /// Folds one cell into a group's state.
    func collect(_ slot: Slot, _ argument: Column, _ row: Int, _ state: UnsafeMutableRawPointer) {
        let count = state.assumingMemoryBound(to: Int64.self)
        count.pointee += 1
        switch slot.kind {
        case .moments:
            (state + 16).assumingMemoryBound(to: Moments.self).pointee.add(
                argument.double(at: row), count: count.pointee)
        case .text:
            if count.pointee > 1 { appendSeparator(slot, state) }
            append(argument.refs[row], to: state)
        case .firstCell where count.pointee > 1: break
        case .firstCell, .lastCell:
            (state + 16).assumingMemoryBound(to: HeldBytes.self).pointee.count = 0
            encode(argument, row, state)
        case .cells: encode(argument, row, state)
        case .jsonArray: appendArray(argument.refs[row], isFirst: count.pointee == 1, state)
        case .jsonObject: insertItem(JSONItems.item(of: argument.refs[row]), isFirst: count.pointee == 1, state)
        case .multiset:
            let values = multiset(slot, state)
            values.table.bind([argument])
            values.table.retain(values.table.intern(row: row))
        default: break
        }
    }

    func mergeCollected(_ slot: Slot, _ from: UnsafeMutableRawPointer, _ to: UnsafeMutableRawPointer) {
        let values = from.load(as: Int64.self)
        let seen = to.assumingMemoryBound(to: Int64.self)
        if slot.kind == .multiset {
            mergeMultiset(slot, from, to)
            seen.pointee += values
            return
        }
        if slot.kind == .moments {
            let other = (from + 16).load(as: Moments.self)
            (to + 16).assumingMemoryBound(to: Moments.self).pointee.merge(
                other, count: seen.pointee, otherCount: values)
            seen.pointee += values
            return
        }
        let held = (from + 16).load(as: HeldBytes.self)
        let bytes = ByteRef(start: held.start!, count: Int(held.count))
        switch slot.kind {
        case .text:
            if seen.pointee > 0 { appendSeparator(slot, to) }
            append(bytes, to: to)
        case .cells: append(bytes, to: to)
        case .jsonArray: appendArray(bytes, isFirst: seen.pointee == 0, to)
        case .jsonObject:
            var isFirst = seen.pointee == 0
            JSONItems.forEach(bytes) { item in
                insertItem(item, isFirst: isFirst, to)
                isFirst = false
            }
        case .firstCell: if seen.pointee == 0 { append(bytes, to: to) }
        case .lastCell:
            (to + 16).assumingMemoryBound(to: HeldBytes.self).pointee.count = 0
            append(bytes, to: to)
        default: break
        }
        seen.pointee += values
    }

    func appendCollected(_ slot: Slot, _ state: UnsafeMutableRawPointer, _ column: Column) {
        let count = state.load(as: Int64.self)
        if slot.kind == .moments {
            (state + 16).load(as: Moments.self).append(
                slot.call.function, count: count, type: slot.call.type, to: column)
            return
        }
        let held = (state + 16).load(as: HeldBytes.self)
        var cursor = UnsafeRawPointer(held.start!)
        switch slot.kind {
        case .text, .jsonArray, .jsonObject: column.append(bytes: ByteRef(start: held.start!, count: Int(held.count)))
        case .cells:
            let start = Int32(column.children[0].count)
            for _ in 0..<count { CellCodec.read(&cursor, into: column.children[0]) }
            column.append(list: ListRef(start: start, count: Int32(count)))
        default: CellCodec.read(&cursor, into: column)
        }
    }

    /// The result of a group without values.
    func appendEmpty(_ slot: Slot, _ column: Column) {
        func append(_ text: StaticString) {
            column.append(bytes: ByteRef(start: text.utf8Start, count: text.utf8CodeUnitCount))
        }
        switch slot.kind {
        case .jsonArray: append("[]")
        case .jsonObject: append("{}")
        default: column.appendNull()
        }
    }

    // MARK: - JSON

    /// The record holds the array's text; `items` is another one.
    private func appendArray(_ items: ByteRef, isFirst: Bool, _ state: UnsafeMutableRawPointer) {
        guard !isFirst else { return append(items, to: state) }
        let held = (state + 16).assumingMemoryBound(to: HeldBytes.self)
        held.pointee.start![Int(held.pointee.count) - 1] = JSONItems.comma
        append(ByteRef(start: items.start + 1, count: items.count - 1), to: state)
    }

    private func insertItem(_ item: ByteRef, isFirst: Bool, _ state: UnsafeMutableRawPointer) {
        let held = (state + 16).assumingMemoryBound(to: HeldBytes.self)
        let object = isFirst ? ByteRef.empty : ByteRef(start: held.pointee.start!, count: Int(held.pointee.count))
        JSONItems.insert(item, into: object, scratch)
        held.pointee.count = 0
        append(scratch.bytes, to: state)
    }

    // MARK: - Percentiles

    func weigh(_ argument: Column, _ weights: Column?, _ row: Int, _ state: UnsafeMutableRawPointer) {
        var weight: Int64 = 1
        if let weights { weight = weights.states[row] == CellState.valid ? max(0, weights.ints[row]) : 0 }
        guard weight > 0 else { return }
        state.assumingMemoryBound(to: Int64.self).pointee += 1
        weighted(state).add(argument.double(at: row), weight: weight)
    }

    func weighted(_ state: UnsafeMutableRawPointer) -> WeightedValues {
        let place = (state + 16).assumingMemoryBound(to: UInt.self)
        if let pointer = UnsafeRawPointer(bitPattern: place.pointee) {
            return Unmanaged<WeightedValues>.fromOpaque(pointer).takeUnretainedValue()
        }
        let values = WeightedValues()
        place.pointee = UInt(bitPattern: Unmanaged.passRetained(values).toOpaque())
        return values
    }

    // MARK: - Bytes

    private func appendSeparator(_ slot: Slot, _ state: UnsafeMutableRawPointer) {
        // A call's separator is short; its bytes are copied without an allocation.
        var separator = slot.call.separator
        separator.withUTF8 { bytes in
            if let base = bytes.baseAddress { append(ByteRef(start: base, count: bytes.count), to: state) }
        }
    }

    private func encode(_ argument: Column, _ row: Int, _ state: UnsafeMutableRawPointer) {
        scratch.clear()
        CellCodec.append(argument, row, to: scratch)
        append(scratch.bytes, to: state)
    }

    /// Puts bytes behind those that a record holds; the block doubles when it is full.
    func append(_ bytes: ByteRef, to state: UnsafeMutableRawPointer) {
        let held = (state + 16).assumingMemoryBound(to: HeldBytes.self)
        let count = Int(held.pointee.count)
        if held.pointee.start == nil || Int(held.pointee.capacity) < count + bytes.count {
            let capacity = store.capacity(for: max(16, count + bytes.count))
            let new = store.allocate(capacity).assumingMemoryBound(to: UInt8.self)
            if let old = held.pointee.start {
                new.update(from: old, count: count)
                store.deallocate(old, Int(held.pointee.capacity))
            }
            held.pointee.start = new
            held.pointee.capacity = Int32(capacity)
        }
        if bytes.count > 0 { (held.pointee.start! + count).update(from: bytes.start, count: bytes.count) }
        held.pointee.count = Int32(count + bytes.count)
    }

    // MARK: - Multisets

    func multiset(_ slot: Slot, _ state: UnsafeMutableRawPointer) -> DistinctValues {
        let place = (state + 16).assumingMemoryBound(to: UInt.self)
        if let pointer = UnsafeRawPointer(bitPattern: place.pointee) {
            return Unmanaged<DistinctValues>.fromOpaque(pointer).takeUnretainedValue()
        }
        let values = DistinctValues(slot.argumentType!, store: store)
        place.pointee = UInt(bitPattern: Unmanaged.passRetained(values).toOpaque())
        return values
    }

    private func mergeMultiset(_ slot: Slot, _ from: UnsafeMutableRawPointer, _ to: UnsafeMutableRawPointer) {
        let values = Column(slot.argumentType!)
        let counts = Column(.bigInt)
        multiset(slot, from).table.appendAll(to: values, counts: counts)
        let target = multiset(slot, to).table
        target.bind([values])
        for row in 0..<values.count {
            let id = target.intern(row: row)
            for _ in 0..<counts.ints[row] { target.retain(id) }
        }
    }

    func appendMultiset(_ state: UnsafeMutableRawPointer, _ column: Column) {
        let start = Int32(column.children[0].count)
        if let pointer = UnsafeRawPointer(bitPattern: (state + 16).load(as: UInt.self)) {
            let values = Unmanaged<DistinctValues>.fromOpaque(pointer).takeUnretainedValue()
            values.table.appendAll(to: column.children[0], counts: column.children[1])
        }
        column.append(list: ListRef(start: start, count: Int32(column.children[0].count) - start))
    }

    func releaseObject(_ state: UnsafeMutableRawPointer) {
        let place = (state + 16).assumingMemoryBound(to: UInt.self)
        if let pointer = UnsafeRawPointer(bitPattern: place.pointee) {
            Unmanaged<AnyObject>.fromOpaque(pointer).release()
            place.pointee = 0
        }
    }
}
