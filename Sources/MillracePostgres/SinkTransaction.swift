import MillraceCore
import MillraceRuntime

/// Everything one ticket carries; its bytes stay until the ticket is durable, so that it can be sent again.
final class SinkTransaction {
    var ticket: Int64 = -1
    /// The ticket before it: it must have committed.
    var previous: Int64 = -1
    /// One a sink.
    var blocks: [RowBlock] = []
    /// Keys to delete, one block a sink; nil for sinks whose rows are only added.
    var deletions: [RowBlock?] = []
    /// Arrays of positions by page; the first is the fence. Behind `pageCount` lie blocks for later use.
    private(set) var pages: [(number: Int32, block: RowBlock)] = []
    private(set) var pageCount = 0
    /// Partitions that positions are written of for the first time in this run.
    let partitions = RowBlock(StateSchema.partitionTypes)
    let deadLetters = RowBlock(StateSchema.deadLetterTypes)
    /// What the rows have changed in the operators' state; see `StateSession`.
    let changes = ByteBuffer(capacity: 512)
    let snapshots = RowBlock(StateSchema.snapshotTypes)
    /// A part of the log that is not needed any more.
    var dropped: ClosedRange<Int64>?
    /// Messages for other systems, one row a sink.
    let outbox = RowBlock(StateSchema.outboxTypes)
    /// Rows and bytes as counted at submit.
    var rows = 0
    var bytes = 0

    func clear() {
        for block in blocks where block.rows > 0 { block.clear() }
        for case let block? in deletions where block.rows > 0 { block.clear() }
        pageCount = 0
        if partitions.rows > 0 { partitions.clear() }
        if deadLetters.rows > 0 { deadLetters.clear() }
        changes.clear()
        if snapshots.rows > 0 { snapshots.clear() }
        dropped = nil
        if outbox.rows > 0 { outbox.clear() }
        rows = 0
        bytes = 0
    }

    func count() {
        rows = 0
        bytes = deadLetters.bytes + changes.count + snapshots.bytes + outbox.bytes
        for block in blocks {
            rows += block.rows
            bytes += block.bytes
        }
        for case let block? in deletions {
            rows += block.rows
            bytes += block.bytes
        }
    }

    func append(_ page: PositionPages.Page, number: Int32) {
        if pageCount == pages.count { pages.append((number, RowBlock(StateSchema.pageTypes))) }
        pages[pageCount].number = number
        let block = pages[pageCount].block
        block.clear()
        for slot in page.nextOffset.indices {
            block.append(0, page.nextOffset[slot])
            block.append(1, page.replayOffset[slot])
            block.append(2, page.watermark[slot] == EventTime.none ? nil : page.watermark[slot])
            block.append(3, page.emittedWatermark[slot] == EventTime.none ? nil : page.emittedWatermark[slot])
        }
        block.rows = page.nextOffset.count
        pageCount += 1
    }

    static func append(_ letter: DeadLetter, to block: RowBlock) {
        block.append(0, letter.source.isEmpty ? nil : letter.source)
        block.append(1, letter.partition?.topic)
        block.append(2, letter.partition.map { Int64($0.partition) })
        block.append(3, letter.offset)
        block.append(4, bytes: letter.key)
        block.append(5, bytes: letter.value)
        block.append(6, headers(letter.headers))
        block.append(7, letter.object)
        block.append(8, letter.reason.reason)
        block.append(9, letter.detail)
        block.append(10, letter.time)
        block.rows += 1
    }

    /// A JSON array, because header names may repeat: `[{"name": "trace", "value": "…"}]`.
    private static func headers(_ list: [(name: String, value: [UInt8]?)]) -> String? {
        guard !list.isEmpty else { return nil }
        let buffer = ByteBuffer()
        for (i, header) in list.enumerated() {
            buffer.append(i == 0 ? "[{\"name\":" : ",{\"name\":")
            JSONText.append(header.name, to: buffer)
            buffer.append(",\"value\":")
            if let value = header.value {
                JSONText.append(String(decoding: value, as: UTF8.self), to: buffer)
            } else {
                buffer.append("null")
            }
            buffer.append("}")
        }
        buffer.append("]")
        return buffer.text
    }
}

/// Pointers to a statement's binary parameters, taken after the last append to the buffers behind them.
struct ParameterList {
    private var scalars = ByteBuffer(capacity: 128)
    var values: [UnsafePointer<CChar>?] = []
    var lengths: [Int32] = []
    var formats: [Int32] = []

    var count: Int32 { Int32(values.count) }

    mutating func clear() {
        scalars.clear()
        values.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        formats.removeAll(keepingCapacity: true)
    }

    mutating func append(_ bytes: ByteRef) {
        values.append(UnsafeRawPointer(bytes.start).assumingMemoryBound(to: CChar.self))
        lengths.append(Int32(bytes.count))
        formats.append(1)
    }

    /// At most 16 integers a list: the pointers must stay.
    mutating func append(_ value: Int64?) {
        guard let value else {
            values.append(nil)
            lengths.append(0)
            formats.append(1)
            return
        }
        precondition(values.count < 16, "too many scalar parameters")
        let target = scalars.reserve(8)
        UnsafeMutableRawPointer(target).storeBytes(of: value.bigEndian, as: Int64.self)
        scalars.commit(8)
        append(ByteRef(start: target, count: 8))
    }

    mutating func append(int4 value: Int32) {
        let target = scalars.reserve(8)
        UnsafeMutableRawPointer(target).storeBytes(of: value.bigEndian, as: Int32.self)
        scalars.commit(8)
        append(ByteRef(start: target, count: 4))
    }

    mutating func append(_ block: RowBlock) {
        block.seal()
        for buffer in block.buffers { append(buffer.bytes) }
    }
}
