/// A TZif file (RFC 8536): its transitions, continued by the footer's rule.
struct ZoneFile {
    private(set) var transitions: [Int64] = []
    private(set) var offsets: [Int64] = []

    /// Nil for bytes that are no TZif file.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 44, bytes.starts(with: Array("TZif".utf8)) else { return nil }
        func number(_ at: Int, _ size: Int) -> Int64 {
            var value: Int64 = bytes[at] & 0x80 == 0 ? 0 : -1
            for i in at..<at + size { value = value << 8 | Int64(bytes[i]) }
            return value
        }
        /// isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt
        func counts(_ header: Int) -> [Int] { (0..<6).map { Int(number(header + 20 + $0 * 4, 4)) } }
        func length(_ c: [Int], _ timeSize: Int) -> Int {
            c[3] * (timeSize + 1) + c[4] * 6 + c[5] + c[2] * (timeSize + 4) + c[1] + c[0]
        }
        var header = 0
        var timeSize = 4
        if bytes[4] >= 0x32 {
            // Version 2 and above repeat everything with 64 bits.
            let first = counts(0)
            guard first.allSatisfy({ $0 >= 0 && $0 < 1 << 20 }) else { return nil }
            header = 44 + length(first, 4)
            timeSize = 8
            guard bytes.count >= header + 44 else { return nil }
        }
        let c = counts(header)
        guard c.allSatisfy({ $0 >= 0 && $0 < 1 << 20 }), c[4] > 0 else { return nil }
        let body = header + 44
        guard bytes.count >= body + length(c, timeSize) else { return nil }
        let types = body + c[3] * timeSize
        let infos = types + c[3]
        func offset(_ type: Int) -> Int64 { number(infos + type * 6, 4) }
        offsets = [offset(0)]
        for i in 0..<c[3] {
            let type = Int(bytes[types + i])
            guard type < c[4] else { return nil }
            let time = number(body + i * timeSize, timeSize)
            // Some files begin with the Big Bang.
            if time < -(1 << 55) {
                offsets[0] = offset(type)
                continue
            }
            transitions.append(time)
            offsets.append(offset(type))
        }
        guard timeSize == 8 else { return }
        let footer = body + length(c, timeSize)
        guard footer < bytes.count, bytes[footer] == 0x0A else { return }
        if let rule = ZoneFooter(bytes[(footer + 1)...].prefix { $0 != 0x0A }) { extend(rule) }
    }

    private mutating func extend(_ rule: ZoneFooter) {
        guard let summer = rule.summer else {
            if offsets.last != rule.offset {
                transitions.append((transitions.last ?? 0) + 1)
                offsets.append(rule.offset)
            }
            return
        }
        let last = transitions.last ?? 0
        let firstYear = CivilTime.date(fromDays: CivilTime.floorDivide(last, 86_400)).year
        for year in firstYear..<2500 {
            let changes = [
                (summer.start.second(in: year) - rule.offset, summer.offset),
                (summer.end.second(in: year) - summer.offset, rule.offset),
            ].sorted { $0.0 < $1.0 }
            for (time, offset) in changes where time > last && offset != offsets.last {
                transitions.append(time)
                offsets.append(offset)
            }
        }
    }
}

/// The last line of a TZif file: a POSIX TZ rule, as in `EST5EDT,M3.2.0,M11.1.0`.
struct ZoneFooter {
    /// Seconds east of UTC.
    var offset: Int64 = 0
    var summer: (offset: Int64, start: Day, end: Day)?

    /// A day of every year, with a time in seconds of that day (which may lie outside it).
    struct Day {
        enum Kind {
            /// 1 ... 365, never counting 29 February.
            case julian(Int64)
            /// 0 ... 365
            case zeroBased(Int64)
            case month(Int64, week: Int64, weekday: Int64)
        }
        var kind: Kind
        var time: Int64 = 7200

        /// Local seconds since 1970-01-01.
        func second(in year: Int64) -> Int64 {
            let first = CivilTime.days(year: year, month: 1, day: 1)
            let day: Int64
            switch kind {
            case .julian(let n): day = first + n - 1 + (CivilTime.isLeap(year) && n >= 60 ? 1 : 0)
            case .zeroBased(let n): day = first + n
            case .month(let month, let week, let weekday):
                let start = CivilTime.days(year: year, month: month, day: 1)
                var date = 1 + (weekday - CivilTime.weekday(days: start) + 7) % 7 + (week - 1) * 7
                if date > CivilTime.daysInMonth(year: year, month: month) { date -= 7 }
                day = start + date - 1
            }
            return day * 86_400 + time
        }
    }

    init?(_ text: ArraySlice<UInt8>) {
        var reader = Reader(text: Array(text))
        guard reader.name(), let west = reader.time() else { return nil }
        offset = -west
        guard !reader.isAtEnd else { return }
        guard reader.name() else { return nil }
        var summerOffset = offset + 3600
        if !reader.isAtEnd, reader.peek != 0x2C {
            guard let west = reader.time() else { return nil }
            summerOffset = -west
        }
        guard reader.skip(0x2C), let start = reader.day(), reader.skip(0x2C), let end = reader.day() else { return nil }
        summer = (summerOffset, start, end)
    }

    private struct Reader {
        let text: [UInt8]
        var at = 0
        var isAtEnd: Bool { at >= text.count }
        var peek: UInt8 { at < text.count ? text[at] : 0 }

        mutating func skip(_ byte: UInt8) -> Bool {
            guard peek == byte else { return false }
            at += 1
            return true
        }
        mutating func name() -> Bool {
            let start = at
            if skip(0x3C) {
                while !isAtEnd, peek != 0x3E { at += 1 }
                return skip(0x3E)
            }
            while (peek | 0x20) &- 0x61 < 26 { at += 1 }
            return at > start
        }
        mutating func number() -> Int64? {
            let start = at
            var value: Int64 = 0
            while peek &- 0x30 < 10, at - start < 6 {
                value = value * 10 + Int64(peek - 0x30)
                at += 1
            }
            return at > start ? value : nil
        }
        /// `[+-]h[:m[:s]]` in seconds.
        mutating func time() -> Int64? {
            let isNegative = skip(0x2D)
            if !isNegative { _ = skip(0x2B) }
            guard let hours = number() else { return nil }
            var seconds = hours * 3600
            if skip(0x3A) {
                guard let minutes = number() else { return nil }
                seconds += minutes * 60
                if skip(0x3A) {
                    guard let rest = number() else { return nil }
                    seconds += rest
                }
            }
            return isNegative ? -seconds : seconds
        }
        mutating func day() -> Day? {
            var day: Day
            if skip(0x4D) {
                guard let month = number(), (1...12).contains(month), skip(0x2E), let week = number(),
                    (1...5).contains(week), skip(0x2E), let weekday = number(), weekday < 7
                else { return nil }
                day = Day(kind: .month(month, week: week, weekday: weekday))
            } else if skip(0x4A) {
                guard let n = number() else { return nil }
                day = Day(kind: .julian(n))
            } else {
                guard let n = number() else { return nil }
                day = Day(kind: .zeroBased(n))
            }
            if skip(0x2F) {
                guard let time = time() else { return nil }
                day.time = time
            }
            return day
        }
    }
}
