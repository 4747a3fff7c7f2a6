/// Counts of durations by size: exact below 2048, above that to one part in 1024; what is longer than 2^36 counts as that.
///
/// The buckets are HdrHistogram's (three significant digits), in memory of a fixed size: growing with the longest latency so
/// far would make that one still longer.
struct LatencyHistogram {
    private static let halfBits = 10
    private static let halfCount = 1 << halfBits
    private static let limit = UInt64(1) << 36 - 1
    private var counts = [UInt32](repeating: 0, count: bucket(limit) + 1)
    private(set) var count = 0
    private(set) var longest: UInt64 = 0
    /// Of all recorded values.
    private(set) var sum: Int64 = 0

    /// Each doubling of the value has 1024 buckets.
    private static func bucket(_ value: UInt64) -> Int {
        let shift = max(0, 63 - value.leadingZeroBitCount - halfBits)
        return shift * halfCount + Int(value >> UInt64(shift))
    }

    /// The largest value that falls into the bucket.
    private static func upperBound(_ bucket: Int) -> UInt64 {
        let shift = max(0, bucket / halfCount - 1)
        return (UInt64(bucket - shift * halfCount) + 1) << UInt64(shift) - 1
    }

    mutating func record(_ value: Int64) {
        let value = min(UInt64(max(value, 0)), LatencyHistogram.limit)
        counts[LatencyHistogram.bucket(value)] &+= 1
        count += 1
        longest = max(longest, value)
        sum &+= Int64(value)
    }

    /// The value that `fraction` (0 to 1) of the recorded ones do not exceed; 0 when there are none.
    func quantile(_ fraction: Double) -> Int64 {
        let rank = max(1, Int((fraction * Double(count)).rounded(.up)))
        var seen = 0
        for bucket in counts.indices where counts[bucket] > 0 {
            seen += Int(counts[bucket])
            if seen >= rank { return Int64(min(LatencyHistogram.upperBound(bucket), longest)) }
        }
        return Int64(longest)
    }

    mutating func clear() {
        for bucket in counts.indices { counts[bucket] = 0 }
        count = 0
        longest = 0
        sum = 0
    }
}
