import MillraceCore

/// The state of one frame of an OVER operator that waits for the watermark, for all keys: rows are added as they become
/// current and leave in the order of time.
final class OverFrameState {
    /// What one key has in this frame.
    private final class Key: OverAggregates.Key {
        /// Rows of a ROWS frame, or of a RANGE frame by key; oldest first.
        var rows = SlotQueue()
        /// Of a RANGE frame by key: the times of `rows`, from `timesHead` on.
        var times: [Int64] = []
        /// In which order they came.
        var sequences: [Int64] = []
        var timesHead = 0
        /// Rows in a RANGE frame.
        var count = 0
        /// Different times of `times`, and the buckets that Java's hash table of them has.
        private var differentTimes = 0
        private var buckets: Int64 = 16

        /// After a time was added.
        func grow() {
            let last = times.count - 1
            guard last == timesHead || times[last - 1] != times[last] else { return }
            differentTimes += 1
            while Int64(differentTimes) * 4 > buckets * 3 { buckets *= 2 }
        }

        func shrink(_ expired: [(time: Int64, slot: Int32)]) {
            for i in expired.indices where i == 0 || expired[i - 1].time != expired[i].time { differentTimes -= 1 }
        }

        /// Where Java's hash table keeps a time.
        func bucket(_ time: Int64) -> Int64 {
            let hash = UInt32(truncatingIfNeeded: time ^ (time >> 32))
            return Int64(hash ^ (hash >> 16)) & (buckets - 1)
        }
    }

    private let extent: OverFrame.Extent
    private let hasFloatingSums: Bool
    private let aggregates: OverAggregates
    private let rows: RowStore
    private let keys: KeyTable
    private var states: [Key?] = []
    /// Rows of a RANGE frame, of all keys, by time: the front leaves first.
    private var log: [(time: Int64, slot: Int32, key: Int32)] = []
    private var logHead = 0

    /// Rows of a RANGE frame leave when their key's time has gone on, and with `clean`; else when time has.
    private let isByKey: Bool

    init(
        _ frame: OverFrame, rows: RowStore, keys: KeyTable, store: StateStore, input: Schema, isByKey: Bool = false
    ) throws(Diagnostic) {
        extent = frame.extent
        self.isByKey = isByKey
        self.rows = rows
        self.keys = keys
        let keepsRows =
            switch frame.extent {
            case .rows(.some), .range(.some): true
            case .rows(nil), .range(nil): false
            }
        aggregates = try OverAggregates(frame.calls, rows: rows, store: store, input: input, keepsRows: keepsRows)
        hasFloatingSums = aggregates.calls.contains { $0.kind == .sumDouble || $0.kind == .sumFloat }
    }

    var calls: [OverCallLayout] { aggregates.calls }
    /// What a key takes.
    var keyBytes: Int { 96 + aggregates.keyBytes }

    /// Rows of equal time see each other.
    var isRange: Bool { if case .range = extent { true } else { false } }

    private func state(_ key: Int32) -> Key {
        while states.count <= Int(key) { states.append(nil) }
        if let state = states[Int(key)] { return state }
        let state = Key(aggregates)
        states[Int(key)] = state
        // ROWS and unbounded frames remember a key for ever.
        keys.retain(key)
        return state
    }

    // MARK: - Rows

    /// A row becomes part of its key's frame.
    func add(_ slot: Int32, key: Int32, time: Int64, sequence: Int64) {
        let state = state(key)
        // First out, then in, as Flink does it: sums of DOUBLE depend on the order.
        if case .rows(let preceding?) = extent, state.rows.count > preceding { remove(state.rows.removeFirst(), state) }
        if isByKey, case .range(let preceding?) = extent { expire(state, before: time - preceding) }
        aggregates.add(slot, state)
        switch extent {
        case .range(.some) where isByKey:
            rows.retain(slot)
            state.rows.append(slot)
            state.times.append(time)
            state.sequences.append(sequence)
            state.grow()
        case .range(.some):
            rows.retain(slot)
            log.append((time, slot, key))
            state.count += 1
        case .rows(.some):
            rows.retain(slot)
            state.rows.append(slot)
        case .range(nil), .rows(nil): break
        }
    }

    /// Rows older than `time` by more than the frame leave it.
    func expire(at time: Int64) {
        guard !isByKey, case .range(let preceding?) = extent else { return }
        let (start, overflow) = time.subtractingReportingOverflow(preceding)
        guard !overflow else { return }
        while logHead < log.count, log[logHead].time < start {
            let (_, slot, key) = log[logHead]
            logHead += 1
            guard let state = states[Int(key)] else { continue }
            remove(slot, state)
            state.count -= 1
            if state.count == 0 { forget(key, state) }
        }
        if logHead == log.count {
            log.removeAll(keepingCapacity: true)
            logHead = 0
        } else if logHead >= 1024, logHead * 2 > log.count {
            log.removeFirst(logHead)
            logHead = 0
        }
    }

    private func expire(_ state: Key, before start: Int64) {
        var expired: [(time: Int64, slot: Int32)] = []
        let first = state.timesHead
        while state.timesHead < state.times.count, state.times[state.timesHead] < start {
            expired.append((state.times[state.timesHead], state.rows.removeFirst()))
            state.timesHead += 1
        }
        state.shrink(expired)
        if expired.count < 2 || !hasFloatingSums {
            for row in expired { remove(row.slot, state) }
        } else {
            // Sums of DOUBLE depend on the order in which values leave: that of the hash table in which Flink keeps them.
            let places = expired.indices.sorted {
                let (a, b) = (state.bucket(expired[$0].time), state.bucket(expired[$1].time))
                return a == b ? state.sequences[first + $0] < state.sequences[first + $1] : a < b
            }
            for (index, call) in calls.enumerated() {
                let isSum = call.kind == .sumDouble || call.kind == .sumFloat
                for place in expired.indices {
                    aggregates.retract(index, expired[isSum ? places[place] : place].slot, state)
                }
            }
            for row in expired { rows.release(row.slot) }
        }
        if state.timesHead >= 32, state.timesHead * 2 > state.times.count {
            state.times.removeFirst(state.timesHead)
            state.sequences.removeFirst(state.timesHead)
            state.timesHead = 0
        }
    }

    /// Forgets what a key has in a RANGE frame.
    func clean(_ key: Int32) {
        guard isRange, Int(key) < states.count, let state = states[Int(key)] else { return }
        expire(state, before: .max)
        forget(key, state)
    }

    private func forget(_ key: Int32, _ state: Key) {
        aggregates.discard(state)
        states[Int(key)] = nil
        keys.release(key)
    }

    private func remove(_ slot: Int32, _ state: Key) {
        aggregates.retract(slot, state)
        rows.release(slot)
    }

    /// Appends each call's value for the row `slot` of a key; strings are copied into `arena`.
    func append(_ slot: Int32, key: Int32, to columns: ArraySlice<Column>, arena: BatchArena) {
        guard let state = states[Int(key)] else { return }
        aggregates.append(slot, state, to: columns, arena: arena)
    }
}
