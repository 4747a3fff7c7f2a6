/// Stops calling a server that fails: after some failures in a row nothing is sent for a while, then one call tries.
public struct CircuitBreaker: Hashable, Sendable {
    public enum State: Hashable, Sendable {
        case closed
        /// Until then, monotonic microseconds, nothing is sent.
        case open(until: Int64)
        /// One call is on its way to see whether the server is back.
        case trying
    }
    public private(set) var state = State.closed
    private let failureLimit: Int
    private let pauseMicroseconds: Int64
    private var failures = 0

    /// - Parameter failures: in a row, that open it; 0: it never opens.
    public init(failures: Int, pauseMicroseconds: Int64) {
        failureLimit = failures
        self.pauseMicroseconds = pauseMicroseconds
    }

    /// Whether a call may leave; the one that tries is counted as left.
    public mutating func mayCall(now: Int64) -> Bool {
        switch state {
        case .closed: return true
        case .trying: return false
        case .open(let until):
            guard now >= until else { return false }
            state = .trying
            return true
        }
    }

    /// True when this closes it.
    public mutating func succeeded() -> Bool {
        failures = 0
        defer { state = .closed }
        return state != .closed
    }

    /// True when this opens it, which a failed try does again.
    public mutating func failed(now: Int64) -> Bool {
        guard failureLimit > 0 else { return false }
        failures += 1
        switch state {
        case .closed where failures < failureLimit: return false
        // Calls that left before it opened say nothing new.
        case .open: return false
        case .closed, .trying:
            state = .open(until: now + pauseMicroseconds)
            return true
        }
    }

    /// The call that tried was broken off: another one may.
    public mutating func gaveUp(now: Int64) { if state == .trying { state = .open(until: now) } }

    /// When the next call may leave; nil: now, or when the one that tries has ended.
    public var deadline: Int64? { if case .open(let until) = state { until } else { nil } }
}
