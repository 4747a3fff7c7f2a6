import MillraceCore

/// Cuts a SQL text into tokens. Never fails: what cannot be read becomes an `invalid` token that carries its diagnostic,
/// so that the parser reports it in order and goes on behind it.
struct Lexer {
    private let bytes: [UInt8]
    private var cursor: PositionCursor
    private var at = 0
    private var isInHint = false
    private var tokens: [Token] = []

    private init(_ text: String) {
        bytes = Array(text.utf8)
        cursor = PositionCursor(bytes)
    }

    /// The tokens of `text`; the last one is always `end`.
    static func tokens(of text: String) -> [Token] {
        var lexer = Lexer(text)
        lexer.run()
        return lexer.tokens
    }

    private mutating func run() {
        tokens.reserveCapacity(bytes.count / 4 + 1)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        while at < bytes.count { next() }
        let end = cursor.position(at: bytes.count)
        tokens.append(Token(kind: .end, text: "", range: SourceRange(start: end, end: end)))
    }

    private func byte(_ ahead: Int = 0) -> UInt8 { at + ahead < bytes.count ? bytes[at + ahead] : 0 }

    private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    private mutating func add(_ kind: Token.Kind, _ text: String, from start: Int) {
        let first = cursor.position(at: start)
        let range = SourceRange(start: first, end: cursor.position(at: at))
        tokens.append(Token(kind: kind, text: text, keyword: kind == .word ? text.uppercased() : "", range: range))
    }

    /// A quote that is never closed swallows its line only, so that errors behind it are reported too.
    private mutating func addUnclosed(_ message: String, hint: String, from start: Int) {
        addInvalid(message, hint: hint, from: start)
        at = start
        while at < bytes.count, bytes[at] != 0x0A { at += 1 }
    }

    /// An invalid token from `start` to `at`; a multi-line one is shown to the end of its first line.
    private mutating func addInvalid(_ message: String, hint: String?, from start: Int) {
        var end = start
        while end < at, bytes[end] != 0x0A { end += 1 }
        let first = cursor.position(at: start)
        let range = SourceRange(start: first, end: cursor.position(at: max(end, start)))
        tokens.append(
            Token(
                kind: .invalid, text: text(start..<end), range: range,
                diagnostic: Diagnostic(message, at: range, hint: hint)))
    }

    private mutating func next() {
        let start = at
        let first = byte()
        switch first {
        case 0x20, 0x09, 0x0A, 0x0D, 0x0C: at += 1
        case 0xC2 where byte(1) == 0xA0: at += 2  // A pasted no-break space.
        case 0x2D where byte(1) == 0x2D:
            while at < bytes.count, bytes[at] != 0x0A { at += 1 }
        case 0x2F where byte(1) == 0x2A: comment(start)
        case 0x27: string(start, prefix: 0)
        case 0x22: doubleQuoted(start)
        case 0x60: backtick(start)
        case 0x58 where byte(1) == 0x27, 0x78 where byte(1) == 0x27: binary(start)
        case 0x55 where byte(1) == 0x26 && byte(2) == 0x27, 0x75 where byte(1) == 0x26 && byte(2) == 0x27:
            unicodeString(start)
        case 0x4E where byte(1) == 0x27, 0x6E where byte(1) == 0x27: string(start, prefix: 1)
        case 0x52 where byte(1) == 0x27 || byte(1) == 0x22, 0x72 where byte(1) == 0x27 || byte(1) == 0x22:
            rawString(start)
        case 0x5F where characterSetLength != nil: string(start, prefix: characterSetLength ?? 0)
        case 0x30...0x39: number(start)
        case 0x2E where isDigit(byte(1)) && !followsName: number(start)
        case 0x40 where isNameStart(byte(1)):
            at += 1
            while isNamePart(byte()) { at += 1 }
            add(.parameter, text(start + 1..<at), from: start)
        case 0x3F:
            at += 1
            add(.parameter, "", from: start)
        case 0x24 where byte(1) == 0x7B:
            while at < bytes.count, bytes[at] != 0x7D, bytes[at] != 0x0A { at += 1 }
            if byte() == 0x7D { at += 1 }
            addInvalid(
                "variable \"\(text(start..<at))\" stands outside a WITH value",
                hint: "Variables are filled in only inside the quotes of WITH values, as in 'topic' = '${name}'.",
                from: start)
        case 0xE2 where byte(1) == 0x80 && (0x98...0x9F).contains(byte(2)):
            at += 3
            addInvalid(
                "character \"\(text(start..<at))\" is not part of SQL", hint: "Use the plain quotes ' and \".",
                from: start)
        case _ where isNameStart(first):
            while isNamePart(byte()) { at += 1 }
            add(.word, text(start..<at), from: start)
        default: sign(start)
        }
    }

    /// Whether the token before touches this place and may be followed by a dot: `t.5` is no number.
    private var followsName: Bool {
        guard let last = tokens.last, last.range.end.offset == at else { return false }
        return last.kind == .word || last.kind == .quotedName || last.text == ")" || last.text == "]"
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    private func isNameStart(_ byte: UInt8) -> Bool {
        (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7A || byte == 0x5F || byte >= 0x80
    }
    private func isNamePart(_ byte: UInt8) -> Bool { isNameStart(byte) || isDigit(byte) || byte == 0x24 }

    private mutating func comment(_ start: Int) {
        if byte(2) == 0x2B, !isInHint {
            at += 3
            isInHint = true
            add(.sign, "/*+", from: start)
            return
        }
        at += 2
        while at < bytes.count {
            if bytes[at] == 0x2A, byte(1) == 0x2F {
                at += 2
                return
            }
            at += 1
        }
        addInvalid("comment has no end", hint: "Close it with \"*/\".", from: start)
    }

    /// `'…'` from `at + prefix`, quotes doubled inside. Nil after reporting a missing end.
    private mutating func quoted(_ start: Int, prefix: Int, quote: UInt8, what: String, hint: String) -> String? {
        at += prefix + 1
        var content: [UInt8] = []
        while at < bytes.count {
            if bytes[at] == quote {
                if byte(1) != quote {
                    at += 1
                    return String(decoding: content, as: UTF8.self)
                }
                at += 1
            }
            content.append(bytes[at])
            at += 1
        }
        addUnclosed("\(what) has no closing quote", hint: hint, from: start)
        return nil
    }

    private mutating func string(_ start: Int, prefix: Int) {
        if let content = quoted(
            start, prefix: prefix, quote: 0x27, what: "string", hint: "Close it with ', and write ' inside it as ''.")
        {
            add(.string, content, from: start)
        }
    }

    /// BigQuery's `r'…'`: backslashes are themselves, and the character behind one does not close the string.
    private mutating func rawString(_ start: Int) {
        let quote = byte(1)
        at += 2
        let first = at
        while at < bytes.count, bytes[at] != quote { at += bytes[at] == 0x5C && at + 1 < bytes.count ? 2 : 1 }
        guard at < bytes.count else {
            at = bytes.count
            return addUnclosed(
                "string has no closing quote", hint: "Close it with the quote it began with.", from: start)
        }
        let content = text(first..<at)
        at += 1
        add(.string, content, from: start)
    }

    /// Length of `_UTF8` and its like in front of a quote: all text is Unicode, so the name only has to be one.
    private var characterSetLength: Int? {
        var end = 1
        while isNamePart(byte(end)) || byte(end) == 0x2D { end += 1 }
        guard byte(end) == 0x27, end > 1 else { return nil }
        let name = text(at + 1..<at + end).uppercased()
        return ["UTF8", "UTF-8", "UTF16", "UTF-16", "UTF-16LE", "UTF16LE", "ISO-8859-1", "LATIN1", "US-ASCII"].contains(
            name) ? end : nil
    }

    private mutating func backtick(_ start: Int) {
        if let content = quoted(start, prefix: 0, quote: 0x60, what: "name", hint: "Close it with a backtick.") {
            if content.isEmpty {
                addInvalid("name in backticks is empty", hint: nil, from: start)
            } else {
                add(.quotedName, content, from: start)
            }
        }
    }

    private mutating func binary(_ start: Int) {
        guard
            let content = quoted(
                start, prefix: 1, quote: 0x27, what: "binary string", hint: "Close it with '.")
        else { return }
        if content.utf8.count % 2 == 0, content.utf8.allSatisfy({ hexadecimal($0) != nil }) {
            add(.binary, content, from: start)
        } else {
            addInvalid(
                "binary string is malformed", hint: "Write two hexadecimal digits for every byte, as in X'0AFF'.",
                from: start)
        }
    }

    private func hexadecimal(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x41 + 10)
        case 0x61...0x66: UInt32(byte - 0x61 + 10)
        default: nil
        }
    }

    /// The character of `count` hexadecimal digits at `index` of `text`.
    private func scalar(_ text: [UInt8], at index: Int, count: Int) -> Unicode.Scalar? {
        guard index + count <= text.count else { return nil }
        var code: UInt32 = 0
        for digit in text[index..<index + count] {
            guard let value = hexadecimal(digit) else { return nil }
            code = code << 4 | value
        }
        return Unicode.Scalar(code)
    }

    /// The character behind `UESCAPE`, which is consumed; without one a backslash.
    private mutating func unicodeEscape() -> UInt8 {
        var ahead = 0
        while [0x20, 0x09, 0x0A, 0x0D].contains(byte(ahead)) { ahead += 1 }
        guard at + ahead + 7 <= bytes.count, text(at + ahead..<at + ahead + 7).uppercased() == "UESCAPE" else {
            return 0x5C
        }
        ahead += 7
        while [0x20, 0x09, 0x0A, 0x0D].contains(byte(ahead)) { ahead += 1 }
        guard byte(ahead) == 0x27, byte(ahead + 2) == 0x27, byte(ahead + 1) < 0x80 else { return 0x5C }
        let escape = byte(ahead + 1)
        at += ahead + 3
        return escape
    }

    /// `U&'\00e9'`: `\` and four digits, `\+` and six, or `\\`.
    private mutating func unicodeString(_ start: Int) {
        guard
            let raw = quoted(
                start, prefix: 2, quote: 0x27, what: "string", hint: "Close it with ', and write ' inside it as ''.")
        else { return }
        let source = Array(raw.utf8)
        let escape = unicodeEscape()
        var content: [UInt8] = []
        var index = 0
        while index < source.count {
            guard source[index] == escape else {
                content.append(source[index])
                index += 1
                continue
            }
            let next = index + 1 < source.count ? source[index + 1] : 0
            if next == escape {
                content.append(escape)
                index += 2
            } else if next == 0x2B, let value = scalar(source, at: index + 2, count: 6) {
                content.append(contentsOf: Array(String(Character(value)).utf8))
                index += 8
            } else if let value = scalar(source, at: index + 1, count: 4) {
                content.append(contentsOf: Array(String(Character(value)).utf8))
                index += 5
            } else {
                addInvalid(
                    "string has a malformed escape",
                    hint: "Write \\ and four hexadecimal digits, or \\\\ for \\ itself.",
                    from: start)
                return
            }
        }
        add(.string, String(decoding: content, as: UTF8.self), from: start)
    }

    /// `"…"` with the usual backslash escapes of ZetaSQL; a doubled quote is a quote as well.
    private mutating func doubleQuoted(_ start: Int) {
        at += 1
        var content: [UInt8] = []
        var isMalformed = false
        while at < bytes.count {
            let next = bytes[at]
            if next == 0x22 {
                at += 1
                if byte() != 0x22 {
                    if isMalformed {
                        addInvalid("string has a malformed escape", hint: "Write \\\\ for \\ itself.", from: start)
                    } else {
                        add(.doubleQuotedString, String(decoding: content, as: UTF8.self), from: start)
                    }
                    return
                }
                content.append(0x22)
                at += 1
            } else if next == 0x5C {
                let escape = byte(1)
                at += 2
                switch escape {
                case 0x22, 0x27, 0x5C, 0x60, 0x3F: content.append(escape)
                case 0x6E: content.append(0x0A)
                case 0x72: content.append(0x0D)
                case 0x74: content.append(0x09)
                case 0x75:
                    if let value = scalar(bytes, at: at, count: 4) {
                        content.append(contentsOf: Array(String(Character(value)).utf8))
                        at += 4
                    } else {
                        isMalformed = true
                    }
                default: isMalformed = true
                }
            } else {
                content.append(next)
                at += 1
            }
        }
        at = bytes.count
        addUnclosed("string has no closing quote", hint: "Close it with \".", from: start)
    }

    private mutating func number(_ start: Int) {
        while isDigit(byte()) { at += 1 }
        if byte() == 0x2E {
            at += 1
            while isDigit(byte()) { at += 1 }
        }
        if byte() | 0x20 == 0x65 {
            let signed = byte(1) == 0x2B || byte(1) == 0x2D ? 2 : 1
            if isDigit(byte(signed)) {
                at += signed
                while isDigit(byte()) { at += 1 }
            }
        }
        if isNameStart(byte()) {
            while isNamePart(byte()) { at += 1 }
            let shown = text(start..<at)
            addInvalid(
                "number \"\(shown)\" is malformed", hint: "Write a name that starts with a digit in backticks.",
                from: start)
            return
        }
        add(.number, text(start..<at), from: start)
    }

    private mutating func sign(_ start: Int) {
        let pair = [byte(), byte(1)]
        switch pair {
        case [0x3D, 0x3E], [0x3C, 0x3E], [0x21, 0x3D], [0x3C, 0x3D], [0x3E, 0x3D], [0x7C, 0x7C]:
            at += 2
        case [0x2A, 0x2F] where isInHint:
            at += 2
            isInHint = false
        default:
            at += 1
            // ( ) [ ] , . ; + - * / % = < > :
            let known: Set<UInt8> = [
                0x28, 0x29, 0x5B, 0x5D, 0x2C, 0x2E, 0x3B, 0x2B, 0x2D, 0x2A, 0x2F, 0x25, 0x3D, 0x3C, 0x3E,
                0x3A,
            ]
            guard known.contains(bytes[start]) else {
                let printable = bytes[start] >= 0x20 && bytes[start] < 0x7F
                let shown = printable ? "character \"\(text(start..<at))\"" : "a control character"
                addInvalid(
                    "\(shown) is not part of SQL", hint: bytes[start] == 0x23 ? "Comments start with --." : nil,
                    from: start)
                return
            }
            // A hint never spans statements: an unclosed one must not turn a later "*/" into a sign.
            if bytes[start] == 0x3B { isInHint = false }
        }
        add(.sign, text(start..<at), from: start)
    }
}
