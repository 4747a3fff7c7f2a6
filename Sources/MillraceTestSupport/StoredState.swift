package import MillraceCore
package import MillraceRuntime

/// What a database would hold of one operator's state: a log entry a transaction, the newest snapshot of each key group.
package final class StoredState {
    private let source: any StatefulOperator
    private var log: [(sequence: Int, changes: [UInt8])] = []
    private var snapshots: [Int: (sequence: Int, bytes: [UInt8])] = [:]
    private var sequence = 0
    private var random: SeededGenerator
    /// Snapshots that were written, and log entries that were dropped, so far.
    package private(set) var snapshotCount = 0
    package private(set) var droppedCount = 0
    package var logBytes: Int { log.reduce(0) { $0 + $1.changes.count } }

    /// Begins to keep the operator's changes: before its first row.
    package init(_ source: any StatefulOperator, seed: UInt64) {
        self.source = source
        random = SeededGenerator(seed: seed)
        source.keepChanges()
    }

    /// One transaction. Now and then some groups are written whole, or all that have changed, and the log is dropped.
    package func commit() {
        sequence += 1
        let buffer = ByteBuffer()
        source.writeChanges(to: buffer)
        if buffer.count > 0 { log.append((sequence, buffer.bytes.array)) }
        switch Int.random(in: 0..<12, using: &random) {
        case 0:
            for group in 0..<StateFormat.keyGroups where source.hasChanged(group: group) { write(group) }
            droppedCount += log.count
            log.removeAll()
        case 1, 2, 3:
            let changed = (0..<StateFormat.keyGroups).filter { source.hasChanged(group: $0) }
            if let group = changed.randomElement(using: &random) { write(group) }
        default: break
        }
    }

    private func write(_ group: Int) {
        let buffer = ByteBuffer()
        source.writeGroup(group, to: buffer)
        snapshots[group] = (sequence, buffer.bytes.array)
        snapshotCount += 1
    }

    /// Puts what is stored into a new operator, which keeps changes from then on, into the same store.
    package func restored(into target: any StatefulOperator) throws(Diagnostic) -> StoredState {
        let next = StoredState(target, seed: random.next())
        for (group, snapshot) in snapshots where !snapshot.bytes.isEmpty {
            try with(snapshot.bytes) { (bytes) throws(Diagnostic) in try target.restore(group: group, from: bytes) }
        }
        for entry in log {
            try with(entry.changes) { (bytes) throws(Diagnostic) in
                try target.restore(changes: bytes) { snapshots[$0]?.sequence ?? 0 >= entry.sequence }
            }
        }
        try target.endRestore()
        (next.log, next.snapshots, next.sequence) = (log, snapshots, sequence)
        (next.snapshotCount, next.droppedCount) = (snapshotCount, droppedCount)
        return next
    }

    /// A copy that is overwritten afterwards: what was read must not be borrowed for longer.
    private func with(_ bytes: [UInt8], _ body: (ByteRef) throws(Diagnostic) -> Void) throws(Diagnostic) {
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, bytes.count))
        defer {
            copy.update(repeating: 0xEE, count: bytes.count)
            copy.deallocate()
        }
        copy.update(from: bytes, count: bytes.count)
        try body(ByteRef(start: copy, count: bytes.count))
    }
}
