import MillraceCore

extension ExpressionCompiler {
    mutating func hashes(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .md5, .sha1, .sha224, .sha256, .sha384, .sha512, .farmFingerprint, .toBase64, .fromBase64, .unhex:
            guard arguments.count == 1, arguments[0].layout == .bytes else { throw unsupported(function, arguments) }
        case .hex: break
        default: return nil
        }
        switch function {
        case .md5: return emit(type, arguments) { HashKernels.digest(Run($0), Digest.md5) }
        case .sha1: return emit(type, arguments) { HashKernels.digest(Run($0), Digest.sha1) }
        case .sha224:
            return emit(type, arguments) {
                HashKernels.digest(Run($0)) { Digest.sha256($0, HashConstants.sha224Start, 28) }
            }
        case .sha256:
            return emit(type, arguments) {
                HashKernels.digest(Run($0)) { Digest.sha256($0, HashConstants.sha256Start, 32) }
            }
        case .sha384:
            return emit(type, arguments) {
                HashKernels.digest(Run($0)) { Digest.sha512($0, HashConstants.sha384Start, 48) }
            }
        case .sha512:
            return emit(type, arguments) {
                HashKernels.digest(Run($0)) { Digest.sha512($0, HashConstants.sha512Start, 64) }
            }
        case .farmFingerprint:
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, Int64.self) { text, _ in
                    Int64(bitPattern: FarmHash.fingerprint64(text.start, text.count))
                }
            }
        case .hex:
            switch arguments[0].layout {
            case .int64:
                return emit(type, arguments) {
                    let run = Run($0)
                    let arena = run.arena
                    run.map(Int64.self, ByteRef.self) { value, _ in
                        arena.copy(String(UInt64(bitPattern: value), radix: 16, uppercase: true))
                    }
                }
            case .bytes:
                return emit(type, arguments) {
                    let run = Run($0)
                    let arena = run.arena
                    run.map(ByteRef.self, ByteRef.self) { text, _ in
                        HashKernels.hex(text, digits: "0123456789ABCDEF", arena)
                    }
                }
            default: throw unsupported(function, arguments)
            }
        case .unhex:
            return emit(type, arguments) {
                let run = Run($0)
                let arena = run.arena
                run.map(ByteRef.self, ByteRef.self) { text, state in orNull(HashKernels.unhex(text, arena), &state) }
            }
        case .toBase64:
            return emit(type, arguments) {
                let run = Run($0)
                let arena = run.arena
                run.map(ByteRef.self, ByteRef.self) { text, _ in Base64.encode(text, arena) }
            }
        default:
            return emit(type, arguments) {
                let run = Run($0)
                let arena = run.arena
                run.map(ByteRef.self, ByteRef.self) { text, state in orNull(Base64.decode(text, arena), &state) }
            }
        }
    }
}

enum HashKernels {
    /// The digest in lower-case hexadecimal.
    @inline(__always)
    static func digest(_ run: Run, _ body: (ByteRef) -> [UInt8]) {
        let arena = run.arena
        run.map(ByteRef.self, ByteRef.self) { text, _ in
            body(text).withUnsafeBufferPointer {
                hex(ByteRef(start: $0.baseAddress!, count: $0.count), digits: "0123456789abcdef", arena)
            }
        }
    }

    static func hex(_ bytes: ByteRef, digits: StaticString, _ arena: BatchArena) -> ByteRef {
        let out = arena.allocate(bytes.count * 2)
        for i in 0..<bytes.count {
            out[2 * i] = digits.utf8Start[Int(bytes.start[i] >> 4)]
            out[2 * i + 1] = digits.utf8Start[Int(bytes.start[i] & 15)]
        }
        return ByteRef(start: out, count: bytes.count * 2)
    }

    /// Nil when a character is not hexadecimal. An odd length gets a zero in front.
    static func unhex(_ text: ByteRef, _ arena: BatchArena) -> ByteRef? {
        let count = (text.count + 1) / 2
        let out = arena.allocate(count)
        var nibble = text.count % 2
        var value: UInt8 = 0
        var at = 0
        for i in 0..<text.count {
            let byte = text.start[i]
            let lower = byte | 0x20
            let digit: UInt8
            if byte &- 0x30 < 10 {
                digit = byte &- 0x30
            } else if lower &- 0x61 < 6 {
                digit = lower &- 0x61 + 10
            } else {
                return nil
            }
            value = value << 4 | digit
            nibble += 1
            if nibble == 2 {
                out[at] = value
                at += 1
                nibble = 0
                value = 0
            }
        }
        return ByteRef(start: out, count: count)
    }
}

/// Message digests of whole texts: RFC 1321 and FIPS 180-4.
enum Digest {
    /// The text with the mark bit, zeros and its length in bits.
    private static func padded(_ text: ByteRef, block: Int, lengthBytes: Int, bigEndian: Bool) -> [UInt8] {
        var bytes = text.array
        bytes.append(0x80)
        while bytes.count % block != block - lengthBytes { bytes.append(0) }
        for i in 0..<lengthBytes {
            let shift = 8 * (bigEndian ? lengthBytes - 1 - i : i)
            bytes.append(shift < 64 ? UInt8(truncatingIfNeeded: (UInt64(text.count) * 8) >> UInt64(shift)) : 0)
        }
        return bytes
    }

    private static func word32(_ bytes: [UInt8], _ at: Int, bigEndian: Bool) -> UInt32 {
        var word: UInt32 = 0
        for i in 0..<4 { word = word << 8 | UInt32(bytes[at + (bigEndian ? i : 3 - i)]) }
        return word
    }

    @inline(__always) private static func rotateLeft(_ x: UInt32, _ n: UInt32) -> UInt32 { x << n | x >> (32 - n) }
    @inline(__always) private static func rotateRight(_ x: UInt32, _ n: UInt32) -> UInt32 { x >> n | x << (32 - n) }
    @inline(__always) private static func rotateRight(_ x: UInt64, _ n: UInt64) -> UInt64 { x >> n | x << (64 - n) }

    private static func output(_ words: [UInt32], bigEndian: Bool) -> [UInt8] {
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

    static func sha256(_ text: ByteRef, _ start: [UInt32], _ size: Int) -> [UInt8] {
        let bytes = padded(text, block: 64, lengthBytes: 8, bigEndian: true)
        var hash = start
        var w = [UInt32](repeating: 0, count: 64)
        for block in stride(from: 0, to: bytes.count, by: 64) {
            for i in 0..<16 { w[i] = word32(bytes, block + 4 * i, bigEndian: true) }
            for i in 16..<64 {
                let s0 = rotateRight(w[i - 15], 7) ^ rotateRight(w[i - 15], 18) ^ w[i - 15] >> 3
                let s1 = rotateRight(w[i - 2], 17) ^ rotateRight(w[i - 2], 19) ^ w[i - 2] >> 10
                w[i] = w[i - 16] &+ s0 &+ w[i - 7] &+ s1
            }
            var v = hash
            for i in 0..<64 {
                let s1 = rotateRight(v[4], 6) ^ rotateRight(v[4], 11) ^ rotateRight(v[4], 25)
                let choice = (v[4] & v[5]) ^ (~v[4] & v[6])
                let t1 = v[7] &+ s1 &+ choice &+ HashConstants.sha256[i] &+ w[i]
                let s0 = rotateRight(v[0], 2) ^ rotateRight(v[0], 13) ^ rotateRight(v[0], 22)
                let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2])
                let t2 = s0 &+ majority
                for j in stride(from: 7, to: 0, by: -1) { v[j] = v[j - 1] }
                v[4] = v[4] &+ t1
                v[0] = t1 &+ t2
            }
            for i in 0..<8 { hash[i] &+= v[i] }
        }
        return Array(output(hash, bigEndian: true).prefix(size))
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

/// FarmHash Fingerprint64, the stable hash behind BigQuery's FARM_FINGERPRINT (the published algorithm of `farmhashna`).
enum FarmHash {
    private static let k0: UInt64 = 0xc3a5_c85c_97cb_3127
    private static let k1: UInt64 = 0xb492_b66f_be98_f273
    private static let k2: UInt64 = 0x9ae1_6a3b_2f90_404f

    @inline(__always) private static func fetch(_ s: UnsafePointer<UInt8>) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(s).loadUnaligned(as: UInt64.self))
    }
    @inline(__always) private static func fetch32(_ s: UnsafePointer<UInt8>) -> UInt64 {
        UInt64(UInt32(littleEndian: UnsafeRawPointer(s).loadUnaligned(as: UInt32.self)))
    }
    @inline(__always) private static func rotate(_ x: UInt64, _ n: UInt64) -> UInt64 { x >> n | x << (64 - n) }
    @inline(__always) private static func shiftMix(_ x: UInt64) -> UInt64 { x ^ x >> 47 }

    private static func length16(_ u: UInt64, _ v: UInt64, _ multiplier: UInt64) -> UInt64 {
        var a = (u ^ v) &* multiplier
        a ^= a >> 47
        var b = (v ^ a) &* multiplier
        b ^= b >> 47
        return b &* multiplier
    }

    static func fingerprint64(_ s: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        let length = UInt64(count)
        if count <= 16 {
            if count >= 8 {
                let multiplier = k2 &+ length &* 2
                let a = fetch(s) &+ k2
                let b = fetch(s + (count - 8))
                let c = rotate(b, 37) &* multiplier &+ a
                let d = (rotate(a, 25) &+ b) &* multiplier
                return length16(c, d, multiplier)
            }
            if count >= 4 {
                return length16(
                    length &+ (fetch32(s) << 3), fetch32(s + (count - 4)), k2 &+ length &* 2)
            }
            if count > 0 {
                let y = UInt32(s[0]) &+ UInt32(s[count >> 1]) << 8
                let z = UInt32(count) &+ UInt32(s[count - 1]) << 2
                return shiftMix(UInt64(y) &* k2 ^ UInt64(z) &* k0) &* k2
            }
            return k2
        }
        if count <= 32 {
            let multiplier = k2 &+ length &* 2
            let a = fetch(s) &* k1
            let b = fetch(s + 8)
            let c = fetch(s + (count - 8)) &* multiplier
            let d = fetch(s + (count - 16)) &* k2
            return length16(rotate(a &+ b, 43) &+ rotate(c, 30) &+ d, a &+ rotate(b &+ k2, 18) &+ c, multiplier)
        }
        if count <= 64 {
            let multiplier = k2 &+ length &* 2
            let a = fetch(s) &* k2
            let b = fetch(s + 8)
            let c = fetch(s + (count - 8)) &* multiplier
            let d = fetch(s + (count - 16)) &* k2
            let y = rotate(a &+ b, 43) &+ rotate(c, 30) &+ d
            let z = length16(y, a &+ rotate(b &+ k2, 18) &+ c, multiplier)
            let e = fetch(s + 16) &* multiplier
            let f = fetch(s + 24)
            let g = (y &+ fetch(s + (count - 32))) &* multiplier
            let h = (z &+ fetch(s + (count - 24))) &* multiplier
            return length16(rotate(e &+ f, 43) &+ rotate(g, 30) &+ h, e &+ rotate(f &+ a, 18) &+ g, multiplier)
        }
        return long(s, count)
    }

    private static func weak(
        _ s: UnsafePointer<UInt8>, _ a: UInt64, _ b: UInt64
    ) -> (UInt64, UInt64) {
        let (w, x, y, z) = (fetch(s), fetch(s + 8), fetch(s + 16), fetch(s + 24))
        var a = a &+ w
        var b = rotate(b &+ a &+ z, 21)
        let c = a
        a = a &+ x &+ y
        b = b &+ rotate(a, 44)
        return (a &+ z, b &+ c)
    }

    private static func long(_ start: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        let seed: UInt64 = 81
        var s = start
        var x = seed
        var y = seed &* k1 &+ 113
        var z = shiftMix(y &* k2 &+ 113) &* k2
        var v: (UInt64, UInt64) = (0, 0)
        var w: (UInt64, UInt64) = (0, 0)
        x = x &* k2 &+ fetch(s)
        let end = s + ((count - 1) / 64) * 64
        let last = end + ((count - 1) & 63) - 63
        repeat {
            x = rotate(x &+ y &+ v.0 &+ fetch(s + 8), 37) &* k1
            y = rotate(y &+ v.1 &+ fetch(s + 48), 42) &* k1
            x ^= w.1
            y = y &+ v.0 &+ fetch(s + 40)
            z = rotate(z &+ w.0, 33) &* k1
            v = weak(s, v.1 &* k1, x &+ w.0)
            w = weak(s + 32, z &+ w.1, y &+ fetch(s + 16))
            swap(&z, &x)
            s += 64
        } while s != end
        let multiplier = k1 &+ ((z & 0xff) << 1)
        s = last
        w.0 = w.0 &+ UInt64((count - 1) & 63)
        v.0 = v.0 &+ w.0
        w.0 = w.0 &+ v.0
        x = rotate(x &+ y &+ v.0 &+ fetch(s + 8), 37) &* multiplier
        y = rotate(y &+ v.1 &+ fetch(s + 48), 42) &* multiplier
        x ^= w.1 &* 9
        y = y &+ v.0 &* 9 &+ fetch(s + 40)
        z = rotate(z &+ w.0, 33) &* multiplier
        v = weak(s, v.1 &* multiplier, x &+ w.0)
        w = weak(s + 32, z &+ w.1, y &+ fetch(s + 16))
        swap(&z, &x)
        return length16(
            length16(v.0, w.0, multiplier) &+ shiftMix(y) &* k0 &+ z, length16(v.1, w.1, multiplier) &+ x, multiplier)
    }
}

/// RFC 4648 with padding.
enum Base64 {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    static func encode(_ bytes: ByteRef, _ arena: BatchArena) -> ByteRef {
        let count = (bytes.count + 2) / 3 * 4
        let out = arena.allocate(count)
        var at = 0
        var i = 0
        while i < bytes.count {
            let left = bytes.count - i
            var group = UInt32(bytes.start[i]) << 16
            if left > 1 { group |= UInt32(bytes.start[i + 1]) << 8 }
            if left > 2 { group |= UInt32(bytes.start[i + 2]) }
            for j in 0..<4 {
                out[at] =
                    j <= left ? alphabet.utf8Start[Int(group >> UInt32(18 - 6 * j) & 63)] : 0x3D
                at += 1
            }
            i += 3
        }
        return ByteRef(start: out, count: count)
    }

    /// Nil for text that is not base64.
    static func decode(_ text: ByteRef, _ arena: BatchArena) -> ByteRef? {
        var count = text.count
        while count > 0, text.start[count - 1] == 0x3D, text.count - count < 2 { count -= 1 }
        guard count % 4 != 1 else { return nil }
        let out = arena.allocate(count * 3 / 4 + 3)
        var group: UInt32 = 0
        var bits: UInt32 = 0
        var at = 0
        for i in 0..<count {
            let byte = text.start[i]
            let value: UInt8
            switch byte {
            case 0x41...0x5A: value = byte - 0x41
            case 0x61...0x7A: value = byte - 0x61 + 26
            case 0x30...0x39: value = byte - 0x30 + 52
            case 0x2B: value = 62
            case 0x2F: value = 63
            default: return nil
            }
            group = group << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                out[at] = UInt8(truncatingIfNeeded: group >> bits)
                at += 1
            }
        }
        return ByteRef(start: out, count: at)
    }
}
