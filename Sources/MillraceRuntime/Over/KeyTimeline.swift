/// The rows of one key that its frames still need, by time, rows of one time in order of arrival; shared by all frames.
///
/// A row's position stays the same while older rows leave, so a frame remembers where it begins.
final class KeyTimeline {
    struct Entry {
        /// Event time, milliseconds.
        var time: Int64
        var slot: Int32
    }

    private var entries: [Entry] = []
    private var head = 0
    /// Position of `entries[0]`.
    private var base = 0
    /// By frame: the position of its oldest row, and what its calls remember of the rows from there on.
    var firsts: [Int]
    let states: [OverAggregates.Key]
    /// A visit is due when its oldest row has become too old.
    var isAwaited = false

    /// Of one without rows and frames: the object, and the heads of its arrays.
    static let bytes = 64 + 3 * 32

    init(states: [OverAggregates.Key]) {
        self.states = states
        firsts = Array(repeating: 0, count: states.count)
    }

    var start: Int { base + head }
    var end: Int { base + entries.count }
    var count: Int { entries.count - head }
    var isEmpty: Bool { head == entries.count }
    var newestTime: Int64? { isEmpty ? nil : entries[entries.count - 1].time }

    subscript(position: Int) -> Entry { entries[position - base] }

    func append(_ entry: Entry) { entries.append(entry) }
    func reserve(_ count: Int) { entries.reserveCapacity(count) }

    /// Moves the rows from `position` on one further. `firsts` are the caller's to correct.
    func insert(_ entry: Entry, at position: Int) { entries.insert(entry, at: position - base) }

    func removeFirst() -> Entry {
        let entry = entries[head]
        head += 1
        if head == entries.count || head >= 32 && head * 2 > entries.count {
            entries.removeFirst(head)
            base += head
            head = 0
        }
        return entry
    }

    /// The position behind the last row that is not later than `time`.
    func end(through time: Int64) -> Int {
        var (low, high) = (start, end)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The position of the first row at `time` or later.
    func first(from time: Int64) -> Int {
        time == .min ? start : end(through: time - 1)
    }
}
