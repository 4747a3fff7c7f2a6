import MillraceCore

/// Which windows a time belongs to. All times in milliseconds; windows are `[start, end)`.
struct WindowAssigner {
    let kind: WindowKind

    /// Start of the aligned window of `size` that holds `time`: `time - floorMod(time - offset, size)`.
    @inline(__always)
    static func start(_ time: Int64, size: Int64, offset: Int64) -> Int64 {
        let rest = (time &- offset) % size
        return time &- (rest < 0 ? rest + size : rest)
    }

    /// Calls `body` with the windows of `time`, later ends first for HOP, earlier ends first for CUMULATE.
    @inline(__always)
    func forEach(_ time: Int64, _ body: (_ start: Int64, _ end: Int64) throws(Diagnostic) -> Void) throws(Diagnostic) {
        switch kind {
        case .tumble(let size, let offset):
            let start = WindowAssigner.start(time, size: size, offset: offset)
            try body(start, start &+ size)
        case .hop(let slide, let size, let offset):
            var start = WindowAssigner.start(time, size: slide, offset: offset)
            while start &+ size > time {
                try body(start, start &+ size)
                start &-= slide
            }
        case .cumulate(let step, let size, let offset):
            let start = WindowAssigner.start(time, size: size, offset: offset)
            var end = start &+ ((time &- start) / step &+ 1) &* step
            while end <= start &+ size {
                try body(start, end)
                end &+= step
            }
        case .session(let gap):
            try body(time, time &+ gap)
        case .attached: break
        }
    }

    /// End of the last window that holds `time`: a row is late for good when that one has fired.
    func lastWindow(_ time: Int64) -> (start: Int64, end: Int64) {
        switch kind {
        case .tumble(let size, let offset):
            let start = WindowAssigner.start(time, size: size, offset: offset)
            return (start, start &+ size)
        case .hop(let slide, let size, let offset):
            let start = WindowAssigner.start(time, size: slide, offset: offset)
            return (start, start &+ size)
        case .cumulate(_, let size, let offset):
            let start = WindowAssigner.start(time, size: size, offset: offset)
            return (start, start &+ size)
        case .session(let gap): return (time, time &+ gap)
        case .attached: return (time, time)
        }
    }
}

/// Text for the dead letter of a late row.
enum LateRow {
    /// `watermark` and window as event-time milliseconds; `lateness_ms` is the allowed lateness that would have kept the row.
    static func detail(start: Int64, end: Int64, watermark: Int64) -> String {
        let lateness = watermark.subtractingReportingOverflow(end - 1)
        return "{\"window_start\":\"\(timestamp(start))\",\"window_end\":\"\(timestamp(end))\",\"watermark\":"
            + (watermark == EventTime.end ? "\"end of input\"" : "\"\(timestamp(watermark))\"")
            + ",\"lateness_ms\":\(lateness.overflow || watermark == EventTime.end ? "null" : String(lateness.partialValue + 1))}"
    }

    /// For rows that wait for the watermark without a window.
    static func detail(time: Int64, watermark: Int64) -> String {
        let lateness = watermark.subtractingReportingOverflow(time)
        return "{\"time\":\"\(timestamp(time))\",\"watermark\":"
            + (watermark == EventTime.end ? "\"end of input\"" : "\"\(timestamp(watermark))\"")
            + ",\"lateness_ms\":\(lateness.overflow || watermark == EventTime.end ? "null" : String(lateness.partialValue + 1))}"
    }

    /// Of a row that came with its window.
    static func detail(end: Int64, watermark: Int64) -> String {
        "{\"window_end\":\"\(timestamp(end))\",\"watermark\":"
            + (watermark == EventTime.end ? "\"end of input\"" : "\"\(timestamp(watermark))\"") + "}"
    }

    private static func timestamp(_ milliseconds: Int64) -> String {
        let (micros, overflow) = milliseconds.multipliedReportingOverflow(by: 1000)
        guard !overflow else { return String(milliseconds) }
        let buffer = ByteBuffer(capacity: 32)
        TimeText.appendTimestamp(micros, separator: UInt8(ascii: " "), fraction: .exactly(3), to: buffer)
        return buffer.text
    }
}
