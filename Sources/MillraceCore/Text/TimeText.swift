/// Dates and times as text, without allocation.
public enum TimeText {
    /// What stands between date and time.
    public enum Separator: Sendable { case blank, t, either }
    /// What stands behind the time: nothing, `Z`, or `Z` or an offset such as `+09:00`.
    public enum Zone: Sendable { case none, z, offset }
    /// How many fraction digits are printed: a fixed number (0 ... 6), or as many as are not trailing zeros.
    public enum Fraction: Sendable { case exactly(Int), trimmed }

    // MARK: Reading

    /// `yyyy-MM-dd HH:mm:ss[.f…]` as microseconds since 1970-01-01 00:00:00; with a zone, UTC.
    ///
    /// Strict: two digits for each part, four for the year, nothing before or behind. Digits past the sixth are cut.
    /// Nil for other text and for days that do not exist. Without `requiresSeconds`, `HH:mm` is enough.
    public static func parseTimestamp(
        _ text: ByteRef, separator: Separator, zone: Zone, requiresSeconds: Bool = true
    ) -> Int64? {
        var cursor = Cursor(text)
        guard let days = cursor.date(), let mark = cursor.next() else { return nil }
        switch separator {
        case .blank: guard mark == 0x20 else { return nil }
        case .t: guard mark == 0x54 else { return nil }
        case .either: guard mark == 0x20 || mark == 0x54 else { return nil }
        }
        guard let time = cursor.time(requiresSeconds: requiresSeconds) else { return nil }
        var result = days &* CivilTime.dayMicroseconds &+ time
        switch zone {
        case .none: break
        case .z: guard cursor.next() == 0x5A else { return nil }
        case .offset:
            guard let offset = cursor.offset() else { return nil }
            result &-= offset
        }
        return cursor.isAtEnd ? result : nil
    }

    /// `yyyy-MM-dd` as days since 1970-01-01; strict.
    public static func parseDate(_ text: ByteRef) -> Int64? {
        var cursor = Cursor(text)
        guard let days = cursor.date(), cursor.isAtEnd else { return nil }
        return days
    }

    /// `HH:mm:ss[.f…]` as microseconds of the day; strict.
    public static func parseTime(_ text: ByteRef) -> Int64? {
        var cursor = Cursor(text)
        guard let time = cursor.time(requiresSeconds: true), cursor.isAtEnd else { return nil }
        return time
    }

    private struct Cursor {
        let start: UnsafePointer<UInt8>
        let end: Int
        var at = 0

        init(_ text: ByteRef) {
            start = text.start
            end = text.count
        }

        var isAtEnd: Bool { at == end }

        mutating func next() -> UInt8? {
            guard at < end else { return nil }
            at += 1
            return start[at - 1]
        }

        mutating func digits(_ count: Int) -> Int64? {
            guard at + count <= end else { return nil }
            var value: Int64 = 0
            for i in at..<at + count {
                let digit = start[i] &- 0x30
                guard digit < 10 else { return nil }
                value = value * 10 + Int64(digit)
            }
            at += count
            return value
        }

        mutating func skip(_ byte: UInt8) -> Bool {
            guard at < end, start[at] == byte else { return false }
            at += 1
            return true
        }

        mutating func date() -> Int64? {
            guard let year = digits(4), skip(0x2D), let month = digits(2), skip(0x2D), let day = digits(2),
                month >= 1, month <= 12, day >= 1,
                day <= 28 || day <= CivilTime.daysInMonth(year: year, month: month)
            else { return nil }
            return CivilTime.days(year: year, month: month, day: day)
        }

        mutating func time(requiresSeconds: Bool) -> Int64? {
            guard let hour = digits(2), hour < 24, skip(0x3A), let minute = digits(2), minute < 60 else { return nil }
            var result = (hour * 60 + minute) * 60
            guard skip(0x3A) else { return requiresSeconds ? nil : result * 1_000_000 }
            guard let second = digits(2), second < 60 else { return nil }
            result = (result + second) * 1_000_000
            guard skip(0x2E) else { return result }
            var unit: Int64 = 100_000
            let first = at
            while at < end, start[at] &- 0x30 < 10 {
                result += Int64(start[at] &- 0x30) * unit
                unit /= 10
                at += 1
            }
            return at > first ? result : nil
        }

        mutating func offset() -> Int64? {
            guard let sign = next() else { return nil }
            if sign == 0x5A { return 0 }
            guard sign == 0x2B || sign == 0x2D, let hours = digits(2), hours <= 18 else { return nil }
            _ = skip(0x3A)
            guard let minutes = digits(2), minutes < 60 else { return nil }
            let value = (hours * 60 + minutes) * 60_000_000
            return sign == 0x2B ? value : -value
        }
    }

    // MARK: Writing

    /// `yyyy-MM-dd`, the separator, `HH:mm:ss`, the fraction and the suffix.
    public static func appendTimestamp(
        _ microseconds: Int64, separator: UInt8, fraction: Fraction, suffix: StaticString = "", to buffer: ByteBuffer
    ) {
        let (days, time) = CivilTime.split(microseconds)
        appendDate(days, to: buffer)
        buffer.append(separator)
        appendTime(time, fraction: fraction, to: buffer)
        if suffix.utf8CodeUnitCount > 0 { buffer.append(suffix) }
    }

    /// `yyyy-MM-dd`; years past 9999 take more digits, years before 0 a minus sign.
    public static func appendDate(_ days: Int64, to buffer: ByteBuffer) {
        let (year, month, day) = CivilTime.date(fromDays: days)
        let out = buffer.reserve(32)
        var at = 0
        if year >= 0 && year <= 9999 {
            pair(out, UInt8(truncatingIfNeeded: year / 100))
            pair(out + 2, UInt8(truncatingIfNeeded: year % 100))
            at = 4
        } else {
            if year < 0 { out[0] = 0x2D }
            at = year < 0 ? 1 : 0
            var magnitude = year.magnitude
            var width = 4
            var bound: UInt64 = 10_000
            while magnitude >= bound && width < 18 {
                width += 1
                bound *= 10
            }
            for i in stride(from: at + width - 1, through: at, by: -1) {
                out[i] = 0x30 + UInt8(magnitude % 10)
                magnitude /= 10
            }
            at += width
        }
        out[at] = 0x2D
        pair(out + at + 1, UInt8(truncatingIfNeeded: month))
        out[at + 3] = 0x2D
        pair(out + at + 4, UInt8(truncatingIfNeeded: day))
        buffer.commit(at + 6)
    }

    /// `HH:mm:ss` and the fraction, of microseconds of a day.
    public static func appendTime(_ microseconds: Int64, fraction: Fraction, to buffer: ByteBuffer) {
        let seconds = microseconds / 1_000_000
        let out = buffer.reserve(16)
        pair(out, UInt8(truncatingIfNeeded: seconds / 3600))
        out[2] = 0x3A
        pair(out + 3, UInt8(truncatingIfNeeded: seconds / 60 % 60))
        out[5] = 0x3A
        pair(out + 6, UInt8(truncatingIfNeeded: seconds % 60))
        var rest = microseconds % 1_000_000
        var digits = 0
        switch fraction {
        case .exactly(let count): digits = min(max(count, 0), 6)
        case .trimmed:
            if rest != 0 {
                digits = 6
                var tail = rest
                while tail % 10 == 0 {
                    tail /= 10
                    digits -= 1
                }
            }
        }
        guard digits > 0 else { return buffer.commit(8) }
        out[8] = 0x2E
        var unit: Int64 = 100_000
        for i in 0..<digits {
            out[9 + i] = 0x30 + UInt8(truncatingIfNeeded: rest / unit)
            rest %= unit
            unit /= 10
        }
        buffer.commit(9 + digits)
    }

    @inline(__always)
    private static func pair(_ out: UnsafeMutablePointer<UInt8>, _ value: UInt8) {
        out[0] = 0x30 &+ value / 10
        out[1] = 0x30 &+ value % 10
    }
}
