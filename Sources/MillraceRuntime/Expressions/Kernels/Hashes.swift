import MillraceCore

extension ExpressionCompiler {
    mutating func hashes(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .md5, .sha1, .sha224, .sha256, .sha384, .sha512, .farmFingerprint, .toBase64, .fromBase64, .unhex:
            guard arguments.count == 1, arguments[0].layout == .bytes else { throw unsupported(function, arguments) }
        case .hex: break
        case .sha2:
            guard arguments.count == 2, arguments[0].layout == .bytes else { throw unsupported(function, arguments) }
            return emit(type, arguments) {
                let run = Run($0)
                let arena = run.arena
                run.map(ByteRef.self, Int64.self, ByteRef.self) { text, bits, state in
                    guard let digest = HashKernels.sha2(text, bits) else {
                        state = RowErrorCode.invalidArgument.rawValue
                        return .empty
                    }
                    return HashKernels.hex(arena.copy(digest), digits: "0123456789abcdef", arena)
                }
            }
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
                run.map(ByteRef.self, ByteRef.self) { text, state in
                    orError(
                        Base64.decode(text, arena).map { CastText.repaired($0, arena) }, .invalidArgument, &state)
                }
            }
        }
    }
}

enum HashKernels {
    /// Nil for lengths that the family does not have.
    static func sha2(_ text: ByteRef, _ bits: Int64) -> [UInt8]? {
        switch bits {
        case 224: Digest.sha256(text, HashConstants.sha224Start, 28)
        case 256: Digest.sha256(text, HashConstants.sha256Start, 32)
        case 384: Digest.sha512(text, HashConstants.sha384Start, 48)
        case 512: Digest.sha512(text, HashConstants.sha512Start, 64)
        default: nil
        }
    }

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
                // Of an odd number of digits Flink checks the first and then forgets it.
                out[at] = text.count % 2 == 1 && at == 0 ? 0 : value
                at += 1
                nibble = 0
                value = 0
            }
        }
        return ByteRef(start: out, count: count)
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
