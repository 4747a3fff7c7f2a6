import MillraceCore

/// A JSON value as a tree, for the functions that select, wrap and build.
indirect enum JSONNode: Equatable {
    case null
    case boolean(Bool)
    /// As written.
    case number(String)
    case string(String)
    case array([JSONNode])
    /// In the order of the text; of equal names the last counts.
    case object([(String, JSONNode)])

    static func == (a: JSONNode, b: JSONNode) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.boolean(let x), .boolean(let y)): x == y
        case (.number(let x), .number(let y)), (.string(let x), .string(let y)): x == y
        case (.array(let x), .array(let y)): x == y
        case (.object(let x), .object(let y)):
            x.count == y.count && zip(x, y).allSatisfy { $0.0 == $1.0 && $0.1 == $1.1 }
        default: false
        }
    }

    var isScalar: Bool {
        switch self {
        case .array, .object: false
        default: true
        }
    }

    // MARK: Reading

    /// The first value of the text; nil when there is none.
    init?(_ text: String) {
        var text = text
        let node = text.withUTF8 { buffer -> JSONNode? in
            guard let start = buffer.baseAddress else { return nil }
            var scanner = JSONScanner(ByteRef(start: start, count: buffer.count))
            guard let value = scanner.value() else { return nil }
            return JSONNode.read(value)
        }
        guard let node else { return nil }
        self = node
    }

    /// Text that the scanner has found to be a value.
    private static func read(_ text: ByteRef) -> JSONNode {
        switch text.start[0] {
        case 0x22: return .string(unescaped(CodePoints.slice(text, 1, text.count - 1)))
        case 0x74: return .boolean(true)
        case 0x66: return .boolean(false)
        case 0x6E: return .null
        case 0x5B:
            var elements: [JSONNode] = []
            JSONScanner.elements(of: text) { elements.append(read($0)) }
            return .array(elements)
        case 0x7B:
            var members: [(String, JSONNode)] = []
            JSONScanner.members(of: text) { key, value in members.append((unescaped(key), read(value))) }
            return .object(members)
        default: return .number(text.text)
        }
    }

    private static func unescaped(_ text: ByteRef) -> String {
        let buffer = ByteBuffer()
        JSONScanner.unescape(text, to: buffer)
        return buffer.bytes.text
    }

    /// Names with their values; of equal names the last counts.
    var members: [(String, JSONNode)] {
        guard case .object(let members) = self else { return [] }
        var places: [String: Int] = [:]
        var result: [(String, JSONNode)] = []
        for (key, value) in members {
            if let place = places[key] {
                result[place].1 = value
            } else {
                places[key] = result.count
                result.append((key, value))
            }
        }
        return result
    }

    // MARK: Cells

    /// A cell as JSON: times in the ISO form, bytes as base64, decimals with their scale.
    init(_ value: Value, _ type: DataType) {
        switch value {
        case .null, .error: self = .null
        case .integer(let number):
            switch type {
            case .boolean: self = .boolean(number != 0)
            case .timestamp, .timestampLTZ:
                let out = ByteBuffer()
                TimeText.appendTimestamp(number, separator: 0x54, fraction: .trimmed, to: out)
                if case .timestampLTZ = type { out.append("Z") }
                self = .string(out.bytes.text)
            case .tinyInt, .smallInt, .integer, .bigInt: self = .number(String(number))
            default: self = .string(NestedKernels.text(value, type))
            }
        case .double(let number):
            let text = NestedKernels.text(value, type)
            self = number.isFinite ? .number(JSONNode.decimalText(text)) : .string(text)
        case .decimal: self = .number(JSONNode.decimalText(NestedKernels.text(value, type)))
        case .string(let text): self = .string(text)
        case .bytes(let bytes):
            let arena = BatchArena(chunkBytes: 1 << 8)
            self = .string(Base64.encode(arena.copy(bytes), arena).text)
        case .row(let cells):
            guard case .row(let fields) = type else {
                self = .null
                return
            }
            self = .object(zip(fields, cells).map { ($0.name, JSONNode($1, $0.type)) })
        case .array(let cells):
            let element = type.childTypes.first ?? .null
            self = .array(cells.map { JSONNode($0, element) })
        case .map(let pairs):
            let types = type.childTypes
            self = .object(
                pairs.map { (NestedKernels.text($0.key, types[0]), JSONNode($0.value, types[1])) })
        }
    }

    /// A scalar as a cell of a type; nil when it is none of it.
    func cell(as type: DataType) -> Value? {
        if type.isCharacter { return .string(scalarText) }
        switch (self, type) {
        case (.boolean(let flag), .boolean): return .boolean(flag)
        case (.number(let text), .tinyInt), (.number(let text), .smallInt), (.number(let text), .integer),
            (.number(let text), .bigInt):
            guard let value = Int64(text), type.integerRange.contains(value) else { return nil }
            return .integer(value)
        case (.number(let text), .double): return Double(text).map { .double($0) }
        case (.number(let text), .float): return Float(text).map { .double(Double($0)) }
        case (.number(let text), .decimal(let precision, let scale)):
            return RegexCache.with(text) { DecimalText.parse($0, precision: precision, scale: scale) }.map {
                .decimal($0)
            }
        default: return nil
        }
    }

    // MARK: Writing

    /// A scalar without quotes.
    var scalarText: String {
        switch self {
        case .null: "null"
        case .boolean(let flag): flag ? "true" : "false"
        case .number(let text): JSONNode.decimalText(text)
        case .string(let text): text
        case .array, .object: text
        }
    }

    /// Without blanks, names in order, numbers as Java's BigDecimal writes them.
    var text: String {
        var out = ""
        write(to: &out)
        return out
    }

    private func write(to out: inout String) {
        switch self {
        case .string(let text): JSONNode.append(text, to: &out)
        case .array(let elements):
            out += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { out += "," }
                element.write(to: &out)
            }
            out += "]"
        case .object:
            out += "{"
            let sorted = members.sorted { $0.0.utf16.lexicographicallyPrecedes($1.0.utf16) }
            for (index, member) in sorted.enumerated() {
                if index > 0 { out += "," }
                JSONNode.append(member.0, to: &out)
                out += ":"
                member.1.write(to: &out)
            }
            out += "}"
        default: out += scalarText
        }
    }

    private static func append(_ text: String, to out: inout String) {
        out += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case "\u{8}": out += "\\b"
            case "\u{C}": out += "\\f"
            case _ where scalar.value < 0x20: out += "\\u00" + hex(scalar.value, width: 2, isUpper: true)
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }

    private static func hex(_ value: UInt32, width: Int, isUpper: Bool) -> String {
        let digits = String(value, radix: 16, uppercase: isUpper)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// `1.5e3` as `1.5E+3`: the form of `new BigDecimal(text).toString()`, which keeps trailing zeros.
    static func decimalText(_ text: String) -> String {
        var digits: [UInt8] = []
        var scale = 0
        var isNegative = false
        var isFraction = false
        var bytes = text.utf8[...]
        while let byte = bytes.popFirst() {
            switch byte {
            case 0x2D: isNegative = true
            case 0x2E: isFraction = true
            case 0x30...0x39:
                digits.append(byte)
                if isFraction { scale += 1 }
            case 0x45, 0x65:
                scale -= Int(String(decoding: bytes.first == 0x2B ? bytes.dropFirst() : bytes, as: UTF8.self)) ?? 0
                bytes = bytes.suffix(0)
            default: break
            }
        }
        while digits.count > 1, digits[0] == 0x30 { digits.removeFirst() }
        let sign = isNegative ? "-" : ""
        let exponent = digits.count - 1 - scale
        if scale >= 0 && exponent >= -6 {
            if scale == 0 { return sign + String(decoding: digits, as: UTF8.self) }
            while digits.count <= scale { digits.insert(0x30, at: 0) }
            return sign + String(decoding: digits.dropLast(scale), as: UTF8.self) + "."
                + String(decoding: digits.suffix(scale), as: UTF8.self)
        }
        let tail = digits.count > 1 ? "." + String(decoding: digits.dropFirst(), as: UTF8.self) : ""
        return sign + String(decoding: digits.prefix(1), as: UTF8.self) + tail + (exponent < 0 ? "E" : "E+")
            + String(exponent)
    }

    /// Numbers without zeros at the end of their fraction.
    var shortest: JSONNode {
        switch self {
        case .number(var text):
            guard text.contains("."), !text.contains(where: { $0 == "e" || $0 == "E" }) else { return self }
            while text.last == "0" { text.removeLast() }
            if text.last == "." { text.removeLast() }
            return .number(text)
        case .array(let elements): return .array(elements.map(\.shortest))
        case .object(let members): return .object(members.map { ($0.0, $0.1.shortest) })
        default: return self
        }
    }

    // MARK: Quotes

    /// JSON_QUOTE: escapes quotes, backslashes, slashes, control characters and everything beyond ASCII.
    static func quoted(_ text: String) -> String {
        var out = "\""
        for unit in text.utf16 {
            switch unit {
            case 0x22: out += "\\\""
            case 0x5C: out += "\\\\"
            case 0x2F: out += "\\/"
            case 0x08: out += "\\b"
            case 0x0C: out += "\\f"
            case 0x0A: out += "\\n"
            case 0x0D: out += "\\r"
            case 0x09: out += "\\t"
            case 0x20..<0x7F: out.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default: out += "\\u" + hex(UInt32(unit), width: 4, isUpper: false)
            }
        }
        return out + "\""
    }

    /// JSON_UNQUOTE: text that is no JSON string stays as it is.
    static func unquoted(_ text: String) -> String {
        guard text.hasPrefix("\""), text.utf8.count > 1, let node = JSONNode(text), case .string(let inner) = node
        else {
            return text
        }
        return inner
    }
}

extension DataType {
    /// What an integer type holds.
    var integerRange: ClosedRange<Int64> {
        switch self {
        case .tinyInt: -128...127
        case .smallInt: -32_768...32_767
        case .integer: -2_147_483_648...2_147_483_647
        default: .min ... .max
        }
    }
}
