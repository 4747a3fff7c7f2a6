import MillraceCore

/// Rows out of order for calls that keep rows in queues: looked up and put in place, without building the frame anew.
extension OverAggregates {
    /// MIN, MAX, FIRST_VALUE and LAST_VALUE alone; a call that lists its values costs the frame anyway.
    var findsPlaces: Bool {
        calls.allSatisfy { [.minimum, .maximum, .first, .last].contains($0.kind) }
    }

    /// Appends each call's value over the timeline's rows at `frame`, which came before, and `slot` itself.
    ///
    /// - Parameter current: where the rows that `state` holds begin.
    /// - Returns: how many rows were looked at. Few, but where the present extreme of MIN or MAX is outside of `frame`.
    func appendEarlier(
        _ slot: Int32, _ state: Key, _ timeline: KeyTimeline, _ frame: Range<Int>, current: Int,
        to columns: ArraySlice<Column>, arena: BatchArena
    ) -> Int {
        var steps = 0
        for (index, call) in calls.enumerated() {
            var best = counts(call, slot) ? slot : nil
            func consider(_ positions: Range<Int>, isLast: (Int32) -> Bool) {
                for position in positions {
                    steps += 1
                    let other = timeline[position].slot
                    if counts(call, other), isLast(other) { return }
                }
            }
            func better(_ other: Int32) -> Bool {
                // Of equal ones any will do.
                if best.map({ beats(call, other, $0) }) ?? true { best = other }
                return false
            }
            switch call.kind {
            case .first:
                consider(frame) {
                    best = $0
                    return true
                }
            case .last where best == nil:
                for position in frame.reversed() {
                    steps += 1
                    guard counts(call, timeline[position].slot) else { continue }
                    best = timeline[position].slot
                    break
                }
            case .last: break
            default:
                let held = max(frame.lowerBound, min(current, frame.upperBound))
                consider(frame.lowerBound..<held, isLast: better)
                if let extreme = state.queue(index).first,
                    !contains(timeline, frame.upperBound..<timeline.end, extreme),
                    !contains(timeline, current..<max(current, min(frame.lowerBound, timeline.end)), extreme)
                {
                    steps += timeline.end - frame.upperBound
                    _ = better(extreme)
                } else {
                    consider(held..<frame.upperBound, isLast: better)
                }
            }
            let column = columns[columns.startIndex + index]
            if let best, let argument = call.argument {
                rows.append(argument, best, to: column, copyingInto: arena)
            } else {
                column.appendNull()
            }
        }
        return steps
    }

    /// Takes a row in that was put into the timeline at `position`, before rows that are held already.
    ///
    /// - Returns: how many rows were looked at.
    func insert(_ slot: Int32, at position: Int, _ timeline: KeyTimeline, _ state: Key) -> Int {
        for (index, call) in calls.enumerated() where counts(call, slot) {
            state.changeCount(call, by: 1)
            // The queue has some of the timeline's rows, in its order: those behind are at its end.
            var place = state.queue(index).count
            var other = timeline.end - 1
            while other > position, place > 0 {
                if state.queue(index)[place - 1] == timeline[other].slot { place -= 1 }
                other -= 1
            }
            let isExtreme = call.kind == .minimum || call.kind == .maximum
            if isExtreme {
                if place < state.queue(index).count, beats(call, state.queue(index)[place], slot) { continue }
                while place > 0, beats(call, slot, state.queue(index)[place - 1]) {
                    place -= 1
                    rows.release(state.removeQueued(index, at: place))
                }
            }
            rows.retain(slot)
            state.enqueue(slot, index, at: place)
        }
        return timeline.end - position
    }

    private func contains(_ timeline: KeyTimeline, _ positions: Range<Int>, _ slot: Int32) -> Bool {
        positions.contains { timeline[$0].slot == slot }
    }
}
