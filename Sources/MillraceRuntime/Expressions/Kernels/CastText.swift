import MillraceCore

/// Text as CAST reads it: more lenient than the strict forms of `TimeText` and `NumberText`.
enum CastText {
    static func trimmed(_ text: ByteRef) -> ByteRef {
        var from = 0
        var to = text.count
        while from < to, text.start[from] <= 0x20 { from += 1 }
        while to > from, text.start[to - 1] <= 0x20 { to -= 1 }
        return ByteRef(start: text.start + from, count: to - from)
    }

    /// TRUE for true, t, yes, y, 1; FALSE for their opposites; any case.
    static func boolean(_ text: ByteRef) -> Int64? {
        let text = trimmed(text)
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
        mutating func time() -> Int64? {
            guard let hour = number(2), hour < 24 else { return nil }
            var minute: Int64 = 0
            var second: Int64 = 0
            var fraction: Int64 = 0
            if skip(0x3A) {
                guard let value = number(2), value < 60 else { return nil }
                minute = value
                if skip(0x3A) {
                    guard let value = number(2), value < 60 else { return nil }
                    second = value
                    if skip(0x2E) {
                        var unit: Int64 = 100_000
                        let first = at
                        while at < text.count, text.start[at] &- 0x30 < 10 {
                            fraction += Int64(text.start[at] &- 0x30) * unit
                            unit /= 10
                            at += 1
                        }
                        guard at > first else { return nil }
                    }
                }
            }
            return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
        }
    }

    /// `yyyy[-M[-d]]`; a time behind it is ignored.
    static func date(_ text: ByteRef) -> Int64? {
        var cursor = Cursor(trimmed(text))
        guard let days = cursor.date() else { return nil }
        if cursor.isAtEnd { return days }
        guard cursor.skip(0x20), cursor.time() != nil, cursor.isAtEnd else { return nil }
        return days
    }

    static func time(_ text: ByteRef) -> Int64? {
        var cursor = Cursor(trimmed(text))
        guard let time = cursor.time(), cursor.isAtEnd else { return nil }
        return time
    }

    /// `yyyy-M-d[ H:m[:s[.f]]]`, not the `T` form; with `allowsZone` also a `Z` behind it.
    static func timestamp(_ text: ByteRef, allowsZone: Bool) -> Int64? {
        var cursor = Cursor(trimmed(text))
        guard let days = cursor.date() else { return nil }
        var result = days * CivilTime.dayMicroseconds
        if cursor.isAtEnd { return result }
        guard cursor.skip(0x20), let time = cursor.time() else { return nil }
        result += time
        if allowsZone { _ = cursor.skip(0x5A) }
        return cursor.isAtEnd ? result : nil
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
