import MillraceCore

/// Walks JSON text without building anything.
struct JSONScanner {
    private let text: ByteRef
    private var at = 0
    private var depth = 0

    init(_ text: ByteRef) { self.text = text }

    private var byte: UInt8? { at < text.count ? text.start[at] : nil }

    private mutating func blanks() {
        while at < text.count, text.start[at] == 0x20 || text.start[at] &- 9 < 2 || text.start[at] == 13 { at += 1 }
    }

    private mutating func take(_ wanted: UInt8) -> Bool {
        guard byte == wanted else { return false }
        at += 1
        return true
    }

    /// The bytes between the quotes, escapes as they are.
    private mutating func string() -> ByteRef? {
        guard take(0x22) else { return nil }
        let first = at
        while let next = byte {
            if next == 0x22 {
                at += 1
                return CodePoints.slice(text, first, at - 1)
            }
            guard next >= 0x20 else { return nil }
            at += next == 0x5C ? 2 : 1
        }
        return nil
    }

    private mutating func skip() -> Bool {
        blanks()
        guard let first = byte else { return false }
        switch first {
        case 0x22: return string() != nil
        case 0x7B, 0x5B:
            // Deeper text would be refused by the reader of messages, too.
            guard depth < 512 else { return false }
            depth += 1
            defer { depth -= 1 }
            at += 1
            let close: UInt8 = first == 0x7B ? 0x7D : 0x5D
            blanks()
            if take(close) { return true }
            repeat {
                if first == 0x7B {
                    blanks()
                    guard string() != nil else { return false }
                    blanks()
                    guard take(0x3A) else { return false }
                }
                guard skip() else { return false }
                blanks()
            } while take(0x2C)
            return take(close)
        case 0x74: return word("true")
        case 0x66: return word("false")
        case 0x6E: return word("null")
        default: return number()
        }
    }

    /// RFC 8259's grammar, and nothing that would make a longer word of it.
    private mutating func number() -> Bool {
        func isDigit() -> Bool { at < text.count && text.start[at] &- 0x30 < 10 }
        _ = take(0x2D)
        if !take(0x30) {
            guard isDigit() else { return false }
            while isDigit() { at += 1 }
        }
        if take(0x2E) {
            guard isDigit() else { return false }
            while isDigit() { at += 1 }
        }
        if let next = byte, next | 0x20 == 0x65 {
            at += 1
            if !take(0x2B) { _ = take(0x2D) }
            guard isDigit() else { return false }
            while isDigit() { at += 1 }
        }
        switch byte {
        case nil, 0x20, 0x09, 0x0A, 0x0D, 0x2C, 0x5D, 0x7D: return true
        default: return false
        }
    }

    private mutating func word(_ word: StaticString) -> Bool {
        let wanted = constant(word)
        guard text.count - at >= wanted.count, CodePoints.slice(text, at, at + wanted.count).equals(wanted) else {
            return false
        }
        at += wanted.count
        return true
    }

    /// The value here, without blanks around.
    mutating func value() -> ByteRef? {
        blanks()
        let start = at
        return skip() ? CodePoints.slice(text, start, at) : nil
    }

    /// The elements of an array that is known to be valid.
    static func elements(of text: ByteRef, _ body: (ByteRef) -> Void) {
        var scanner = JSONScanner(text)
        scanner.at = 1
        scanner.blanks()
        if scanner.byte == 0x5D { return }
        repeat {
            guard let value = scanner.value() else { return }
            body(value)
            scanner.blanks()
        } while scanner.take(0x2C)
    }

    /// Names (without quotes, escapes as they are) and values of an object that is known to be valid.
    static func members(of text: ByteRef, _ body: (ByteRef, ByteRef) -> Void) {
        var scanner = JSONScanner(text)
        scanner.at = 1
        scanner.blanks()
        if scanner.byte == 0x7D { return }
        repeat {
            scanner.blanks()
            guard let key = scanner.string() else { return }
            scanner.blanks()
            guard scanner.take(0x3A), let value = scanner.value() else { return }
            body(key, value)
            scanner.blanks()
        } while scanner.take(0x2C)
    }

    mutating func enterMember(_ name: ByteRef) -> Bool {
        blanks()
        guard take(0x7B) else { return false }
        repeat {
            blanks()
            guard let key = string() else { return false }
            blanks()
            guard take(0x3A) else { return false }
            if key.equals(name) { return true }
            guard skip() else { return false }
            blanks()
        } while take(0x2C)
        return false
    }

    mutating func enterElement(_ index: Int) -> Bool {
        blanks()
        guard take(0x5B) else { return false }
        blanks()
        if byte == 0x5D { return false }
        for _ in 0..<index {
            guard skip() else { return false }
            blanks()
            guard take(0x2C) else { return false }
        }
        return true
    }

    static func unescape(_ text: ByteRef, to out: ByteBuffer) {
        var at = 0
        func unit(_ from: Int) -> UInt32? {
            guard from + 4 <= text.count else { return nil }
            return UInt32(String(decoding: CodePoints.slice(text, from, from + 4).buffer, as: UTF8.self), radix: 16)
        }
        while at < text.count {
            let byte = text.start[at]
            guard byte == 0x5C, at + 1 < text.count else {
                out.append(byte)
                at += 1
                continue
            }
            let escape = text.start[at + 1]
            at += 2
            switch escape {
            case 0x6E: out.append(0x0A)
            case 0x74: out.append(0x09)
            case 0x72: out.append(0x0D)
            case 0x62: out.append(0x08)
            case 0x66: out.append(0x0C)
            case 0x75:
                guard var code = unit(at) else { continue }
                at += 4
                if code & 0xFC00 == 0xD800, at + 6 <= text.count, text.start[at] == 0x5C, text.start[at + 1] == 0x75,
                    let low = unit(at + 2), low & 0xFC00 == 0xDC00
                {
                    code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF)
                    at += 6
                }
                out.append(String(Character(Unicode.Scalar(code) ?? "\u{FFFD}")))
            default: out.append(escape)
            }
        }
    }
}
