/// SplitMix64 (Steele, Lea, Flood 2014): the same events for the same seed.
struct RandomStream {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
    mutating func chance(_ probability: Double) -> Bool { unit() < probability }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func element<T>(_ list: [T]) -> T { list[below(list.count)] }

    /// Sum of twelve uniforms: close enough to a normal deviate for a demo.
    mutating func normal(mean: Double, deviation: Double) -> Double {
        var sum = -6.0
        for _ in 0..<12 { sum += unit() }
        return mean + deviation * sum
    }
}
