import CSimdJSON
import MillraceCore

/// Why a value could not be read.
enum CellFailure: Error {
    /// Not JSON: the whole message is bad.
    case malformed
    /// Not of the column's type: the field is bad.
    case mismatch
}

/// A strict reader over JSON text, value by value, for what the fast path hands back: lists, odd shapes, top-level arrays.
struct JSONText {
    private(set) var at: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>
    /// Containers within containers; more is malformed, so the stack is bounded.
    static let depthMax = 500

    init(start: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) {
        at = start
        self.end = end
    }

    /// The next byte that is no blank, without taking it; 0 at the end.
    mutating func peek() -> UInt8 {
        while at < end, at.pointee == 0x20 || at.pointee == 0x0A || at.pointee == 0x0D || at.pointee == 0x09 { at += 1 }
        return at < end ? at.pointee : 0
    }

    /// Takes `byte` if it is next.
    mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte, at < end else { return false }
        at += 1
        return true
    }

    mutating func expect(_ byte: UInt8) throws(CellFailure) { guard take(byte) else { throw .malformed } }

    /// A string's body, still escaped.
    mutating func string() throws(CellFailure) -> (body: ByteRef, isEscaped: Bool) {
        try expect(0x22)
        let start = at
        var isEscaped = false
        while at < end, at.pointee != 0x22 {
            if at.pointee < 0x20 { throw .malformed }
            if at.pointee == 0x5C {
                isEscaped = true
                at += 1
                guard at < end else { throw .malformed }
            }
            at += 1
        }
        guard at < end else { throw .malformed }
        let body = ByteRef(start: start, count: at - start)
        at += 1
        return (body, isEscaped)
    }

    /// A string's text; unescaped in the arena when it must be.
    mutating func text(_ arena: BatchArena) throws(CellFailure) -> ByteRef {
        let (body, isEscaped) = try string()
        guard isEscaped else { return body }
        let target = arena.allocate(body.count)
        let count = Int(millrace_json_unescape(body.start, Int64(body.count), target))
        guard count >= 0 else { throw .malformed }
        return ByteRef(start: target, count: count)
    }

    mutating func literal(_ word: StaticString) throws(CellFailure) {
        for i in 0..<word.utf8CodeUnitCount {
            guard at < end, at.pointee == word.utf8Start[i] else { throw .malformed }
            at += 1
        }
        if at < end, !isBoundary(at.pointee) { throw .malformed }
    }

    private func isBoundary(_ byte: UInt8) -> Bool {
        byte == 0x2C || byte == 0x7D || byte == 0x5D || byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    /// A number's text, checked against the grammar.
    mutating func number() throws(CellFailure) -> ByteRef {
        let start = at
        func digits(_ at: inout UnsafePointer<UInt8>) -> Int {
            let first = at
            while at < end, CellText.isDigit(at.pointee) { at += 1 }
            return at - first
        }
        if at < end, at.pointee == 0x2D { at += 1 }
        let whole = at
        let count = digits(&at)
        if count == 0 || (count > 1 && whole.pointee == 0x30) { throw .malformed }
        if at < end, at.pointee == 0x2E {
            at += 1
            if digits(&at) == 0 { throw .malformed }
        }
        if at < end, at.pointee | 0x20 == 0x65 {
            at += 1
            if at < end, at.pointee == 0x2B || at.pointee == 0x2D { at += 1 }
            if digits(&at) == 0 { throw .malformed }
        }
        if at < end, !isBoundary(at.pointee) { throw .malformed }
        return ByteRef(start: start, count: at - start)
    }

    /// Passes over one value, checking it.
    mutating func skip(depth: Int = 0) throws(CellFailure) {
        guard depth < JSONText.depthMax else { throw .malformed }
        switch peek() {
        case 0x22: _ = try string()
        case 0x7B:
            at += 1
            if take(0x7D) { return }
            repeat {
                _ = peek()
                _ = try string()
                try expect(0x3A)
                try skip(depth: depth + 1)
            } while take(0x2C)
            try expect(0x7D)
        case 0x5B:
            at += 1
            if take(0x5D) { return }
            repeat { try skip(depth: depth + 1) } while take(0x2C)
            try expect(0x5D)
        case 0x74: try literal("true")
        case 0x66: try literal("false")
        case 0x6E: try literal("null")
        default: _ = try number()
        }
    }

    /// One value's text without blanks between its tokens, in the arena.
    mutating func compact(_ arena: BatchArena) throws(CellFailure) -> ByteRef {
        _ = peek()
        let start = at
        try skip()
        let target = arena.allocate(at - start)
        var count = 0
        var isInString = false
        var p = start
        while p < at {
            let byte = p.pointee
            if isInString || !(byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09) {
                target[count] = byte
                count += 1
            }
            if byte == 0x22 { isInString.toggle() }
            if byte == 0x5C, isInString {
                p += 1
                target[count] = p.pointee
                count += 1
            }
            p += 1
        }
        return ByteRef(start: target, count: count)
    }
}
