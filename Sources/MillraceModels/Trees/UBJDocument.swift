/// Reads UBJSON as XGBoost writes it: big-endian numbers, typed and counted containers. Refuses nesting deeper than 64
/// and counts that the file cannot hold, so a damaged length never asks for memory.
struct UBJDocument {
    private var scanner: ByteScanner

    static func parse(_ bytes: [UInt8]) throws(ModelFileFault) -> DocumentValue {
        var document = UBJDocument(scanner: ByteScanner(bytes))
        return try document.value(try document.scanner.next(), depth: 0)
    }

    private init(scanner: ByteScanner) { self.scanner = scanner }

    private func unexpected() -> ModelFileFault { .damaged("unexpected byte at \(scanner.at - 1)") }

    private mutating func value(_ marker: UInt8, depth: Int) throws(ModelFileFault) -> DocumentValue {
        guard depth < 64 else { throw .damaged("it is nested too deeply") }
        switch marker {
        case UInt8(ascii: "Z"), UInt8(ascii: "N"): return .null
        case UInt8(ascii: "T"): return .bool(true)
        case UInt8(ascii: "F"): return .bool(false)
        case UInt8(ascii: "S"): return .string(try string())
        case UInt8(ascii: "H"):
            let text = try string()
            guard let number = Double(text) else { throw unexpected() }
            return .number(number)
        case UInt8(ascii: "C"): return .string(String(Character(UnicodeScalar(try scanner.next()))))
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        default: return .number(try number(marker))
        }
    }

    private static func size(_ marker: UInt8) -> Int? {
        switch marker {
        case UInt8(ascii: "i"), UInt8(ascii: "U"): 1
        case UInt8(ascii: "I"): 2
        case UInt8(ascii: "l"), UInt8(ascii: "d"): 4
        case UInt8(ascii: "L"), UInt8(ascii: "D"): 8
        default: nil
        }
    }

    private mutating func number(_ marker: UInt8) throws(ModelFileFault) -> Double {
        switch marker {
        case UInt8(ascii: "U"): return Double(try scanner.next())
        case UInt8(ascii: "i"): return Double(try scanner.bigEndian(1))
        case UInt8(ascii: "I"): return Double(try scanner.bigEndian(2))
        case UInt8(ascii: "l"): return Double(try scanner.bigEndian(4))
        case UInt8(ascii: "L"): return Double(try scanner.bigEndian(8))
        case UInt8(ascii: "d"):
            return Double(Float(bitPattern: UInt32(truncatingIfNeeded: try scanner.bigEndian(4))))
        case UInt8(ascii: "D"):
            return Double(bitPattern: UInt64(bitPattern: try scanner.bigEndian(8)))
        default: throw unexpected()
        }
    }

    private mutating func length(_ marker: UInt8) throws(ModelFileFault) -> Int {
        let value = try number(marker)
        guard value >= 0, value <= Double(scanner.remaining) else {
            throw .damaged("a length at byte \(scanner.at) is wrong")
        }
        return Int(value)
    }

    private mutating func string() throws(ModelFileFault) -> String {
        let count = try length(try scanner.next())
        scanner.at += count
        return scanner.text(scanner.at - count..<scanner.at)
    }

    private mutating func object(depth: Int) throws(ModelFileFault) -> DocumentValue {
        var members: [String: DocumentValue] = [:]
        var counted: Int?
        if scanner.peek == UInt8(ascii: "#") {
            scanner.at += 1
            counted = try length(try scanner.next())
        }
        while counted != 0 {
            let marker = try scanner.next()
            if counted == nil, marker == UInt8(ascii: "}") { break }
            let count = try length(marker)
            let key = scanner.text(scanner.at..<scanner.at + count)
            scanner.at += count
            members[key] = try value(try scanner.next(), depth: depth + 1)
            counted = counted.map { $0 - 1 }
        }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(ModelFileFault) -> DocumentValue {
        var type: UInt8?
        if scanner.peek == UInt8(ascii: "$") {
            scanner.at += 1
            type = try scanner.next()
        }
        guard scanner.peek == UInt8(ascii: "#") else {
            guard type == nil else { throw unexpected() }
            var elements: [DocumentValue] = []
            while true {
                let marker = try scanner.next()
                if marker == UInt8(ascii: "]") { return .array(elements) }
                elements.append(try value(marker, depth: depth + 1))
            }
        }
        scanner.at += 1
        let count = try length(try scanner.next())
        guard let type else {
            var elements: [DocumentValue] = []
            for _ in 0..<count { elements.append(try value(try scanner.next(), depth: depth + 1)) }
            return .array(elements)
        }
        guard let size = UBJDocument.size(type) else { throw unexpected() }
        guard count <= scanner.remaining / size else { throw .damaged("it ends early") }
        var values: [Double] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try number(type)) }
        return .numbers(values)
    }
}
