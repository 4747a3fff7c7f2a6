import Glibc

enum Clock {
    /// Microseconds since 1970.
    static func wall() -> Int64 { read(CLOCK_REALTIME) / 1000 }
    /// Nanoseconds of the clock that nobody sets.
    static func monotonic() -> Int64 { read(CLOCK_MONOTONIC) }

    /// Nanoseconds.
    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Sleeps; ends the benchmark when a signal has asked for it.
    static func sleep(seconds: Double) throws {
        let end = monotonic() + Int64(seconds * 1e9)
        while true {
            try Interruption.check()
            let left = end - monotonic()
            guard left > 0 else { return }
            usleep(UInt32(min(left / 1000 + 1, 50_000)))
        }
    }

    /// Sleeps until `time` of the monotonic clock, nanoseconds.
    static func sleep(until time: Int64) {
        var moment = timespec(tv_sec: Int(time / 1_000_000_000), tv_nsec: Int(time % 1_000_000_000))
        while clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &moment, nil) == EINTR {}
    }
}
