import MillraceCore

/// The open sessions of all keys: `[first, last + gap)`; sessions that overlap or touch are one.
final class SessionWindows {
    final class Session {
        let key: Int32
        var start: Int64
        var end: Int64
        let record: UnsafeMutableRawPointer
        /// Arrival order among equal ends.
        let sequence: Int
        var offsets = ContributingOffsets()
        /// Merged into another or fired; still in the heap.
        var isGone = false
        /// The end under which it stands in the heap.
        var heapEnd: Int64

        /// Where the hash set of a merge has it in Flink: the first of the set takes the others in, which lists and sums of
        /// DOUBLE show.
        var place: UInt32 {
            var bits = UInt64(bitPattern: start &+ end)
            bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
            bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
            let hash = UInt32(truncatingIfNeeded: bits ^ (bits >> 31))
            return (hash ^ (hash >> 16)) & 15
        }

        init(key: Int32, start: Int64, end: Int64, record: UnsafeMutableRawPointer, sequence: Int) {
            self.key = key
            self.start = start
            self.end = end
            self.record = record
            self.sequence = sequence
            heapEnd = end
        }
    }

    private let gap: Int64
    /// By key id, ascending by start, never touching each other.
    private var byKey: [[Session]] = []
    /// Min-heap by `heapEnd`, then arrival. A session that grew is moved when it comes up.
    private var heap: [Session] = []
    private var nextSequence = 0

    init(gap: Int64) { self.gap = gap }

    /// The session that a row at `time` would be part of, and how many open ones it would join.
    func merged(_ key: Int32, _ time: Int64) -> (start: Int64, end: Int64, sessions: Int) {
        var (start, end, count) = (time, time &+ gap, 0)
        guard Int(key) < byKey.count else { return (start, end, 0) }
        for session in byKey[Int(key)] where session.start <= time &+ gap && session.end >= time {
            start = min(start, session.start)
            end = max(end, session.end)
            count += 1
        }
        return (start, end, count)
    }

    /// Puts a row at `time` into its session. `absorb(source, target)` folds a group into the one it joins.
    func join(
        _ key: Int32, _ time: Int64, makeRecord: () -> UnsafeMutableRawPointer,
        absorb: (_ source: UnsafeMutableRawPointer, _ target: UnsafeMutableRawPointer) -> Void
    ) -> Session {
        while byKey.count <= Int(key) { byKey.append([]) }
        let end = time &+ gap
        let touching = byKey[Int(key)].filter { $0.start <= end && $0.end >= time }
        // Of two sessions, the later one first where Flink's hash set has them in one place.
        guard let target = touching.reversed().min(by: { $0.place < $1.place }) else {
            let session = Session(key: key, start: time, end: end, record: makeRecord(), sequence: nextSequence)
            nextSequence += 1
            let index = byKey[Int(key)].firstIndex { $0.start > time } ?? byKey[Int(key)].count
            byKey[Int(key)].insert(session, at: index)
            push(session)
            return session
        }
        target.start = min(target.start, time)
        target.end = max(target.end, end)
        for other in touching where other !== target {
            target.start = min(target.start, other.start)
            target.end = max(target.end, other.end)
            target.offsets.merge(other.offsets)
            other.isGone = true
            absorb(other.record, target.record)
        }
        if touching.count > 1 { byKey[Int(key)].removeAll { $0.isGone } }
        return target
    }

    /// Removes and returns the sessions whose last millisecond is at or before `watermark`, by end, then arrival.
    func takeFired(_ watermark: Int64) -> [Session] {
        var fired: [Session] = []
        while let top = heap.first, top.heapEnd - 1 <= watermark {
            pop()
            if top.isGone { continue }
            if top.end > top.heapEnd {
                top.heapEnd = top.end
                push(top)
                continue
            }
            top.isGone = true
            byKey[Int(top.key)].removeAll { $0 === top }
            fired.append(top)
        }
        return fired
    }

    // MARK: Snapshots

    /// The open sessions of a key, by start.
    func sessions(of key: Int32) -> [Session] { Int(key) < byKey.count ? byKey[Int(key)] : [] }

    /// A session that was open before a restart; those of one key in the order of their starts.
    func restore(_ session: Session) {
        while byKey.count <= Int(session.key) { byKey.append([]) }
        byKey[Int(session.key)].append(session)
        nextSequence = max(nextSequence, session.sequence + 1)
        push(session)
    }

    /// A lower bound of the ends of all sessions; nil without any.
    var firstEnd: Int64? { heap.first?.heapEnd }

    func forEach(_ body: (Session) -> Void) { for sessions in byKey { sessions.forEach(body) } }
    func forEachRecord(_ body: (UnsafeMutableRawPointer) -> Void) { forEach { body($0.record) } }

    private func precedes(_ a: Session, _ b: Session) -> Bool {
        a.heapEnd == b.heapEnd ? a.sequence < b.sequence : a.heapEnd < b.heapEnd
    }

    private func push(_ session: Session) {
        heap.append(session)
        var i = heap.count - 1
        while i > 0, precedes(heap[i], heap[(i - 1) / 2]) {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    private func pop() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2] where child < heap.count && precedes(heap[child], heap[least]) {
                least = child
            }
            if least == i { return }
            heap.swapAt(i, least)
            i = least
        }
    }
}
