import MillraceCore

/// A group's state as bytes that give exactly the same state again: unlike `write`, which another shard merges.
///
/// Each aggregate: with DISTINCT its values; the count; the value, unless the count is 0; its partial sums by slice.
extension Accumulators {
    /// True when no record grows with its group: writing a whole one costs about as much as the row that changed it.
    var isCompact: Bool {
        slots.allSatisfy { slot in
            switch slot.kind {
            case .text, .cells, .multiset, .percentile, .jsonArray, .jsonObject: false
            default: slot.distinctOffset < 0
            }
        }
    }

    func writeState(_ record: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        for slot in slots {
            let state = record + slot.offset
            if slot.distinctOffset >= 0 { writeSet(distinctValues(slot, record).table, counts: false, to: buffer) }
            let count = state.load(as: Int64.self)
            buffer.append(signed: count)
            if count != 0 { writeValue(slot, state, to: buffer) }
            if slot.partsOffset >= 0 { writeParts(slot, record, to: buffer) }
        }
    }

    /// Reads what `writeState` wrote into a record of zeros.
    func readState(_ record: UnsafeMutableRawPointer, from reader: inout StateReader) {
        for slot in slots {
            let state = record + slot.offset
            if slot.distinctOffset >= 0 { readSet(distinctValues(slot, record).table, counts: false, from: &reader) }
            let count = reader.signed()
            state.storeBytes(of: count, as: Int64.self)
            if count != 0 { readValue(slot, state, from: &reader) }
            if slot.partsOffset >= 0 { readParts(slot, record, from: &reader) }
            if reader.isDamaged { return }
        }
    }

    private func writeValue(_ slot: Slot, _ state: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        let value = state + 16
        switch slot.kind {
        case .count: break
        case .sumInteger, .minimumInteger, .maximumInteger: buffer.append(signed: value.load(as: Int64.self))
        case .sumDouble, .sumFloat, .minimumDouble, .maximumDouble: buffer.append(raw: value.load(as: Double.self))
        case .sumDecimal, .minimumDecimal, .maximumDecimal: buffer.append(raw: value.load(as: Int128.self))
        case .moments: buffer.append(raw: value.load(as: Moments.self))
        case .minimumBytes, .maximumBytes, .text, .firstCell, .lastCell, .cells, .jsonArray, .jsonObject:
            let held = value.load(as: HeldBytes.self)
            buffer.append(counted: held.start.map { ByteRef(start: $0, count: Int(held.count)) } ?? .empty)
        case .multiset: writeSet(multiset(slot, state).table, counts: true, to: buffer)
        case .percentile: weighted(state).write(to: buffer)
        }
    }

    private func readValue(_ slot: Slot, _ state: UnsafeMutableRawPointer, from reader: inout StateReader) {
        let value = state + 16
        switch slot.kind {
        case .count: break
        case .sumInteger, .minimumInteger, .maximumInteger: value.storeBytes(of: reader.signed(), as: Int64.self)
        case .sumDouble, .sumFloat, .minimumDouble, .maximumDouble:
            value.storeBytes(of: reader.raw(Double.self, otherwise: 0), as: Double.self)
        case .sumDecimal, .minimumDecimal, .maximumDecimal:
            value.storeBytes(of: reader.raw(Int128.self, otherwise: 0), as: Int128.self)
        case .moments: value.storeBytes(of: reader.raw(Moments.self, otherwise: Moments()), as: Moments.self)
        case .minimumBytes, .maximumBytes, .text, .firstCell, .lastCell, .cells, .jsonArray, .jsonObject:
            append(reader.counted(), to: state)
        case .multiset: readSet(multiset(slot, state).table, counts: true, from: &reader)
        case .percentile: weighted(state).read(from: &reader)
        }
    }

    /// - Parameter counts: how often each value is there matters.
    private func writeSet(_ table: KeyTable, counts: Bool, to buffer: ByteBuffer) {
        buffer.append(varint: UInt64(table.count))
        table.forEach { id in
            table.write(id, to: buffer)
            if counts { buffer.append(varint: UInt64(table.references(id))) }
        }
    }

    private func readSet(_ table: KeyTable, counts: Bool, from reader: inout StateReader) {
        for _ in 0..<reader.count() {
            guard let id = reader.read({ table.intern(from: &$0) }) else { return }
            for _ in 0..<(counts ? reader.count() : 1) { table.retain(id) }
        }
    }

    /// Slices that have seen rows: number and bytes; then the number of slices.
    private func writeParts(_ slot: Slot, _ record: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        let slices = parts?.slices ?? 0
        let stride = Accumulators.partBytes(slot.kind) ?? 0
        for slice in 0..<slices {
            let part = record + slot.partsOffset + slice * stride
            // An epoch is never 0 once a row was added.
            guard part.load(as: Int64.self) != 0 else { continue }
            buffer.append(varint: UInt64(slice))
            buffer.append(ByteRef(start: part.assumingMemoryBound(to: UInt8.self), count: stride))
        }
        buffer.append(varint: UInt64(slices))
    }

    private func readParts(_ slot: Slot, _ record: UnsafeMutableRawPointer, from reader: inout StateReader) {
        let slices = parts?.slices ?? 0
        let stride = Accumulators.partBytes(slot.kind) ?? 0
        while true {
            let slice = reader.count()
            guard slice < slices, !reader.isDamaged else { return }
            _ = reader.read { cursor in
                (record + slot.partsOffset + slice * stride).copyMemory(from: cursor, byteCount: stride)
                cursor += stride
            }
        }
    }
}
