import MillraceCore

/// The values of one DISTINCT aggregate in one group.
final class DistinctValues {
    let table: KeyTable
    init(_ type: DataType, store: StateStore) { table = KeyTable(types: [type], store: store) }
}

/// How the aggregates of one operator lie in a group's record, and how rows are folded into it.
///
/// A record is all zeros for a group without rows. Its first 16 bytes belong to the operator; behind them each aggregate
/// has a count of the values it saw (8 bytes, padded to 16) and its value. Updates run an aggregate at a time over a run of
/// rows whose records are known, so each loop is over one type.
final class Accumulators {
    enum Kind {
        case count
        /// Sum of integers in 64 bits, wrapping; also the numerator of an integer average (Flink: over a BIGINT sum).
        case sumInteger
        case sumDouble
        /// FLOAT sums are rounded to 24 bits after each addition, as Flink's FLOAT accumulator is.
        case sumFloat
        case sumDecimal
        case minimumInteger, maximumInteger
        case minimumDouble, maximumDouble
        case minimumDecimal, maximumDecimal
        case minimumBytes, maximumBytes
        /// See `Accumulators+Collecting`.
        case moments, text, firstCell, lastCell, cells, multiset, percentile, jsonArray, jsonObject
    }

    struct Slot {
        var call: AggregateCall
        var kind: Kind
        var offset: Int
        /// Of the DISTINCT set's reference; -1 without DISTINCT.
        var distinctOffset: Int
        var argumentType: DataType?
        /// Of the first `PartialSum`; -1 when values are added one by one.
        var partsOffset = -1
    }

    /// A string MIN or MAX in a record.
    struct HeldBytes {
        var start: UnsafeMutablePointer<UInt8>?
        var count: Int32
        var capacity: Int32
    }

    /// A DECIMAL sum that left 38 digits: its count is set to this.
    private static let overflowed = Int64.min
    static let headerBytes = 16

    let slots: [Slot]
    let store: StateStore
    let recordBytes: Int
    let scratch = ByteBuffer(capacity: 64)
    /// How DOUBLE and FLOAT sums are put together; nil: value by value.
    let parts: PartialSums?
    /// Of the rows that are folded now; see `PartialSums`.
    var epoch: Int64 = 1
    private var rows: UnsafeMutablePointer<Int32>
    private var records: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var slices: UnsafeMutablePointer<Int32>
    private var capacity = 256
    /// Some records hold memory of their own.
    private let needsRelease: Bool

    /// - Throws: `.bug` for an aggregate over a type that has none.
    init(
        _ calls: [AggregateCall], input: Schema, store: StateStore, parts: PartialSums? = nil
    ) throws(Diagnostic) {
        self.store = store
        var slots: [Slot] = []
        var offset = Accumulators.headerBytes
        var holds = false
        for call in calls {
            let type = call.argument.map { input[$0].type }
            let kind = try Accumulators.kind(call, type)
            var slot = Slot(call: call, kind: kind, offset: offset, distinctOffset: -1, argumentType: type)
            offset += kind == .count ? 16 : 32
            // A DISTINCT minimum is the minimum.
            if call.isDistinct, call.function != .minimum, call.function != .maximum {
                slot.distinctOffset = slot.offset + 8
                holds = true
            }
            if kind.holdsBytes || kind == .multiset || kind == .percentile { holds = true }
            slots.append(slot)
        }
        var hasParts = false
        if let parts {
            for i in slots.indices where slots[i].distinctOffset < 0 {
                guard let bytes = Accumulators.partBytes(slots[i].kind) else { continue }
                hasParts = true
                slots[i].partsOffset = offset
                offset += parts.slices * bytes
            }
        }
        self.parts = hasParts ? parts : nil
        self.slots = slots
        recordBytes = (offset + 15) & ~15
        needsRelease = holds
        rows = .allocate(capacity: capacity)
        records = .allocate(capacity: capacity)
        slices = .allocate(capacity: capacity)
    }

    deinit {
        slices.deallocate()
        rows.deallocate()
        records.deallocate()
    }

    private static func kind(_ call: AggregateCall, _ type: DataType?) throws(Diagnostic) -> Kind {
        guard let type, call.function != .countAll, call.function != .count else { return .count }
        if let kind = collectingKind(call, type) { return kind }
        switch (call.function, type.layout) {
        case (.sum, .int64), (.average, .int64): return .sumInteger
        case (.sum, .double): return type == .float ? .sumFloat : .sumDouble
        case (.average, .double): return .sumDouble
        case (.sum, .decimal), (.average, .decimal): return .sumDecimal
        case (.minimum, .int64): return .minimumInteger
        case (.maximum, .int64): return .maximumInteger
        case (.minimum, .double): return .minimumDouble
        case (.maximum, .double): return .maximumDouble
        case (.minimum, .decimal): return .minimumDecimal
        case (.maximum, .decimal): return .maximumDecimal
        case (.minimum, .bytes): return .minimumBytes
        case (.maximum, .bytes): return .maximumBytes
        default:
            throw Diagnostic("aggregate \"\(call.function.rawValue)\" has no accumulator for \(type)", fault: .bug)
        }
    }

    var argumentColumns: [Int] { slots.flatMap(\.call.columns) }

    // MARK: - Fold

    /// Folds `batch`'s rows `rows[i]` into `records[i]`, in order.
    ///
    /// - Parameter slices: the slice of the window that each row is in; nil: always the first.
    func update(
        _ batch: ColumnBatch, rows: UnsafeMutablePointer<Int32>,
        records: UnsafeMutablePointer<UnsafeMutableRawPointer>, slices: UnsafeMutablePointer<Int32>? = nil, count: Int
    ) {
        guard count > 0 else { return }
        for slot in slots { update(slot, batch, rows, records, slot.partsOffset < 0 ? nil : slices, count) }
    }

    private func update(
        _ slot: Slot, _ batch: ColumnBatch, _ givenRows: UnsafeMutablePointer<Int32>,
        _ givenRecords: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ givenSlices: UnsafeMutablePointer<Int32>?,
        _ givenCount: Int
    ) {
        var (rows, records, count) = (givenRows, givenRecords, givenCount)
        var slices = givenSlices
        let argument = slot.call.argument.map { batch.columns[$0] }
        let filter = slot.call.filter.map { batch.columns[$0] }
        if filter != nil || argument.map({ !$0.allValid }) == true || slot.distinctOffset >= 0 {
            // Only the rows that count, so the loops below need no test.
            if count > capacity { growSelection(count) }
            (rows, records) = (self.rows, self.records)
            if slices != nil { slices = self.slices }
            var kept = 0
            for i in 0..<count {
                let row = Int(givenRows[i])
                if let filter, filter.states[row] != CellState.valid || filter.ints[row] == 0 { continue }
                if let argument, argument.states[row] != CellState.valid, slot.kind != .cells { continue }
                if slot.distinctOffset >= 0, let argument, !isNew(slot, argument, row, givenRecords[i]) { continue }
                rows[kept] = Int32(truncatingIfNeeded: row)
                records[kept] = givenRecords[i]
                if let givenSlices { self.slices[kept] = givenSlices[i] }
                kept += 1
            }
            count = kept
        }
        let offset = slot.offset
        switch slot.kind {
        case .count:
            for i in 0..<count { (records[i] + offset).assumingMemoryBound(to: Int64.self).pointee += 1 }
        case .sumInteger:
            let cells = argument!.ints
            for i in 0..<count {
                let record = records[i] + offset
                record.assumingMemoryBound(to: Int64.self).pointee += 1
                (record + 16).assumingMemoryBound(to: Int64.self).pointee &+= cells[Int(rows[i])]
            }
        case .sumDouble where slot.partsOffset >= 0, .sumFloat where slot.partsOffset >= 0:
            addInParts(slot, argument!.doubles, rows, records, slices, count)
        case .sumDouble:
            let cells = argument!.doubles
            for i in 0..<count {
                let record = records[i] + offset
                record.assumingMemoryBound(to: Int64.self).pointee += 1
                (record + 16).assumingMemoryBound(to: Double.self).pointee += cells[Int(rows[i])]
            }
        case .sumFloat:
            let cells = argument!.doubles
            for i in 0..<count {
                let record = records[i] + offset
                record.assumingMemoryBound(to: Int64.self).pointee += 1
                let sum = (record + 16).assumingMemoryBound(to: Double.self)
                sum.pointee = Double(Float(sum.pointee + cells[Int(rows[i])]))
            }
        case .sumDecimal:
            let cells = argument!.decimals
            for i in 0..<count { addDecimal(records[i] + offset, cells[Int(rows[i])], 1) }
        case .minimumInteger, .maximumInteger:
            let cells = argument!.ints
            fold(rows, records, count, offset, cells, slot.kind == .minimumInteger)
        case .minimumDouble, .maximumDouble:
            let cells = argument!.doubles
            fold(rows, records, count, offset, cells, slot.kind == .minimumDouble)
        case .minimumDecimal, .maximumDecimal:
            let cells = argument!.decimals
            fold(rows, records, count, offset, cells, slot.kind == .minimumDecimal)
        case .minimumBytes, .maximumBytes:
            let cells = argument!.refs
            for i in 0..<count {
                foldBytes(records[i] + offset, cells[Int(rows[i])], minimum: slot.kind == .minimumBytes)
            }
        case .percentile:
            let weights = slot.call.weight.map { batch.columns[$0] }
            for i in 0..<count { weigh(argument!, weights, Int(rows[i]), records[i] + offset) }
        case .moments where slot.partsOffset >= 0:
            addMomentsInParts(slot, argument!, rows, records, slices, count)
        case .moments, .text, .firstCell, .lastCell, .cells, .multiset, .jsonArray, .jsonObject:
            for i in 0..<count { collect(slot, argument!, Int(rows[i]), records[i] + offset) }
        }
    }

    @inline(__always)
    private func fold<T: Comparable>(
        _ rows: UnsafeMutablePointer<Int32>, _ records: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ count: Int,
        _ offset: Int, _ cells: UnsafeMutablePointer<T>, _ minimum: Bool
    ) {
        for i in 0..<count {
            let seen = (records[i] + offset).assumingMemoryBound(to: Int64.self)
            let held = (records[i] + offset + 16).assumingMemoryBound(to: T.self)
            let value = cells[Int(rows[i])]
            if seen.pointee == 0 || (minimum ? value < held.pointee : held.pointee < value) { held.pointee = value }
            seen.pointee += 1
        }
    }

    private func foldBytes(_ slot: UnsafeMutableRawPointer, _ value: ByteRef, minimum: Bool) {
        let seen = slot.assumingMemoryBound(to: Int64.self)
        let held = (slot + 16).assumingMemoryBound(to: HeldBytes.self)
        if seen.pointee > 0 {
            let order = value.compare(ByteRef(start: held.pointee.start!, count: Int(held.pointee.count)))
            guard minimum ? order < 0 : order > 0 else { return }
        }
        if held.pointee.start == nil || Int(held.pointee.capacity) < value.count {
            if let start = held.pointee.start { store.deallocate(start, Int(held.pointee.capacity)) }
            let capacity = store.capacity(for: value.count)
            held.pointee.start = store.allocate(capacity).assumingMemoryBound(to: UInt8.self)
            held.pointee.capacity = Int32(capacity)
        }
        if value.count > 0 { held.pointee.start!.update(from: value.start, count: value.count) }
        held.pointee.count = Int32(value.count)
        seen.pointee += 1
    }

    @inline(__always)
    private func addDecimal(_ slot: UnsafeMutableRawPointer, _ value: Int128, _ values: Int64) {
        let seen = slot.assumingMemoryBound(to: Int64.self)
        guard seen.pointee != Accumulators.overflowed else { return }
        let sum = (slot + 16).assumingMemoryBound(to: Int128.self)
        let (result, overflow) = sum.pointee.addingReportingOverflow(value)
        sum.pointee = result
        seen.pointee = overflow ? Accumulators.overflowed : seen.pointee + values
    }

    private func growSelection(_ count: Int) {
        rows.deallocate()
        records.deallocate()
        slices.deallocate()
        capacity = max(count, capacity * 2)
        rows = .allocate(capacity: capacity)
        records = .allocate(capacity: capacity)
        slices = .allocate(capacity: capacity)
    }

    // MARK: - DISTINCT

    private func isNew(_ slot: Slot, _ argument: Column, _ row: Int, _ record: UnsafeMutableRawPointer) -> Bool {
        let set = distinctValues(slot, record)
        set.table.bind([argument])
        let id = set.table.intern(row: row)
        guard set.table.references(id) == 0 else { return false }
        set.table.retain(id)
        return true
    }

    func distinctValues(_ slot: Slot, _ record: UnsafeMutableRawPointer) -> DistinctValues {
        let place = (record + slot.distinctOffset).assumingMemoryBound(to: UInt.self)
        if let pointer = UnsafeRawPointer(bitPattern: place.pointee) {
            return Unmanaged<DistinctValues>.fromOpaque(pointer).takeUnretainedValue()
        }
        let set = DistinctValues(slot.argumentType!, store: store)
        place.pointee = UInt(bitPattern: Unmanaged.passRetained(set).toOpaque())
        return set
    }

    // MARK: - Merge and release

    /// Folds the group `source` into `target` (sessions that became one). `source` keeps its memory: release it.
    func merge(_ source: UnsafeMutableRawPointer, into target: UnsafeMutableRawPointer) {
        for slot in slots {
            let (from, to) = (source + slot.offset, target + slot.offset)
            if slot.distinctOffset >= 0 {
                mergeDistinct(slot, source, target)
                continue
            }
            let values = from.load(as: Int64.self)
            guard values != 0 else { continue }
            let seen = to.assumingMemoryBound(to: Int64.self)
            switch slot.kind {
            case .count: seen.pointee += values
            case .sumInteger:
                seen.pointee += values
                (to + 16).assumingMemoryBound(to: Int64.self).pointee &+= (from + 16).load(as: Int64.self)
            case .sumDouble, .sumFloat:
                seen.pointee += values
                let sum = (to + 16).assumingMemoryBound(to: Double.self)
                let added = sum.pointee + (from + 16).load(as: Double.self)
                sum.pointee = slot.kind == .sumFloat ? Double(Float(added)) : added
            case .sumDecimal:
                if values == Accumulators.overflowed {
                    seen.pointee = values
                } else {
                    addDecimal(to, (from + 16).load(as: Int128.self), values)
                }
            case .minimumInteger, .maximumInteger:
                mergeOne(from, to, Int64.self, slot.kind == .minimumInteger)
            case .minimumDouble, .maximumDouble:
                mergeOne(from, to, Double.self, slot.kind == .minimumDouble)
            case .minimumDecimal, .maximumDecimal:
                mergeOne(from, to, Int128.self, slot.kind == .minimumDecimal)
            case .minimumBytes, .maximumBytes:
                let held = (from + 16).load(as: HeldBytes.self)
                foldBytes(
                    to, ByteRef(start: held.start!, count: Int(held.count)), minimum: slot.kind == .minimumBytes)
            case .percentile:
                seen.pointee += values
                weighted(to).merge(weighted(from))
            case .moments, .text, .firstCell, .lastCell, .cells, .multiset, .jsonArray, .jsonObject:
                mergeCollected(slot, from, to)
            }
        }
    }

    private func mergeOne<T: Comparable>(
        _ from: UnsafeMutableRawPointer, _ to: UnsafeMutableRawPointer, _: T.Type, _ minimum: Bool
    ) {
        let seen = to.assumingMemoryBound(to: Int64.self)
        let held = (to + 16).assumingMemoryBound(to: T.self)
        let value = (from + 16).assumingMemoryBound(to: T.self).pointee
        if seen.pointee == 0 || (minimum ? value < held.pointee : held.pointee < value) { held.pointee = value }
        seen.pointee += from.load(as: Int64.self)
    }

    private func mergeDistinct(_ slot: Slot, _ source: UnsafeMutableRawPointer, _ target: UnsafeMutableRawPointer) {
        guard (source + slot.distinctOffset).load(as: UInt.self) != 0 else { return }
        let values = Column(slot.argumentType!)
        distinctValues(slot, source).table.appendAll(to: values)
        foldDistinct(slot, values, into: target)
    }

    /// Adds the cells of `values`, none of them NULL, to a DISTINCT aggregate.
    func foldDistinct(_ slot: Slot, _ values: Column, into target: UnsafeMutableRawPointer) {
        // Folded like rows: a value that the target has seen is dropped there.
        let batch = ColumnBatch(columns: [values], count: values.count)
        var moved = slot
        moved.call.argument = 0
        moved.call.filter = nil
        moved.call.weight = nil
        let count = values.count
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: count) { rows in
            withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: count) { records in
                for i in 0..<count {
                    rows[i] = Int32(i)
                    records[i] = target
                }
                update(moved, batch, rows.baseAddress!, records.baseAddress!, nil, count)
            }
        }
    }

    /// Frees what the record holds; the record itself belongs to its pool.
    func release(_ record: UnsafeMutableRawPointer) {
        guard needsRelease else { return }
        for slot in slots {
            if slot.distinctOffset >= 0 {
                let place = (record + slot.distinctOffset).assumingMemoryBound(to: UInt.self)
                if let pointer = UnsafeRawPointer(bitPattern: place.pointee) {
                    Unmanaged<DistinctValues>.fromOpaque(pointer).release()
                    place.pointee = 0
                }
            }
            if slot.kind == .multiset || slot.kind == .percentile { releaseObject(record + slot.offset) }
            if slot.kind.holdsBytes {
                let held = (record + slot.offset + 16).assumingMemoryBound(to: HeldBytes.self)
                if let start = held.pointee.start { store.deallocate(start, Int(held.pointee.capacity)) }
                held.pointee.start = nil
            }
        }
    }

    // MARK: - Results

    /// Appends the group's results, one cell to each column. Strings borrow the record's bytes.
    func append(_ record: UnsafeMutableRawPointer, to columns: ArraySlice<Column>) {
        for (i, slot) in slots.enumerated() { append(slot, record + slot.offset, columns[columns.startIndex + i]) }
    }

    private func append(_ slot: Slot, _ state: UnsafeMutableRawPointer, _ column: Column) {
        let values = state.load(as: Int64.self)
        if slot.kind == .count {
            column.append(int: values)
            return
        }
        if slot.kind == .multiset {
            appendMultiset(state, column)
            return
        }
        guard values > 0 else {
            appendEmpty(slot, column)
            return
        }
        let average = slot.call.function == .average
        switch slot.kind {
        case .count: break
        case .sumInteger:
            let sum = (state + 16).load(as: Int64.self)
            column.append(int: Accumulators.wrap(average ? sum / values : sum, to: slot.call.type))
        case .sumDouble, .sumFloat:
            let sum = (state + 16).load(as: Double.self)
            let result = average ? sum / Double(values) : sum
            column.append(double: slot.call.type == .float ? Double(Float(result)) : result)
        case .sumDecimal:
            let sum = (state + 16).load(as: Int128.self)
            if average {
                let scale = slot.argumentType?.exactPrecision?.scale ?? 0
                let target = slot.call.type.exactPrecision ?? (38, scale)
                appendDecimal(
                    Accumulators.average(sum, over: values, scale: scale, to: target.scale), target.precision, column)
            } else {
                appendDecimal(sum, slot.call.type.exactPrecision?.precision ?? 38, column)
            }
        case .minimumInteger, .maximumInteger: column.append(int: (state + 16).load(as: Int64.self))
        case .minimumDouble, .maximumDouble: column.append(double: (state + 16).load(as: Double.self))
        case .minimumDecimal, .maximumDecimal: column.append(decimal: (state + 16).load(as: Int128.self))
        case .minimumBytes, .maximumBytes:
            let held = (state + 16).load(as: HeldBytes.self)
            column.append(bytes: ByteRef(start: held.start!, count: Int(held.count)))
        case .percentile: weighted(state).append(slot.call, to: column)
        case .moments, .text, .firstCell, .lastCell, .cells, .multiset, .jsonArray, .jsonObject:
            appendCollected(slot, state, column)
        }
    }

    func appendDecimal(_ value: Int128?, _ precision: Int, _ column: Column) {
        guard let value, value.magnitude < Accumulators.power10(precision) else {
            column.appendNull()
            return
        }
        column.append(decimal: value)
    }

    static func power10(_ exponent: Int) -> UInt128 {
        var result: UInt128 = 1
        for _ in 0..<min(exponent, 38) { result *= 10 }
        return result
    }

    /// The low bits of an integer in its type's width, as Flink's integer arithmetic wraps.
    static func wrap(_ value: Int64, to type: DataType) -> Int64 {
        switch type {
        case .tinyInt: Int64(Int8(truncatingIfNeeded: value))
        case .smallInt: Int64(Int16(truncatingIfNeeded: value))
        case .integer: Int64(Int32(truncatingIfNeeded: value))
        default: value
        }
    }

    /// `sum / count` with `target` digits behind the point, half away from zero; nil when it does not fit.
    ///
    /// By long division, a digit at a time: `sum * 10^n` may exceed 128 bits when the quotient does not.
    static func average(_ sum: Int128, over count: Int64, scale: Int, to target: Int) -> Int128? {
        let divisor = UInt128(count)
        var quotient = sum.magnitude / divisor
        var rest = sum.magnitude % divisor
        for _ in 0..<max(0, target - scale) {
            rest *= 10
            let (shifted, overflow) = quotient.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            quotient = shifted + rest / divisor
            rest %= divisor
        }
        if rest * 2 >= divisor { quotient += 1 }
        guard quotient <= UInt128(Int128.max) else { return nil }
        return sum < 0 ? -Int128(quotient) : Int128(quotient)
    }
}
