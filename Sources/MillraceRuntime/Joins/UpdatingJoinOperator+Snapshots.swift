package import MillraceCore

/// The log holds the rows of both sides, in their order; a restart joins them again.
///
/// A snapshot: event time; then each key with its rows of the left side and those of the right one, in order of arrival: when
/// each was written if there is a time to live, its number of partners, its cells.
extension UpdatingJoinOperator: StatefulOperator {
    struct Changes {
        var groups = GroupSet()
        let rows: JoinLog
        /// The moment that `rows` knows, and the event time that the log does.
        var moment = Int64.min
        var time = JoinTime()
    }

    /// Rows: those of both sides.
    package var stateSize: StateSize {
        StateSize(
            rows: store.rows, keys: keys.count,
            bytes: store.keptBytes + keys.usedBytes + (left.ttl?.bytes ?? 0) + (right.ttl?.bytes ?? 0))
    }

    package func keepChanges() {
        keys.keepGroups()
        store.tracksOffsets = false
        changes = Changes(rows: JoinLog(left: schemas.left, right: schemas.right))
    }

    func note(_ batch: ColumnBatch, _ row: Int, _ port: Int, _ key: Int32) {
        guard changes != nil else { return }
        changes?.groups.insert(keys.group(of: key))
        // What the log brings needs no entry of its own.
        guard let rows = changes?.rows, !isMuted else { return }
        if let now = left.ttl?.now, changes?.moment != now {
            rows.side(port).append(watermark: now)
            changes?.moment = now
        }
        rows.side(port).append(batch, row)
    }

    package func writeChanges(to log: ByteBuffer) {
        guard let known = changes, !known.rows.isEmpty || known.time != time else { return }
        // The first group tells event time, whether it has rows or not.
        if known.time != time { changes?.groups.insert(0) }
        changes?.moment = .min
        changes?.time = time
        time.write(to: log)
        known.rows.write(to: log)
    }

    package func hasChanged(group: Int) -> Bool { changes?.groups.contains(group) ?? false }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changes?.groups.remove(group)
        let start = snapshot.count
        time.write(to: snapshot)
        let empty = snapshot.count
        for key in keys.keys(of: group) where !left.rows(of: key).isEmpty || !right.rows(of: key).isEmpty {
            keys.write(key, to: snapshot)
            for side in [left, right] {
                let numbers = side.rows(of: key)
                snapshot.append(varint: UInt64(numbers.count))
                for number in numbers {
                    if let ttl = side.ttl { snapshot.append(signed: ttl.time(of: number)) }
                    snapshot.append(signed: Int64(side.partners[Int(number)]))
                    snapshot.append(counted: side.rows[Int(number)].content)
                }
            }
        }
        if snapshot.count == empty, group != 0 { snapshot.truncate(start) }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        time.restore(from: &reader)
        while !reader.isAtEnd {
            guard let key = keys.read(&reader) else { break }
            for side in [left, right] {
                for _ in 0..<reader.count() where !reader.isDamaged {
                    let written = side.ttl == nil ? 0 : reader.signed()
                    let partners = Int32(truncatingIfNeeded: reader.signed())
                    keys.retain(key)
                    let number = side.insert(
                        store.keep(reader.counted(), time: 0, key: key), partners: partners)
                    side.ttl?.touch(number, at: written)
                }
            }
        }
        try reader.check(object)
    }

    package func restore(changes log: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        guard let known = changes?.rows else { return }
        var reader = StateReader(log)
        time.restore(from: &reader)
        changes?.time = time
        let context = ShardContext.restoring(limits)
        isMuted = true
        defer { isMuted = false }
        try known.read(
            &reader,
            rows: { (batch, port) throws(Diagnostic) in try take(batch, port, context) { !isInSnapshot($0) } },
            moment: { now throws(Diagnostic) in
                left.ttl?.move(to: now)
                right.ttl?.move(to: now)
                expire()
            })
        try reader.check(object)
    }

    package func endRestore() throws(Diagnostic) {
        left.ttl?.sort()
        right.ttl?.sort()
    }
}
