package import MillraceCore

/// The log holds the rows of both sides, each with the event time of both inputs before it.
///
/// A snapshot: event time and the next place in the order of arrival; then the group's rows, each its side, its window's end, its
/// place, its key and its cells.
extension WindowJoinOperator: StatefulOperator {
    package func keepChanges() {
        store.tracksOffsets = false
        changes = JoinChanges(left: schemas.left, right: schemas.right)
    }

    package func writeChanges(to log: ByteBuffer) { changes?.write(time, to: log) }

    package func hasChanged(group: Int) -> Bool { changes?.groups.contains(group) ?? false }

    package func writeGroup(_ group: Int, to snapshot: ByteBuffer) {
        changes?.groups.remove(group)
        let start = snapshot.count
        changes?.writeHeader(time, to: snapshot)
        let empty = snapshot.count
        for window in windows {
            for (port, rows) in [window.left, window.right].enumerated() {
                WindowJoinOperator.forEach(of: group, in: rows) { row in
                    snapshot.append(UInt8(port))
                    snapshot.append(signed: window.end)
                    snapshot.append(signed: row.offset)
                    JoinRowStore.write(row, keys, to: snapshot)
                }
            }
        }
        if snapshot.count == empty, group != 0 { snapshot.truncate(start) }
    }

    /// Rows stand in the order of their places, those of a group in runs.
    private static func forEach(of group: Int, in rows: [JoinRow], _ body: (JoinRow) -> Void) {
        guard let first = rows.first, let last = rows.last else { return }
        let groups = Int64(StateFormat.keyGroups)
        var block = first.offset >> 8
        block += (Int64(group) - block % groups + groups) % groups
        while block <= last.offset >> 8 {
            var (low, high) = (0, rows.count)
            while low < high {
                let middle = (low + high) / 2
                if rows[middle].offset >> 8 < block { low = middle + 1 } else { high = middle }
            }
            while low < rows.count, rows[low].offset >> 8 == block {
                body(rows[low])
                low += 1
            }
            block += groups
        }
    }

    package func restore(group: Int, from snapshot: ByteRef) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        changes?.readHeader(&reader)
        while !reader.isAtEnd {
            let port = reader.byte()
            let end = reader.signed()
            let place = reader.signed()
            let row = store.read(&reader, keys, time: end, place: place)
            let window = window(end)
            if port == 0 { window.left.append(row) } else { window.right.append(row) }
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
        for window in windows {
            window.left.sort { $0.offset < $1.offset }
            window.right.sort { $0.offset < $1.offset }
        }
    }
}
