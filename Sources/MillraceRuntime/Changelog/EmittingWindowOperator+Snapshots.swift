package import MillraceCore

/// The log holds the groups that have changed, each whole, and event time; a snapshot the same of the groups of some keys. That a
/// window is gone is known by event time.
///
/// A group: its key, its window's start and end; whether the window has fired, its aggregates, the result that was given last, the
/// first moment of its period and the next one.
extension EmittingWindowOperator: StatefulOperator {
    struct Changes {
        var groups = GroupSet()
        var list: [(window: Window, group: Group)] = []
        var watermark = EventTime.none
        let scratch = ByteBuffer(capacity: 256)
        /// Event time when state was written, to be gone on with.
        var restoredWatermark = EventTime.none
    }

    package func keepChanges() {
        keys.keepGroups()
        changes = Changes()
    }

    /// The group is another than it was.
    func note(_ group: Group, _ window: Window) {
        guard changes != nil else { return }
        changes?.groups.insert(keys.group(of: group.key))
        guard !group.isListed else { return }
        group.isListed = true
        keys.retain(group.key)
        changes?.list.append((window, group))
    }

    package func writeChanges(to log: ByteBuffer) {
        guard let known = changes, !known.list.isEmpty || known.watermark != watermark else { return }
        // The first group tells event time, whether it has rows or not.
        if known.watermark != watermark { changes?.groups.insert(0) }
        log.append(signed: watermark)
        for (window, group) in known.list {
            if !group.isGone {
                keys.write(group.key, to: log)
                known.scratch.clear()
                write(group, window, to: known.scratch)
                log.append(counted: known.scratch.bytes)
            }
            group.isListed = false
            keys.release(group.key)
        }
        changes?.list.removeAll(keepingCapacity: true)
        changes?.watermark = watermark
    }

    private func write(_ group: Group, _ window: Window, to buffer: ByteBuffer) {
        buffer.append(signed: window.start)
        buffer.append(signed: window.end)
        buffer.append(window.isFired ? 1 : 0)
        state.writeState(group.record, to: buffer)
        buffer.append(group.given >= 0 ? 1 : 0)
        if group.given >= 0 { results.write(group.given, to: buffer) }
        for moment in [group.phase, group.deadline] {
            buffer.append(moment == nil ? 0 : 1)
            if let moment { buffer.append(signed: moment) }
        }
    }

    private func read(_ key: Int32, _ reader: inout StateReader) {
        let (start, end) = (reader.signed(), reader.signed())
        let window = window(start, end)
        window.isFired = reader.byte() == 1
        let group: Group
        if let known = window.byKey[key] {
            group = known
            state.release(group.record)
            pool.deallocate(group.record)
            group.record = pool.allocate()
            if group.given >= 0 { results.release(group.given) }
            (group.given, group.phase, group.deadline) = (-1, nil, nil)
        } else {
            keys.retain(key)
            group = Group(key, pool.allocate())
            window.byKey[key] = group
            window.groups.append(group)
            groupCount += 1
        }
        state.readState(group.record, from: &reader)
        if reader.byte() == 1 { group.given = results.insert(from: &reader) }
        if reader.byte() == 1 { group.phase = reader.signed() }
        if reader.byte() == 1 { group.deadline = reader.signed() }
    }

    package func hasChanged(group: Int) -> Bool { changes?.groups.contains(group) ?? false }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changes?.groups.remove(group)
        let start = snapshot.count
        snapshot.append(signed: watermark)
        let empty = snapshot.count
        for key in keys.keys(of: group) {
            for window in windows {
                guard let known = window.byKey[key] else { continue }
                keys.write(key, to: snapshot)
                write(known, window, to: snapshot)
            }
        }
        if snapshot.count == empty, group != 0 { snapshot.truncate(start) }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        let before = changes?.restoredWatermark ?? EventTime.none
        changes?.restoredWatermark = max(before, reader.signed())
        while !reader.isAtEnd {
            guard let key = reader.read({ keys.intern(from: &$0) }) else { break }
            read(key, &reader)
        }
        try reader.check(object)
    }

    package func restore(changes log: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        var reader = StateReader(log)
        let before = changes?.restoredWatermark ?? EventTime.none
        changes?.restoredWatermark = max(before, reader.signed())
        while !reader.isAtEnd {
            guard let key = reader.read({ keys.intern(from: &$0) }) else { break }
            var entry = StateReader(reader.counted())
            let group = keys.group(of: key)
            guard !isInSnapshot(group) else {
                keys.drop(key)
                continue
            }
            changes?.groups.insert(group)
            read(key, &entry)
            try entry.check(object)
        }
        try reader.check(object)
    }

    package func endRestore() throws(Diagnostic) {
        watermark = changes?.restoredWatermark ?? EventTime.none
        changes?.watermark = watermark
        removePassed()
        nextDeadline = windows.lazy.flatMap(\.groups).compactMap(\.deadline).min()
    }
}
