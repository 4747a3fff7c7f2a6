package import MillraceCore

/// The log holds the rows of both sides, each with the event time of both inputs before it.
///
/// A snapshot: event time and the next place in the order of arrival; how many left rows wait, each its time, its place, its key
/// and its cells; then each key with its versions, time and cells. A left row's key group goes by its place, a version's by its
/// key.
extension TemporalJoinOperator: StatefulOperator {
    package func keepChanges() {
        keys.keepGroups()
        store.tracksOffsets = false
        changes = JoinChanges(left: schemas.left, right: schemas.right)
        waitingGroups = KeyGroups()
    }

    package func writeChanges(to log: ByteBuffer) { changes?.write(time, to: log) }

    package func hasChanged(group: Int) -> Bool { changes?.groups.contains(group) ?? false }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changes?.groups.remove(group)
        let numbers = waitingGroups?.keys(of: group) ?? []
        let known = keys.keys(of: group).filter { Int($0) < versions.count && !versions[Int($0)].isEmpty }
        guard !numbers.isEmpty || !known.isEmpty || group == 0 else { return }
        changes?.writeHeader(time, to: snapshot)
        snapshot.append(varint: UInt64(numbers.count))
        for number in numbers {
            let row = waiting[Int(number)]
            snapshot.append(signed: row.time)
            snapshot.append(signed: row.offset)
            JoinRowStore.write(row, keys, to: snapshot)
        }
        for key in known {
            keys.write(key, to: snapshot)
            snapshot.append(varint: UInt64(versions[Int(key)].count))
            for row in versions[Int(key)] {
                snapshot.append(signed: row.time)
                snapshot.append(counted: row.content)
            }
        }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        changes?.readHeader(&reader)
        for _ in 0..<reader.count() where !reader.isDamaged {
            let time = reader.signed()
            let place = reader.signed()
            wait(store.read(&reader, keys, time: time, place: place))
        }
        while !reader.isAtEnd {
            guard let key = keys.read(&reader) else { break }
            for _ in 0..<reader.count() where !reader.isDamaged {
                let time = reader.signed()
                keys.retain(key)
                add(store.keep(reader.counted(), time: time, key: key))
            }
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
            moment: { _ throws(Diagnostic) in })
        try reader.check(object)
        let place = max(lastPlace, changes?.place ?? 0)
        changes?.place = place
    }

    package func endRestore() throws(Diagnostic) {
        guard let last = changes?.endRestore() else { return }
        isMuted = true
        defer { isMuted = false }
        try fire(upTo: last.combined, ShardContext.restoring(limits))
        time = last
    }
}
