import Glibc
import MillraceCore

/// A bounds-checked cursor over the bytes of a model file.
struct ByteScanner {
    let bytes: [UInt8]
    var at: Int

    init(_ bytes: [UInt8], at: Int = 0) {
        self.bytes = bytes
        self.at = at
    }

    var isAtEnd: Bool { at >= bytes.count }
    var remaining: Int { bytes.count - at }
    /// The next byte, 0 at the end.
    var peek: UInt8 { at < bytes.count ? bytes[at] : 0 }

    mutating func next() throws(ModelFileFault) -> UInt8 {
        guard at < bytes.count else { throw .damaged("it ends early") }
        at += 1
        return bytes[at - 1]
    }

    mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 {
            at += 1
        }
    }

    /// Where `byte` is next, from `from` on and before `end`; `end` when it is not there.
    func find(_ byte: UInt8, from: Int, to end: Int) -> Int {
        bytes.withUnsafeBufferPointer { bytes in
            guard from < end, let base = bytes.baseAddress, let found = memchr(base + from, Int32(byte), end - from)
            else { return end }
            return UnsafeRawPointer(found) - UnsafeRawPointer(base)
        }
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// A big-endian integer of `size` bytes, sign-extended from that size.
    mutating func bigEndian(_ size: Int) throws(ModelFileFault) -> Int64 {
        guard remaining >= size else { throw .damaged("it ends early") }
        var value: UInt64 = 0
        for i in 0..<size { value = value << 8 | UInt64(bytes[at + i]) }
        at += size
        let shift = UInt64(64 - size * 8)
        return Int64(bitPattern: value << shift) >> Int64(shift)
    }

    private static let powers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    /// A decimal number, `nan` or `inf`/`infinity` in any case; correctly rounded.
    ///
    /// Short numbers are exact integers times or over an exact power of ten (Clinger's fast path).
    mutating func number() throws(ModelFileFault) -> Double {
        let start = at
        var negative = false
        if peek == UInt8(ascii: "-") || peek == UInt8(ascii: "+") {
            negative = peek == UInt8(ascii: "-")
            at += 1
        }
        if peek | 0x20 == UInt8(ascii: "n") || peek | 0x20 == UInt8(ascii: "i") {
            let word = at
            while at < bytes.count, bytes[at] | 0x20 >= UInt8(ascii: "a"), bytes[at] | 0x20 <= UInt8(ascii: "z") {
                at += 1
            }
            switch text(word..<at).lowercased() {
            case "nan": return .nan
            case "inf", "infinity": return negative ? -.infinity : .infinity
            default: throw .damaged("no number at byte \(start)")
            }
        }
        var mantissa: UInt64 = 0
        var digits = 0
        var scale = 0
        var seen = false
        while at < bytes.count, bytes[at] &- 48 < 10 {
            if digits < 18 {
                mantissa = mantissa &* 10 &+ UInt64(bytes[at] &- 48)
                if mantissa > 0 { digits += 1 }
            } else {
                digits = 99
            }
            seen = true
            at += 1
        }
        if peek == UInt8(ascii: ".") {
            at += 1
            while at < bytes.count, bytes[at] &- 48 < 10 {
                if digits < 18 {
                    mantissa = mantissa &* 10 &+ UInt64(bytes[at] &- 48)
                    if mantissa > 0 { digits += 1 }
                    scale -= 1
                } else {
                    digits = 99
                }
                seen = true
                at += 1
            }
        }
        guard seen else { throw .damaged("no number at byte \(start)") }
        if peek | 0x20 == UInt8(ascii: "e") {
            at += 1
            var sign = 1
            if peek == UInt8(ascii: "-") || peek == UInt8(ascii: "+") {
                sign = peek == UInt8(ascii: "-") ? -1 : 1
                at += 1
            }
            var exponent = 0
            let first = at
            while at < bytes.count, bytes[at] &- 48 < 10 {
                exponent = min(exponent * 10 + Int(bytes[at] &- 48), 100_000)
                at += 1
            }
            guard at > first else { throw .damaged("no number at byte \(start)") }
            scale += sign * exponent
        }
        if digits <= 18, mantissa < 1 << 53, scale >= -22, scale <= 22 {
            let magnitude =
                scale < 0 ? Double(mantissa) / ByteScanner.powers[-scale] : Double(mantissa) * ByteScanner.powers[scale]
            return negative ? -magnitude : magnitude
        }
        let value = bytes.withUnsafeBufferPointer {
            NumberText.parseDouble(ByteRef(start: $0.baseAddress! + start, count: at - start))
        }
        guard let value else { throw .damaged("no number at byte \(start)") }
        return value
    }
}
