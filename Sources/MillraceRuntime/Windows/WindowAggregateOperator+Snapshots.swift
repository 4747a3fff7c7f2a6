package import MillraceCore

/// The log holds the rows as they came, late ones among them, and the watermarks at which windows fired between batches. A
/// snapshot of a key group holds its keys with their open windows.
///
/// A key in a snapshot: the key; the number of its windows; for each its start, its length, whether it has fired, and the state
/// of its aggregates. In front of the keys, and of each part of the log: the watermark, and where partial sums stand.
extension WindowAggregateOperator: StatefulOperator {
    /// Rows: groups, one a window and key.
    package var stateSize: StateSize {
        StateSize(
            rows: groups, keys: keys.count, bytes: store.usedBytes + keys.tableBytes + groups * (pool.stride + 32))
    }

    package func keepChanges() {
        var columns = Set(readColumns + [plan.timeColumn])
        if case .attached(let start, let end) = plan.window { columns.formUnion([start, end]) }
        log = InputLog(columns.sorted(), input: input)
        keys.keepGroups()
        writeHeader(to: logHeader)
    }

    package func writeChanges(to log: ByteBuffer) {
        guard let own = self.log else { return }
        if !own.isEmpty {
            log.append(logHeader.bytes)
            own.write(to: log)
        }
        logHeader.clear()
        writeHeader(to: logHeader)
    }

    private func writeHeader(to buffer: ByteBuffer) {
        // The end of bounded input has closed all windows there were; a later run opens others.
        buffer.append(signed: watermark == EventTime.end ? newestEmitted : watermark)
        parts?.write(to: buffer)
    }

    /// - Parameter isOfLog: time goes back to where it stood then: rows that follow are judged as they were. A snapshot may be
    ///   newer than they are.
    private func readHeader(_ reader: inout StateReader, isOfLog: Bool) {
        let stored = reader.signed()
        newestStored = max(newestStored, stored)
        watermark = isOfLog ? stored : max(watermark, stored)
        parts?.read(from: &reader, onlyNewer: !isOfLog)
        if let parts { accumulators.epoch = parts.epoch }
    }

    package func hasChanged(group: Int) -> Bool { changed.contains(group) }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changed.remove(group)
        let members = keys.keys(of: group)
        guard !members.isEmpty else { return }
        writeHeader(to: snapshot)
        for key in members {
            keys.write(key, to: snapshot)
            if let sessions {
                write(sessions.sessions(of: key), to: snapshot)
            } else {
                writeWindows(of: key, to: snapshot)
            }
        }
    }

    private func writeWindows(of key: Int32, to snapshot: ByteBuffer) {
        var count: UInt64 = 0
        for window in windows where window.find(key) != nil { count += 1 }
        snapshot.append(varint: count)
        for window in windows {
            guard let record = window.find(key) else { continue }
            snapshot.append(signed: window.start)
            snapshot.append(signed: window.end - window.start)
            snapshot.append(window.isFired ? 1 : 0)
            accumulators.writeState(record, to: snapshot)
        }
    }

    private func write(_ sessions: [SessionWindows.Session], to snapshot: ByteBuffer) {
        snapshot.append(varint: UInt64(sessions.count))
        for session in sessions {
            snapshot.append(signed: session.start)
            snapshot.append(signed: session.end - session.start)
            snapshot.append(varint: UInt64(session.sequence))
            accumulators.writeState(session.record, to: snapshot)
        }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        readHeader(&reader, isOfLog: false)
        while !reader.isAtEnd {
            guard let key = reader.read({ keys.intern(from: &$0) }) else { break }
            for _ in 0..<reader.count() where !reader.isDamaged {
                let start = reader.signed()
                let end = start &+ reader.signed()
                let record = pool.allocate()
                keys.retain(key)
                groups += 1
                if let sessions {
                    let sequence = reader.count()
                    sessions.restore(
                        SessionWindows.Session(key: key, start: start, end: end, record: record, sequence: sequence))
                } else {
                    let window = openWindow(start, end)
                    window.isFired = reader.byte() == 1
                    window.insert(key, record)
                }
                accumulators.readState(record, from: &reader)
            }
            if keys.references(key) == 0 { keys.drop(key) }
        }
        try reader.check(object)
    }

    package func restore(changes: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        var reader = StateReader(changes)
        readHeader(&reader, isOfLog: true)
        let context = ShardContext(clock: SystemClock())
        defer { skipped = nil }
        findNextTimer()
        try log?.read(
            &reader,
            rows: { batch throws(Diagnostic) in
                keys.bind(plan.keys.map { batch.columns[$0] })
                skipped = (0..<batch.count).map { row in
                    let key = keys.intern(row: row)
                    defer { keys.drop(key) }
                    return isInSnapshot(keys.group(of: key))
                }
                try process(batch, port: 0, context: context)
            },
            watermark: { watermark throws(Diagnostic) in
                skipped = []
                let before = self.watermark
                guard watermark > before else { return }
                if watermark >= nextTimer { try fire(upTo: watermark, nil, origin: -1, context) }
                if watermark == EventTime.end {
                    self.watermark = max(before, newestEmitted)
                } else {
                    if parts != nil { advanceParts(to: watermark, nil) }
                    self.watermark = watermark
                }
            })
        try reader.check(object)
    }

    package func endRestore() throws(Diagnostic) {
        watermark = max(watermark, newestStored)
        findNextTimer()
        logHeader.clear()
        writeHeader(to: logHeader)
    }
}
