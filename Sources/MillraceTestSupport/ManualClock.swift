public import MillraceRuntime
import Synchronization

/// A clock that tests move by hand. Wall clock and monotonic time move together unless `setWall` makes the wall clock jump.
public final class ManualClock: Clock {
    private let wall: Atomic<Int64>
    private let monotonic: Atomic<Int64>

    /// - Parameter wallMicroseconds: since 1970-01-01 UTC.
    public init(wallMicroseconds: Int64 = 0) {
        wall = Atomic(wallMicroseconds)
        monotonic = Atomic(0)
    }

    public func wallMicroseconds() -> Int64 { wall.load(ordering: .sequentiallyConsistent) }
    public func monotonicMicroseconds() -> Int64 { monotonic.load(ordering: .sequentiallyConsistent) }

    public func advance(microseconds: Int64) {
        wall.add(microseconds, ordering: .sequentiallyConsistent)
        monotonic.add(microseconds, ordering: .sequentiallyConsistent)
    }
    public func advance(milliseconds: Int64) { advance(microseconds: milliseconds * 1000) }

    /// The wall clock jumps (NTP, an operator's hand); monotonic time does not.
    public func setWall(microseconds: Int64) { wall.store(microseconds, ordering: .sequentiallyConsistent) }
}

/// Random numbers that repeat: the same seed gives the same run.
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }
    /// SplitMix64.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
