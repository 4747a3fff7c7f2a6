import MillraceCore

/// Rows that an operator holds until the watermark passes them, as stored state. For operators whose state is those rows and
/// nothing else: a restart gives them the rows again, in their order, each behind the watermark that it came behind.
///
/// A row's key group goes by its place in the order of arrival, 256 rows in a group. The log holds the rows that came; that
/// rows have left is known by the watermark.
final class HeldRows {
    private let log: InputLog
    private let batch: ColumnBatch
    private var groups = KeyGroups()
    private var changed = GroupSet()
    /// By slot; -1: not held.
    private var places: [Int64] = []
    private var watermarks: [Int64] = []
    private var nextPlace: Int64 = 0
    /// Of the first row in `log`.
    private var loggedPlace: Int64 = 0
    private var watermark = EventTime.none
    private var loggedWatermark = EventTime.none
    /// The row that is given to the operator again.
    private var restoredPlace: Int64?
    /// The rows are given to the operator again: there was room for them.
    var isRestoring: Bool { restoredPlace != nil }
    /// Rows to be given again. Slots of the operator's store.
    private var restored: [(place: Int64, watermark: Int64, slot: Int32)] = []

    init(_ input: Schema) {
        log = InputLog(Array(0..<input.count), input: input)
        batch = ColumnBatch(input, capacity: 1)
    }

    // MARK: - The operator

    /// A row is held now.
    func add(_ slot: Int32, _ source: ColumnBatch, _ row: Int) {
        let place: Int64
        if let restoredPlace {
            place = restoredPlace
        } else {
            place = nextPlace
            nextPlace += 1
            log.append(source, row)
        }
        while places.count <= Int(slot) {
            places.append(-1)
            watermarks.append(EventTime.none)
        }
        places[Int(slot)] = place
        watermarks[Int(slot)] = source.metadata.watermarks[row]
        groups.add(slot, hash: HeldRows.block(place))
        changed.insert(HeldRows.group(place))
    }

    /// The row of a slot is gone; the store says so.
    func remove(_ slot: Int32) {
        guard Int(slot) < places.count, places[Int(slot)] >= 0 else { return }
        groups.remove(slot, hash: HeldRows.block(places[Int(slot)]))
        changed.insert(HeldRows.group(places[Int(slot)]))
        places[Int(slot)] = -1
    }

    func advance(to new: Int64) { if new != EventTime.end { watermark = max(watermark, new) } }

    private static func block(_ place: Int64) -> UInt64 { UInt64(place >> 8) }
    private static func group(_ place: Int64) -> Int { KeyGroups.group(hash: block(place)) }

    // MARK: - Snapshots

    var bytes: Int { groups.bytes + places.capacity * 16 }

    func writeChanges(to buffer: ByteBuffer) {
        guard !log.isEmpty || watermark != loggedWatermark else { return }
        // The first group tells event time, whether it has rows or not.
        if watermark != loggedWatermark { changed.insert(0) }
        buffer.append(signed: watermark)
        buffer.append(signed: loggedPlace)
        log.write(to: buffer)
        loggedPlace = nextPlace
        loggedWatermark = watermark
    }

    func hasChanged(group: Int) -> Bool { changed.contains(group) }

    func writeGroup(_ group: Int, _ rows: RowStore, to snapshot: ByteBuffer) {
        changed.remove(group)
        let slots = groups.keys(of: group)
        guard !slots.isEmpty || group == 0 else { return }
        snapshot.append(signed: watermark)
        snapshot.append(signed: nextPlace)
        for slot in slots {
            snapshot.append(signed: places[Int(slot)])
            snapshot.append(signed: watermarks[Int(slot)])
            rows.write(slot, to: snapshot)
        }
    }

    func restore(group: Int, _ rows: RowStore, from snapshot: ByteRef, object: String) throws(Diagnostic) {
        var reader = StateReader(snapshot)
        watermark = max(watermark, reader.signed())
        nextPlace = max(nextPlace, reader.signed())
        while !reader.isAtEnd {
            restored.append((reader.signed(), reader.signed(), rows.insert(from: &reader)))
        }
        try reader.check(object)
    }

    func restore(
        changes: ByteRef, _ rows: RowStore, object: String, isInSnapshot: (_ group: Int) -> Bool
    ) throws(Diagnostic) {
        var reader = StateReader(changes)
        watermark = max(watermark, reader.signed())
        var place = reader.signed()
        try log.read(
            &reader,
            rows: { batch throws(Diagnostic) in
                for row in 0..<batch.count {
                    if !isInSnapshot(HeldRows.group(place)) {
                        restored.append((place, batch.metadata.watermarks[row], rows.insert(batch, row)))
                    }
                    place += 1
                }
            }, watermark: { _ throws(Diagnostic) in })
        nextPlace = max(nextPlace, place)
        try reader.check(object)
    }

    /// Gives the rows to their operator again; nothing comes out of it.
    func endRestore(_ owner: Operator, _ rows: RowStore, limits: Limits) throws(Diagnostic) {
        let context = ShardContext.restoring(limits)
        owner.isMuted = true
        defer { owner.isMuted = false }
        restored.sort { $0.place < $1.place }
        for (place, before, slot) in restored {
            batch.clear()
            for (index, column) in batch.columns.enumerated() { rows.append(index, slot, to: column) }
            batch.metadata.origins[0] = -1
            batch.metadata.watermarks[0] = before
            batch.count = 1
            restoredPlace = place
            try owner.process(batch, port: 0, context: context)
            rows.release(slot)
            context.arena.reset()
        }
        restoredPlace = nil
        restored = []
        if watermark != EventTime.none { try owner.advance(to: watermark, port: 0, context: context) }
        loggedPlace = nextPlace
        loggedWatermark = watermark
    }
}
