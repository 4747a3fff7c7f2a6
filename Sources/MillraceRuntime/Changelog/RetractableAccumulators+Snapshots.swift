import MillraceCore

/// A group's state as bytes that give exactly the same state again, as `Accumulators` writes its own.
///
/// Each aggregate: with DISTINCT its values, each with how often it is there; the count; then the sum, or all values that are kept.
extension RetractableAccumulators {
    /// True when no record grows with its group.
    var isCompact: Bool {
        slots.allSatisfy { slot in
            switch slot.kind {
            case .count, .sumInteger, .sumDouble, .sumFloat, .sumDecimal, .moments: !slot.isDistinct
            default: false
            }
        }
    }

    func writeState(_ record: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        for slot in slots {
            let state = record + slot.offset
            if slot.isDistinct { writeSet(state + 8, to: buffer) }
            buffer.append(signed: state.load(as: Int64.self))
            let value = state + 16
            switch slot.kind {
            case .count: break
            case .sumInteger: buffer.append(signed: value.load(as: Int64.self))
            case .sumDouble, .sumFloat: buffer.append(raw: value.load(as: Double.self))
            case .sumDecimal: buffer.append(raw: value.load(as: Int128.self))
            case .moments: buffer.append(raw: value.load(as: Moments.self))
            case .extremeInteger, .extremeDouble:
                writeExtremes(value, buffer) { (value: Int64) in buffer.append(signed: value) }
            case .extremeDecimal: writeExtremes(value, buffer) { (value: Int128) in buffer.append(raw: value) }
            case .extremeBytes: writeExtremes(value, buffer) { (value: OwnedBytes) in buffer.append(owned: value) }
            case .percentile: weighted(value).write(to: buffer)
            case .cells:
                let cells: RetractableCells? = object(value)
                buffer.append(varint: UInt64(cells?.count ?? 0))
                cells?.forEach { buffer.append(owned: $0) }
            }
        }
    }

    private func writeSet(_ place: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        let set: DistinctValues? = object(place)
        buffer.append(varint: UInt64(set?.table.count ?? 0))
        set?.table.forEach { id in
            set?.table.write(id, to: buffer)
            buffer.append(varint: UInt64(set?.table.references(id) ?? 0))
        }
    }

    private func readSet(_ slot: Slot, _ place: UnsafeMutableRawPointer, from reader: inout StateReader) {
        let count = reader.count()
        guard count > 0 else { return }
        let table = made(place) { DistinctValues(slot.argumentType!, store: store) }.table
        for _ in 0..<count {
            guard let id = reader.read({ table.intern(from: &$0) }) else { return }
            table.retain(id, times: reader.count())
        }
    }

    private func writeExtremes<T: Hashable & Comparable>(
        _ place: UnsafeMutableRawPointer, _ buffer: ByteBuffer, _ write: (T) -> Void
    ) {
        let values: ExtremeValues<T>? = object(place)
        let counts = values?.sorted ?? []
        buffer.append(varint: UInt64(counts.count))
        for (value, count) in counts {
            write(value)
            buffer.append(signed: count)
        }
    }

    /// Reads what `writeState` wrote into a record of zeros.
    func readState(_ record: UnsafeMutableRawPointer, from reader: inout StateReader) {
        for slot in slots {
            let state = record + slot.offset
            if slot.isDistinct { readSet(slot, state + 8, from: &reader) }
            state.storeBytes(of: reader.signed(), as: Int64.self)
            let value = state + 16
            switch slot.kind {
            case .count: break
            case .sumInteger: value.storeBytes(of: reader.signed(), as: Int64.self)
            case .sumDouble, .sumFloat: value.storeBytes(of: reader.raw(Double.self, otherwise: 0), as: Double.self)
            case .sumDecimal: value.storeBytes(of: reader.raw(Int128.self, otherwise: 0), as: Int128.self)
            case .moments: value.storeBytes(of: reader.raw(Moments.self, otherwise: Moments()), as: Moments.self)
            case .extremeInteger, .extremeDouble: readExtremes(slot, value, &reader) { $0.signed() }
            case .extremeDecimal: readExtremes(slot, value, &reader) { $0.raw(Int128.self, otherwise: 0) }
            case .extremeBytes: readExtremes(slot, value, &reader) { OwnedBytes(bytes: $0.counted().array) }
            case .percentile: weighted(value).read(from: &reader)
            case .cells:
                let count = reader.count()
                guard count > 0 else { continue }
                let cells: RetractableCells = made(value) { RetractableCells() }
                for _ in 0..<count where !reader.isDamaged { cells.add(OwnedBytes(bytes: reader.counted().array)) }
                note(cells.bytes)
            }
            if reader.isDamaged { return }
        }
    }

    private func readExtremes<T: Hashable & Comparable>(
        _ slot: Slot, _ place: UnsafeMutableRawPointer, _ reader: inout StateReader,
        _ read: (inout StateReader) -> T
    ) {
        let count = reader.count()
        guard count > 0 else { return }
        let values: ExtremeValues<T> = made(place) { ExtremeValues<T>(isMinimum: slot.isMinimum) }
        for _ in 0..<count where !reader.isDamaged { values.restore(read(&reader), count: reader.signed()) }
        note(values.bytes)
    }
}

extension ByteBuffer {
    fileprivate func append(owned value: OwnedBytes) {
        append(varint: UInt64(value.bytes.count))
        for byte in value.bytes { append(byte) }
    }
}
