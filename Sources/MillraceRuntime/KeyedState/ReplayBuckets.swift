import MillraceCore

/// From which offsets the rows of state that goes by event time can be read again.
///
/// Rows are not listed one by one: time is cut into buckets, each knows the first offset of every partition that came into
/// it. So the answer may lie a little before the oldest row that is still needed, never behind it.
struct ReplayBuckets {
    private let width: Int64
    private var slots = OffsetSlots()
    /// Ascending by number; few.
    private var buckets: [(number: Int64, offsets: ContributingOffsets)] = []

    /// - Parameter retention: milliseconds that rows are needed after the watermark has passed them.
    init(retention: Int64) { width = max(100, retention / 16) }

    /// A row at `time` (milliseconds) has come.
    mutating func note(_ time: Int64, origin: Int32, _ context: ShardContext) {
        guard origin >= 0, let records = context.records else { return }
        let slot = slots.slot(source: context.source, partition: Int(records.partition[Int(origin)]))
        let number = WindowAssigner.start(time, size: width, offset: 0)
        var index = buckets.count
        while index > 0, buckets[index - 1].number > number { index -= 1 }
        if index == 0 || buckets[index - 1].number != number {
            buckets.insert((number, ContributingOffsets()), at: index)
            index += 1
        }
        buckets[index - 1].offsets.note(slot, records.offset[Int(origin)])
    }

    /// Rows before `time` are not needed any more.
    mutating func expire(before time: Int64) {
        var done = 0
        while done < buckets.count, buckets[done].number.addingReportingOverflow(width).partialValue <= time {
            done += 1
        }
        if done > 0 { buckets.removeFirst(done) }
    }

    func lower(_ offsets: inout [Int64], source: Int) {
        for bucket in buckets { slots.lower(&offsets, source: source, by: bucket.offsets) }
    }
}
