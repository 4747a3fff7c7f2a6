import MillraceCore

/// A group's state as bytes, for another thread (or process): what one shard has folded, merged at the group's owner.
///
/// Each aggregate: a DISTINCT one its values (count, then each cell), MIN and MAX of strings the count and the bytes, COUNT
/// its count, all others the count and 16 bytes of value. Native byte order, unaligned.
extension Accumulators {
    /// Types whose cells can be sent; rows and arrays live in child columns.
    static func canSend(_ type: DataType) -> Bool {
        switch type.layout {
        case .int64, .double, .decimal, .bytes: true
        case .row, .list: false
        }
    }

    func write(_ record: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        for slot in slots {
            let state = record + slot.offset
            if slot.distinctOffset >= 0 {
                writeDistinct(slot, record, to: buffer)
                continue
            }
            let values = state.load(as: Int64.self)
            let target = UnsafeMutableRawPointer(buffer.reserve(24))
            target.storeBytes(of: values, as: Int64.self)
            switch slot.kind {
            case .count: buffer.commit(8)
            case .minimumBytes, .maximumBytes:
                let held = (state + 16).load(as: HeldBytes.self)
                target.storeBytes(of: held.count, toByteOffset: 8, as: Int32.self)
                buffer.commit(12)
                if values > 0 { buffer.append(ByteRef(start: held.start!, count: Int(held.count))) }
            default:
                (target + 8).copyMemory(from: state + 16, byteCount: 16)
                buffer.commit(24)
            }
        }
    }

    private func writeDistinct(_ slot: Slot, _ record: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        let values = Column(slot.argumentType!)
        if (record + slot.distinctOffset).load(as: UInt.self) != 0 {
            distinctValues(slot, record).table.appendAll(to: values)
        }
        func append<T>(_ value: T) {
            UnsafeMutableRawPointer(buffer.reserve(MemoryLayout<T>.size)).storeBytes(of: value, as: T.self)
            buffer.commit(MemoryLayout<T>.size)
        }
        append(Int64(values.count))
        for i in 0..<values.count {
            switch values.layout {
            case .int64, .row, .list: append(values.ints[i])
            case .double: append(values.doubles[i])
            case .decimal: append(values.decimals[i])
            case .bytes:
                append(Int32(values.refs[i].count))
                buffer.append(values.refs[i])
            }
        }
    }

    /// Merges what `write` wrote into a group, and moves `cursor` behind it.
    ///
    /// - Parameter scratch: a record of zeros, left as zeros but for values that count nothing.
    func fold(
        _ cursor: inout UnsafeRawPointer, into target: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
    ) {
        for slot in slots {
            let state = scratch + slot.offset
            let values = cursor.loadUnaligned(as: Int64.self)
            cursor += 8
            if slot.distinctOffset >= 0 {
                foldDistinct(slot, readValues(slot.argumentType!, Int(values), &cursor), into: target)
                continue
            }
            state.storeBytes(of: values, as: Int64.self)
            switch slot.kind {
            case .count: break
            case .minimumBytes, .maximumBytes:
                let count = cursor.loadUnaligned(as: Int32.self)
                cursor += 4
                guard values > 0 else { continue }
                // Borrowed from the message: `merge` copies.
                let start = UnsafeMutablePointer(mutating: cursor.assumingMemoryBound(to: UInt8.self))
                (state + 16).storeBytes(
                    of: HeldBytes(start: start, count: count, capacity: count), as: HeldBytes.self)
                cursor += Int(count)
            default:
                (state + 16).copyMemory(from: cursor, byteCount: 16)
                cursor += 16
            }
        }
        merge(scratch, into: target)
    }

    private func readValues(_ type: DataType, _ count: Int, _ cursor: inout UnsafeRawPointer) -> Column {
        let values = Column(type)
        for _ in 0..<count {
            switch values.layout {
            case .int64, .row, .list:
                values.append(int: cursor.loadUnaligned(as: Int64.self))
                cursor += 8
            case .double:
                values.append(double: cursor.loadUnaligned(as: Double.self))
                cursor += 8
            case .decimal:
                values.append(decimal: cursor.loadUnaligned(as: Int128.self))
                cursor += 16
            case .bytes:
                let length = Int(cursor.loadUnaligned(as: Int32.self))
                cursor += 4
                values.append(bytes: ByteRef(start: cursor.assumingMemoryBound(to: UInt8.self), count: length))
                cursor += length
            }
        }
        return values
    }
}
