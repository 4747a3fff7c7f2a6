import MillraceCore

/// One frame of an OVER on arrival, for all keys: which rows of a key's timeline it holds, and their aggregates.
///
/// Its part of a key (`KeyTimeline.firsts`, `.states`) always holds the rows from `firsts[index]` to the timeline's end.
struct OverArrivalFrame {
    /// Place among the key's frames.
    let index: Int
    /// Rows not older than the current one by more than this; nil: of any age.
    let spanMilliseconds: Int64?
    /// Rows before the current one at the most; nil: any number.
    let preceding: Int?
    let aggregates: OverAggregates
    let columns: ArraySlice<Column>
    /// Rows counted in and out: what a row has cost.
    private(set) var steps = 0

    /// No row leaves: whatever has come counts, in order of arrival, and no row is kept for it.
    var isUnbounded: Bool { spanMilliseconds == nil && preceding == nil }

    init(
        index: Int, span: Int64?, preceding: Int?, aggregates: OverAggregates, columns: ArraySlice<Column>
    ) {
        self.index = index
        spanMilliseconds = span
        self.preceding = preceding
        self.aggregates = aggregates
        self.columns = columns
    }

    private func oldest(at time: Int64, _ horizon: Int64) -> Int64 {
        guard let spanMilliseconds else { return .min }
        let (start, overflow) = time.subtractingReportingOverflow(spanMilliseconds)
        return max(horizon, overflow ? .min : start)
    }

    private mutating func add(_ slot: Int32, _ state: OverAggregates.Key) {
        steps += 1
        aggregates.add(slot, state)
    }

    private mutating func retract(_ slot: Int32, _ state: OverAggregates.Key) {
        steps += 1
        aggregates.retract(slot, state)
    }

    /// Rows before `time` leave.
    mutating func expire(_ timeline: KeyTimeline, before time: Int64) {
        guard spanMilliseconds != nil else { return }
        var first = timeline.firsts[index]
        let end = timeline.end
        while first < end, timeline[first].time < time {
            retract(timeline[first].slot, timeline.states[index])
            first += 1
        }
        timeline.firsts[index] = first
    }

    /// The oldest row of the timeline leaves it.
    mutating func dropOldest(_ timeline: KeyTimeline) {
        guard !isUnbounded, timeline.firsts[index] == timeline.start else { return }
        retract(timeline[timeline.start].slot, timeline.states[index])
        timeline.firsts[index] += 1
    }

    // MARK: - Restart

    /// Takes the timeline's rows from `first` on back in, as they came. The sums of bounded frames are wide enough for the way
    /// in which rows came and left to leave no trace.
    mutating func restore(_ timeline: KeyTimeline, from first: Int) {
        timeline.firsts[index] = first
        for position in first..<timeline.end { add(timeline[position].slot, timeline.states[index]) }
    }

    // MARK: - A row in order

    /// Answers a row that is the newest of its key and about to become the timeline's last.
    ///
    /// - Parameters:
    ///   - horizon: rows before this time are not there any more.
    ///   - arena: for the answer's strings; nil: the row was answered before a restart, and is only taken in again.
    mutating func answerNewest(
        _ slot: Int32, time: Int64, _ timeline: KeyTimeline, horizon: Int64, arena: BatchArena?
    ) {
        let state = timeline.states[index]
        if !isUnbounded {
            expire(timeline, before: oldest(at: time, horizon))
            if let preceding {
                while timeline.end - timeline.firsts[index] > preceding {
                    retract(timeline[timeline.firsts[index]].slot, state)
                    timeline.firsts[index] += 1
                }
            }
        }
        add(slot, state)
        if let arena { aggregates.append(slot, state, to: columns, arena: arena) }
    }

    // MARK: - A row out of order

    /// Answers a row that belongs at `position`, before rows that have come already, from the rows of its own frame.
    ///
    /// - Parameter floor: rows before this position are not there any more.
    mutating func answerEarlier(
        _ slot: Int32, time: Int64, at position: Int, floor: Int, _ timeline: KeyTimeline, horizon: Int64,
        arena: BatchArena?
    ) {
        if isUnbounded {
            add(slot, timeline.states[index])
            if let arena { aggregates.append(slot, timeline.states[index], to: columns, arena: arena) }
            return
        }
        guard let arena else { return }
        var first = timeline.first(from: oldest(at: time, horizon))
        if let preceding { first = max(first, position - preceding) }
        first = min(max(first, floor), position)
        let current = timeline.firsts[index]
        // What the frame holds now and the row's own does not, and the other way round.
        let behind = max(current, position)..<timeline.end
        let before = current..<max(current, min(first, timeline.end, behind.lowerBound))
        let missing = first..<max(first, min(current, position))
        if !aggregates.usesQueues, behind.count + before.count + missing.count < position - first {
            let state = timeline.states[index]
            for other in behind { retract(timeline[other].slot, state) }
            for other in before { retract(timeline[other].slot, state) }
            for other in missing { add(timeline[other].slot, state) }
            add(slot, state)
            aggregates.append(slot, state, to: columns, arena: arena)
            retract(slot, state)
            for other in missing { retract(timeline[other].slot, state) }
            for other in before { add(timeline[other].slot, state) }
            for other in behind { add(timeline[other].slot, state) }
            return
        }
        if aggregates.findsPlaces {
            steps += aggregates.appendEarlier(
                slot, timeline.states[index], timeline, first..<position, current: current, to: columns, arena: arena)
            return
        }
        let scratch = OverAggregates.Key(aggregates)
        for other in first..<position { add(timeline[other].slot, scratch) }
        add(slot, scratch)
        aggregates.append(slot, scratch, to: columns, arena: arena)
        aggregates.discard(scratch)
    }

    /// After a row was inserted at `position`, before the timeline's last: it counts for the newest row, too, where that
    /// one's frame reaches so far.
    mutating func takeIn(_ slot: Int32, time: Int64, at position: Int, _ timeline: KeyTimeline, horizon: Int64) {
        guard !isUnbounded else { return }
        let first = timeline.firsts[index]
        let newest = timeline[timeline.end - 1].time
        var belongs = position > first || position == first && time >= oldest(at: newest, horizon)
        if position == first, let preceding { belongs = belongs && timeline.end - first <= preceding + 1 }
        guard belongs else {
            timeline.firsts[index] = first + 1
            return
        }
        let state = timeline.states[index]
        var oldFirst = first
        if let preceding, timeline.end - first > preceding + 1 { oldFirst += 1 }
        timeline.firsts[index] = oldFirst
        guard aggregates.usesQueues else {
            if oldFirst > first { retract(timeline[first].slot, state) }
            add(slot, state)
            return
        }
        if aggregates.findsPlaces {
            if oldFirst > first { retract(timeline[first].slot, state) }
            steps += aggregates.insert(slot, at: position, timeline, state)
            return
        }
        aggregates.clear(state)
        for other in oldFirst..<timeline.end { add(timeline[other].slot, state) }
    }
}
