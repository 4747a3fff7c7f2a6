import MillraceCore

/// How logs and snapshots of state are written: small numbers in few bytes, everything else as it lies in memory.
extension ByteBuffer {
    /// LEB128: 7 bits a byte, the lowest first.
    @inline(__always)
    func append(varint value: UInt64) {
        let target = reserve(10)
        var (rest, count) = (value, 0)
        while rest >= 0x80 {
            target[count] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            count += 1
        }
        target[count] = UInt8(truncatingIfNeeded: rest)
        commit(count + 1)
    }

    /// Small by magnitude is few bytes ("zigzag").
    @inline(__always)
    func append(signed value: Int64) { append(varint: UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

    /// A trivial value as it lies in memory.
    @inline(__always)
    func append<T: BitwiseCopyable>(raw value: T) {
        UnsafeMutableRawPointer(reserve(MemoryLayout<T>.size)).storeBytes(of: value, as: T.self)
        commit(MemoryLayout<T>.size)
    }

    /// Length, then the bytes.
    func append(counted bytes: ByteRef) {
        append(varint: UInt64(bytes.count))
        append(bytes)
    }

    /// The cell of a flat column that is neither NULL nor an error.
    @inline(__always)
    func append(cell row: Int, of column: Column) {
        switch column.layout {
        case .int64: append(signed: column.ints[row])
        case .double: append(raw: column.doubles[row])
        case .decimal: append(raw: column.decimals[row])
        case .bytes: append(counted: column.refs[row])
        case .row, .list: break
        }
    }
}

/// Reads what was written so. Bytes that end too early give zeros: ask `isDamaged` at the end.
struct StateReader {
    private var cursor: UnsafeRawPointer
    private let end: UnsafeRawPointer
    private(set) var isDamaged = false

    init(_ bytes: ByteRef) {
        cursor = UnsafeRawPointer(bytes.start)
        end = cursor + max(0, bytes.count)
    }

    var isAtEnd: Bool { cursor >= end || isDamaged }

    /// What was read cannot be right.
    mutating func fail() { isDamaged = true }

    @inline(__always)
    private mutating func has(_ bytes: Int) -> Bool {
        if bytes >= 0, end - cursor >= bytes { return true }
        isDamaged = true
        return false
    }

    @inline(__always)
    mutating func byte() -> UInt8 {
        guard has(1) else { return 0 }
        defer { cursor += 1 }
        return cursor.load(as: UInt8.self)
    }

    @inline(__always)
    mutating func varint() -> UInt64 {
        var (value, shift) = (UInt64(0), UInt64(0))
        while true {
            let next = byte()
            value |= UInt64(next & 0x7F) << shift
            if next < 0x80 { return value }
            shift += 7
            if shift > 63 {
                isDamaged = true
                return 0
            }
        }
    }

    /// A number that says how many follow.
    @inline(__always)
    mutating func count() -> Int {
        let value = varint()
        if value <= UInt64(Int32.max) { return Int(value) }
        isDamaged = true
        return 0
    }

    @inline(__always)
    mutating func signed() -> Int64 {
        let value = varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    @inline(__always)
    mutating func raw<T: BitwiseCopyable>(_ type: T.Type, otherwise: T) -> T {
        guard has(MemoryLayout<T>.size) else { return otherwise }
        defer { cursor += MemoryLayout<T>.size }
        return cursor.loadUnaligned(as: T.self)
    }

    /// Borrows what is read.
    @inline(__always)
    mutating func counted() -> ByteRef {
        let count = count()
        guard has(count) else { return .empty }
        defer { cursor += count }
        return ByteRef(start: cursor.assumingMemoryBound(to: UInt8.self), count: count)
    }

    /// Strings borrow what is read.
    @inline(__always)
    mutating func cell(into column: Column) {
        switch column.layout {
        case .int64: column.append(int: signed())
        case .double: column.append(double: raw(Double.self, otherwise: 0))
        case .decimal: column.append(decimal: raw(Int128.self, otherwise: 0))
        case .bytes: column.append(bytes: counted())
        case .row, .list: break
        }
    }

    /// For readers that move a cursor by themselves.
    mutating func read<R>(_ body: (inout UnsafeRawPointer) -> R) -> R? {
        guard has(1) else { return nil }
        let result = body(&cursor)
        if cursor > end { isDamaged = true }
        return isDamaged ? nil : result
    }

    /// - Throws: when there was less to read than was asked for.
    func check(_ object: String) throws(Diagnostic) {
        guard isDamaged else { return }
        throw Diagnostic(
            "the stored state of \"\(object)\" is damaged",
            hint: "Start once with --reset-state to forget the stored positions and state.", fault: .external)
    }
}

/// Key groups, a bit each.
struct GroupSet {
    private var words = [UInt64](repeating: 0, count: (StateFormat.keyGroups + 63) / 64)

    @inline(__always)
    mutating func insert(_ group: Int) { words[group >> 6] |= 1 << UInt64(group & 63) }
    mutating func remove(_ group: Int) { words[group >> 6] &= ~(1 << UInt64(group & 63)) }
    @inline(__always)
    func contains(_ group: Int) -> Bool { words[group >> 6] & 1 << UInt64(group & 63) != 0 }
}
