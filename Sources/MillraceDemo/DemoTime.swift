internal import Glibc
internal import MillraceCore
internal import MillraceRuntime

func log2(_ x: Double) -> Double { Glibc.log2(x) }

enum DemoTime {
    /// `yyyy-MM-dd HH:mm:ss.SSS` in UTC.
    static func text(_ milliseconds: Int64) -> String {
        let buffer = ByteBuffer(capacity: 32)
        TimeText.appendTimestamp(milliseconds * 1000, separator: UInt8(ascii: " "), fraction: .exactly(3), to: buffer)
        return buffer.text
    }

    static func nowMilliseconds() -> Int64 {
        SystemClock().wallMicroseconds() / 1000
    }

    static func sleep(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }
}
