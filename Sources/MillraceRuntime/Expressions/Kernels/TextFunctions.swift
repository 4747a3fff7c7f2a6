import MillraceCore

extension ExpressionCompiler {
    /// The rarer functions of text.
    mutating func moreText(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .translate:
            return rows(arguments, type) { .string(TextFunctions.translate($0[0].text, $0[1].text, $0[2].text)) }
        case .elt:
            return rows(arguments, type, isStrict: false) { values in
                let index = values[0]
                guard case .integer(let place) = index, place >= 1, place < values.count else { return .null }
                return values[Int(place)]
            }
        case .urlEncode: return rows(arguments, type) { .string(TextFunctions.urlEncoded($0[0].text)) }
        case .urlDecode:
            return rows(arguments, type) { TextFunctions.urlDecoded($0[0].text).map { .string($0) } ?? .null }
        case .split: return rows(arguments, type) { .array(TextFunctions.split($0[0].text, $0[1].text)) }
        case .instr:
            return rows(arguments, type) { values in
                .integer(
                    TextFunctions.position(
                        of: values[1].text, in: values[0].text, from: values.count > 2 ? values[2].number : 1,
                        occurrence: values.count > 3 ? values[3].number : 1))
            }
        case .bin:
            return rows(arguments, type) { .string(String(UInt64(bitPattern: $0[0].number), radix: 2)) }
        case .encode:
            return rows(arguments, type) { values in
                guard let set = CharacterSet(values[1].text) else { return .error(.invalidArgument) }
                return .bytes(set.encode(values[0].text))
            }
        case .decode:
            return rows(arguments, type) { values in
                guard let set = CharacterSet(values[1].text) else { return .error(.invalidArgument) }
                return .string(set.decode(values[0].octets))
            }
        case .printf:
            let types = arguments.map(\.type)
            return rows(arguments, type, isStrict: false) { values in
                guard case .string(let format) = values[0] else { return .null }
                let text = JavaFormat.text(format, Array(values.dropFirst()), types: Array(types.dropFirst()))
                return text.map { .string($0) } ?? .null
            }
        case .isDigit:
            return rows(arguments, type, isStrict: false) { values in
                .boolean(
                    !values[0].text.isEmpty
                        && values[0].text.unicodeScalars.allSatisfy { $0.properties.numericType == .decimal })
            }
        case .isAlpha:
            return rows(arguments, type, isStrict: false) { values in
                .boolean(!values[0].text.isEmpty && values[0].text.unicodeScalars.allSatisfy(\.properties.isAlphabetic))
            }
        case .isDecimal:
            return rows(arguments, type, isStrict: false) { values in
                let text = values[0].text
                let isFine = RegexCache.with(text) { DecimalText.parse($0, precision: 38, scale: 0) != nil }
                return .boolean(!text.isEmpty && isFine)
            }
        case .inetAton:
            return rows(arguments, type) { TextFunctions.address($0[0].text).map { .integer($0) } ?? .null }
        case .inetNtoa:
            return rows(arguments, type) { values in
                let number = values[0].number
                guard number >= 0, number <= 0xFFFF_FFFF else { return .null }
                return .string([24, 16, 8, 0].map { String(number >> Int64($0) & 255) }.joined(separator: "."))
            }
        default: return nil
        }
    }
}

enum TextFunctions {
    /// The first of equal characters in `from` counts; those without a partner in `to` are left out.
    static func translate(_ text: String, _ from: String, _ to: String) -> String {
        let targets = Array(to.unicodeScalars)
        var table: [Unicode.Scalar: Unicode.Scalar?] = [:]
        for (index, scalar) in from.unicodeScalars.enumerated() where table[scalar] == nil {
            table[scalar] = .some(index < targets.count ? targets[index] : nil)
        }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            guard let target = table[scalar] else {
                result.append(scalar)
                continue
            }
            if let target { result.append(target) }
        }
        return String(result)
    }

    /// As `java.net.URLEncoder` of UTF-8: a blank is `+`, letters, digits and `.-*_` stay.
    static func urlEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E, 0x2D, 0x2A, 0x5F: result.append(byte)
            case 0x20: result.append(0x2B)
            default: result += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Nil for a `%` without two hexadecimal digits.
    static func urlDecoded(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var at = 0
        while at < bytes.count {
            switch bytes[at] {
            case 0x2B: result.append(0x20)
            case 0x25:
                guard at + 2 < bytes.count,
                    let value = UInt8(String(decoding: bytes[at + 1...at + 2], as: UTF8.self), radix: 16)
                else { return nil }
                result.append(value)
                at += 2
            default: result.append(bytes[at])
            }
            at += 1
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Empty text has no parts; an empty delimiter stands between all characters.
    static func split(_ text: String, _ delimiter: String) -> [Value] {
        if text.isEmpty { return [] }
        if delimiter.isEmpty { return text.unicodeScalars.map { .string(String($0)) } }
        let (bytes, mark) = (Array(text.utf8), Array(delimiter.utf8))
        var parts: [Value] = []
        var start = 0
        var at = 0
        while at + mark.count <= bytes.count {
            if bytes[at] == mark[0], bytes[at..<at + mark.count].elementsEqual(mark) {
                parts.append(.string(String(decoding: bytes[start..<at], as: UTF8.self)))
                at += mark.count
                start = at
            } else {
                at += 1
            }
        }
        parts.append(.string(String(decoding: bytes[start...], as: UTF8.self)))
        return parts
    }

    /// Code points from 1, 0 when absent. A negative start counts from the end and searches backwards.
    static func position(of needle: String, in text: String, from start: Int64, occurrence: Int64) -> Int64 {
        let (text, needle) = (Array(text.unicodeScalars), Array(needle.unicodeScalars))
        guard start != 0, occurrence > 0, needle.count <= text.count else { return 0 }
        func matches(_ at: Int) -> Bool {
            at >= 0 && at + needle.count <= text.count && text[at..<at + needle.count].elementsEqual(needle)
        }
        var left = occurrence
        if start > 0 {
            guard start - 1 <= Int64(text.count) else { return 0 }
            for at in Int(start - 1)...text.count where matches(at) {
                left -= 1
                if left == 0 { return Int64(at) + 1 }
            }
            return 0
        }
        var at = text.count + Int(max(start, Int64(-text.count) - 1))
        while at >= 0 {
            if matches(at) {
                left -= 1
                if left == 0 { return Int64(at) + 1 }
            }
            at -= 1
        }
        return 0
    }

    /// `a.b.c.d` as a number; with fewer parts the last fills the rest, as in MySQL and BSD. Nil for other text.
    static func address(_ text: String) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 4 else { return nil }
        var result: Int64 = 0
        for (index, part) in parts.enumerated() {
            guard part.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let number = Int64(part) else { return nil }
            let isLast = index + 1 == parts.count
            let bits = isLast ? Int64(8 * (5 - parts.count)) : 8
            guard number < 1 << bits else { return nil }
            result = result << bits | number
        }
        return result
    }
}

/// The character sets of ENCODE and DECODE.
enum CharacterSet {
    case ascii, latin1, utf8, utf16, utf16BE, utf16LE

    /// By Java's names, in any case.
    init?(_ name: String) {
        switch name.uppercased() {
        case "US-ASCII", "ASCII": self = .ascii
        case "ISO-8859-1", "ISO8859_1", "LATIN1": self = .latin1
        case "UTF-8", "UTF8": self = .utf8
        case "UTF-16", "UTF16": self = .utf16
        case "UTF-16BE": self = .utf16BE
        case "UTF-16LE": self = .utf16LE
        default: return nil
        }
    }

    /// What the set does not have becomes `?`.
    func encode(_ text: String) -> [UInt8] {
        switch self {
        case .utf8: Array(text.utf8)
        case .ascii: text.unicodeScalars.map { $0.value < 0x80 ? UInt8($0.value) : 0x3F }
        case .latin1: text.unicodeScalars.map { $0.value < 0x100 ? UInt8($0.value) : 0x3F }
        case .utf16: (text.isEmpty ? [] : [0xFE, 0xFF]) + CharacterSet.utf16BE.encode(text)
        case .utf16BE: text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
        case .utf16LE: text.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        }
    }

    /// What is not in the set becomes U+FFFD.
    func decode(_ bytes: [UInt8]) -> String {
        switch self {
        case .utf8: return String(decoding: bytes, as: UTF8.self)
        case .ascii: return String(String.UnicodeScalarView(bytes.map { $0 < 0x80 ? Unicode.Scalar($0) : "\u{FFFD}" }))
        case .latin1: return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        case .utf16 where bytes.starts(with: [0xFF, 0xFE]):
            return CharacterSet.utf16LE.decode(Array(bytes.dropFirst(2)))
        case .utf16 where bytes.starts(with: [0xFE, 0xFF]):
            return CharacterSet.utf16BE.decode(Array(bytes.dropFirst(2)))
        case .utf16, .utf16BE, .utf16LE:
            let (high, low) = self == .utf16LE ? (1, 0) : (0, 1)
            var units = stride(from: 0, to: bytes.count - 1, by: 2).map {
                UInt16(bytes[$0 + high]) << 8 | UInt16(bytes[$0 + low])
            }
            if bytes.count % 2 == 1 { units.append(0xFFFD) }
            return String(decoding: units, as: UTF16.self)
        }
    }
}
