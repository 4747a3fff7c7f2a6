import MillraceCore

/// What a join by event time notes of its rows for stored state. Each row has a place in the order of arrival.
struct JoinChanges {
    var groups = GroupSet()
    let rows: JoinLog
    /// The moment that `rows` knows, and the event time that the log does.
    var moment = Int64.min
    var time = JoinTime()
    /// The next row's place; the one that the first row in `rows` has.
    var place: Int64 = 0
    var loggedPlace: Int64 = 0
    /// Event time when state was written, to be gone on with.
    var restoredTime = JoinTime()

    init(left: Schema, right: Schema) { rows = JoinLog(left: left, right: right) }

    /// The key group of rows that are not kept by key: 256 of them that came one after another.
    static func group(_ place: Int64) -> Int { KeyGroups.group(hash: UInt64(place >> 8)) }

    mutating func write(_ time: JoinTime, to log: ByteBuffer) {
        guard !rows.isEmpty || self.time != time else { return }
        // The first group tells event time, whether it has rows or not.
        if self.time != time { groups.insert(0) }
        time.write(to: log)
        log.append(signed: loggedPlace)
        rows.write(to: log)
        moment = .min
        self.time = time
        loggedPlace = place
    }

    func writeHeader(_ time: JoinTime, to snapshot: ByteBuffer) {
        time.write(to: snapshot)
        snapshot.append(signed: place)
    }

    mutating func readHeader(_ reader: inout StateReader) {
        // Not yet: the rows of other groups come from before it.
        restoredTime.restore(from: &reader)
        place = max(place, reader.signed())
    }

    mutating func endRestore() -> JoinTime {
        time = restoredTime
        loggedPlace = place
        return restoredTime
    }
}

extension JoinRowStore {
    /// The key and the cells of a row, for a reader that knows the keys' types.
    static func write(_ row: JoinRow, _ keys: JoinKeys, to buffer: ByteBuffer) {
        buffer.append(row.key >= 0 ? 1 : 0)
        if row.key >= 0 { keys.write(row.key, to: buffer) }
        buffer.append(counted: row.content)
    }

    /// What `write` wrote, with its key retained.
    func read(_ reader: inout StateReader, _ keys: JoinKeys, time: Int64, place: Int64) -> JoinRow {
        var key: Int32 = -1
        if reader.byte() == 1 { key = keys.read(&reader) ?? -1 }
        keys.retain(key)
        var row = keep(reader.counted(), time: time, key: key)
        row.offset = place
        return row
    }
}
