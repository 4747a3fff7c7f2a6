package import MillraceCore

/// The log holds the rows that were answered; a snapshot of a key group its keys' rows, and of frames that no row leaves what
/// their calls remember.
///
/// A key in a snapshot: the key; its rows from the oldest on, each with its time as the difference to the row before; for
/// each frame the place of its oldest row, or its state.
extension OverArrivalOperator: StatefulOperator {
    /// Rows: those of histories.
    package var stateSize: StateSize {
        StateSize(
            rows: keptRows, keys: keptKeys,
            bytes: store.usedBytes + keys.tableBytes + rows.slotBytes + keptRows
                * MemoryLayout<KeyTimeline.Entry>.stride
                + keptKeys * keyBytes)
    }

    /// Of a key's timeline and what its frames remember, with the heads of objects and arrays.
    private var keyBytes: Int {
        frames.reduce(KeyTimeline.bytes) { $0 + 16 + $1.aggregates.keyBytes }
    }

    package func keepChanges() {
        log = InputLog(loggedColumns, input: input)
        keys.keepGroups()
    }

    package func writeChanges(to log: ByteBuffer) { self.log?.write(to: log) }

    package func hasChanged(group: Int) -> Bool { changed.contains(group) }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changed.remove(group)
        let oldest = horizon(watermark)
        let start = snapshot.count
        snapshot.append(signed: watermark)
        let empty = snapshot.count
        for key in keys.keys(of: group) {
            guard let timeline = timelines[Int(key)] else { continue }
            trim(timeline, oldest)
            keys.write(key, to: snapshot)
            snapshot.append(varint: UInt64(timeline.count))
            var time: Int64 = 0
            for position in timeline.start..<timeline.end {
                let entry = timeline[position]
                snapshot.append(signed: entry.time &- time)
                time = entry.time
                rows.write(entry.slot, to: snapshot)
            }
            for frame in frames {
                if frame.isUnbounded {
                    frame.aggregates.write(timeline.states[frame.index], to: snapshot)
                } else {
                    snapshot.append(varint: UInt64(timeline.firsts[frame.index] - timeline.start))
                }
            }
        }
        if snapshot.count == empty { snapshot.truncate(start) }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        watermark = max(watermark, reader.signed())
        while !reader.isAtEnd {
            guard let key = reader.read({ keys.intern(from: &$0) }) else { break }
            let timeline = begin(key)
            var time: Int64 = 0
            let count = reader.count()
            if count < snapshot.count { timeline.reserve(count) }
            for _ in 0..<count where !reader.isDamaged {
                time = time &+ reader.signed()
                timeline.append(KeyTimeline.Entry(time: time, slot: rows.insert(from: &reader)))
            }
            for index in frames.indices {
                if frames[index].isUnbounded {
                    frames[index].aggregates.read(timeline.states[index], from: &reader)
                } else {
                    frames[index].restore(timeline, from: min(timeline.start + reader.count(), timeline.end))
                }
            }
        }
        try reader.check(object)
    }

    package func restore(changes: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        var reader = StateReader(changes)
        try log?.read(
            &reader, rows: { batch throws(Diagnostic) in takeAgain(batch) { !isInSnapshot($0) } },
            watermark: { _ throws(Diagnostic) in })
        try reader.check(object)
    }

    package func endRestore() throws(Diagnostic) {
        let oldest = horizon(watermark)
        for (key, timeline) in timelines.enumerated() {
            guard let timeline else { continue }
            trim(timeline, oldest)
            if !timeline.isAwaited { schedule(Int32(key), timeline) }
        }
    }
}
