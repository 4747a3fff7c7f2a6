import MillraceCore

/// Text as CAST reads it: more lenient than the strict forms of `TimeText` and `NumberText`.
enum CastText {
    /// Bytes as text: what is no UTF-8 becomes U+FFFD, as `new String(bytes, UTF_8)` does it.
    static func repaired(_ bytes: ByteRef, _ arena: BatchArena) -> ByteRef {
        let buffer = bytes.buffer
        if buffer.allSatisfy({ $0 < 0x80 }) || String(validating: buffer, as: UTF8.self) != nil { return bytes }
        return arena.copy(String(decoding: buffer, as: UTF8.self))
    }

    static func trimmed(_ text: ByteRef) -> ByteRef {
        var from = 0
        var to = text.count
        while from < to, text.start[from] <= 0x20 { from += 1 }
        while to > from, text.start[to - 1] <= 0x20 { to -= 1 }
        return ByteRef(start: text.start + from, count: to - from)
    }

    /// TRUE for true, t, yes, y, 1; FALSE for their opposites; any case.
    static func boolean(_ text: ByteRef) -> Int64? {
        func equals(_ word: StaticString) -> Bool {
            guard text.count == word.utf8CodeUnitCount else { return false }
            for i in 0..<text.count where text.start[i] | 0x20 != word.utf8Start[i] | 0x20 { return false }
            return true
        }
        if equals("true") || equals("t") || equals("yes") || equals("y") || equals("1") { return 1 }
        if equals("false") || equals("f") || equals("no") || equals("n") || equals("0") { return 0 }
        return nil
    }

    /// Blanks around are ignored and a fraction is cut; no exponent.
    static func integer(_ text: ByteRef) -> Int64? {
        let text = trimmed(text)
        var point = 0
        while point < text.count, text.start[point] != 0x2E { point += 1 }
        if point < text.count {
            for i in point + 1..<max(point + 1, text.count) where text.start[i] &- 0x30 > 9 { return nil }
        }
        // `.5` is 0.
        if point == 0, text.count > 1 { return 0 }
        return NumberText.parseInteger(ByteRef(start: text.start, count: point))
    }

    /// Reads unsigned numbers and separators.
    private struct Cursor {
        let text: ByteRef
        var at = 0
        init(_ text: ByteRef) { self.text = text }
        var isAtEnd: Bool { at >= text.count }
        mutating func skip(_ byte: UInt8) -> Bool {
            guard at < text.count, text.start[at] == byte else { return false }
            at += 1
            return true
        }
        mutating func number(_ most: Int) -> Int64? {
            var value: Int64 = 0
            let first = at
            while at < text.count, text.start[at] &- 0x30 < 10, at - first < most {
                value = value * 10 + Int64(text.start[at] &- 0x30)
                at += 1
            }
            return at > first ? value : nil
        }
        /// Exactly four digits.
        mutating func year() -> Int64? {
            let first = at
            guard let year = number(4), at - first == 4 else { return nil }
            return year
        }
        /// `.f…` as microseconds; 0 when none follows, nil for a point alone.
        mutating func fraction() -> Int64? {
            guard skip(0x2E) else { return 0 }
            var fraction: Int64 = 0
            var unit: Int64 = 100_000
            let first = at
            while at < text.count, text.start[at] &- 0x30 < 10 {
                fraction += Int64(text.start[at] &- 0x30) * unit
                unit /= 10
                at += 1
            }
            return at > first ? fraction : nil
        }
        /// Year, or year and month, or all three.
        mutating func date() -> Int64? {
            guard let year = number(4) else { return nil }
            var month: Int64 = 1
            var day: Int64 = 1
            if skip(0x2D) {
                guard let value = number(2) else { return nil }
                month = value
                if skip(0x2D) {
                    guard let value = number(2) else { return nil }
                    day = value
                }
            }
            guard month >= 1, month <= 12, day >= 1, day <= CivilTime.daysInMonth(year: year, month: month) else {
                return nil
            }
            return CivilTime.days(year: year, month: month, day: day)
        }
        mutating func time(minimumParts: Int = 1) -> Int64? {
            guard let hour = number(2), hour < 24 else { return nil }
            var minute: Int64 = 0
            var second: Int64 = 0
            var fraction: Int64 = 0
            var parts = 1
            if skip(0x3A) {
                guard let value = number(2), value < 60 else { return nil }
                minute = value
                parts = 2
                if skip(0x3A) {
                    guard let value = number(2), value < 60, let rest = self.fraction() else { return nil }
                    second = value
                    fraction = rest
                    parts = 3
                }
            }
            guard parts >= minimumParts else { return nil }
            return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
        }
    }

    /// `yyyy[-M[-d]]`; what follows a blank is ignored.
    static func date(_ text: ByteRef) -> Int64? {
        var cursor = Cursor(trimmed(text))
        guard let days = cursor.date(), cursor.isAtEnd || cursor.skip(0x20) else { return nil }
        return days
    }

    static func time(_ text: ByteRef) -> Int64? {
        var cursor = Cursor(trimmed(text))
        guard let time = cursor.time(), cursor.isAtEnd else { return nil }
        return time
    }

    /// `yyyy-M-d[ H:m:s[.f…]]`, not the `T` form and nothing around it.
    ///
    /// As `java.time` resolves it: day 29 ... 31 of a shorter month is its last day, and 24:00:00 the next day's midnight.
    static func timestamp(_ text: ByteRef) -> Int64? {
        var cursor = Cursor(text)
        guard let year = cursor.year(), year > 0, cursor.skip(0x2D), let month = cursor.number(2), month >= 1,
            month <= 12, cursor.skip(0x2D), let day = cursor.number(2), day >= 1, day <= 31
        else { return nil }
        let days = CivilTime.days(
            year: year, month: month, day: min(day, CivilTime.daysInMonth(year: year, month: month)))
        let midnight = days * CivilTime.dayMicroseconds
        if cursor.isAtEnd { return midnight }
        guard cursor.skip(0x20) else { return nil }
        let start = cursor.at
        guard let time = cursor.time(minimumParts: 3) else {
            return text.count == start + 8 && CodePoints.slice(text, start, text.count).equals(constant("24:00:00"))
                ? midnight + CivilTime.dayMicroseconds : nil
        }
        return cursor.isAtEnd ? midnight + time : nil
    }

    /// As `java.sql.Timestamp.valueOf` and `Date.valueOf` read text around which blanks may stand: days and hours run over.
    static func overflowingTimestamp(_ text: ByteRef) -> Int64? {
        var cursor = Cursor(trimmed(text))
        guard let year = cursor.year(), cursor.skip(0x2D), let month = cursor.number(2), month >= 1, month <= 12,
            cursor.skip(0x2D), let day = cursor.number(2), day >= 1, day <= 31
        else { return nil }
        let midnight = CivilTime.days(year: year, month: month, day: day) * CivilTime.dayMicroseconds
        if cursor.isAtEnd { return midnight }
        guard cursor.skip(0x20), let hour = cursor.number(2), cursor.skip(0x3A), let minute = cursor.number(2),
            cursor.skip(0x3A), let second = cursor.number(2), let fraction = cursor.fraction(), cursor.isAtEnd
        else { return nil }
        return midnight + ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    }

    /// `+1-02`
    static func appendMonths(_ months: Int64, to buffer: ByteBuffer) {
        buffer.append(months < 0 ? 0x2D : 0x2B)
        NumberText.appendInteger(abs(months) / 12, to: buffer)
        buffer.append(0x2D)
        if abs(months) % 12 < 10 { buffer.append(0x30) }
        NumberText.appendInteger(abs(months) % 12, to: buffer)
    }

    /// `+1 02:03:04.567`
    static func appendDayTime(_ microseconds: Int64, to buffer: ByteBuffer) {
        buffer.append(microseconds < 0 ? 0x2D : 0x2B)
        let value = abs(max(microseconds, -Int64.max))
        NumberText.appendInteger(value / CivilTime.dayMicroseconds, to: buffer)
        buffer.append(0x20)
        TimeText.appendTime(value % CivilTime.dayMicroseconds, fraction: .exactly(3), to: buffer)
    }
}
