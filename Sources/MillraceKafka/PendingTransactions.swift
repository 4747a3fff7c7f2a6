import MillraceCore

/// What has been handed to a transactional producer, as its session counts it.
struct PendingTransactions {
    private var entries: [(number: Int64, rows: Int, bytes: Int)] = []
    private(set) var rows = 0
    private(set) var bytes = 0
    var count: Int { entries.count }

    mutating func append(number: Int64, block: MessageBlock?) {
        entries.append((number, block?.count ?? 0, block?.bytes.count ?? 0))
        rows += entries.last!.rows
        bytes += entries.last!.bytes
    }

    mutating func remove(through number: Int64) {
        var done = 0
        while done < entries.count, entries[done].number <= number {
            rows -= entries[done].rows
            bytes -= entries[done].bytes
            done += 1
        }
        if done > 0 { entries.removeFirst(done) }
    }
}
