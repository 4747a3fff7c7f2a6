import MillraceCore

/// The first offset of each partition that contributed to a window; from there it can be rebuilt.
struct ContributingOffsets {
    /// By slot of `OffsetSlots`; Int64.max: nothing from there.
    private(set) var first: [Int64] = []

    @inline(__always)
    mutating func note(_ slot: Int, _ offset: Int64) {
        if slot >= first.count { first.append(contentsOf: repeatElement(Int64.max, count: slot + 1 - first.count)) }
        if offset < first[slot] { first[slot] = offset }
    }

    mutating func merge(_ other: ContributingOffsets) {
        for (slot, offset) in other.first.enumerated() where offset != .max { note(slot, offset) }
    }

    mutating func removeAll() {
        for slot in first.indices { first[slot] = .max }
    }
}

/// Numbers the (source, partition) pairs that an operator has seen rows of.
struct OffsetSlots {
    private var bySource: [[Int32]] = []
    private var count: Int32 = 0

    @inline(__always)
    mutating func slot(source: Int, partition: Int) -> Int {
        if source < bySource.count, partition < bySource[source].count, bySource[source][partition] >= 0 {
            return Int(bySource[source][partition])
        }
        return add(source, partition)
    }

    /// nil when no row of the pair has been seen.
    func find(source: Int, partition: Int) -> Int? {
        guard source < bySource.count, partition < bySource[source].count, bySource[source][partition] >= 0 else {
            return nil
        }
        return Int(bySource[source][partition])
    }

    private mutating func add(_ source: Int, _ partition: Int) -> Int {
        while bySource.count <= source { bySource.append([]) }
        while bySource[source].count <= partition { bySource[source].append(-1) }
        bySource[source][partition] = count
        count += 1
        return Int(count - 1)
    }

    /// Lowers `offsets[partition]` for `source` to what `contributing` needs.
    func lower(_ offsets: inout [Int64], source: Int, by contributing: ContributingOffsets) {
        guard source < bySource.count else { return }
        for (partition, slot) in bySource[source].enumerated() where slot >= 0 && partition < offsets.count {
            let index = Int(slot)
            guard index < contributing.first.count else { continue }
            offsets[partition] = min(offsets[partition], contributing.first[index])
        }
    }
}

/// One aligned window: its groups by key, in the order in which their first rows came.
final class OpenWindow {
    private struct Slot {
        /// -1: free.
        var key: Int32
        var record: UnsafeMutableRawPointer?
    }

    private(set) var start: Int64 = 0
    private(set) var end: Int64 = 0
    /// Its rows have been emitted; it is kept for late rows within the allowed lateness.
    var isFired = false
    var offsets: ContributingOffsets {
        var result = ContributingOffsets()
        for slot in 0..<firstCapacity where firstOffsets[slot] != .max { result.note(slot, firstOffsets[slot]) }
        return result
    }
    /// As `ContributingOffsets.first`, but raw: looked at for every row.
    private var firstOffsets: UnsafeMutablePointer<Int64>
    private var firstCapacity = 8
    private(set) var keys: [Int32] = []
    private(set) var records: [UnsafeMutableRawPointer] = []
    private var slots: UnsafeMutablePointer<Slot>
    private var mask: Int
    /// Keeps the reads of `warm` from being left out.
    private var warmed: Int64 = 0

    init() {
        slots = .allocate(capacity: 16)
        slots.initialize(repeating: Slot(key: -1, record: nil), count: 16)
        mask = 15
        firstOffsets = .allocate(capacity: 8)
        firstOffsets.initialize(repeating: .max, count: 8)
    }

    deinit {
        slots.deallocate()
        firstOffsets.deallocate()
    }

    /// A row of the source partition numbered `slot` contributed.
    @inline(__always)
    func note(_ slot: Int, _ offset: Int64) {
        if slot >= firstCapacity { growOffsets(slot) }
        if offset < firstOffsets[slot] { firstOffsets[slot] = offset }
    }

    private func growOffsets(_ slot: Int) {
        let size = max(firstCapacity * 2, slot + 1)
        let new = UnsafeMutablePointer<Int64>.allocate(capacity: size)
        new.initialize(repeating: .max, count: size)
        new.update(from: firstOffsets, count: firstCapacity)
        firstOffsets.deallocate()
        firstOffsets = new
        firstCapacity = size
    }

    /// Starts over for another window; keeps the memory.
    func reuse(start: Int64, end: Int64) {
        self.start = start
        self.end = end
        isFired = false
        firstOffsets.update(repeating: .max, count: firstCapacity)
        if !keys.isEmpty { slots.update(repeating: Slot(key: -1, record: nil), count: mask + 1) }
        keys.removeAll(keepingCapacity: true)
        records.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    private static func home(_ key: Int32) -> Int {
        Int(truncatingIfNeeded: (UInt64(UInt32(bitPattern: key)) &* 0x9E37_79B9_7F4A_7C15) >> 32)
    }

    /// The group's record; nil when the key has none yet.
    @inline(__always)
    func find(_ key: Int32) -> UnsafeMutableRawPointer? {
        var slot = OpenWindow.home(key) & mask
        while slots[slot].key >= 0 {
            if slots[slot].key == key { return slots[slot].record }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Brings the groups of these keys (-1: none) into the caches; see `KeyTable.warm`.
    func warm(_ ids: UnsafeMutablePointer<Int32>, count: Int) {
        for row in 0..<count where ids[row] >= 0 {
            ids[row] = Int32(truncatingIfNeeded: OpenWindow.home(ids[row]) & mask)
        }
        var seen: Int64 = 0
        for row in 0..<count where ids[row] >= 0 {
            if let record = slots[Int(ids[row])].record { seen ^= record.load(as: Int64.self) }
        }
        warmed = seen
    }

    func insert(_ key: Int32, _ record: UnsafeMutableRawPointer) {
        if (keys.count + 1) * 4 > (mask + 1) * 3 { grow() }
        keys.append(key)
        records.append(record)
        place(key, record)
    }

    private func place(_ key: Int32, _ record: UnsafeMutableRawPointer) {
        var slot = OpenWindow.home(key) & mask
        while slots[slot].key >= 0 { slot = (slot + 1) & mask }
        slots[slot] = Slot(key: key, record: record)
    }

    private func grow() {
        slots.deallocate()
        let size = (mask + 1) * 2
        slots = .allocate(capacity: size)
        slots.initialize(repeating: Slot(key: -1, record: nil), count: size)
        mask = size - 1
        for i in keys.indices { place(keys[i], records[i]) }
    }
}
