import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceRuntime

@Suite struct WeightedValuesTests {
    /// By writing every value out as often as it counts.
    private static func slow(_ values: [(value: Double, weight: Int64)], _ percentage: Double) -> Double {
        let all = values.flatMap { Array(repeating: $0.value, count: Int($0.weight)) }.sorted()
        let position = Double(all.count - 1) * percentage + 1
        let lower = Int(position)
        let fraction = position - Double(lower)
        return lower == all.count ? all[lower - 1] : (1 - fraction) * all[lower - 1] + fraction * all[lower]
    }

    @Test(arguments: 1...10) func percentilesOfValuesThatComeAndGo(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let values = WeightedValues()
        var live: [(value: Double, weight: Int64)] = []
        var call = AggregateCall(.percentile, argument: 0, type: .array(.double))
        call.percentages = [0, 0.25, 0.5, 0.9, 1]
        for _ in 0..<200 {
            if !live.isEmpty, Int.random(in: 0..<3, using: &generator) == 0 {
                let old = live.remove(at: Int.random(in: 0..<live.count, using: &generator))
                values.add(old.value, weight: -old.weight)
            } else {
                let new = (
                    Double(Int.random(in: -20...20, using: &generator)) / 4, Int64.random(in: 1...3, using: &generator)
                )
                live.append((new.0, new.1))
                values.add(new.0, weight: new.1)
            }
            #expect(values.isEmpty == live.isEmpty)
            guard !live.isEmpty else { continue }
            let column = Column(.array(.double))
            values.append(call, to: column)
            for (index, percentage) in call.percentages.enumerated() {
                #expect(column.children[0].doubles[index] == Self.slow(live, percentage), "seed \(seed)")
            }
        }
    }
}
