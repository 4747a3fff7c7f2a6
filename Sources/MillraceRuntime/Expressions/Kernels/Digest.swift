import MillraceCore

/// Message digests of whole texts: RFC 1321 and FIPS 180-4.
public enum Digest {
    /// The text with the mark bit, zeros and its length in bits. `ofLength`: of what `text` is only the end of.
    static func padded(
        _ text: ByteRef, ofLength length: Int? = nil, block: Int, lengthBytes: Int, bigEndian: Bool
    ) -> [UInt8] {
        let length = length ?? text.count
        var bytes = text.array
        bytes.append(0x80)
        while bytes.count % block != block - lengthBytes { bytes.append(0) }
        for i in 0..<lengthBytes {
            let shift = 8 * (bigEndian ? lengthBytes - 1 - i : i)
            bytes.append(shift < 64 ? UInt8(truncatingIfNeeded: (UInt64(length) * 8) >> UInt64(shift)) : 0)
        }
        return bytes
    }

    private static func word32(_ bytes: [UInt8], _ at: Int, bigEndian: Bool) -> UInt32 {
        var word: UInt32 = 0
        for i in 0..<4 { word = word << 8 | UInt32(bytes[at + (bigEndian ? i : 3 - i)]) }
        return word
    }

    @inline(__always) private static func rotateLeft(_ x: UInt32, _ n: UInt32) -> UInt32 { x << n | x >> (32 - n) }
    @inline(__always) static func rotateRight(_ x: UInt32, _ n: UInt32) -> UInt32 { x &>> n | x &<< (32 &- n) }
    @inline(__always) private static func rotateRight(_ x: UInt64, _ n: UInt64) -> UInt64 { x >> n | x << (64 - n) }

    static func output(_ words: [UInt32], bigEndian: Bool) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * (bigEndian ? 3 - $0 : $0))) }
        }
    }

    static func md5(_ text: ByteRef) -> [UInt8] {
        let bytes = padded(text, block: 64, lengthBytes: 8, bigEndian: false)
        let shifts: [[UInt32]] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]]
        var hash: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
        for block in stride(from: 0, to: bytes.count, by: 64) {
            var (a, b, c, d) = (hash[0], hash[1], hash[2], hash[3])
            for i in 0..<64 {
                let f: UInt32
                let g: Int
                switch i / 16 {
                case 0: (f, g) = ((b & c) | (~b & d), i)
                case 1: (f, g) = ((d & b) | (~d & c), (5 * i + 1) % 16)
                case 2: (f, g) = (b ^ c ^ d, (3 * i + 5) % 16)
                default: (f, g) = (c ^ (b | ~d), 7 * i % 16)
                }
                let word = word32(bytes, block + 4 * g, bigEndian: false)
                let sum = a &+ f &+ HashConstants.md5[i] &+ word
                (a, d, c) = (d, c, b)
                b = b &+ rotateLeft(sum, shifts[i / 16][i % 4])
            }
            hash[0] &+= a
            hash[1] &+= b
            hash[2] &+= c
            hash[3] &+= d
        }
        return output(hash, bigEndian: false)
    }

    static func sha1(_ text: ByteRef) -> [UInt8] {
        let bytes = padded(text, block: 64, lengthBytes: 8, bigEndian: true)
        var hash: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
        var w = [UInt32](repeating: 0, count: 80)
        for block in stride(from: 0, to: bytes.count, by: 64) {
            for i in 0..<16 { w[i] = word32(bytes, block + 4 * i, bigEndian: true) }
            for i in 16..<80 { w[i] = rotateLeft(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1) }
            var (a, b, c, d, e) = (hash[0], hash[1], hash[2], hash[3], hash[4])
            for i in 0..<80 {
                let f: UInt32
                let k: UInt32
                switch i / 20 {
                case 0: (f, k) = ((b & c) | (~b & d), 0x5a82_7999)
                case 1: (f, k) = (b ^ c ^ d, 0x6ed9_eba1)
                case 2: (f, k) = ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc)
                default: (f, k) = (b ^ c ^ d, 0xca62_c1d6)
                }
                let next = rotateLeft(a, 5) &+ f &+ e &+ k &+ w[i]
                (e, d, c, b, a) = (d, c, rotateLeft(b, 30), a, next)
            }
            hash[0] &+= a
            hash[1] &+= b
            hash[2] &+= c
            hash[3] &+= d
            hash[4] &+= e
        }
        return output(hash, bigEndian: true)
    }

    static func sha512(_ text: ByteRef, _ start: [UInt64], _ size: Int) -> [UInt8] {
        let bytes = padded(text, block: 128, lengthBytes: 16, bigEndian: true)
        var hash = start
        var w = [UInt64](repeating: 0, count: 80)
        for block in stride(from: 0, to: bytes.count, by: 128) {
            for i in 0..<16 {
                w[i] =
                    UInt64(word32(bytes, block + 8 * i, bigEndian: true)) << 32
                    | UInt64(word32(bytes, block + 8 * i + 4, bigEndian: true))
            }
            for i in 16..<80 {
                let s0 = rotateRight(w[i - 15], 1) ^ rotateRight(w[i - 15], 8) ^ w[i - 15] >> 7
                let s1 = rotateRight(w[i - 2], 19) ^ rotateRight(w[i - 2], 61) ^ w[i - 2] >> 6
                w[i] = w[i - 16] &+ s0 &+ w[i - 7] &+ s1
            }
            var v = hash
            for i in 0..<80 {
                let s1 = rotateRight(v[4], 14) ^ rotateRight(v[4], 18) ^ rotateRight(v[4], 41)
                let choice = (v[4] & v[5]) ^ (~v[4] & v[6])
                let t1 = v[7] &+ s1 &+ choice &+ HashConstants.sha512[i] &+ w[i]
                let s0 = rotateRight(v[0], 28) ^ rotateRight(v[0], 34) ^ rotateRight(v[0], 39)
                let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2])
                let t2 = s0 &+ majority
                for j in stride(from: 7, to: 0, by: -1) { v[j] = v[j - 1] }
                v[4] = v[4] &+ t1
                v[0] = t1 &+ t2
            }
            for i in 0..<8 { hash[i] &+= v[i] }
        }
        let all = hash.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } }
        return Array(all.prefix(size))
    }
}
