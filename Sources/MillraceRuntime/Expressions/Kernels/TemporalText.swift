import MillraceCore

extension ExpressionCompiler {
    mutating func timeText(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        /// A literal pattern is checked now, so a mistake is an error of the statement.
        func check(_ pattern: Operand?) throws(Diagnostic) {
            guard let text = pattern?.text else { return }
            guard TimePattern(text) != nil else {
                throw Diagnostic(
                    "invalid date and time pattern",
                    hint: "The letters y M d H h m s S a E D Q w X are supported; other letters stand in single quotes."
                )
            }
        }
        switch function {
        case .dateFormat:
            guard arguments.count == 2, arguments[1].layout == .bytes else { throw unsupported(function, arguments) }
            try check(arguments[1])
            var source = arguments[0]
            if source.type.isCharacter {
                source = emit(.timestamp(precision: 6), [source]) {
                    Run($0).map(ByteRef.self, Int64.self) { text, state in
                        orNull(CastText.timestamp(text).flatMap { text.count > 10 ? $0 : nil }, &state)
                    }
                }
            } else if source.type == .date {
                source = try cast(source, to: .timestamp(precision: 6), isTry: false)
            }
            guard source.type.isTimestamp else { throw unsupported(function, arguments) }
            return emit(type, [source, arguments[1]], p: 1, object: TimePatternCache()) {
                TimeTextKernels.format(Run($0))
            }
        case .fromUnixTime:
            guard let seconds = arguments.first, seconds.layout == .int64 else {
                throw unsupported(function, arguments)
            }
            let pattern =
                arguments.count > 1
                ? arguments[1] : try compile(.literal(.string("yyyy-MM-dd HH:mm:ss"), .string))
            try check(pattern)
            return emit(type, [seconds, pattern], p: 1_000_000, object: TimePatternCache()) {
                TimeTextKernels.format(Run($0))
            }
        case .toTimestamp, .toDate:
            // TIMESTAMP(3) holds milliseconds; what the text has behind them is cut.
            guard let text = arguments.first, text.layout == .bytes else { throw unsupported(function, arguments) }
            if arguments.count > 1 {
                try check(arguments[1])
                let unit = function == .toDate ? CivilTime.dayMicroseconds : 1
                if function == .toDate {
                    return emit(type, arguments, p: unit, q: 1, object: TimePatternCache()) {
                        TimeTextKernels.parse(Run($0))
                    }
                }
                return emit(type, arguments, p: unit, object: TimePatternCache()) { TimeTextKernels.parse(Run($0)) }
            }
            if function == .toDate {
                return emit(type, arguments) {
                    Run($0).map(ByteRef.self, Int64.self) { text, state in orNull(CastText.date(text), &state) }
                }
            }
            return cutToMilliseconds(
                emit(type, arguments) {
                    Run($0).map(ByteRef.self, Int64.self) { text, state in
                        orNull(CastText.timestamp(text), &state)
                    }
                })
        case .toTimestampLTZ: return try toTimestampLTZ(arguments, type)
        case .convertTimeZone:
            let cache = ZoneCache()
            return rows(arguments, type) { values in
                guard let local = RegexCache.with(values[0].text, { TimePattern.calendar.parse($0, isLenient: true) })
                else {
                    return .null
                }
                let (from, to) = (cache.zone(values[1].text), cache.zone(values[2].text))
                let out = ByteBuffer()
                TimeText.appendTimestamp(
                    to.local(fromUTC: from.utc(fromLocal: local, prefersLater: true)), separator: 0x20,
                    fraction: .exactly(0), to: out)
                return .string(out.bytes.text)
            }
        case .toLocalTime, .fromLocalTime:
            guard arguments.count == 2, arguments[0].layout == .int64, let name = arguments[1].text,
                let zone = ZoneRules.named(name)
            else { throw unsupported(function, arguments) }
            if function == .toLocalTime {
                return emit(type, [arguments[0]], object: zone) {
                    let run = Run($0)
                    let zone = run.object(ZoneRules.self)
                    run.map(Int64.self, Int64.self) { value, _ in zone.local(fromUTC: value) }
                }
            }
            return emit(type, [arguments[0]], object: zone) {
                let run = Run($0)
                let zone = run.object(ZoneRules.self)
                run.map(Int64.self, Int64.self) { value, _ in zone.utc(fromLocal: value) }
            }
        default:
            if arguments.isEmpty {
                program.needsClock = true
                return emit(type, []) {
                    let run = Run($0)
                    TemporalKernels.fill(run, CivilTime.floorDivide(run.frame.pointee.now, 1_000_000))
                }
            }
            let parsed: Operand
            if arguments.count > 1 {
                try check(arguments[1])
                parsed = emit(
                    .timestamp(precision: 6), Array(arguments.prefix(2)), p: 1, q: 1, object: TimePatternCache()
                ) {
                    TimeTextKernels.parse(Run($0))
                }
            } else {
                guard arguments[0].layout == .bytes else { throw unsupported(function, arguments) }
                parsed = emit(.timestamp(precision: 6), arguments) {
                    Run($0).map(ByteRef.self, Int64.self) { text, state in
                        orNull(TimePattern.calendar.parse(text, isLenient: true), &state)
                    }
                }
            }
            if arguments.count > 2 {
                let cache = ZoneCache()
                let moved = rows([parsed, arguments[2]], .timestamp(precision: 6)) { values in
                    .integer(cache.zone(values[1].text).utc(fromLocal: values[0].number, prefersLater: true))
                }
                return seconds(of: moved, text: arguments[0])
            }
            return seconds(of: parsed, text: arguments[0])
        }
    }

    /// Text that does not parse is the smallest BIGINT, as in Flink; NULL stays NULL.
    private mutating func seconds(of parsed: Operand, text: Operand) -> Operand {
        emit(.bigInt, [parsed, text]) {
            let run = Run($0)
            let (a, b) = (run.a, run.b)
            run.setAllValid()
            run.each(Int64.self, true) { k, state in
                if b.states[k] != CellState.valid {
                    state = b.states[k]
                    return 0
                }
                return a.states[k] == CellState.valid ? CivilTime.floorDivide(a.ints[k], 1_000_000) : .min
            }
        }
    }

    private mutating func cutToMilliseconds(_ operand: Operand) -> Operand {
        emit(operand.type, [operand]) {
            Run($0).mapDense(Int64.self, Int64.self) { CivilTime.floorDivide($0, 1000) &* 1000 }
        }
    }

    /// (number, precision 0 ... 9) or (text [, pattern [, zone]]); text is UTC unless a zone is given.
    private mutating func toTimestampLTZ(_ arguments: [Operand], _ type: DataType) throws(Diagnostic) -> Operand {
        guard let source = arguments.first else { throw unsupported(.toTimestampLTZ, arguments) }
        if source.layout == .bytes {
            let parsed = try timeText(.toTimestamp, Array(arguments.prefix(2)), type)!
            guard arguments.count > 2 else { return parsed }
            let cache = ZoneCache()
            return rows([parsed, arguments[2]], type) { values in
                .integer(cache.zone(values[1].text).utc(fromLocal: values[0].number))
            }
        }
        let precision = arguments.count > 1 ? arguments[1] : try compile(.literal(.integer(3), .integer))
        guard precision.layout == .int64 else { throw unsupported(.toTimestampLTZ, arguments) }
        if source.type.isDecimal {
            return try toTimestampLTZ([try cast(source, to: .bigInt, isTry: false), precision], type)
        }
        if !source.type.isInteger {
            let number = try cast(source, to: .double, isTry: false)
            return emit(type, [number, precision]) {
                Run($0).map(Double.self, Int64.self, Int64.self) { value, precision, state in
                    guard precision >= 0, precision <= 9 else {
                        state = RowErrorCode.invalidArgument.rawValue
                        return 0
                    }
                    var scaled = value * 1e6
                    for _ in 0..<precision { scaled /= 10 }
                    guard scaled.magnitude < 9.2e18 else {
                        state = CellState.null
                        return 0
                    }
                    return Int64(scaled.rounded(.down))
                }
            }
        }
        return emit(type, [source, precision]) {
            Run($0).map(Int64.self, Int64.self, Int64.self) { value, precision, state in
                guard precision >= 0, precision <= 9 else {
                    state = RowErrorCode.invalidArgument.rawValue
                    return 0
                }
                var unit: Int64 = 1
                for _ in 0..<abs(6 - precision) { unit *= 10 }
                if precision > 6 { return CivilTime.floorDivide(value, unit) }
                let (result, overflow) = value.multipliedReportingOverflow(by: unit)
                if overflow { state = CellState.null }
                return result
            }
        }
    }
}

/// The zones that calls have named.
final class ZoneCache {
    private var known: [String: ZoneRules] = [:]

    /// UTC for a name that is none, as `java.util.TimeZone.getTimeZone`, which also takes old names of three letters.
    func zone(_ name: String) -> ZoneRules {
        if let zone = known[name] { return zone }
        let old = [
            "PST": "America/Los_Angeles", "CST": "America/Chicago", "EST": "-05:00", "MST": "-07:00",
            "HST": "-10:00", "JST": "Asia/Tokyo", "IST": "Asia/Kolkata", "CTT": "Asia/Shanghai", "ECT": "Europe/Paris",
            "ACT": "Australia/Darwin", "AET": "Australia/Sydney", "BST": "Asia/Dhaka", "NST": "Pacific/Auckland",
        ]
        // An offset alone is no name for Java here; only GMT+h is.
        let isBare = name.hasPrefix("+") || name.hasPrefix("-") || name.hasPrefix("UTC+") || name.hasPrefix("UTC-")
        let zone = isBare ? .utc : old[name].flatMap { ZoneRules.named($0) } ?? ZoneRules.named(name) ?? .utc
        known[name] = zone
        return zone
    }
}

enum TimeTextKernels {
    /// (number, pattern); `p` = microseconds of the number's unit.
    static func format(_ run: Run) {
        let (cache, arena, scratch, unit) = (run.object(TimePatternCache.self), run.arena, run.scratch, run.p)
        run.map(Int64.self, ByteRef.self, ByteRef.self) { value, pattern, state in
            guard let pattern = cache.pattern(pattern) else {
                state = RowErrorCode.invalidArgument.rawValue
                return .empty
            }
            return run.text(arena, scratch) { pattern.append(value &* unit, to: $0) }
        }
    }

    /// (text, pattern); `p` = microseconds of the result's unit; `q` = 1 reads as `java.text.SimpleDateFormat`, 0 as
    /// `java.time`. Text that does not fit gives NULL.
    static func parse(_ run: Run) {
        let (cache, unit, rolls) = (run.object(TimePatternCache.self), run.p, run.q == 1)
        run.map(ByteRef.self, ByteRef.self, Int64.self) { text, pattern, state in
            if let value = cache.pattern(pattern)?.parse(text, isLenient: rolls) {
                return CivilTime.floorDivide(rolls ? value : CivilTime.floorDivide(value, 1000) * 1000, unit)
            }
            // TO_TIMESTAMP takes the usual form, whatever the pattern is.
            return rolls ? orNull(nil, &state) : orNull(CastText.overflowingTimestamp(text), &state)
        }
    }
}

/// The pattern used last.
final class TimePatternCache {
    private var source: [UInt8]?
    private var current: TimePattern?

    func pattern(_ text: ByteRef) -> TimePattern? {
        if let source, source.count == text.count, source.elementsEqual(text.buffer) { return current }
        source = text.array
        current = TimePattern(text.text)
        return current
    }
}

/// A pattern of Java's `DateTimeFormatter`: y u Y M L Q q w d H k K h m s S a E e D G and text in single
/// quotes. Weeks are those of the United States: from Sunday, the first one holds 1 January.
final class TimePattern: Sendable {
    private enum Part {
        case field(UInt8, Int)
        case text([UInt8])
    }
    private let parts: [Part]

    /// Nil for letters that are not supported and for a quote that does not close.
    init?(_ pattern: String) {
        var parts: [Part] = []
        var literal: [UInt8] = []
        let bytes = Array(pattern.utf8)
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            if byte == 0x27 {
                at += 1
                if at < bytes.count, bytes[at] == 0x27 {
                    literal.append(0x27)
                    at += 1
                    continue
                }
                var isClosed = false
                while at < bytes.count {
                    if bytes[at] == 0x27 {
                        at += 1
                        if at < bytes.count, bytes[at] == 0x27 {
                            literal.append(0x27)
                            at += 1
                            continue
                        }
                        isClosed = true
                        break
                    }
                    literal.append(bytes[at])
                    at += 1
                }
                guard isClosed else { return nil }
            } else if (byte | 0x20) &- 0x61 < 26 {
                var count = 1
                while at + count < bytes.count, bytes[at + count] == byte { count += 1 }
                guard "yuYMLQqwdHkKhmsSaEeDGX".utf8.contains(byte) else { return nil }
                if !literal.isEmpty { parts.append(.text(literal)) }
                literal = []
                parts.append(.field(byte, count))
                at += count
            } else {
                literal.append(byte)
                at += 1
            }
        }
        if !literal.isEmpty { parts.append(.text(literal)) }
        self.parts = parts
    }

    /// How UNIX_TIMESTAMP and CONVERT_TZ read text.
    static let calendar = TimePattern("yyyy-MM-dd HH:mm:ss")!

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    /// The week of a day and the year it counts in.
    private static func week(days: Int64, year: Int64) -> (week: Int64, year: Int64) {
        func start(_ year: Int64) -> Int64 {
            let first = CivilTime.days(year: year, month: 1, day: 1)
            return first - CivilTime.weekday(days: first)
        }
        if days >= start(year + 1) { return (1, year + 1) }
        return ((days - start(year)) / 7 + 1, year)
    }

    func append(_ microseconds: Int64, to buffer: ByteBuffer) {
        let (days, time) = CivilTime.split(microseconds)
        let date = CivilTime.date(fromDays: days)
        let hour = time / 3_600_000_000
        func number(_ value: Int64, _ width: Int) {
            var bound: Int64 = 10
            for _ in 1..<max(1, min(width, 18)) {
                if value < bound { buffer.append(0x30) }
                bound *= 10
            }
            NumberText.appendInteger(value, to: buffer)
        }
        for part in parts {
            switch part {
            case .text(let bytes): for byte in bytes { buffer.append(byte) }
            case .field(let letter, let count):
                switch letter {
                case 0x79, 0x75: count == 2 ? number(((date.year % 100) + 100) % 100, 2) : number(date.year, count)
                case 0x4D, 0x4C:
                    let name = Self.months[Int(date.month - 1)]
                    if count <= 2 {
                        number(date.month, count)
                    } else {
                        buffer.append(count == 3 ? String(name.prefix(3)) : name)
                    }
                case 0x64: number(date.day, count)
                case 0x44: number(days - CivilTime.days(year: date.year, month: 1, day: 1) + 1, count)
                case 0x48: number(hour, count)
                case 0x6B: number(hour == 0 ? 24 : hour, count)
                case 0x4B: number(hour % 12, count)
                case 0x68: number(hour % 12 == 0 ? 12 : hour % 12, count)
                case 0x6D: number(time / 60_000_000 % 60, count)
                case 0x73: number(time / 1_000_000 % 60, count)
                case 0x53:
                    var unit: Int64 = 100_000
                    for _ in 0..<count {
                        buffer.append(unit == 0 ? 0x30 : 0x30 + UInt8(truncatingIfNeeded: time / unit % 10))
                        unit /= 10
                    }
                case 0x61: buffer.append(hour < 12 ? "AM" : "PM")
                case 0x58: break
                case 0x47: buffer.append(count == 4 ? "Anno Domini" : count == 5 ? "A" : "AD")
                case 0x51, 0x71:
                    let quarter = (date.month - 1) / 3
                    switch count {
                    case 1, 2: number(quarter + 1, count)
                    case 3:
                        buffer.append(0x51)
                        number(quarter + 1, 1)
                    default: buffer.append(["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"][Int(quarter)])
                    }
                case 0x77: number(Self.week(days: days, year: date.year).week, count)
                case 0x59:
                    let year = Self.week(days: days, year: date.year).year
                    count == 2 ? number(((year % 100) + 100) % 100, 2) : number(year, count)
                case 0x65: number(CivilTime.weekday(days: days) + 1, count)
                default:
                    let name = Self.weekdays[Int(CivilTime.weekday(days: days))]
                    buffer.append(count <= 3 ? String(name.prefix(3)) : name)
                }
            }
        }
    }

    /// Seconds east of UTC of `Z`, `+09`, `+0930` or `+09:30`, and how many bytes they take.
    private static func offset(_ text: ByteRef, from start: Int) -> (seconds: Int64, length: Int)? {
        guard start < text.count else { return nil }
        let sign = text.start[start]
        if sign == 0x5A { return (0, 1) }
        guard sign == 0x2B || sign == 0x2D else { return nil }
        var at = start + 1
        func pair() -> Int64? {
            guard at + 1 < text.count, text.start[at] &- 0x30 < 10, text.start[at + 1] &- 0x30 < 10 else { return nil }
            at += 2
            return Int64(text.start[at - 2] - 0x30) * 10 + Int64(text.start[at - 1] - 0x30)
        }
        guard let hours = pair() else { return nil }
        if at < text.count, text.start[at] == 0x3A { at += 1 }
        let seconds = hours * 3600 + (pair() ?? 0) * 60
        return (sign == 0x2D ? -seconds : seconds, at - start)
    }

    /// Microseconds; nil when the text does not fit. A day past the month's end becomes its last day.
    ///
    /// With `isLenient` as `java.text.SimpleDateFormat` reads: numbers take as many digits as there are, run over into the
    /// next greater unit, blanks may stand before them, and what follows the pattern's end is ignored.
    func parse(_ text: ByteRef, isLenient: Bool = false) -> Int64? {
        var at = 0
        var (year, month, day): (Int64, Int64, Int64) = (1970, 1, 1)
        var (hour, minute, second, micros): (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
        var isAfternoon: Bool?
        var isHalfDay = false
        var dayOfYear: Int64?
        var offset: Int64 = 0
        func letters(_ names: [String], _ length: Int) -> Int? {
            for (i, name) in names.enumerated() {
                let wanted = Array((length <= 3 ? String(name.prefix(3)) : name).utf8)
                guard at + wanted.count <= text.count else { continue }
                var isSame = true
                for j in 0..<wanted.count where text.start[at + j] | 0x20 != wanted[j] | 0x20 { isSame = false }
                if isSame {
                    at += wanted.count
                    return i
                }
            }
            return nil
        }
        for (index, part) in parts.enumerated() {
            switch part {
            case .text(let bytes):
                guard at + bytes.count <= text.count else { return nil }
                for byte in bytes {
                    guard text.start[at] == byte else { return nil }
                    at += 1
                }
            case .field(let letter, let count):
                if letter == 0x61 {
                    guard let half = letters(["AM", "PM"], 4) else { return nil }
                    isAfternoon = half == 1
                    continue
                }
                if (letter == 0x4D || letter == 0x4C) && count > 2 {
                    guard let found = letters(Self.months, count) else { return nil }
                    month = Int64(found + 1)
                    continue
                }
                if letter == 0x45 {
                    guard letters(Self.weekdays, count) != nil else { return nil }
                    continue
                }
                if letter == 0x58 {
                    guard let (seconds, length) = Self.offset(text, from: at) else { return nil }
                    at += length
                    // `java.time` reads the wall-clock time and leaves the offset aside.
                    if isLenient { offset = seconds }
                    continue
                }
                // Fields that touch take exactly their width; a free-standing single letter takes all digits.
                var width = count
                var touches = false
                if index + 1 < parts.count, case .field = parts[index + 1] { touches = true }
                if count == 1 || isLenient && !touches { width = touches ? 1 : 19 }
                if isLenient { while at < text.count, text.start[at] == 0x20 { at += 1 } }
                var value: Int64 = 0
                var digits = 0
                while at < text.count, text.start[at] &- 0x30 < 10, digits < min(width, 18) {
                    value = value * 10 + Int64(text.start[at] &- 0x30)
                    digits += 1
                    at += 1
                }
                guard digits > 0, count == 1 || isLenient || digits == count else { return nil }
                switch letter {
                case 0x79, 0x75: year = count == 2 ? 2000 + value : value
                case 0x4D, 0x4C: month = value
                case 0x64: day = value
                case 0x44: dayOfYear = value
                case 0x48: hour = value
                case 0x6B: hour = value % 24
                case 0x4B, 0x68:
                    hour = value
                    isHalfDay = true
                    guard value <= 12 else { return nil }
                case 0x6D: minute = value
                case 0x73: second = value
                case 0x53:
                    micros = value
                    var places = digits
                    while places < 6 {
                        micros *= 10
                        places += 1
                    }
                    while places > 6 {
                        micros /= 10
                        places -= 1
                    }
                default: break
                }
            }
        }
        if isLenient, year <= 200_000 {
            if isHalfDay { hour = hour % 12 + (isAfternoon == true ? 12 : 0) }
            let months = year * 12 + month - 1
            let days = CivilTime.days(
                year: CivilTime.floorDivide(months, 12), month: months - CivilTime.floorDivide(months, 12) * 12 + 1,
                day: 1)
            return (days + day - 1) * CivilTime.dayMicroseconds
                + ((hour * 60 + minute) * 60 + second - offset) * 1_000_000 + micros
        }
        guard at == text.count, year <= 200_000, month >= 1, month <= 12, day >= 1, day <= 31, hour < 24, minute < 60,
            second < 60
        else {
            return nil
        }
        if isHalfDay { hour = hour % 12 + (isAfternoon == true ? 12 : 0) }
        var days = CivilTime.days(
            year: year, month: month, day: min(day, CivilTime.daysInMonth(year: year, month: month)))
        if let dayOfYear {
            guard dayOfYear >= 1, dayOfYear <= 366 else { return nil }
            days = CivilTime.days(year: year, month: 1, day: 1) + dayOfYear - 1
        }
        return days * CivilTime.dayMicroseconds + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros
    }
}
