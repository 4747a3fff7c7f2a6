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
                    hint: "The letters y M d H h m s S a E D are supported; other letters stand in single quotes.")
            }
        }
        switch function {
        case .dateFormat:
            guard arguments.count == 2, arguments[1].layout == .bytes else { throw unsupported(function, arguments) }
            try check(arguments[1])
            var source = arguments[0]
            if source.type.isCharacter || source.type == .date {
                source = try cast(source, to: .timestamp(precision: 6), isTry: source.type.isCharacter)
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
            guard let text = arguments.first, text.layout == .bytes else { throw unsupported(function, arguments) }
            if arguments.count > 1 {
                try check(arguments[1])
                let unit = function == .toDate ? CivilTime.dayMicroseconds : 1
                return emit(type, arguments, p: unit, object: TimePatternCache()) { TimeTextKernels.parse(Run($0)) }
            }
            if function == .toDate {
                return emit(type, arguments) {
                    Run($0).map(ByteRef.self, Int64.self) { text, state in orNull(CastText.date(text), &state) }
                }
            }
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, Int64.self) { text, state in
                    orNull(TimePattern.lenientTimestamp(text), &state)
                }
            }
        case .toTimestampLTZ:
            guard let source = arguments.first else { throw unsupported(function, arguments) }
            if source.layout == .bytes {
                if arguments.count > 1 { return try timeText(.toTimestamp, Array(arguments.prefix(2)), type) }
                return emit(type, [source]) {
                    Run($0).map(ByteRef.self, Int64.self) { text, state in
                        orNull(CastText.timestamp(text, allowsZone: true), &state)
                    }
                }
            }
            var number = source
            if !number.type.isInteger { number = try cast(number, to: .bigInt, isTry: false) }
            let precision = arguments.count > 1 ? arguments[1] : try compile(.literal(.integer(3), .integer))
            guard precision.layout == .int64 else { throw unsupported(function, arguments) }
            return emit(type, [number, precision]) {
                Run($0).map(Int64.self, Int64.self, Int64.self) { value, precision, state in
                    let unit: Int64 = precision == 0 ? 1_000_000 : precision == 3 ? 1000 : precision == 6 ? 1 : 0
                    let (result, overflow) = value.multipliedReportingOverflow(by: unit)
                    if unit == 0 || overflow {
                        state = unit == 0 ? RowErrorCode.invalidArgument.rawValue : CellState.null
                    }
                    return result
                }
            }
        default:
            if arguments.isEmpty {
                program.needsClock = true
                return emit(type, []) {
                    let run = Run($0)
                    TemporalKernels.fill(run, CivilTime.floorDivide(run.frame.pointee.now, 1_000_000))
                }
            }
            var parsed = try timeText(.toTimestamp, arguments, .timestamp(precision: 3))!
            // Text that does not parse is NULL.
            parsed = emit(.bigInt, [parsed]) {
                let run = Run($0)
                let a = run.a
                run.setAllValid()
                let out = run.result
                var bad = false
                for k in 0..<run.rows {
                    if a.states[k] == CellState.valid {
                        out.ints[k] = CivilTime.floorDivide(a.ints[k], 1_000_000)
                    } else {
                        out.states[k] = a.states[k]
                        out.ints[k] = 0
                        bad = true
                    }
                }
                if bad { run.setSomeInvalid() }
            }
            return parsed
        }
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

    /// (text, pattern); `p` = microseconds of the result's unit. Text that does not fit gives NULL.
    static func parse(_ run: Run) {
        let (cache, unit) = (run.object(TimePatternCache.self), run.p)
        run.map(ByteRef.self, ByteRef.self, Int64.self) { text, pattern, state in
            guard let pattern = cache.pattern(pattern), let value = pattern.parse(text) else {
                state = CellState.null
                return 0
            }
            return CivilTime.floorDivide(value, unit)
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

/// A pattern of Java's `DateTimeFormatter`: y u M L d H k K h m s S a E e D and text in single quotes.
final class TimePattern {
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
                guard "yuMLdHkKhmsSaEeD".utf8.contains(byte) else { return nil }
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

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

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
                case 0x65: number(CivilTime.weekday(days: days) + 1, count)
                default:
                    let name = Self.weekdays[Int(CivilTime.weekday(days: days))]
                    buffer.append(count <= 3 ? String(name.prefix(3)) : name)
                }
            }
        }
    }

    /// Microseconds; nil when the text does not fit. A day past the month's end becomes its last day.
    func parse(_ text: ByteRef) -> Int64? {
        var at = 0
        var (year, month, day): (Int64, Int64, Int64) = (1970, 1, 1)
        var (hour, minute, second, micros): (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
        var isAfternoon: Bool?
        var isHalfDay = false
        var dayOfYear: Int64?
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
                // Fields that touch take exactly their width; a free-standing single letter takes all digits.
                var width = count
                if count == 1 {
                    width = 19
                    if index + 1 < parts.count, case .field = parts[index + 1] { width = 1 }
                }
                var value: Int64 = 0
                var digits = 0
                while at < text.count, text.start[at] &- 0x30 < 10, digits < min(width, 18) {
                    value = value * 10 + Int64(text.start[at] &- 0x30)
                    digits += 1
                    at += 1
                }
                guard digits > 0, count == 1 || digits == count else { return nil }
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

    /// TO_TIMESTAMP without a pattern: as CAST, with day 29 ... 31 of a short month as its last day.
    static func lenientTimestamp(_ text: ByteRef) -> Int64? {
        if let value = CastText.timestamp(text, allowsZone: false) { return value }
        guard text.count >= 10, text.start[4] == 0x2D, text.start[7] == 0x2D,
            let year = NumberText.parseInteger(CodePoints.slice(text, 0, 4)),
            let month = NumberText.parseInteger(CodePoints.slice(text, 5, 7)), month >= 1, month <= 12,
            let day = NumberText.parseInteger(CodePoints.slice(text, 8, 10)), day >= 1, day <= 31
        else { return nil }
        let days = CivilTime.days(
            year: year, month: month, day: min(day, CivilTime.daysInMonth(year: year, month: month)))
        if text.count == 10 { return days * CivilTime.dayMicroseconds }
        guard text.start[10] == 0x20, let time = CastText.time(CodePoints.slice(text, 11, text.count)) else {
            return nil
        }
        return days * CivilTime.dayMicroseconds + time
    }
}
