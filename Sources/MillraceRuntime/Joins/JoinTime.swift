import MillraceCore

/// The event time of two inputs: the minimum, never back.
struct JoinTime: Equatable {
    private var left = EventTime.none
    private var right = EventTime.none
    private(set) var combined = EventTime.none
    private var restoredLeft = EventTime.none
    private var restoredRight = EventTime.none

    /// An input's watermark is now `watermark`; the combined one it leads to.
    @inline(__always)
    mutating func next(_ watermark: Int64, port: Int) -> Int64 {
        if port == 0 { left = max(left, watermark) } else { right = max(right, watermark) }
        return max(combined, min(left, right))
    }

    mutating func advance(to watermark: Int64) { combined = watermark }

    /// As it stood before a restart.
    mutating func restore(from reader: inout StateReader) {
        left = max(left, reader.signed())
        right = max(right, reader.signed())
        combined = max(combined, reader.signed())
    }

    func write(to buffer: ByteBuffer) {
        buffer.append(signed: left)
        buffer.append(signed: right)
        buffer.append(signed: combined)
    }

    /// What was emitted before a restart: the minimum of the inputs'.
    mutating func restore(_ watermark: Int64, port: Int) -> Int64 {
        if port == 0 {
            restoredLeft = max(restoredLeft, watermark)
        } else {
            restoredRight = max(restoredRight, watermark)
        }
        return min(restoredLeft, restoredRight)
    }
}
