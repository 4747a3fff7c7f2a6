/// Reads JSON (RFC 8259) with XGBoost's liberties (`NaN`, `Infinity`). Refuses nesting deeper than 64.
struct JSONDocument {
    private var scanner: ByteScanner

    static func parse(_ bytes: [UInt8]) throws(ModelFileFault) -> DocumentValue {
        var document = JSONDocument(scanner: ByteScanner(bytes))
        let value = try document.value(depth: 0)
        document.scanner.skipSpace()
        guard document.scanner.isAtEnd else { throw document.unexpected() }
        return value
    }

    private init(scanner: ByteScanner) { self.scanner = scanner }

    private func unexpected() -> ModelFileFault {
        scanner.isAtEnd ? .damaged("it ends early") : .damaged("unexpected byte at \(scanner.at)")
    }

    private mutating func expect(_ byte: UInt8) throws(ModelFileFault) {
        scanner.skipSpace()
        guard scanner.peek == byte, !scanner.isAtEnd else { throw unexpected() }
        scanner.at += 1
    }

    private mutating func word(_ word: StaticString) throws(ModelFileFault) {
        for i in 0..<word.utf8CodeUnitCount {
            guard scanner.peek == word.utf8Start[i] else { throw unexpected() }
            scanner.at += 1
        }
    }

    private mutating func value(depth: Int) throws(ModelFileFault) -> DocumentValue {
        guard depth < 64 else { throw .damaged("it is nested too deeply") }
        scanner.skipSpace()
        switch scanner.peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try word("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try word("false")
            return .bool(false)
        case UInt8(ascii: "n")
        where scanner.at + 1 < scanner.bytes.count
            && scanner.bytes[scanner.at + 1] == UInt8(ascii: "u"):
            try word("null")
            return .null
        default: return .number(try scanner.number())
        }
    }

    private mutating func object(depth: Int) throws(ModelFileFault) -> DocumentValue {
        scanner.at += 1
        var members: [String: DocumentValue] = [:]
        scanner.skipSpace()
        if scanner.peek == UInt8(ascii: "}") {
            scanner.at += 1
            return .object(members)
        }
        while true {
            scanner.skipSpace()
            guard scanner.peek == UInt8(ascii: "\"") else { throw unexpected() }
            let key = try string()
            try expect(UInt8(ascii: ":"))
            members[key] = try value(depth: depth + 1)
            scanner.skipSpace()
            if scanner.peek == UInt8(ascii: ",") {
                scanner.at += 1
                continue
            }
            try expect(UInt8(ascii: "}"))
            return .object(members)
        }
    }

    private mutating func array(depth: Int) throws(ModelFileFault) -> DocumentValue {
        scanner.at += 1
        var numbers: [Double] = []
        var elements: [DocumentValue] = []
        scanner.skipSpace()
        if scanner.peek == UInt8(ascii: "]") {
            scanner.at += 1
            return .numbers([])
        }
        var flat = true
        while true {
            scanner.skipSpace()
            let byte = scanner.peek
            if flat, byte == UInt8(ascii: "-") || byte &- 48 < 10 {
                numbers.append(try scanner.number())
            } else {
                if flat {
                    elements = numbers.map(DocumentValue.number)
                    flat = false
                }
                elements.append(try value(depth: depth + 1))
            }
            scanner.skipSpace()
            if scanner.peek == UInt8(ascii: ",") {
                scanner.at += 1
                continue
            }
            try expect(UInt8(ascii: "]"))
            return flat ? .numbers(numbers) : .array(elements)
        }
    }

    private mutating func string() throws(ModelFileFault) -> String {
        scanner.at += 1
        let start = scanner.at
        while scanner.at < scanner.bytes.count {
            let byte = scanner.bytes[scanner.at]
            if byte == UInt8(ascii: "\"") {
                scanner.at += 1
                return scanner.text(start..<scanner.at - 1)
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
            scanner.at += 1
        }
        throw .damaged("it ends early")
    }

    private mutating func escapedString(from start: Int) throws(ModelFileFault) -> String {
        var out = Array(scanner.bytes[start..<scanner.at])
        var high: UInt32 = 0
        while true {
            let byte = try scanner.next()
            if byte == UInt8(ascii: "\"") { return String(decoding: out, as: UTF8.self) }
            guard byte == UInt8(ascii: "\\") else {
                out.append(byte)
                continue
            }
            switch try scanner.next() {
            case UInt8(ascii: "n"): out.append(0x0A)
            case UInt8(ascii: "t"): out.append(0x09)
            case UInt8(ascii: "r"): out.append(0x0D)
            case UInt8(ascii: "b"): out.append(0x08)
            case UInt8(ascii: "f"): out.append(0x0C)
            case UInt8(ascii: "u"):
                var unit: UInt32 = 0
                for _ in 0..<4 {
                    guard let digit = Character(UnicodeScalar(try scanner.next())).hexDigitValue else {
                        throw unexpected()
                    }
                    unit = unit << 4 | UInt32(digit)
                }
                if unit & 0xFC00 == 0xD800 {
                    high = unit
                    continue
                }
                var scalar = unit
                if unit & 0xFC00 == 0xDC00, high != 0 { scalar = 0x10000 + (high & 0x3FF) << 10 + (unit & 0x3FF) }
                high = 0
                out.append(contentsOf: String(Character(UnicodeScalar(scalar) ?? "\u{FFFD}")).utf8)
            case let other: out.append(other)
            }
        }
    }
}
