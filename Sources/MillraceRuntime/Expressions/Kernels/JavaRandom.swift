/// The generator that `java.util.Random` documents: the same seed gives the numbers that Flink gives.
final class JavaRandom {
    private var state: UInt64

    init(seed: Int64) { state = (UInt64(bitPattern: seed) ^ 0x5_DEEC_E66D) & 0xFFFF_FFFF_FFFF }

    private func next(_ bits: UInt64) -> Int32 {
        state = (state &* 0x5_DEEC_E66D &+ 0xB) & 0xFFFF_FFFF_FFFF
        return Int32(truncatingIfNeeded: Int64(bitPattern: state >> (48 - bits)))
    }

    /// In [0, 1).
    func nextDouble() -> Double {
        let high = Int64(next(26))
        return Double(high << 27 + Int64(next(27))) * 0x1p-53
    }

    /// In [0, bound).
    func next(below bound: Int32) -> Int32 {
        var number = next(31)
        let mask = bound &- 1
        if bound & mask == 0 { return Int32((Int64(bound) &* Int64(number)) >> 31) }
        var candidate = number
        number = candidate % bound
        // The last, incomplete run of numbers would favour the small ones.
        while candidate &- number &+ mask < 0 {
            candidate = next(31)
            number = candidate % bound
        }
        return number
    }
}
