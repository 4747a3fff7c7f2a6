import MillraceCore

/// When an operator's entries were last written, and which of them are too old (`table.exec.state.ttl`).
///
/// Time is the clock's, in milliseconds, looked at once a batch; it never goes back. An entry is gone as soon as its age is
/// the time to live, as in Flink (`OnCreateAndWrite`, `NeverReturnExpired`). Entries are numbered by their owner; a write is
/// O(1), for they stand in a list by their last one.
struct StateTTL {
    let milliseconds: Int64
    private(set) var now = Int64.min
    private var times: [Int64] = []
    private var next: [Int32] = []
    /// `absent`: not in the list.
    private var previous: [Int32] = []
    private var head: Int32 = -1
    private var tail: Int32 = -1
    private static let absent: Int32 = -2

    init?(milliseconds: Int64?) {
        guard let milliseconds else { return nil }
        self.milliseconds = milliseconds
    }

    mutating func move(to time: Int64) { now = max(now, time) }
    mutating func look(at clock: any Clock) {
        move(to: EventTime.milliseconds(fromMicroseconds: clock.wallMicroseconds()))
    }

    /// The entry is written now.
    mutating func touch(_ id: Int32) { touch(id, at: now) }

    /// The entry was written at `time`; `sort` before anything is asked for.
    mutating func touch(_ id: Int32, at time: Int64) {
        while times.count <= Int(id) {
            times.append(0)
            next.append(-1)
            previous.append(StateTTL.absent)
        }
        remove(id)
        times[Int(id)] = time
        append(id)
    }

    private mutating func append(_ id: Int32) {
        previous[Int(id)] = tail
        next[Int(id)] = -1
        if tail >= 0 { next[Int(tail)] = id } else { head = id }
        tail = id
    }

    mutating func remove(_ id: Int32) {
        guard Int(id) < previous.count, previous[Int(id)] != StateTTL.absent else { return }
        let (before, after) = (previous[Int(id)], next[Int(id)])
        if before >= 0 { next[Int(before)] = after } else { head = after }
        if after >= 0 { previous[Int(after)] = before } else { tail = before }
        previous[Int(id)] = StateTTL.absent
    }

    func time(of id: Int32) -> Int64 { times[Int(id)] }

    func isExpired(_ id: Int32) -> Bool {
        let (end, overflow) = times[Int(id)].addingReportingOverflow(milliseconds)
        return !overflow && end <= now
    }

    /// The entry that was written longest ago, if it is too old. While state is restored it may overlook some.
    var firstExpired: Int32? { head >= 0 && isExpired(head) ? head : nil }

    /// Entries may have been touched out of order.
    mutating func sort() {
        var ids: [Int32] = []
        var id = head
        while id >= 0 {
            ids.append(id)
            id = next[Int(id)]
        }
        // Stable: those of one moment stay in their order.
        let sorted = ids.enumerated().sorted {
            (times[Int($0.element)], $0.offset) < (times[Int($1.element)], $1.offset)
        }
        (head, tail) = (-1, -1)
        for (_, id) in sorted { append(id) }
    }

    var bytes: Int { times.capacity * 16 }
}
