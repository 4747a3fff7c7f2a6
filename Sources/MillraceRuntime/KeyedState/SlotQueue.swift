/// A queue of row slots, open at both ends. Removing from the front is amortised O(1).
struct SlotQueue {
    private var slots: [Int32] = []
    private var head = 0

    var count: Int { slots.count - head }
    var isEmpty: Bool { slots.count == head }
    var first: Int32? { isEmpty ? nil : slots[head] }
    var last: Int32? { isEmpty ? nil : slots[slots.count - 1] }
    /// From the front.
    subscript(index: Int) -> Int32 { slots[head + index] }

    mutating func append(_ slot: Int32) { slots.append(slot) }

    /// Costs what lies behind.
    mutating func insert(_ slot: Int32, at index: Int) { slots.insert(slot, at: head + index) }

    mutating func remove(at index: Int) -> Int32 {
        let slot = slots.remove(at: head + index)
        if isEmpty { removeAll() }
        return slot
    }

    mutating func removeLast() {
        slots.removeLast()
        if isEmpty { removeAll() }
    }

    @discardableResult
    mutating func removeFirst() -> Int32 {
        let slot = slots[head]
        head += 1
        if isEmpty {
            removeAll()
        } else if head >= 32, head * 2 > slots.count {
            slots.removeFirst(head)
            head = 0
        }
        return slot
    }

    mutating func removeAll() {
        slots.removeAll(keepingCapacity: true)
        head = 0
    }
}
