import MillraceCore

/// SHA-224 and SHA-256 (FIPS 180-4).
///
/// In local variables and plain memory, because model files go through it at the start: 617 KB took 77 million instructions
/// in arrays, two fifths of all up to the first row.
extension Digest {
    static func sha256(_ text: ByteRef, _ start: [UInt32], _ size: Int) -> [UInt8] {
        var hash = start
        let whole = text.count / 64
        let rest = ByteRef(start: text.start + whole * 64, count: text.count - whole * 64)
        let end = padded(rest, ofLength: text.count, block: 64, lengthBytes: 8, bigEndian: true)
        hash.withUnsafeMutableBufferPointer { hash in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { schedule in
                compress(text.start, blocks: whole, hash.baseAddress!, schedule.baseAddress!)
                end.withUnsafeBufferPointer {
                    compress($0.baseAddress!, blocks: $0.count / 64, hash.baseAddress!, schedule.baseAddress!)
                }
            }
        }
        return Array(output(hash, bigEndian: true).prefix(size))
    }

    @inline(__always)
    private static func round(
        _ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: inout UInt32, _ e: UInt32, _ f: UInt32, _ g: UInt32,
        _ h: inout UInt32, _ added: UInt32
    ) {
        let s1 = rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25)
        let sum = h &+ added &+ s1 &+ (g ^ (e & (f ^ g)))
        let s0 = rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22)
        d = d &+ sum
        h = sum &+ s0 &+ ((a & b) ^ (c & (a ^ b)))
    }

    private static func compress(
        _ bytes: UnsafePointer<UInt8>, blocks: Int, _ hash: UnsafeMutablePointer<UInt32>,
        _ w: UnsafeMutablePointer<UInt32>
    ) {
        HashConstants.sha256.withUnsafeBufferPointer { constants in
            let k = constants.baseAddress!
            for block in 0..<blocks {
                let source = UnsafeRawPointer(bytes + block &* 64)
                for i in 0..<16 {
                    w[i] = UInt32(bigEndian: source.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self))
                }
                for i in 16..<64 {
                    let (x, y) = (w[i &- 15], w[i &- 2])
                    let s0 = rotateRight(x, 7) ^ rotateRight(x, 18) ^ x &>> 3
                    let s1 = rotateRight(y, 17) ^ rotateRight(y, 19) ^ y &>> 10
                    w[i] = w[i &- 16] &+ s0 &+ w[i &- 7] &+ s1
                }
                var (a, b, c, d) = (hash[0], hash[1], hash[2], hash[3])
                var (e, f, g, h) = (hash[4], hash[5], hash[6], hash[7])
                var i = 0
                while i < 64 {
                    // After eight rounds every variable has its own part again.
                    round(a, b, c, &d, e, f, g, &h, k[i] &+ w[i])
                    round(h, a, b, &c, d, e, f, &g, k[i &+ 1] &+ w[i &+ 1])
                    round(g, h, a, &b, c, d, e, &f, k[i &+ 2] &+ w[i &+ 2])
                    round(f, g, h, &a, b, c, d, &e, k[i &+ 3] &+ w[i &+ 3])
                    round(e, f, g, &h, a, b, c, &d, k[i &+ 4] &+ w[i &+ 4])
                    round(d, e, f, &g, h, a, b, &c, k[i &+ 5] &+ w[i &+ 5])
                    round(c, d, e, &f, g, h, a, &b, k[i &+ 6] &+ w[i &+ 6])
                    round(b, c, d, &e, f, g, h, &a, k[i &+ 7] &+ w[i &+ 7])
                    i &+= 8
                }
                hash[0] &+= a
                hash[1] &+= b
                hash[2] &+= c
                hash[3] &+= d
                hash[4] &+= e
                hash[5] &+= f
                hash[6] &+= g
                hash[7] &+= h
            }
        }
    }

    /// SHA-256 of bytes (FIPS 180-4) as 64 lower-case hex digits; names the version of a model file.
    public static func sha256Hex(_ bytes: [UInt8]) -> String {
        let digest = bytes.withUnsafeBufferPointer { bytes in
            let text = bytes.baseAddress.map { ByteRef(start: $0, count: bytes.count) } ?? .empty
            return sha256(text, HashConstants.sha256Start, 32)
        }
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
