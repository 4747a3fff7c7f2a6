import MillraceCore

/// How far each key has come, where lateness is judged by key: a row is late at or behind the last row of its key that has left.
///
/// RANGE frames forget a key, and how far it has come, when time has passed its rows by half as much again as the frame: the
/// moments are those of Flink's `RowTimeRangeBoundedPrecedingFunction`, so the same rows are late.
struct OverProgress {
    private var lastTimes: [Int64] = []
    private var cleanings: [Int64] = []
    private var timers = EventTimeQueue()
    /// Milliseconds; nil without a RANGE frame.
    private let range: Int64?
    private let hasRows: Bool

    init(_ frames: [OverFrame]) {
        var range: Int64?
        var hasRows = false
        for frame in frames {
            switch frame.extent {
            case .range(let preceding): range = max(range ?? 0, preceding ?? 0)
            case .rows: hasRows = true
            }
        }
        self.range = range
        self.hasRows = hasRows
    }

    func last(_ key: Int32) -> Int64? {
        guard Int(key) < lastTimes.count, lastTimes[Int(key)] != Int64.min else { return nil }
        return lastTimes[Int(key)]
    }

    /// The number is another key's now.
    mutating func forget(_ key: Int32) {
        while lastTimes.count <= Int(key) {
            lastTimes.append(.min)
            cleanings.append(.min)
        }
        lastTimes[Int(key)] = .min
        cleanings[Int(key)] = .min
    }

    /// A row of the key will leave at `time`.
    mutating func note(_ key: Int32, _ time: Int64) {
        guard let range, cleanings[Int(key)] < time + range + 1 else { return }
        let cleaning = time + range + range / 2 + 1
        cleanings[Int(key)] = cleaning
        timers.push(time: cleaning, slot: 0, key: key)
    }

    mutating func left(_ key: Int32, _ time: Int64) { lastTimes[Int(key)] = time }

    /// The next key whose RANGE frames are to be cleaned up to `time`.
    mutating func takeCleaned(upTo time: Int64) -> Int32? {
        while let next = timers.firstTime, next <= time {
            let key = timers.pop().key
            guard cleanings[Int(key)] != .min, cleanings[Int(key)] <= next else {
                // Put off since; in Flink the timer still says how far the key has come.
                lastTimes[Int(key)] = next
                continue
            }
            cleanings[Int(key)] = .min
            if !hasRows { lastTimes[Int(key)] = .min }
            return key
        }
        return nil
    }
}
