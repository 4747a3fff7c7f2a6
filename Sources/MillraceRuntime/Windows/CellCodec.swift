import MillraceCore

/// One cell as bytes that outlive its batch: a state byte, then the payload; ROW its fields, LIST a count and its elements.
///
/// Native byte order, unaligned, without the type: reader and writer know it. Cells that are the same have the same bytes: every
/// NaN is one. (0.0 and -0.0 are two, as in Flink's binary rows.)
enum CellCodec {
    static func append(_ column: Column, _ row: Int, to buffer: ByteBuffer) {
        let state = column.states[row]
        let target = UnsafeMutableRawPointer(buffer.reserve(17))
        target.storeBytes(of: state, as: UInt8.self)
        guard state == CellState.valid else {
            buffer.commit(1)
            return
        }
        switch column.layout {
        case .int64:
            target.storeBytes(of: column.ints[row], toByteOffset: 1, as: Int64.self)
            buffer.commit(9)
        case .double:
            let value = column.doubles[row]
            target.storeBytes(of: value.isNaN ? .nan : value, toByteOffset: 1, as: Double.self)
            buffer.commit(9)
        case .decimal:
            target.storeBytes(of: column.decimals[row], toByteOffset: 1, as: Int128.self)
            buffer.commit(17)
        case .bytes:
            target.storeBytes(of: Int32(column.refs[row].count), toByteOffset: 1, as: Int32.self)
            buffer.commit(5)
            buffer.append(column.refs[row])
        case .row:
            buffer.commit(1)
            for child in column.children { append(child, row, to: buffer) }
        case .list:
            let list = column.lists[row]
            target.storeBytes(of: list.count, toByteOffset: 1, as: Int32.self)
            buffer.commit(5)
            for element in Int(list.start)..<Int(list.start + list.count) {
                for child in column.children { append(child, element, to: buffer) }
            }
        }
    }

    /// Appends the cell at `cursor` to a column of its type and moves `cursor` behind it. Strings borrow the bytes.
    static func read(_ cursor: inout UnsafeRawPointer, into column: Column) {
        let state = cursor.load(as: UInt8.self)
        cursor += 1
        guard state == CellState.valid else {
            column.append(state: state)
            return
        }
        switch column.layout {
        case .int64:
            column.append(int: cursor.loadUnaligned(as: Int64.self))
            cursor += 8
        case .double:
            column.append(double: cursor.loadUnaligned(as: Double.self))
            cursor += 8
        case .decimal:
            column.append(decimal: cursor.loadUnaligned(as: Int128.self))
            cursor += 16
        case .bytes:
            let count = Int(cursor.loadUnaligned(as: Int32.self))
            cursor += 4
            column.append(bytes: ByteRef(start: cursor.assumingMemoryBound(to: UInt8.self), count: count))
            cursor += count
        case .row:
            column.appendRow()
            for child in column.children { read(&cursor, into: child) }
        case .list:
            let count = cursor.loadUnaligned(as: Int32.self)
            cursor += 4
            let start = Int32(column.children[0].count)
            for _ in 0..<count { for child in column.children { read(&cursor, into: child) } }
            column.append(list: ListRef(start: start, count: count))
        }
    }
}
