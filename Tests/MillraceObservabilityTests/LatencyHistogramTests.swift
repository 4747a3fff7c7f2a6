import MillraceTestSupport
import Testing

@testable import MillraceObservability

/// Quantiles against the sorted values themselves.
struct LatencyHistogramTests {
    private static let fractions = [0.0, 0.5, 0.9, 0.99, 0.999, 1]

    @Test(arguments: [1, 7, 1000, 5000])
    func quantilesAreThoseOfTheSortedValues(count: Int) {
        for seed in UInt64(1)...20 {
            var random = SeededGenerator(seed: seed)
            var histogram = LatencyHistogram()
            var values: [Int64] = []
            for _ in 0..<count {
                // As often short as long: the exponent is uniform, from 1 us to 12 days.
                let value = Int64.random(in: 0...(Int64(1) << Int64.random(in: 0...40, using: &random)), using: &random)
                values.append(min(value, 1 << 36 - 1))
                histogram.record(value)
            }
            values.sort()
            for fraction in Self.fractions {
                let expected = values[max(1, Int((fraction * Double(count)).rounded(.up))) - 1]
                let actual = histogram.quantile(fraction)
                #expect(
                    actual >= expected && actual - expected <= expected / 1024,
                    "quantile \(fraction) of \(count): \(actual) for \(expected), seed \(seed)")
            }
            #expect(histogram.quantile(1) == values.last)
            #expect(histogram.count == count)
        }
    }

    @Test func shortOnesAreExact() {
        for value in Int64(0)..<2048 {
            var histogram = LatencyHistogram()
            histogram.record(value)
            histogram.record(5000)
            #expect(histogram.quantile(0.5) == value)
        }
    }

    @Test func negativeOnesAndNoneAreZero() {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == 0)
        histogram.record(-5)
        #expect(histogram.quantile(1) == 0)
        histogram.record(.max)
        #expect(histogram.quantile(1) == 1 << 36 - 1)
        histogram.clear()
        #expect(histogram.count == 0 && histogram.quantile(1) == 0)
    }
}
