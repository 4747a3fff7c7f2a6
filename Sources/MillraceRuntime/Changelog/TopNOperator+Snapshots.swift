package import MillraceCore

/// The log holds the rows that have changed a partition, not those behind its last rank; a restart ranks them again.
///
/// A partition in a snapshot: its key, when it last changed if there is a time to live, and its rows in their order.
extension TopNOperator: StatefulOperator {
    struct Changes {
        var groups = GroupSet()
        let rows: InputLog
        /// The moment that `rows` knows.
        var moment = Int64.min
    }

    /// Rows: those that are kept.
    package var stateSize: StateSize {
        StateSize(
            rows: rows.count, keys: keys.count,
            bytes: store.usedBytes + rows.slotBytes + keys.tableBytes + rows.count * MemoryLayout<Int32>.stride
                + keys.count * TopNOperator.partitionBytes + (ttl?.bytes ?? 0))
    }

    /// The object and its array, without the slots.
    private static let partitionBytes = 80

    package func keepChanges() {
        keys.keepGroups()
        changes = Changes(rows: InputLog(Array(0..<input.count), input: input))
    }

    /// The row has changed its partition: as a row taken back, as a row put in its place, as a new one.
    func note(_ key: Int32, _ batch: ColumnBatch, _ row: Int, as kind: RowKind) {
        ttl?.touch(key)
        guard changes != nil else { return }
        changes?.groups.insert(keys.group(of: key))
        // What the log brings needs no entry of its own.
        guard let rows = changes?.rows, !isMuted else { return }
        if let ttl, changes?.moment != ttl.now {
            rows.append(watermark: ttl.now)
            changes?.moment = ttl.now
        }
        rows.append(batch, row, as: kind)
    }

    package func writeChanges(to log: ByteBuffer) {
        changes?.moment = .min
        changes?.rows.write(to: log)
    }

    package func hasChanged(group: Int) -> Bool { changes?.groups.contains(group) ?? false }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changes?.groups.remove(group)
        for key in keys.keys(of: group) {
            guard Int(key) < partitions.count, let partition = partitions[Int(key)] else { continue }
            keys.write(key, to: snapshot)
            if let ttl { snapshot.append(signed: ttl.time(of: key)) }
            snapshot.append(varint: UInt64(partition.slots.count))
            for slot in partition.slots { rows.write(slot, to: snapshot) }
        }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        while !reader.isAtEnd {
            guard let key = reader.read({ keys.intern(from: &$0) }) else { break }
            let partition = partition(key)
            if ttl != nil { ttl?.touch(key, at: reader.signed()) }
            for _ in 0..<reader.count() where !reader.isDamaged {
                partition.slots.append(rows.insert(from: &reader))
            }
        }
        try reader.check(object)
    }

    package func restore(changes log: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        guard let known = changes?.rows else { return }
        var reader = StateReader(log)
        let context = ShardContext.restoring(limits)
        isMuted = true
        defer { isMuted = false }
        try known.read(
            &reader, rows: { batch throws(Diagnostic) in try take(batch, context) { !isInSnapshot($0) } },
            watermark: { moment throws(Diagnostic) in
                ttl?.move(to: moment)
                expire()
            })
        try reader.check(object)
    }

    package func endRestore() throws(Diagnostic) { ttl?.sort() }
}
