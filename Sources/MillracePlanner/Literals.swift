import MillraceCore
import MillraceSQL

extension ByteRef {
    /// The text's UTF-8 bytes, for the length of the call.
    static func with<Result>(_ text: String, _ body: (ByteRef) -> Result) -> Result {
        var copy = text
        return copy.withUTF8 { buffer in
            guard let start = buffer.baseAddress else { return body(.empty) }
            return body(ByteRef(start: start, count: buffer.count))
        }
    }
}

/// Text of DATE, TIME and TIMESTAMP literals, and of text compared with a time.
enum TemporalLiteral {
    /// The hint of a text that cannot be read as `type`.
    static func example(_ type: DataType) -> String {
        let form =
            switch type {
            case .date: "2024-01-31"
            case .time: "12:30:00"
            default: "2024-01-31 12:30:00"
            }
        return "Write it as '\(form)'."
    }

    static func parse(_ value: Value, as type: DataType) -> Value? {
        guard case .string(let written) = value else { return nil }
        let text = padded(written)
        let number: Int64? = ByteRef.with(text) { bytes in
            switch type {
            case .date:
                TimeText.parseDate(bytes)
                    ?? TimeText.parseTimestamp(bytes, separator: .blank, zone: .none).map {
                        CivilTime.floorDivide($0, CivilTime.dayMicroseconds)
                    }
            case .time: TimeText.parseTime(bytes)
            case .timestamp:
                TimeText.parseTimestamp(bytes, separator: .blank, zone: .none)
                    ?? TimeText.parseDate(bytes).map { $0 * 86_400_000_000 }
            case .timestampLTZ:
                TimeText.parseTimestamp(bytes, separator: .either, zone: .offset)
                    ?? TimeText.parseTimestamp(bytes, separator: .blank, zone: .none)
                    ?? TimeText.parseDate(bytes).map { $0 * 86_400_000_000 }
            default: nil
            }
        }
        return number.map { .integer($0) }
    }

    /// `2024-1-9 1:2:3` with two digits for each part; other text as it is.
    private static func padded(_ text: String) -> String {
        var result = ""
        var digits = ""
        func flush() -> String { digits.count == 1 ? "0" + digits : digits }
        var isFraction = false
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
                continue
            }
            result += (isFraction ? digits : flush()) + String(character)
            digits = ""
            isFraction = character == "."
        }
        return result + (isFraction ? digits : flush())
    }

    /// Fraction digits written, which are the literal's precision.
    static func precision(of text: String) -> Int {
        guard let point = text.lastIndex(of: ".") else { return 0 }
        return min(9, text[text.index(after: point)...].prefix { $0.isNumber }.count)
    }
}

/// Interval literals: Flink's `INTERVAL '5' SECOND`, `INTERVAL '1 02:03' DAY TO MINUTE`, and Dataflow's `"INTERVAL 5 SECOND"`.
enum IntervalLiteral {
    static let microseconds: [IntervalUnit: Int64] = [
        .week: 604_800_000_000, .day: 86_400_000_000, .hour: 3_600_000_000, .minute: 60_000_000, .second: 1_000_000,
        .millisecond: 1_000,
    ]
    static let months: [IntervalUnit: Int64] = [.year: 12, .quarter: 3, .month: 1]

    /// Value and type (months or microseconds); nil for text that is no interval.
    static func parse(text: String, from: IntervalUnit?, to: IntervalUnit?, isNegative: Bool) -> (Int64, DataType)? {
        var body = text.drop { $0 == " " }
        while body.last == " " { body.removeLast() }
        var negative = isNegative
        if let sign = body.first, sign == "-" || sign == "+" {
            if sign == "-" { negative.toggle() }
            body = body.dropFirst().drop { $0 == " " }
        }
        var result: (Int64, DataType)?
        if let from, to == nil || to == from {
            result = single(body, from)
        } else if let from, let to {
            result = compound(body, from, to)
        } else {
            // The unit is in the text: `1 minute`.
            let parts = body.split(separator: " ")
            guard parts.count == 2, let unit = unit(parts[1]) else { return nil }
            result = single(parts[0], unit)
        }
        guard let (value, type) = result else { return nil }
        return (negative ? -value : value, type)
    }

    /// `"INTERVAL 5 SECOND"` of Dataflow.
    static func dataflow(_ text: String) -> (Int64, DataType)? {
        let parts = text.split(separator: " ")
        guard parts.count == 3, parts[0].uppercased() == "INTERVAL", let unit = unit(parts[2]) else { return nil }
        return parse(text: String(parts[1]), from: unit, to: nil, isNegative: false)
    }

    private static func unit(_ text: Substring) -> IntervalUnit? {
        let upper = text.uppercased()
        return IntervalUnit(rawValue: upper)
            ?? (upper.last == "S" ? IntervalUnit(rawValue: String(upper.dropLast())) : nil)
    }

    private static func single(_ text: Substring, _ unit: IntervalUnit) -> (Int64, DataType)? {
        if let factor = months[unit] {
            guard let number = whole(text) else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: factor)
            return overflow ? nil : (product, .intervalYearMonth)
        }
        guard let factor = microseconds[unit] else { return nil }
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let number = whole(parts[0]) else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        if overflow { return nil }
        guard parts.count == 2 else { return (product, .intervalDayTime) }
        guard unit == .second || unit == .millisecond, parts[1].count <= 9, let digits = whole(parts[1]) else {
            return nil
        }
        var scale: Int64 = 1
        for _ in 0..<parts[1].count { scale *= 10 }
        // Flink's intervals count milliseconds.
        return (product + digits * factor / scale / 1000 * 1000, .intervalDayTime)
    }

    private static func whole(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int64(text)
    }

    private static func compound(_ text: Substring, _ from: IntervalUnit, _ to: IntervalUnit) -> (Int64, DataType)? {
        if from == .year, to == .month {
            let parts = text.split(separator: "-")
            guard parts.count == 2, let years = whole(parts[0]), let months = whole(parts[1]), months < 12 else {
                return nil
            }
            return (years * 12 + months, .intervalYearMonth)
        }
        let units: [IntervalUnit] = [.day, .hour, .minute, .second]
        guard let first = units.firstIndex(of: from), let last = units.firstIndex(of: to), first < last else {
            return nil
        }
        let parts = text.split(whereSeparator: { $0 == " " || $0 == ":" })
        guard parts.count == last - first + 1 else { return nil }
        var sum: Int64 = 0
        for (unit, part) in zip(units[first...last], parts) {
            guard let (value, _) = single(part, unit) else { return nil }
            let (next, overflow) = sum.addingReportingOverflow(value)
            if overflow { return nil }
            sum = next
        }
        return (sum, .intervalDayTime)
    }
}

/// Number literals: `12` INT or BIGINT or DECIMAL, `2.5` DECIMAL(2, 1), `1e3` DOUBLE.
enum NumberLiteral {
    static func parse(_ text: String, isNegative: Bool = false) -> (Value, DataType)? {
        if text.contains(where: { $0 == "e" || $0 == "E" }) {
            guard let value = ByteRef.with(text, { NumberText.parseDouble($0) }) else { return nil }
            return (.double(isNegative ? -value : value), .double)
        }
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        let digits = String(parts[0]) + fraction
        guard digits.count <= 39, var unscaled = Int128(digits) else { return nil }
        if isNegative { unscaled = -unscaled }
        if fraction.isEmpty {
            if let small = Int32(exactly: unscaled) { return (.integer(Int64(small)), .integer) }
            if let large = Int64(exactly: unscaled) { return (.integer(large), .bigInt) }
        }
        let precision = max(digits.count, 1)
        guard precision <= 38 else { return nil }
        return (.decimal(unscaled), .decimal(precision: precision, scale: fraction.count))
    }
}
