package import MillraceCore

/// The log holds the changed groups where these are small (sums, counts, a few values): a thousand rows of ten keys are ten
/// entries. Where a group keeps sets or lists it holds the rows that were folded, and a restart folds them again.
///
/// A group in a snapshot, or in the log: its key; when it was written, if there is a time to live; its number of rows; its
/// aggregates. In the log the last two are absent for a group that is gone.
extension UpdatingAggregateOperator: StatefulOperator {
    /// What has changed since the last transaction, and which key groups.
    struct Changes {
        var groups = GroupSet()
        /// Exactly one of the two.
        var keys: ChangedKeys?
        var rows: InputLog?
        /// The moment that `rows` knows.
        var moment = Int64.min
        let scratch = ByteBuffer(capacity: 256)

        mutating func note(_ key: Int32, in table: KeyTable) {
            groups.insert(table.group(of: key))
            keys?.insert(key)
        }
    }

    /// Rows: groups.
    package var stateSize: StateSize {
        StateSize(
            rows: groupCount, keys: keys.count,
            bytes: store.usedBytes + groupCount * pool.stride + keys.count * 8 + keys.tableBytes
                + state.objectBytes + (ttl?.bytes ?? 0))
    }

    package func keepChanges() {
        keys.keepGroups()
        changes =
            state.isCompact
            ? Changes(keys: ChangedKeys(keys)) : Changes(rows: InputLog(usedColumns, input: input))
    }

    func note(_ key: Int32, _ batch: ColumnBatch, _ row: Int) {
        changes?.note(key, in: keys)
        // What the log brings needs no entry of its own.
        guard let rows = changes?.rows, !isMuted else { return }
        if let ttl, changes?.moment != ttl.now {
            rows.append(watermark: ttl.now)
            changes?.moment = ttl.now
        }
        rows.append(batch, row)
    }

    package func writeChanges(to log: ByteBuffer) {
        guard let scratch = changes?.scratch else { return }
        changes?.moment = .min
        changes?.rows?.write(to: log)
        changes?.keys?.removeAll { key in
            keys.write(key, to: log)
            scratch.clear()
            if let group = groups[Int(key)] { write(key, group, to: scratch) }
            log.append(counted: scratch.bytes)
        }
    }

    private func write(_ key: Int32, _ group: UnsafeMutableRawPointer, to buffer: ByteBuffer) {
        if let ttl { buffer.append(signed: ttl.time(of: key)) }
        buffer.append(signed: UpdatingAggregateOperator.rowCount(group).pointee)
        state.writeState(group, to: buffer)
    }

    private func read(_ key: Int32, from reader: inout StateReader) {
        while groups.count <= Int(key) { groups.append(nil) }
        if let old = groups[Int(key)] { remove(key, old) } else { keys.retain(key) }
        let group = pool.allocate()
        groups[Int(key)] = group
        groupCount += 1
        if ttl != nil { ttl?.touch(key, at: reader.signed()) }
        UpdatingAggregateOperator.rowCount(group).pointee = reader.signed()
        state.readState(group, from: &reader)
    }

    package func hasChanged(group: Int) -> Bool { changes?.groups.contains(group) ?? false }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changes?.groups.remove(group)
        for key in keys.keys(of: group) {
            guard Int(key) < groups.count, let record = groups[Int(key)] else { continue }
            keys.write(key, to: snapshot)
            write(key, record, to: snapshot)
        }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        while !reader.isAtEnd {
            guard let key = reader.read({ keys.intern(from: &$0) }) else { break }
            read(key, from: &reader)
        }
        try reader.check(object)
    }

    package func restore(changes log: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        var reader = StateReader(log)
        if let rows = changes?.rows {
            try restore(rows, &reader, isInSnapshot)
        } else {
            while !reader.isAtEnd {
                guard let key = reader.read({ keys.intern(from: &$0) }) else { break }
                try restore(key, reader.counted(), isInSnapshot)
            }
        }
        try reader.check(object)
    }

    private func restore(
        _ key: Int32, _ entry: ByteRef, _ isInSnapshot: (_ group: Int) -> Bool
    ) throws(Diagnostic) {
        let group = keys.group(of: key)
        guard !isInSnapshot(group) else { return keys.drop(key) }
        changes?.groups.insert(group)
        var reader = StateReader(entry)
        if entry.count > 0 {
            read(key, from: &reader)
            try reader.check(object)
        } else if Int(key) < groups.count, let record = groups[Int(key)] {
            remove(key, record)
            keys.release(key)
        } else {
            keys.drop(key)
        }
    }

    private func restore(
        _ rows: InputLog, _ reader: inout StateReader, _ isInSnapshot: (_ group: Int) -> Bool
    ) throws(Diagnostic) {
        let context = ShardContext.restoring(limits)
        isMuted = true
        defer { isMuted = false }
        try rows.read(
            &reader,
            rows: { batch throws(Diagnostic) in
                bind(batch)
                for row in 0..<batch.count {
                    let key = keys.intern(row: row)
                    if isInSnapshot(keys.group(of: key)) { keys.drop(key) } else { try take(batch, row, key, context) }
                    if isOutputFull { try flush(context) }
                }
                try flush(context)
                context.arena.reset()
            },
            watermark: { moment throws(Diagnostic) in
                ttl?.move(to: moment)
                expire()
            })
    }

    package func endRestore() throws(Diagnostic) { ttl?.sort() }
}
