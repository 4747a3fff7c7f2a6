import MillraceCore

/// `String.format` of Java, as far as the values of SQL go: `%d %o %x %e %f %g %s %S %c %b %h %n %%` with their flags.
///
/// Format from the documentation of `java.util.Formatter`.
enum JavaFormat {
    private struct Directive {
        var index: Int?
        var flags: Set<UInt8> = []
        var width: Int?
        var precision: Int?
        var conversion: UInt8 = 0
    }

    /// Nil when the format is malformed, asks for more arguments than there are, or for another type.
    static func text(_ format: String, _ arguments: [Value], types: [DataType]) -> String? {
        let bytes = Array(format.utf8)
        var result: [UInt8] = []
        var at = 0
        var next = 0
        var last = -1
        while at < bytes.count {
            guard bytes[at] == 0x25 else {
                result.append(bytes[at])
                at += 1
                continue
            }
            at += 1
            guard let directive = parse(bytes, &at) else { return nil }
            if directive.conversion == 0x6E {
                result.append(0x0A)
                continue
            }
            if directive.conversion == 0x25 {
                result += Array(padded("%", directive).utf8)
                continue
            }
            var place = next
            if directive.flags.contains(0x3C) {
                place = last
            } else if let index = directive.index {
                place = index - 1
            } else {
                next += 1
            }
            guard place >= 0, place < arguments.count else { return nil }
            last = place
            guard let text = convert(arguments[place], types[place], directive) else { return nil }
            result += Array(text.utf8)
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func parse(_ bytes: [UInt8], _ at: inout Int) -> Directive? {
        var directive = Directive()
        func number() -> Int? {
            var value: Int?
            while at < bytes.count, bytes[at] &- 0x30 < 10, (value ?? 0) < 1_000_000 {
                value = (value ?? 0) * 10 + Int(bytes[at] - 0x30)
                at += 1
            }
            return value
        }
        let start = at
        if at < bytes.count, bytes[at] != 0x30, let index = number() {
            if at < bytes.count, bytes[at] == 0x24 {
                directive.index = index
                at += 1
            } else {
                at = start
            }
        }
        while at < bytes.count, "-#+ 0,(<".utf8.contains(bytes[at]) {
            guard directive.flags.insert(bytes[at]).inserted else { return nil }
            at += 1
        }
        directive.width = number()
        if at < bytes.count, bytes[at] == 0x2E {
            at += 1
            guard let precision = number() else { return nil }
            directive.precision = precision
        }
        guard at < bytes.count else { return nil }
        directive.conversion = bytes[at]
        at += 1
        return directive
    }

    private static func padded(_ text: String, _ directive: Directive) -> String {
        let missing = (directive.width ?? 0) - text.unicodeScalars.count
        guard missing > 0 else { return text }
        let blanks = String(repeating: " ", count: missing)
        return directive.flags.contains(0x2D) ? text + blanks : blanks + text
    }

    private static func convert(_ value: Value, _ type: DataType, _ directive: Directive) -> String? {
        let lower = directive.conversion | 0x20
        let isUpper = directive.conversion & 0x20 == 0
        func finish(_ text: String) -> String { padded(isUpper ? text.uppercased() : text, directive) }
        func cut(_ text: String) -> String {
            guard let precision = directive.precision else { return text }
            return String(String.UnicodeScalarView(text.unicodeScalars.prefix(precision)))
        }
        if lower == 0x62 {  // b
            if type == .boolean, case .integer(let flag) = value { return finish(cut(flag != 0 ? "true" : "false")) }
            return finish(cut(value == .null ? "false" : "true"))
        }
        if value == .null { return finish(cut("null")) }
        switch lower {
        case 0x73: return finish(cut(plain(value, type)))  // s
        case 0x68:  // h
            guard case .integer(let number) = value else { return nil }
            let hash =
                type == .bigInt ? Int32(truncatingIfNeeded: number ^ (number >> 32)) : Int32(truncatingIfNeeded: number)
            return finish(cut(String(UInt32(bitPattern: hash), radix: 16)))
        case 0x63:  // c
            guard type.isInteger, type != .bigInt, case .integer(let code) = value, code >= 0,
                let scalar = Unicode.Scalar(UInt32(truncatingIfNeeded: code))
            else { return nil }
            return finish(String(Character(scalar)))
        case 0x64, 0x6F, 0x78:  // d o x
            guard type.isInteger, case .integer(let number) = value, directive.precision == nil else { return nil }
            if lower == 0x64 { return isUpper ? nil : signed(String(number.magnitude), number < 0, directive) }
            let width = type == .tinyInt ? 8 : type == .smallInt ? 16 : type == .integer ? 32 : 64
            let bits = width == 64 ? UInt64(bitPattern: number) : UInt64(bitPattern: number) & (1 << UInt64(width) - 1)
            var digits = String(bits, radix: lower == 0x6F ? 8 : 16)
            if directive.flags.contains(0x23) { digits = (lower == 0x6F ? "0" : "0x") + digits }
            if directive.flags.contains(0x30), let width = directive.width, digits.utf8.count < width {
                digits = String(repeating: "0", count: width - digits.utf8.count) + digits
            }
            return finish(digits)
        case 0x65, 0x66, 0x67:  // e f g
            guard case .double(let number) = value else { return nil }
            if isUpper && lower == 0x66 { return nil }
            if !number.isFinite {
                let text = number.isNaN ? "NaN" : "Infinity"
                var plain = directive
                plain.flags.remove(0x30)
                return signed(text, number < 0, plain)
            }
            let text = digits(number.magnitude, lower, directive.precision ?? 6)
            return signed(isUpper ? text.uppercased() : text, number.sign == .minus, directive)
        default: return nil
        }
    }

    /// With sign, groups of thousands and zeros as the flags ask.
    private static func signed(_ magnitude: String, _ isNegative: Bool, _ directive: Directive) -> String {
        var digits = magnitude
        if directive.flags.contains(0x2C) {
            let whole = digits.prefix { $0 != "." }
            var grouped = ""
            for (index, digit) in whole.enumerated() {
                if index > 0, (whole.count - index) % 3 == 0 { grouped += "," }
                grouped.append(digit)
            }
            digits = grouped + digits.dropFirst(whole.count)
        }
        let inParentheses = isNegative && directive.flags.contains(0x28)
        let sign =
            isNegative
            ? (inParentheses ? "(" : "-")
            : directive.flags.contains(0x2B) ? "+" : directive.flags.contains(0x20) ? " " : ""
        let close = inParentheses ? ")" : ""
        if directive.flags.contains(0x30), let width = directive.width {
            let missing = width - digits.count - sign.count - close.count
            if missing > 0 { digits = String(repeating: "0", count: missing) + digits }
        }
        return padded(sign + digits + close, directive)
    }

    /// Rounded half up on the shortest decimal digits of the number, as Java does.
    private static func digits(_ value: Double, _ conversion: UInt8, _ precision: Int) -> String {
        if conversion == 0x67 {
            let rounded = value == 0 ? 0 : value
            let wanted = max(precision, 1)
            if rounded != 0, rounded < 1e-4 || rounded >= power(wanted) {
                return digits(value, 0x65, wanted - 1)
            }
            var exponent = 0
            var scaled = rounded
            while scaled >= 10 {
                scaled /= 10
                exponent += 1
            }
            while scaled != 0, scaled < 1 {
                scaled *= 10
                exponent -= 1
            }
            return digits(value, 0x66, max(0, wanted - 1 - exponent))
        }
        var (mantissa, exponent) = shortest(value)
        // The value is 0.mantissa × 10^exponent.
        let kept = conversion == 0x65 ? precision + 1 : exponent + precision
        if kept < mantissa.count {
            let roundsUp = kept >= 0 && mantissa[kept] >= 5
            mantissa = Array(mantissa.prefix(max(kept, 0)))
            if roundsUp {
                var at = mantissa.count - 1
                while at >= 0, mantissa[at] == 9 {
                    mantissa[at] = 0
                    at -= 1
                }
                if at >= 0 {
                    mantissa[at] += 1
                } else {
                    mantissa.insert(1, at: 0)
                    exponent += 1
                }
            }
        }
        func digit(_ index: Int) -> String { index >= 0 && index < mantissa.count ? String(mantissa[index]) : "0" }
        if conversion == 0x65 {
            let power = value == 0 ? 0 : exponent - 1
            let tail = precision > 0 ? "." + (1...precision).map(digit).joined() : ""
            return digit(0) + tail + (power < 0 ? "e-" : "e+") + (abs(power) < 10 ? "0" : "") + String(abs(power))
        }
        let whole = exponent > 0 ? (0..<exponent).map(digit).joined() : "0"
        guard precision > 0 else { return whole }
        return whole + "." + (0..<precision).map { digit(exponent + $0) }.joined()
    }

    private static func power(_ exponent: Int) -> Double {
        var result = 1.0
        for _ in 0..<exponent { result *= 10 }
        return result
    }

    /// Digits and exponent of the shortest text that reads back as `value`.
    private static func shortest(_ value: Double) -> (digits: [Int], exponent: Int) {
        guard value != 0 else { return ([0], 1) }
        var digits: [Int] = []
        var point: Int?
        var exponent = 0
        let text = value.description
        let parts = text.split(separator: "e")
        for character in parts[0].utf8 {
            if character == 0x2E { point = digits.count } else { digits.append(Int(character - 0x30)) }
        }
        if parts.count > 1 { exponent = Int(parts[1]) ?? 0 }
        exponent += point ?? digits.count
        while digits.count > 1, digits[0] == 0 {
            digits.removeFirst()
            exponent -= 1
        }
        return (digits, exponent)
    }

    /// `%s` of a value.
    private static func plain(_ value: Value, _ type: DataType) -> String {
        switch value {
        case .string(let text): text
        case .integer(let flag) where type == .boolean: flag != 0 ? "true" : "false"
        default: NestedKernels.text(value, type)
        }
    }
}
