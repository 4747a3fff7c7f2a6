import MillraceCore

extension ExpressionCompiler {
    /// JSON_VALUE, JSON_QUERY, JSON_EXISTS with paths of names and indexes (`$.a.b[0]`, `$['a']`), and IS JSON.
    mutating func json(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .isJSON:
            guard arguments.count == 1, arguments[0].layout == .bytes else { throw unsupported(function, arguments) }
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, Int64.self) { text, _ in
                    var scanner = JSONScanner(text)
                    return scanner.isDocument() ? 1 : 0
                }
            }
        case .jsonValue, .jsonQuery, .jsonExists:
            guard arguments.count == 2, arguments[0].layout == .bytes, let text = arguments[1].text else {
                throw unsupported(function, arguments)
            }
            guard let path = JSONPath(text) else {
                throw Diagnostic(
                    "unsupported JSON path", hint: "Names and indexes are supported, such as $.a.b[0].")
            }
            switch function {
            case .jsonExists:
                return emit(type, [arguments[0]], object: path) {
                    let run = Run($0)
                    let path = run.object(JSONPath.self)
                    run.map(ByteRef.self, Int64.self) { text, _ in path.find(text) == nil ? 0 : 1 }
                }
            case .jsonQuery:
                return emit(type, [arguments[0]], object: path) {
                    let run = Run($0)
                    let (path, arena, scratch) = (run.object(JSONPath.self), run.arena, run.scratch)
                    run.map(ByteRef.self, ByteRef.self) { text, state in
                        // Only objects and arrays; a scalar is NULL.
                        guard let found = path.find(text), found.start[0] == 0x7B || found.start[0] == 0x5B else {
                            state = CellState.null
                            return .empty
                        }
                        return run.text(arena, scratch) { JSONScanner.appendCompact(found, to: $0) }
                    }
                }
            default:
                return emit(type, [arguments[0]], object: path) {
                    let run = Run($0)
                    let (path, arena, scratch) = (run.object(JSONPath.self), run.arena, run.scratch)
                    run.map(ByteRef.self, ByteRef.self) { text, state in
                        guard let found = path.find(text), found.start[0] != 0x7B, found.start[0] != 0x5B,
                            !found.equals(constant("null"))
                        else {
                            state = CellState.null
                            return .empty
                        }
                        guard found.start[0] == 0x22 else { return found }
                        return run.text(arena, scratch) {
                            JSONScanner.unescape(CodePoints.slice(found, 1, found.count - 1), to: $0)
                        }
                    }
                }
            }
        default: return nil
        }
    }
}

/// A path of member names and array indexes.
final class JSONPath {
    private enum Step {
        case name(ByteRef)
        case index(Int)
    }
    private let steps: [Step]
    private let arena = BatchArena(chunkBytes: 1 << 10)

    /// Nil for wildcards, filters and whatever else is not a name or index. `lax` and `strict` in front are allowed.
    init?(_ path: String) {
        var bytes = Array(path.utf8)
        for mode in ["lax ", "strict "] where path.hasPrefix(mode) { bytes.removeFirst(mode.utf8.count) }
        guard bytes.first == 0x24 else { return nil }
        var steps: [Step] = []
        var at = 1
        while at < bytes.count {
            if bytes[at] == 0x2E {
                var end = at + 1
                while end < bytes.count, bytes[end] != 0x2E, bytes[end] != 0x5B { end += 1 }
                let name = Array(bytes[at + 1..<end])
                guard !name.isEmpty, name != [0x2A] else { return nil }
                steps.append(.name(arena.copy(name)))
                at = end
            } else if bytes[at] == 0x5B {
                guard let end = bytes[at...].firstIndex(of: 0x5D) else { return nil }
                let inner = Array(bytes[at + 1..<end])
                if inner.count >= 2, inner.first == inner.last, inner.first == 0x27 || inner.first == 0x22 {
                    steps.append(.name(arena.copy(Array(inner.dropFirst().dropLast()))))
                } else {
                    guard let index = Int(String(decoding: inner, as: UTF8.self)), index >= 0 else { return nil }
                    steps.append(.index(index))
                }
                at = end + 1
            } else {
                return nil
            }
        }
        self.steps = steps
    }

    /// The text of the value at the path; nil when absent or when the text is no JSON up to there.
    func find(_ text: ByteRef) -> ByteRef? {
        var scanner = JSONScanner(text)
        for step in steps {
            switch step {
            case .name(let name): guard scanner.enterMember(name) else { return nil }
            case .index(let index): guard scanner.enterElement(index) else { return nil }
            }
        }
        return scanner.value()
    }
}

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
        default:
            let start = at
            while let next = byte,
                next &- 0x30 < 10 || next == 0x2B || next == 0x2D || next == 0x2E || next | 0x20 == 0x65
            {
                at += 1
            }
            return at > start && NumberText.parseDouble(CodePoints.slice(text, start, at)) != nil && first != 0x2B
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

    /// One value and nothing else.
    mutating func isDocument() -> Bool {
        guard skip() else { return false }
        blanks()
        return at == text.count
    }

    /// The value here, without blanks around.
    mutating func value() -> ByteRef? {
        blanks()
        let start = at
        return skip() ? CodePoints.slice(text, start, at) : nil
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

    /// The value without blanks between its tokens.
    static func appendCompact(_ text: ByteRef, to out: ByteBuffer) {
        var isInString = false
        var at = 0
        while at < text.count {
            let byte = text.start[at]
            if isInString || !(byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09) { out.append(byte) }
            if byte == 0x22 { isInString.toggle() }
            if byte == 0x5C, isInString, at + 1 < text.count {
                at += 1
                out.append(text.start[at])
            }
            at += 1
        }
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
