import MillraceCore

/// Interns key rows: equal rows of the key columns get the same small number. NULL equals NULL.
///
/// Open addressing with linear probing; entries are reference-counted by their users and their slots and bytes are used
/// again after the last `release`. One INT-like column needs no stored bytes (its hash is a bijection), one string column
/// keeps its bytes, everything else an encoding of all cells.
final class KeyTable {
    private enum Mode { case integer, bytes, composite }

    private struct Entry {
        var hash: UInt64
        /// `.integer`: the value's bits in place of an address.
        var start: UInt
        var count: Int32
        var references: Int32
    }

    private struct Part {
        var layout: Layout
        var states: UnsafeMutablePointer<UInt8>
        var cells: UnsafeMutableRawPointer
    }

    private let types: [DataType]
    private let mode: Mode
    private let store: StateStore
    private var slots: UnsafeMutablePointer<Int32>
    private var mask: Int
    private var entries: UnsafeMutablePointer<Entry>
    private var entryCapacity: Int
    private var entryCount = 0
    private var freeEntries: [Int32] = []
    /// Entry of the NULL key in the one-column modes; -1: none.
    private var nullID: Int32 = -1
    private var parts: [Part] = []
    private var bound: [Column] = []
    /// Of `parts[0]`, for the one-column modes.
    private var states: UnsafeMutablePointer<UInt8>
    private var cells: UnsafeMutableRawPointer
    private let scratch = ByteBuffer(capacity: 128)
    /// Keys that are interned now.
    private(set) var count = 0
    /// Keys by their group; nil: not asked for.
    private var groups: KeyGroups?
    /// Keeps the reads of `warm` from being left out.
    private var warmed: UInt64 = 0

    init(types: [DataType], store: StateStore, capacity: Int = 16) {
        self.types = types
        self.store = store
        if types.count == 1, types[0].layout == .int64 {
            mode = .integer
        } else if types.count == 1, types[0].layout == .bytes {
            mode = .bytes
        } else {
            mode = .composite
        }
        var size = 16
        while size * 3 < capacity * 4 { size *= 2 }
        slots = .allocate(capacity: size)
        slots.initialize(repeating: -1, count: size)
        mask = size - 1
        entryCapacity = size
        entries = .allocate(capacity: size)
        states = UnsafeMutablePointer(mutating: ByteRef.empty.start)
        cells = UnsafeMutableRawPointer(states)
    }

    deinit {
        if mode != .integer {
            for id in 0..<entryCount where entries[id].references >= 0 && Int32(id) != nullID {
                store.deallocate(UnsafeMutableRawPointer(bitPattern: entries[id].start)!, Int(entries[id].count))
            }
        }
        slots.deallocate()
        entries.deallocate()
    }

    /// Rows are read from these columns until the next call; layouts as given to `init`.
    func bind(_ columns: [Column]) {
        bound = columns
        parts.removeAll(keepingCapacity: true)
        for column in columns {
            parts.append(
                Part(layout: column.layout, states: column.states, cells: UnsafeMutableRawPointer(column.ints)))
        }
        if let first = parts.first { (states, cells) = (first.states, first.cells) }
    }

    /// The key's number, a new one if need be. It has no reference yet: `retain` it, or `drop` it when it is new.
    @inline(__always)
    func intern(row: Int) -> Int32 {
        switch mode {
        case .integer:
            guard states[row] == CellState.valid else { return internNull() }
            let value = cells.assumingMemoryBound(to: Int64.self)[row]
            let hash = KeyTable.hash(UInt64(bitPattern: value))
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] >= 0 {
                if entries[Int(slots[slot])].hash == hash { return slots[slot] }
                slot = (slot + 1) & mask
            }
            return insert(hash, start: UInt(UInt64(bitPattern: value)), count: 8)
        case .bytes:
            guard states[row] == CellState.valid else { return internNull() }
            let bytes = cells.assumingMemoryBound(to: ByteRef.self)[row]
            return intern(bytes)
        case .composite:
            encode(row)
            return intern(scratch.bytes)
        }
    }

    /// True when looking a key up waits for memory.
    @inline(__always)
    var isLarge: Bool { mask >= KeyTable.largeSlots }

    /// 16 bytes a slot and 24 an entry: from here on the table outgrows a processor's second-level cache.
    private static let largeSlots = (1 << 15) - 1

    /// Puts into `ids` what `intern` would find for each row, -1 for a new key, and so brings into the caches what it will read.
    ///
    /// A row's reads wait for one another: slot, entry, the group's slot in the window, its record. Step by step for all rows of
    /// a batch they are independent, and the processor has a dozen under way at once. (1,000,000 BIGINT keys: see
    /// docs/performance.md.) An approximation: the first entry of a slot's run counts as the row's.
    func warm(count: Int, ids: UnsafeMutablePointer<Int32>) {
        for row in 0..<count { ids[row] = slots[Int(truncatingIfNeeded: hash(row: row)) & mask] }
        var seen: UInt64 = 0
        for row in 0..<count where ids[row] >= 0 { seen ^= entries[Int(ids[row])].hash }
        warmed = seen
    }

    /// 0 for NULL.
    @inline(__always)
    private func hash(row: Int) -> UInt64 {
        switch mode {
        case .integer:
            return KeyTable.hash(UInt64(bitPattern: cells.assumingMemoryBound(to: Int64.self)[row]))
        case .bytes:
            guard states[row] == CellState.valid else { return 0 }
            return KeyTable.hash(cells.assumingMemoryBound(to: ByteRef.self)[row])
        case .composite:
            encode(row)
            return KeyTable.hash(scratch.bytes)
        }
    }

    @inline(__always)
    private func intern(_ bytes: ByteRef) -> Int32 {
        let hash = KeyTable.hash(bytes)
        let found = find(bytes, hash)
        if found >= 0 { return found }
        return insert(hash, start: UInt(bitPattern: store.copy(bytes)), count: Int32(bytes.count))
    }

    @inline(__always)
    private func find(_ bytes: ByteRef, _ hash: UInt64) -> Int32 {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] >= 0 {
            let entry = entries[Int(slots[slot])]
            if entry.hash == hash, Int(entry.count) == bytes.count,
                KeyTable.equal(UnsafePointer(bitPattern: entry.start)!, bytes.start, bytes.count)
            {
                return slots[slot]
            }
            slot = (slot + 1) & mask
        }
        return -1
    }

    /// The key's number, -1 when it is unknown or any of its cells is not valid (NULL never matches in a join).
    @inline(__always)
    func findMatch(row: Int) -> Int32 {
        switch mode {
        case .integer:
            guard states[row] == CellState.valid else { return -1 }
            let hash = KeyTable.hash(UInt64(bitPattern: cells.assumingMemoryBound(to: Int64.self)[row]))
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] >= 0 {
                if entries[Int(slots[slot])].hash == hash { return slots[slot] }
                slot = (slot + 1) & mask
            }
            return -1
        case .bytes:
            guard states[row] == CellState.valid else { return -1 }
            let bytes = cells.assumingMemoryBound(to: ByteRef.self)[row]
            return find(bytes, KeyTable.hash(bytes))
        case .composite:
            for part in parts where part.states[row] != CellState.valid { return -1 }
            encode(row)
            return find(scratch.bytes, KeyTable.hash(scratch.bytes))
        }
    }

    @inline(__always)
    func retain(_ id: Int32) { entries[Int(id)].references += 1 }

    func retain(_ id: Int32, times: Int) { entries[Int(id)].references += Int32(truncatingIfNeeded: times) }

    @inline(__always)
    func references(_ id: Int32) -> Int32 { entries[Int(id)].references }

    /// Forgets the key after its last reference.
    @inline(__always)
    func release(_ id: Int32) {
        entries[Int(id)].references -= 1
        drop(id)
    }

    /// Forgets the key if nobody retains it.
    func drop(_ id: Int32) {
        guard entries[Int(id)].references <= 0 else { return }
        let entry = entries[Int(id)]
        groups?.remove(id, hash: entry.hash)
        entries[Int(id)].references = -1
        freeEntries.append(id)
        count -= 1
        if id == nullID {
            nullID = -1
            return
        }
        if mode != .integer {
            store.deallocate(UnsafeMutableRawPointer(bitPattern: entry.start)!, Int(entry.count))
        }
        var hole = Int(truncatingIfNeeded: entry.hash) & mask
        while slots[hole] != id { hole = (hole + 1) & mask }
        // Backward shift: later entries of the run move up unless that would put them before their home slot.
        var probe = hole
        while true {
            probe = (probe + 1) & mask
            let other = slots[probe]
            if other < 0 { break }
            let home = Int(truncatingIfNeeded: entries[Int(other)].hash) & mask
            if (probe - home) & mask >= (probe - hole) & mask {
                slots[hole] = other
                hole = probe
            }
        }
        slots[hole] = -1
    }

    /// Appends the key's cells, one to each column. Strings borrow the table's bytes: valid until the last `release`.
    func append(_ id: Int32, to columns: ArraySlice<Column>) {
        let entry = entries[Int(id)]
        switch mode {
        case .integer:
            let column = columns[columns.startIndex]
            if id == nullID { column.appendNull() } else { column.append(int: Int64(bitPattern: UInt64(entry.start))) }
        case .bytes:
            let column = columns[columns.startIndex]
            if id == nullID {
                column.appendNull()
            } else {
                column.append(bytes: ByteRef(start: UnsafePointer(bitPattern: entry.start)!, count: Int(entry.count)))
            }
        case .composite:
            var cursor = UnsafeRawPointer(bitPattern: entry.start)!
            for column in columns { CellCodec.read(&cursor, into: column) }
        }
    }

    /// Appends every interned key (of one column), in no particular order.
    func appendAll(to column: Column) {
        for id in 0..<entryCount where entries[id].references >= 0 { append(Int32(id), to: [column]) }
    }

    /// Every interned key (of one column) with its number of references, in the order in which they came.
    func appendAll(to column: Column, counts: Column) {
        for id in 0..<entryCount where entries[id].references >= 0 {
            append(Int32(id), to: [column])
            counts.append(int: Int64(entries[id].references))
        }
    }

    /// Every interned key, in the order in which they came as long as none has left.
    func forEach(_ body: (Int32) -> Void) {
        for id in 0..<entryCount where entries[id].references >= 0 { body(Int32(id)) }
    }

    // MARK: - Between shards

    /// The key's hash. Stored with the positions of a run on several shards (see `EmittedWindows`): never change the function.
    @inline(__always)
    func hash(of id: Int32) -> UInt64 { entries[Int(id)].hash }

    /// Appends the key in a form that `intern(from:)` of a table of the same types reads.
    func write(_ id: Int32, to buffer: ByteBuffer) {
        let entry = entries[Int(id)]
        let target = UnsafeMutableRawPointer(buffer.reserve(12))
        target.storeBytes(of: id == nullID ? -1 : entry.count, as: Int32.self)
        if mode == .integer {
            target.storeBytes(of: UInt64(entry.start), toByteOffset: 4, as: UInt64.self)
            buffer.commit(12)
        } else {
            buffer.commit(4)
            guard id != nullID else { return }
            buffer.append(ByteRef(start: UnsafePointer(bitPattern: entry.start)!, count: Int(entry.count)))
        }
    }

    /// Reads what `write` wrote and moves `cursor` behind it; the key's number as `intern(row:)` gives it.
    func intern(from cursor: inout UnsafeRawPointer) -> Int32 {
        let count = Int(cursor.loadUnaligned(as: Int32.self))
        cursor += 4
        if mode == .integer {
            let value = cursor.loadUnaligned(as: UInt64.self)
            cursor += 8
            guard count >= 0 else { return internNull() }
            let hash = KeyTable.hash(value)
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] >= 0 {
                if entries[Int(slots[slot])].hash == hash { return slots[slot] }
                slot = (slot + 1) & mask
            }
            return insert(hash, start: UInt(value), count: 8)
        }
        guard count >= 0 else { return internNull() }
        let bytes = ByteRef(start: cursor.assumingMemoryBound(to: UInt8.self), count: count)
        cursor += count
        return intern(bytes)
    }

    // MARK: - Groups

    /// From now on the keys of a group can be asked for; before the first key.
    func keepGroups() {
        precondition(count == 0, "keys are known before their groups")
        groups = KeyGroups()
    }

    /// Which of `StateFormat.keyGroups` the key belongs to; the same in every run.
    @inline(__always)
    func group(of id: Int32) -> Int { KeyGroups.group(hash: entries[Int(id)].hash) }

    /// The keys of a group that are interned now, the newest first. Needs `keepGroups`.
    func keys(of group: Int) -> [Int32] { groups?.keys(of: group) ?? [] }

    /// Of the table itself, in use or not; without the keys' bytes, which are the store's.
    var tableBytes: Int {
        (mask + 1) * MemoryLayout<Int32>.stride + entryCapacity * MemoryLayout<Entry>.stride + (groups?.bytes ?? 0)
    }

    // MARK: - Inside

    private func internNull() -> Int32 {
        if nullID < 0 {
            nullID = newEntry(Entry(hash: 0, start: 0, count: 0, references: 0))
            count += 1
        }
        return nullID
    }

    private func newEntry(_ entry: Entry) -> Int32 {
        let id = fill(entry)
        groups?.add(id, hash: entry.hash)
        return id
    }

    private func fill(_ entry: Entry) -> Int32 {
        if let id = freeEntries.popLast() {
            entries[Int(id)] = entry
            return id
        }
        if entryCount == entryCapacity {
            let new = UnsafeMutablePointer<Entry>.allocate(capacity: entryCapacity * 2)
            new.update(from: entries, count: entryCount)
            entries.deallocate()
            entries = new
            entryCapacity *= 2
        }
        entries[entryCount] = entry
        entryCount += 1
        return Int32(entryCount - 1)
    }

    private func insert(_ hash: UInt64, start: UInt, count bytes: Int32) -> Int32 {
        if (count + 1) * 4 > (mask + 1) * 3 { growSlots() }
        let id = newEntry(Entry(hash: hash, start: start, count: bytes, references: 0))
        place(id, hash)
        count += 1
        return id
    }

    private func place(_ id: Int32, _ hash: UInt64) {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] >= 0 { slot = (slot + 1) & mask }
        slots[slot] = id
    }

    private func growSlots() {
        let old = slots
        let oldSize = mask + 1
        slots = .allocate(capacity: oldSize * 2)
        slots.initialize(repeating: -1, count: oldSize * 2)
        mask = oldSize * 2 - 1
        for slot in 0..<oldSize where old[slot] >= 0 { place(old[slot], entries[Int(old[slot])].hash) }
        old.deallocate()
    }

    /// Each cell as `CellCodec` writes it; flat ones without a call.
    private func encode(_ row: Int) {
        scratch.clear()
        for (index, part) in parts.enumerated() {
            let state = part.states[row]
            guard state == CellState.valid else {
                scratch.append(state)
                continue
            }
            let target = UnsafeMutableRawPointer(scratch.reserve(17))
            target.storeBytes(of: state, as: UInt8.self)
            switch part.layout {
            case .row, .list: CellCodec.append(bound[index], row, to: scratch)
            case .int64:
                target.storeBytes(
                    of: part.cells.assumingMemoryBound(to: Int64.self)[row], toByteOffset: 1, as: Int64.self)
                scratch.commit(9)
            case .double:
                // Every NaN is one key.
                let value = part.cells.assumingMemoryBound(to: Double.self)[row]
                target.storeBytes(of: value.isNaN ? .nan : value, toByteOffset: 1, as: Double.self)
                scratch.commit(9)
            case .decimal:
                target.storeBytes(
                    of: part.cells.assumingMemoryBound(to: Int128.self)[row], toByteOffset: 1, as: Int128.self)
                scratch.commit(17)
            case .bytes:
                let bytes = part.cells.assumingMemoryBound(to: ByteRef.self)[row]
                target.storeBytes(of: Int32(bytes.count), toByteOffset: 1, as: Int32.self)
                scratch.commit(5)
                scratch.append(bytes)
            }
        }
    }

    /// A bijection of 64 bits that spreads them (multiply and xor-shift rounds; both steps are invertible).
    @inline(__always)
    static func hash(_ value: UInt64) -> UInt64 {
        var x = value
        x ^= x >> 32
        x &*= 0xD6E8_FEB8_6659_FD93
        x ^= x >> 32
        x &*= 0xD6E8_FEB8_6659_FD93
        x ^= x >> 32
        return x
    }

    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// Eight bytes a step, folded by a 64 x 64 multiplication; the tail is read with overlap.
    @inline(__always)
    static func hash(_ bytes: ByteRef) -> UInt64 {
        let start = UnsafeRawPointer(bytes.start)
        let count = bytes.count
        var hash = 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: count)
        if count >= 8 {
            var i = 0
            while i + 8 < count {
                hash = fold(hash ^ start.loadUnaligned(fromByteOffset: i, as: UInt64.self), 0xA076_1D64_78BD_642F)
                i += 8
            }
            hash = fold(
                hash ^ start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self), 0xE703_7ED1_A0B4_28DB)
        } else if count >= 4 {
            let low = UInt64(start.loadUnaligned(as: UInt32.self))
            let high = UInt64(start.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
            hash = fold(hash ^ (low | high << 32), 0xE703_7ED1_A0B4_28DB)
        } else if count > 0 {
            let word =
                UInt64(bytes.start[0]) | UInt64(bytes.start[count >> 1]) << 8 | UInt64(bytes.start[count - 1]) << 16
            hash = fold(hash ^ word, 0xE703_7ED1_A0B4_28DB)
        }
        return fold(hash, 0x8EBC_6AF0_9C88_C6E3)
    }

    @inline(__always)
    static func equal(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        let (x, y) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
        var i = 0
        while i + 8 <= count {
            if x.loadUnaligned(fromByteOffset: i, as: UInt64.self)
                != y.loadUnaligned(fromByteOffset: i, as: UInt64.self)
            {
                return false
            }
            i += 8
        }
        while i < count {
            if a[i] != b[i] { return false }
            i += 1
        }
        return true
    }
}
