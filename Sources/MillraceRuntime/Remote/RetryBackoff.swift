/// How long to wait before an attempt: doubled each time up to a bound, half of it left to chance so that clients that
/// failed together do not come back together ("equal jitter").
public struct RetryBackoff: Hashable, Sendable {
    public var baseMicroseconds: Int64
    public var maximumMicroseconds: Int64

    public init(baseMicroseconds: Int64, maximumMicroseconds: Int64) {
        self.baseMicroseconds = baseMicroseconds
        self.maximumMicroseconds = maximumMicroseconds
    }

    /// - Parameters:
    ///   - failures: attempts that have failed, from 1.
    ///   - retryAfter: what the server asks for; waited out, unless it exceeds ten times the bound.
    public func delay(failures: Int, retryAfter: Int64?, using random: inout some RandomNumberGenerator) -> Int64 {
        let doublings = min(max(failures - 1, 0), 32)
        let (product, overflow) = baseMicroseconds.multipliedReportingOverflow(by: 1 << Int64(doublings))
        let whole = max(0, overflow ? maximumMicroseconds : min(product, maximumMicroseconds))
        let own = whole / 2 + (whole > 1 ? Int64.random(in: 0...(whole - whole / 2), using: &random) : 0)
        guard let retryAfter else { return own }
        return max(own, min(retryAfter, max(maximumMicroseconds, 1) * 10))
    }
}
