import MillraceCore

/// Aggregates over rows that may be taken back, with DISTINCT and FILTER.
///
/// COUNT, SUM and AVG are added to and subtracted from; MIN and MAX keep every value with its count, DISTINCT and PERCENTILE likewise;
/// aggregates that list their values keep the list (see `RetractableCells`). A sum
/// of DOUBLE may keep a rounding error of what was taken back, as Flink's does.
///
/// A record is all zeros for a group without rows. Its first 16 bytes belong to the operator; behind them each aggregate has
/// the number of values it holds (8 bytes), the set of DISTINCT (8 bytes) and 16 bytes of its own.
final class RetractableAccumulators {
    enum Kind {
        case count, sumInteger, sumDouble, sumFloat, sumDecimal
        case extremeInteger, extremeDouble, extremeDecimal, extremeBytes
        case moments, percentile
        /// See `RetractableAccumulators+Cells`.
        case cells
    }

    struct Slot {
        var call: AggregateCall
        var kind: Kind
        var offset: Int
        var argumentType: DataType?
        var isDistinct: Bool
        var isMinimum: Bool { call.function == .minimum }
        /// The 16 bytes of its own hold an address.
        var refersToObject: Bool {
            switch kind {
            case .extremeInteger, .extremeDouble, .extremeDecimal, .extremeBytes, .cells, .percentile: true
            case .count, .sumInteger, .sumDouble, .sumFloat, .sumDecimal, .moments: false
            }
        }
    }

    private static let slotBytes = 32
    let slots: [Slot]
    let store: StateStore
    /// Bytes of the values that MIN, MAX and lists keep, about; `store` has the others.
    private(set) var objectBytes = 0
    let scratch = ByteBuffer(capacity: 64)
    let recordBytes: Int

    /// - Throws: `.user` for an aggregate that cannot take rows back.
    init(_ calls: [AggregateCall], input: Schema, store: StateStore) throws(Diagnostic) {
        self.store = store
        var slots: [Slot] = []
        for (index, call) in calls.enumerated() {
            let type = call.argument.map { input[$0].type }
            guard let kind = RetractableAccumulators.kind(call, type) else {
                throw Diagnostic("aggregate \"\(call.function.rawValue)\" over rows that change is not supported")
            }
            let isExtreme = call.function == .minimum || call.function == .maximum
            slots.append(
                Slot(
                    call: call, kind: kind,
                    offset: Accumulators.headerBytes + index * RetractableAccumulators.slotBytes,
                    argumentType: type, isDistinct: call.isDistinct && call.argument != nil && !isExtreme))
        }
        self.slots = slots
        recordBytes = Accumulators.headerBytes + slots.count * RetractableAccumulators.slotBytes
    }

    private static func kind(_ call: AggregateCall, _ type: DataType?) -> Kind? {
        switch call.function {
        case .countAll, .count: return .count
        case .sum, .average:
            switch type?.layout {
            case .int64: return .sumInteger
            case .double: return type == .float && call.function == .sum ? .sumFloat : .sumDouble
            case .decimal: return .sumDecimal
            default: return nil
            }
        case .minimum, .maximum:
            switch type?.layout {
            case .int64: return .extremeInteger
            case .double: return .extremeDouble
            case .decimal: return .extremeDecimal
            case .bytes: return .extremeBytes
            default: return nil
            }
        case .stddevPop, .stddevSamp, .varPop, .varSamp: return type?.isNumeric == true ? .moments : nil
        case .percentile, .areaUnderCurve: return type?.isNumeric == true ? .percentile : nil
        case .listAgg, .firstValue, .lastValue, .arrayAgg, .collect, .jsonArrayAgg, .jsonObjectAgg: return .cells
        }
    }

    var argumentColumns: [Int] { slots.flatMap(\.call.columns) }

    /// Adds a row to a group, or takes one back.
    func fold(_ batch: ColumnBatch, row: Int, into record: UnsafeMutableRawPointer, isRetraction: Bool) {
        for slot in slots {
            if let filter = slot.call.filter.map({ batch.columns[$0] }),
                filter.states[row] != CellState.valid || filter.ints[row] == 0
            {
                continue
            }
            let argument = slot.call.argument.map { batch.columns[$0] }
            if let argument, argument.states[row] != CellState.valid, slot.call.function != .arrayAgg { continue }
            if slot.isDistinct, let argument, !changesSet(slot, record, argument, row, isRetraction) { continue }
            switch slot.kind {
            case .cells: foldCell(slot, argument!, row, record + slot.offset, isRetraction)
            case .percentile:
                let weights = slot.call.weight.map { batch.columns[$0] }
                weigh(argument!, weights, row, record + slot.offset, isRetraction)
            default: fold(slot, argument, row, record + slot.offset, isRetraction)
            }
        }
    }

    private func fold(
        _ slot: Slot, _ argument: Column?, _ row: Int, _ state: UnsafeMutableRawPointer, _ isRetraction: Bool
    ) {
        state.assumingMemoryBound(to: Int64.self).pointee += isRetraction ? -1 : 1
        let value = state + 16
        switch slot.kind {
        case .count, .cells, .percentile: break
        case .moments:
            let count = state.load(as: Int64.self)
            let moments = value.assumingMemoryBound(to: Moments.self)
            if isRetraction {
                moments.pointee.remove(argument!.double(at: row), count: count)
            } else {
                moments.pointee.add(argument!.double(at: row), count: count)
            }
        case .sumInteger:
            let sum = value.assumingMemoryBound(to: Int64.self)
            if isRetraction { sum.pointee &-= argument!.ints[row] } else { sum.pointee &+= argument!.ints[row] }
        case .sumDouble:
            value.assumingMemoryBound(to: Double.self).pointee +=
                isRetraction ? -argument!.doubles[row] : argument!.doubles[row]
        case .sumFloat:
            let sum = value.assumingMemoryBound(to: Double.self)
            sum.pointee = Double(Float(sum.pointee + (isRetraction ? -argument!.doubles[row] : argument!.doubles[row])))
        case .sumDecimal:
            // Wraps instead of overflowing: what is taken back later brings the sum into its range again.
            let sum = value.assumingMemoryBound(to: Int128.self)
            if isRetraction { sum.pointee &-= argument!.decimals[row] } else { sum.pointee &+= argument!.decimals[row] }
        case .extremeInteger: change(slot, value, argument!.ints[row], isRetraction)
        case .extremeDouble: change(slot, value, TotalOrder.key(argument!.doubles[row]), isRetraction)
        case .extremeDecimal: change(slot, value, argument!.decimals[row], isRetraction)
        case .extremeBytes: change(slot, value, OwnedBytes(bytes: argument!.refs[row].array), isRetraction)
        }
    }

    private func change<T: Hashable & Comparable>(
        _ slot: Slot, _ place: UnsafeMutableRawPointer, _ value: T, _ isRetraction: Bool
    ) {
        let values: ExtremeValues<T> = made(place) { ExtremeValues<T>(isMinimum: slot.isMinimum) }
        let before = values.bytes
        if isRetraction { values.remove(value) } else { values.add(value) }
        objectBytes += values.bytes - before
    }

    /// The objects of a group have grown, or shrunk.
    func note(_ bytes: Int) { objectBytes += bytes }

    func object<T: AnyObject>(_ place: UnsafeMutableRawPointer) -> T? {
        UnsafeRawPointer(bitPattern: place.load(as: UInt.self)).map {
            Unmanaged<T>.fromOpaque($0).takeUnretainedValue()
        }
    }

    /// Counts a value of DISTINCT; true when it is the first of its kind to come or the last to go.
    private func changesSet(
        _ slot: Slot, _ record: UnsafeMutableRawPointer, _ argument: Column, _ row: Int, _ isRetraction: Bool
    ) -> Bool {
        let place = record + slot.offset + 8
        let set: DistinctValues
        if let known: DistinctValues = object(place) {
            set = known
        } else {
            set = DistinctValues(slot.argumentType!, store: store)
            place.storeBytes(of: UInt(bitPattern: Unmanaged.passRetained(set).toOpaque()), as: UInt.self)
        }
        set.table.bind([argument])
        let id = set.table.intern(row: row)
        let count = set.table.references(id)
        if isRetraction {
            guard count > 0 else {
                set.table.drop(id)
                return false
            }
            set.table.release(id)
            return count == 1
        }
        set.table.retain(id)
        return count == 0
    }

    /// Frees what the record holds; the record itself belongs to its pool.
    func release(_ record: UnsafeMutableRawPointer) {
        for slot in slots {
            let state = record + slot.offset
            if slot.isDistinct { releaseObject(state + 8) }
            guard slot.refersToObject else { continue }
            let held: AnyObject? = object(state + 16)
            objectBytes -= (held as? any HeldObject)?.bytes ?? 0
            releaseObject(state + 16)
        }
    }

    private func releaseObject(_ place: UnsafeMutableRawPointer) {
        guard let pointer = UnsafeRawPointer(bitPattern: place.load(as: UInt.self)) else { return }
        Unmanaged<AnyObject>.fromOpaque(pointer).release()
        place.storeBytes(of: 0, as: UInt.self)
    }

    /// Appends the group's results, one cell to each column. The bytes of texts are in `arena`.
    func append(_ record: UnsafeMutableRawPointer, to columns: ArraySlice<Column>, arena: BatchArena) {
        for (slot, column) in zip(slots, columns) { append(slot, record + slot.offset, column, arena) }
    }

    private func append(_ slot: Slot, _ state: UnsafeMutableRawPointer, _ column: Column, _ arena: BatchArena) {
        let values = state.load(as: Int64.self)
        if slot.kind == .count { return column.append(int: values) }
        let value = state + 16
        if slot.kind == .cells { return appendCells(slot, value, column, arena) }
        guard values > 0 else { return column.appendNull() }
        let isAverage = slot.call.function == .average
        switch slot.kind {
        case .count, .cells: break
        case .moments:
            value.load(as: Moments.self).append(slot.call.function, count: values, type: slot.call.type, to: column)
        case .percentile: weighted(value).append(slot.call, to: column)
        case .sumInteger:
            let sum = value.load(as: Int64.self)
            column.append(int: Accumulators.wrap(isAverage ? sum / values : sum, to: slot.call.type))
        case .sumDouble, .sumFloat:
            let sum = value.load(as: Double.self)
            let result = isAverage ? sum / Double(values) : sum
            column.append(double: slot.call.type == .float ? Double(Float(result)) : result)
        case .sumDecimal:
            let sum = value.load(as: Int128.self)
            let scale = slot.argumentType?.exactPrecision?.scale ?? 0
            let target = slot.call.type.exactPrecision ?? (38, scale)
            let result = isAverage ? Accumulators.average(sum, over: values, scale: scale, to: target.scale) : sum
            guard let result, result.magnitude < Accumulators.power10(target.precision) else {
                return column.appendNull()
            }
            column.append(decimal: result)
        case .extremeInteger:
            appendFirst(value, column) { (values: ExtremeValues<Int64>) in values.first.map { column.append(int: $0) } }
        case .extremeDouble:
            appendFirst(value, column) { (values: ExtremeValues<Int64>) in
                values.first.map { column.append(double: TotalOrder.value($0)) }
            }
        case .extremeDecimal:
            appendFirst(value, column) { (values: ExtremeValues<Int128>) in
                values.first.map { column.append(decimal: $0) }
            }
        case .extremeBytes:
            appendFirst(value, column) { (values: ExtremeValues<OwnedBytes>) in
                values.first.map { column.append(bytes: arena.copy($0.bytes)) }
            }
        }
    }

    private func appendFirst<T>(
        _ place: UnsafeMutableRawPointer, _ column: Column, _ append: (ExtremeValues<T>) -> Void?
    ) {
        guard let values: ExtremeValues<T> = object(place), append(values) != nil else { return column.appendNull() }
    }
}

/// What a record refers to.
protocol HeldObject: AnyObject {
    /// Estimated.
    var bytes: Int { get }
}

/// Doubles as integers of the same order; NaN is the greatest, and -0 comes before 0.
enum TotalOrder {
    static func key(_ value: Double) -> Int64 {
        let bits = Int64(bitPattern: (value.isNaN ? .nan : value).bitPattern)
        return bits >= 0 ? bits : bits ^ Int64.max
    }
    static func value(_ key: Int64) -> Double {
        Double(bitPattern: UInt64(bitPattern: key >= 0 ? key : key ^ Int64.max))
    }
}
