import MillraceCore

/// Base64 of RFC 4648 section 4, with padding: how BYTES stand in JSON and CSV.
enum Base64 {
    private static let digits: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    private static func value(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x41...0x5A: UInt32(byte - 0x41)
        case 0x61...0x7A: UInt32(byte - 0x61 + 26)
        case 0x30...0x39: UInt32(byte - 0x30 + 52)
        case 0x2B: 62
        case 0x2F: 63
        default: nil
        }
    }

    /// The bytes, in the arena; nil when the text is not base64 or its padding is wrong.
    static func decode(_ text: ByteRef, arena: BatchArena) -> ByteRef? {
        guard text.count > 0 else { return .empty }
        guard text.count % 4 == 0 else { return nil }
        var padding = 0
        while padding < 2, text.start[text.count - 1 - padding] == 0x3D { padding += 1 }
        let target = arena.allocate(text.count / 4 * 3)
        var out = 0
        for group in stride(from: 0, to: text.count, by: 4) {
            var bits: UInt32 = 0
            for i in group..<group + 4 {
                if i >= text.count - padding {
                    bits <<= 6
                } else {
                    guard let digit = value(text.start[i]) else { return nil }
                    bits = bits << 6 | digit
                }
            }
            target[out] = UInt8(truncatingIfNeeded: bits >> 16)
            target[out + 1] = UInt8(truncatingIfNeeded: bits >> 8)
            target[out + 2] = UInt8(truncatingIfNeeded: bits)
            out += 3
        }
        return ByteRef(start: target, count: out - padding)
    }

    static func append(_ bytes: ByteRef, to buffer: ByteBuffer) {
        let digits = digits.utf8Start
        var at = 0
        while at < bytes.count {
            let left = min(3, bytes.count - at)
            var bits = UInt32(bytes.start[at]) << 16
            if left > 1 { bits |= UInt32(bytes.start[at + 1]) << 8 }
            if left > 2 { bits |= UInt32(bytes.start[at + 2]) }
            let out = buffer.reserve(4)
            out[0] = digits[Int(bits >> 18)]
            out[1] = digits[Int(bits >> 12 & 63)]
            out[2] = left > 1 ? digits[Int(bits >> 6 & 63)] : 0x3D
            out[3] = left > 2 ? digits[Int(bits & 63)] : 0x3D
            buffer.commit(4)
            at += 3
        }
    }
}
