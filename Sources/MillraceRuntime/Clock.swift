import Glibc

/// The only way the engine learns the time. Tests inject a clock they move by hand.
public protocol Clock: AnyObject, Sendable {
    /// Wall clock, microseconds since 1970-01-01 UTC.
    func wallMicroseconds() -> Int64
    /// For durations; from any start, never back.
    func monotonicMicroseconds() -> Int64
}

public final class SystemClock: Clock {
    public init() {}
    public func wallMicroseconds() -> Int64 { read(CLOCK_REALTIME) }
    public func monotonicMicroseconds() -> Int64 { read(CLOCK_MONOTONIC) }
    private func read(_ id: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(id, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
