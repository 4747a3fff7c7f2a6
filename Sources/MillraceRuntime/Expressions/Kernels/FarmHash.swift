import MillraceCore

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
