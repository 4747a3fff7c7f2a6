/// The values of one MIN or MAX whose input takes rows back: how often each is there, and which is first in order.
///
/// A heap of the distinct values; one that is no longer there stays until it comes to the top, or until such ones are the
/// majority. A row costs O(log n).
final class ExtremeValues<Value: Hashable & Comparable>: HeldObject {
    private var counts: [Value: Int64] = [:]
    private var heap: [Value] = []
    /// Values in the heap that are no longer there.
    private var gone = 0
    private let isMinimum: Bool

    init(isMinimum: Bool) { self.isMinimum = isMinimum }

    /// The smallest or largest value; nil without any.
    var first: Value? { heap.first }

    /// The place in the heap, and that in the table of counts.
    var bytes: Int { heap.count * (MemoryLayout<Value>.stride * 2 + 16) }

    /// The values that are there, first ones first, with their counts.
    var sorted: [(value: Value, count: Int64)] {
        counts.filter { $0.value > 0 }.sorted { precedes($0.key, $1.key) }.map { ($0.key, $0.value) }
    }

    /// Takes what `sorted` gave, in its order.
    func restore(_ value: Value, count: Int64) {
        counts[value] = count
        heap.append(value)
    }

    func add(_ value: Value) {
        guard let count = counts[value] else {
            counts[value] = 1
            push(value)
            return
        }
        if count == 0 { gone -= 1 }
        counts[value] = count + 1
        // A value that was taken back before it came is even now.
        settle()
    }

    func remove(_ value: Value) {
        guard let count = counts[value] else { return }
        counts[value] = max(0, count - 1)
        if count == 1 { gone += 1 }
        settle()
    }

    /// Removes values that are gone from the top.
    private func settle() {
        while let top = heap.first, counts[top] == 0 {
            counts[top] = nil
            gone -= 1
            pop()
        }
        guard gone > 32, gone * 2 > heap.count else { return }
        for (value, count) in counts where count == 0 { counts[value] = nil }
        heap = counts.keys.sorted { precedes($0, $1) }
        gone = 0
    }

    private func precedes(_ a: Value, _ b: Value) -> Bool { isMinimum ? a < b : b < a }

    private func push(_ value: Value) {
        heap.append(value)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private func pop() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        var parent = 0
        while true {
            var first = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(heap[child], heap[first])
            {
                first = child
            }
            guard first != parent else { return }
            heap.swapAt(first, parent)
            parent = first
        }
    }
}

/// A text as a value of its own, in the order of its bytes.
struct OwnedBytes: Hashable, Comparable {
    var bytes: [UInt8]
    static func < (a: OwnedBytes, b: OwnedBytes) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}
