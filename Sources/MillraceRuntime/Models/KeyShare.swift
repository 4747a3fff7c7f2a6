import MillraceCore

/// A fixed share of all keys: the same ones in every run, on every machine and shard, and a larger share holds a smaller one.
///
/// The hash is FNV-1a over the key's bytes (whole numbers: eight, least first), begun with the model's name so that the
/// canaries of two models do not fall on the same customers, and mixed at the end as in SplitMix64.
struct KeyShare {
    private let seed: UInt64
    /// Hashes below it are in.
    private let bound: UInt64
    private let isAll: Bool

    /// - Parameter percent: 0 to 100.
    init(percent: Double, model: String) {
        var seed: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in model.utf8 { seed = KeyShare.step(seed, byte) }
        self.seed = seed
        isAll = percent >= 100
        bound = isAll ? .max : UInt64(max(0, percent) / 100 * 0x1p64)
    }

    /// NULL is in no share.
    func contains(_ key: Column, row: Int) -> Bool {
        guard key.isValid(row) else { return false }
        if isAll { return true }
        var hash = seed
        switch key.layout {
        case .int64: KeyShare.add(UInt64(bitPattern: key.ints[row]), to: &hash)
        case .double: KeyShare.add(key.doubles[row].bitPattern, to: &hash)
        case .decimal:
            let value = UInt128(bitPattern: key.decimals[row])
            KeyShare.add(UInt64(truncatingIfNeeded: value), to: &hash)
            KeyShare.add(UInt64(truncatingIfNeeded: value >> 64), to: &hash)
        case .bytes:
            let bytes = key.refs[row]
            for i in 0..<bytes.count { hash = KeyShare.step(hash, bytes.start[i]) }
        case .row, .list: return false
        }
        return KeyShare.mixed(hash) < bound
    }

    @inline(__always)
    private static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }

    private static func add(_ value: UInt64, to hash: inout UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            hash = step(hash, UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// FNV's high bits differ little for keys that differ in their last byte.
    private static func mixed(_ hash: UInt64) -> UInt64 {
        var z = hash
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
