/// Rows or keys that wait for the watermark, by time and then by arrival. Push is O(1) for rows in order, pop O(log n).
struct EventTimeQueue {
    struct Entry {
        /// Event time, milliseconds.
        var time: Int64
        var sequence: Int64
        var slot: Int32
        var key: Int32
    }

    private var heap: [Entry] = []
    private var nextSequence: Int64 = 0

    var count: Int { heap.count }
    var first: Entry? { heap.first }
    var firstTime: Int64? { heap.first?.time }

    mutating func push(time: Int64, slot: Int32, key: Int32) {
        push(Entry(time: time, sequence: nextSequence, slot: slot, key: key))
        nextSequence += 1
    }

    /// An entry whose place among those of its time the caller knows; not together with the other `push`.
    mutating func push(_ entry: Entry) {
        heap.append(entry)
        var i = heap.count - 1
        while i > 0 {
            let parent = (i - 1) / 2
            guard EventTimeQueue.precedes(entry, heap[parent]) else { break }
            heap[i] = heap[parent]
            i = parent
        }
        heap[i] = entry
    }

    mutating func pop() -> Entry {
        let result = heap[0]
        let last = heap.removeLast()
        guard !heap.isEmpty else { return result }
        var i = 0
        while true {
            var child = 2 * i + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, EventTimeQueue.precedes(heap[child + 1], heap[child]) { child += 1 }
            guard EventTimeQueue.precedes(heap[child], last) else { break }
            heap[i] = heap[child]
            i = child
        }
        heap[i] = last
        return result
    }

    /// The first entry if its time is at or before `time`.
    mutating func pop(upTo time: Int64) -> Entry? {
        guard let first = firstTime, first <= time else { return nil }
        return pop()
    }

    @inline(__always)
    private static func precedes(_ a: Entry, _ b: Entry) -> Bool {
        a.time == b.time ? a.sequence < b.sequence : a.time < b.time
    }
}
