package import MillraceCore

/// The log holds the rows of both sides, each with the event time of both inputs before it; a restart joins them again.
///
/// A snapshot: event time and the next place in the order of arrival; rows that have no key; then each key with its rows. Rows:
/// how many of the left side, these, the same of the right one; each its time and its place, whether it has found a partner,
/// when it was written if there is a time to live, its cells.
extension StreamJoinOperator: StatefulOperator {
    package func keepChanges() {
        keys.keepGroups()
        store.tracksOffsets = false
        changes = JoinChanges(left: schemas.left, right: schemas.right)
    }

    /// The row's place in the order of arrival, where it matters.
    func note(_ batch: ColumnBatch, _ row: Int, _ port: Int, _ key: Int32) -> Int64? {
        guard let place = changes?.place, let rows = changes?.rows else { return nil }
        changes?.place = place + 1
        changes?.groups.insert(keys.group(of: key))
        // What the log brings needs no entry of its own.
        guard !isMuted else { return place }
        if let now = left.ttl?.now, changes?.moment != now {
            rows.side(port).append(watermark: now)
            changes?.moment = now
        }
        rows.side(port).append(batch, row, at: isInterval ? time.combined : 0)
        return place
    }

    package func writeChanges(to log: ByteBuffer) { changes?.write(time, to: log) }

    package func hasChanged(group: Int) -> Bool { changes?.groups.contains(group) ?? false }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changes?.groups.remove(group)
        let start = snapshot.count
        changes?.writeHeader(time, to: snapshot)
        var isEmpty = group != 0
        if group == 0 { write(unkeyed, to: snapshot) }
        for key in keys.keys(of: group) where Int(key) < buckets.count && !buckets[Int(key)].isEmpty {
            isEmpty = false
            keys.write(key, to: snapshot)
            write(buckets[Int(key)], to: snapshot)
        }
        if isEmpty { snapshot.truncate(start) }
    }

    private func write(_ bucket: Bucket, to snapshot: ByteBuffer) {
        for (side, numbers) in [(left, bucket.left), (right, bucket.right)] {
            snapshot.append(varint: UInt64(numbers.count))
            for number in numbers {
                let row = side.rows[Int(number)]
                if isInterval {
                    snapshot.append(signed: row.time)
                    snapshot.append(signed: row.offset)
                }
                snapshot.append(row.isMatched ? 1 : 0)
                if let ttl = side.ttl { snapshot.append(signed: ttl.time(of: number)) }
                snapshot.append(counted: row.content)
            }
        }
    }

    private func readBucket(_ key: Int32, _ reader: inout StateReader) {
        for (port, side) in [left, right].enumerated() {
            for _ in 0..<reader.count() where !reader.isDamaged {
                let rowTime = isInterval ? reader.signed() : EventTime.none
                let place = isInterval ? reader.signed() : 0
                let isMatched = reader.byte() == 1
                let written = side.ttl == nil ? 0 : reader.signed()
                var row = store.keep(reader.counted(), time: rowTime, key: key)
                row.offset = place
                row.isMatched = isMatched
                keys.retain(key)
                let number = side.insert(row)
                side.ttl?.touch(number, at: written)
                keep(row, number, port)
            }
        }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        changes?.readHeader(&reader)
        if group == 0 { readBucket(-1, &reader) }
        while !reader.isAtEnd {
            guard let key = keys.read(&reader) else { break }
            readBucket(key, &reader)
        }
        try reader.check(object)
    }

    package func restore(changes log: ByteRef, isInSnapshot: (_ group: Int) -> Bool) throws(Diagnostic) {
        guard let known = changes?.rows else { return }
        var reader = StateReader(log)
        changes?.restoredTime.restore(from: &reader)
        let lastPlace = changes?.place ?? 0
        changes?.place = reader.signed()
        let context = ShardContext.restoring(limits)
        isMuted = true
        defer { isMuted = false }
        try known.read(
            &reader,
            rows: { (batch, port) throws(Diagnostic) in try take(batch, port, context) { !isInSnapshot($0) } },
            moment: { now throws(Diagnostic) in
                left.ttl?.move(to: now)
                right.ttl?.move(to: now)
                forgetOld()
            })
        try reader.check(object)
        let place = max(lastPlace, changes?.place ?? 0)
        changes?.place = place
    }

    package func endRestore() throws(Diagnostic) {
        left.ttl?.sort()
        right.ttl?.sort()
        guard let last = changes?.endRestore() else { return }
        isMuted = true
        defer { isMuted = false }
        try expire(to: last.combined, ShardContext.restoring(limits))
        time = last
    }
}
