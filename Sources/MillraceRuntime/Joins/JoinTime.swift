import MillraceCore

/// The event time of two inputs: the minimum, never back.
struct JoinTime {
    private var left = EventTime.none
    private var right = EventTime.none
    private(set) var combined = EventTime.none
    private var restoredLeft = EventTime.none
    private var restoredRight = EventTime.none

    /// An input's watermark is now `watermark`; the combined one it leads to.
    @inline(__always)
    mutating func next(_ watermark: Int64, port: Int) -> Int64 {
        if port == 0 { left = max(left, watermark) } else { right = max(right, watermark) }
        return max(combined, min(left, right))
    }

    mutating func advance(to watermark: Int64) { combined = watermark }

    /// What was emitted before a restart: the minimum of the inputs'.
    mutating func restore(_ watermark: Int64, port: Int) -> Int64 {
        if port == 0 {
            restoredLeft = max(restoredLeft, watermark)
        } else {
            restoredRight = max(restoredRight, watermark)
        }
        return min(restoredLeft, restoredRight)
    }
}

/// Rows by time, the smallest first; equal times in order of arrival. A binary heap.
struct TimeHeap {
    struct Entry {
        var time: Int64
        var order: Int64
        var index: Int32
        @inline(__always)
        static func < (a: Entry, b: Entry) -> Bool { a.time != b.time ? a.time < b.time : a.order < b.order }
    }
    private var entries: [Entry] = []
    private var arrivals: Int64 = 0

    var firstTime: Int64 { entries.first?.time ?? Int64.max }
    var isEmpty: Bool { entries.isEmpty }

    mutating func insert(_ index: Int32, time: Int64) {
        entries.append(Entry(time: time, order: arrivals, index: index))
        arrivals += 1
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child] < entries[parent] else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() -> Int32 {
        let first = entries[0].index
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count && entries[child] < entries[least]
            {
                least = child
            }
            if least == parent { break }
            entries.swapAt(parent, least)
            parent = least
        }
        return first
    }
}
