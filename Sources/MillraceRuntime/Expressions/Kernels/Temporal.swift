import MillraceCore

/// The fields and steps of EXTRACT, FLOOR, CEIL, TIMESTAMPADD and TIMESTAMPDIFF.
enum TimeUnit: Int64 {
    case microsecond, millisecond, second, minute, hour, day, week, month, quarter, year, decade, century, millennium
    case dayOfWeek, isoDayOfWeek, dayOfYear, isoYear, epoch, nanosecond

    init?(name: String) {
        switch name.uppercased() {
        case "MICROSECOND": self = .microsecond
        case "MILLISECOND": self = .millisecond
        case "SECOND": self = .second
        case "MINUTE": self = .minute
        case "HOUR": self = .hour
        case "DAY": self = .day
        case "WEEK": self = .week
        case "MONTH": self = .month
        case "QUARTER": self = .quarter
        case "YEAR": self = .year
        case "DECADE": self = .decade
        case "CENTURY": self = .century
        case "MILLENNIUM": self = .millennium
        case "DOW": self = .dayOfWeek
        case "ISODOW": self = .isoDayOfWeek
        case "DOY": self = .dayOfYear
        case "ISOYEAR": self = .isoYear
        case "EPOCH": self = .epoch
        case "NANOSECOND": self = .nanosecond
        default: return nil
        }
    }

    /// Microseconds of a unit that always lasts equally long.
    var microseconds: Int64? {
        switch self {
        case .microsecond: 1
        case .millisecond: 1000
        case .second: 1_000_000
        case .minute: 60_000_000
        case .hour: 3_600_000_000
        case .day: CivilTime.dayMicroseconds
        case .week: 7 * CivilTime.dayMicroseconds
        default: nil
        }
    }

    /// Months of a calendar unit.
    var months: Int64? {
        switch self {
        case .month: 1
        case .quarter: 3
        case .year: 12
        case .decade: 120
        case .century: 1200
        case .millennium: 12_000
        default: nil
        }
    }
}

/// What the number in a temporal or interval cell means.
enum TemporalKind: Int64 {
    case date, time, timestamp, months, dayTime

    init?(_ type: DataType) {
        switch type {
        case .date: self = .date
        case .time: self = .time
        case .timestamp, .timestampLTZ: self = .timestamp
        case .intervalYearMonth: self = .months
        case .intervalDayTime: self = .dayTime
        default: return nil
        }
    }
}

extension ExpressionCompiler {
    mutating func temporal(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .addInterval, .subtractInterval: return try addInterval(function, arguments, type)
        case .multiplyInterval:
            guard arguments.count == 2, arguments.allSatisfy({ $0.layout == .int64 }) else {
                throw unsupported(function, arguments)
            }
            return emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 &* $1 } }
        case .subtractTimestamps:
            guard arguments.count == 2, let kind = TemporalKind(arguments[0].type),
                kind == TemporalKind(arguments[1].type)
            else { throw unsupported(function, arguments) }
            if type == .intervalYearMonth {
                return try difference(.month, arguments[1], arguments[0], function, arguments, type)
            }
            return emit(type, arguments, p: kind == .date ? CivilTime.dayMicroseconds : 1) {
                let run = Run($0)
                let unit = run.p
                run.mapDense(Int64.self, Int64.self, Int64.self) { ($0 &- $1) &* unit }
            }
        case .extract, .floorTime, .ceilTime, .timestampAdd, .timestampDiff:
            guard let name = arguments.first?.text, let unit = TimeUnit(name: name) else {
                throw Diagnostic("unknown time unit in function \(function.rawValue)")
            }
            return try withUnit(function, unit, arguments, type)
        case .dateFormat, .toTimestamp, .toDate, .toTimestampLTZ, .fromUnixTime, .unixTimestamp, .convertTimeZone,
            .toLocalTime, .fromLocalTime:
            return try timeText(function, arguments, type)
        case .currentTimestamp, .localTimestamp, .processingTime:
            program.needsClock = true
            let precision: Int =
                switch type {
                case .timestamp(let precision), .timestampLTZ(let precision): precision
                default: 3
                }
            var unit: Int64 = 1
            for _ in 0..<max(0, 6 - precision) { unit *= 10 }
            return emit(type, [], p: unit) {
                let run = Run($0)
                TemporalKernels.fill(run, CivilTime.floorDivide(run.frame.pointee.now, run.p) * run.p)
            }
        case .currentDate:
            program.needsClock = true
            return emit(type, []) {
                let run = Run($0)
                TemporalKernels.fill(run, CivilTime.split(run.frame.pointee.now).days)
            }
        case .currentTime:
            program.needsClock = true
            return emit(type, []) {
                let run = Run($0)
                let time = CivilTime.split(run.frame.pointee.now).time
                TemporalKernels.fill(run, time - time % 1_000_000)
            }
        case .currentWatermark:
            return emit(type, []) {
                let run = Run($0)
                let watermarks = run.frame.pointee.watermarks
                run.setAllValid()
                run.each(Int64.self, true) { k, state in
                    if watermarks[k] == EventTime.none || watermarks[k] == EventTime.end {
                        state = CellState.null
                        return 0
                    }
                    return watermarks[k] &* 1000
                }
            }
        default: return nil
        }
    }

    private mutating func addInterval(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand {
        guard arguments.count == 2, let left = TemporalKind(arguments[0].type),
            let right = TemporalKind(arguments[1].type)
        else { throw unsupported(function, arguments) }
        let isInterval = { (kind: TemporalKind) in kind == .months || kind == .dayTime }
        if isInterval(left) && !isInterval(right) && function == .addInterval {
            return try addInterval(function, [arguments[1], arguments[0]], type)
        }
        guard isInterval(right) else { throw unsupported(function, arguments) }
        let sign: Int64 = function == .addInterval ? 1 : -1
        switch (left, right) {
        case (.months, .months), (.dayTime, .dayTime), (.timestamp, .dayTime):
            return emit(type, arguments, p: sign) {
                let run = Run($0)
                let sign = run.p
                run.mapDense(Int64.self, Int64.self, Int64.self) { $0 &+ sign &* $1 }
            }
        case (.date, .dayTime):
            return emit(type, arguments, p: sign) {
                let run = Run($0)
                let sign = run.p
                run.mapDense(Int64.self, Int64.self, Int64.self) {
                    CivilTime.floorDivide($0 &* CivilTime.dayMicroseconds &+ sign &* $1, CivilTime.dayMicroseconds)
                }
            }
        case (.time, .dayTime):
            return emit(type, arguments, p: sign) {
                let run = Run($0)
                let sign = run.p
                run.mapDense(Int64.self, Int64.self, Int64.self) { CivilTime.split($0 &+ sign &* $1).time }
            }
        case (.date, .months):
            return emit(type, arguments, p: sign) {
                let run = Run($0)
                let sign = run.p
                run.map(Int64.self, Int64.self, Int64.self) { days, months, _ in
                    Calendar.addMonths(days: days, sign &* months)
                }
            }
        case (.timestamp, .months):
            return emit(type, arguments, p: sign) {
                let run = Run($0)
                let sign = run.p
                run.map(Int64.self, Int64.self, Int64.self) { time, months, _ in
                    Calendar.addMonths(timestamp: time, sign &* months)
                }
            }
        default: throw unsupported(function, arguments)
        }
    }

    private mutating func withUnit(
        _ function: BuiltinFunction, _ unit: TimeUnit, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand {
        let count = function == .extract || function == .floorTime || function == .ceilTime ? 2 : 3
        guard arguments.count == count, let kind = TemporalKind(arguments[count - 1].type) else {
            throw unsupported(function, arguments)
        }
        switch function {
        case .extract:
            return emit(type, [arguments[1]], p: unit.rawValue, q: kind.rawValue) {
                let run = Run($0)
                let (unit, kind) = (TimeUnit(rawValue: run.p)!, TemporalKind(rawValue: run.q)!)
                run.map(Int64.self, Int64.self) { value, _ in Calendar.extract(unit, value, kind) }
            }
        case .floorTime, .ceilTime:
            let kernel: Kernel
            if function == .floorTime {
                kernel = {
                    let run = Run($0)
                    let (unit, kind) = (TimeUnit(rawValue: run.p)!, TemporalKind(rawValue: run.q)!)
                    run.map(Int64.self, Int64.self) { value, _ in Calendar.floor(unit, value, kind) }
                }
            } else {
                kernel = {
                    let run = Run($0)
                    let (unit, kind) = (TimeUnit(rawValue: run.p)!, TemporalKind(rawValue: run.q)!)
                    run.map(Int64.self, Int64.self) { value, _ in
                        let floor = Calendar.floor(unit, value, kind)
                        return floor == value ? value : Calendar.next(unit, floor, kind)
                    }
                }
            }
            guard kind == .date || kind == .time || kind == .timestamp, unit.months != nil || unit.microseconds != nil
            else { throw unsupported(function, arguments) }
            return emit(type, [arguments[1]], p: unit.rawValue, q: kind.rawValue, kernel)
        case .timestampAdd:
            guard arguments[1].layout == .int64 else { throw unsupported(function, arguments) }
            var target = arguments[2]
            if kind == .date, type.isTimestamp {
                target = try cast(target, to: type, isTry: false)
            }
            let scale = unit.months ?? unit.microseconds
            guard let scale else { throw unsupported(function, arguments) }
            let interval = emit(
                unit.months != nil ? .intervalYearMonth : .intervalDayTime, [arguments[1]], p: scale
            ) {
                let run = Run($0)
                let scale = run.p
                run.mapDense(Int64.self, Int64.self) { $0 &* scale }
            }
            return try addInterval(.addInterval, [target, interval], type)
        default:
            return try difference(unit, arguments[1], arguments[2], function, arguments, type)
        }
    }

    /// Whole units from `from` to `to`, toward zero.
    private mutating func difference(
        _ unit: TimeUnit, _ from: Operand, _ to: Operand, _ function: BuiltinFunction, _ arguments: [Operand],
        _ type: DataType
    ) throws(Diagnostic) -> Operand {
        var operands: [Operand] = []
        for operand in [from, to] {
            switch TemporalKind(operand.type) {
            case .timestamp: operands.append(operand)
            case .date: operands.append(try cast(operand, to: .timestamp(precision: 6), isTry: false))
            case .time: operands.append(operand)
            default: throw unsupported(function, arguments)
            }
        }
        // The result is an INT, which wraps as every INT does.
        let shift: Int64 = type == .integer ? 32 : 0
        if let months = unit.months {
            return emit(type, operands, p: months, q: shift) {
                let run = Run($0)
                let (months, shift) = (run.p, run.q)
                run.map(Int64.self, Int64.self, Int64.self) { from, to, _ in
                    wrapped(Calendar.months(from: from, to: to) / months, shift)
                }
            }
        }
        guard let microseconds = unit.microseconds else { throw unsupported(function, arguments) }
        return emit(type, operands, p: microseconds, q: shift) {
            let run = Run($0)
            let (unit, shift) = (run.p, run.q)
            if unit < 1_000_000 {
                // Flink counts whole seconds here, too.
                let perSecond = 1_000_000 / unit
                run.mapDense(Int64.self, Int64.self, Int64.self) {
                    wrapped(($1 &- $0) / 1_000_000 &* perSecond, shift)
                }
            } else {
                run.mapDense(Int64.self, Int64.self, Int64.self) { wrapped(($1 &- $0) / unit, shift) }
            }
        }
    }
}

enum TemporalKernels {
    static func fill(_ run: Run, _ value: Int64) {
        run.setAllValid()
        run.result.ints.update(repeating: value, count: run.rows)
    }
}

/// Calendar arithmetic over days and microseconds.
enum Calendar {
    /// The day stays, or becomes the last of a shorter month.
    static func addMonths(days: Int64, _ months: Int64) -> Int64 {
        let (year, month, day) = CivilTime.date(fromDays: days)
        // Far beyond what a timestamp can hold; keeps the calendar formulas from overflowing.
        let months = max(-1_000_000_000_000, min(1_000_000_000_000, months))
        let total = year &* 12 &+ month &- 1 &+ months
        let newYear = CivilTime.floorDivide(total, 12)
        let newMonth = total &- newYear &* 12 &+ 1
        return CivilTime.days(
            year: newYear, month: newMonth, day: min(day, CivilTime.daysInMonth(year: newYear, month: newMonth)))
    }

    static func addMonths(timestamp: Int64, _ months: Int64) -> Int64 {
        let (days, time) = CivilTime.split(timestamp)
        return addMonths(days: days, months) &* CivilTime.dayMicroseconds &+ time
    }

    /// Whole months between two timestamps, by Calcite's `DateTimeUtils.subtractMonths`: from the last day of a month to the
    /// last of a shorter one are whole months.
    static func months(from: Int64, to: Int64) -> Int64 {
        let (a, b) = (CivilTime.split(from), CivilTime.split(to))
        let count = months(fromDays: a.days, toDays: b.days)
        return addMonths(days: a.days, count) == b.days && b.time < a.time ? count - 1 : count
    }

    static func months(fromDays from: Int64, toDays to: Int64) -> Int64 {
        if to < from { return -months(fromDays: to, toDays: from) }
        let (x, y) = (CivilTime.date(fromDays: from), CivilTime.date(fromDays: to))
        let count = (y.year - x.year) * 12 + y.month - x.month
        // Adding the months clips the day, so a month ends with its last day.
        return addMonths(days: from, count) > to ? count - 1 : count
    }

    /// ISO 8601 week and the year it belongs to.
    static func isoWeek(days: Int64) -> (year: Int64, week: Int64) {
        // The Thursday of a week lies in the week's year.
        let thursday = days - (CivilTime.weekday(days: days) + 6) % 7 + 3
        let year = CivilTime.date(fromDays: thursday).year
        return (year, (thursday - CivilTime.days(year: year, month: 1, day: 1)) / 7 + 1)
    }

    static func extract(_ unit: TimeUnit, _ value: Int64, _ kind: TemporalKind) -> Int64 {
        if kind == .months {
            switch unit {
            case .year: return value / 12
            case .month: return value % 12
            case .quarter: return value % 12 / 3 + 1
            case .decade: return value / 120
            case .century: return value / 1200
            case .millennium: return value / 12_000
            default: return 0
            }
        }
        var days: Int64 = 0
        var time: Int64 = value
        switch kind {
        case .date: (days, time) = (value, 0)
        case .timestamp: (days, time) = CivilTime.split(value)
        case .dayTime: (days, time) = (value / CivilTime.dayMicroseconds, value % CivilTime.dayMicroseconds)
        default: break
        }
        switch unit {
        case .microsecond: return time % 1_000_000
        case .nanosecond: return time % 1_000_000 * 1000
        case .millisecond: return time / 1000 % 1000
        case .second: return time / 1_000_000 % 60
        case .minute: return time / 60_000_000 % 60
        case .hour: return time / 3_600_000_000
        case .epoch: return days * 86_400 + time / 1_000_000
        default: break
        }
        if kind == .dayTime { return unit == .day ? days : 0 }
        let date = CivilTime.date(fromDays: days)
        switch unit {
        case .day: return date.day
        case .month: return date.month
        case .quarter: return (date.month - 1) / 3 + 1
        case .year: return date.year
        case .decade: return CivilTime.floorDivide(date.year, 10)
        case .century: return date.year > 0 ? (date.year + 99) / 100 : date.year / 100 - 1
        case .millennium: return date.year > 0 ? (date.year + 999) / 1000 : date.year / 1000 - 1
        case .dayOfWeek: return CivilTime.weekday(days: days) + 1
        case .isoDayOfWeek: return (CivilTime.weekday(days: days) + 6) % 7 + 1
        case .dayOfYear: return days - CivilTime.days(year: date.year, month: 1, day: 1) + 1
        case .week: return isoWeek(days: days).week
        case .isoYear: return isoWeek(days: days).year
        default: return 0
        }
    }

    /// The start of the unit that holds `value`. Weeks begin on Sunday.
    static func floor(_ unit: TimeUnit, _ value: Int64, _ kind: TemporalKind) -> Int64 {
        switch kind {
        case .time:
            guard let step = unit.microseconds, step < CivilTime.dayMicroseconds else { return 0 }
            return value - value % step
        case .timestamp:
            if let step = unit.microseconds, step <= CivilTime.dayMicroseconds {
                return CivilTime.floorDivide(value, step) &* step
            }
            return floor(unit, CivilTime.split(value).days, .date) &* CivilTime.dayMicroseconds
        default: break
        }
        if unit == .week { return value - CivilTime.weekday(days: value) }
        guard let months = unit.months else { return value }
        let date = CivilTime.date(fromDays: value)
        if unit == .century || unit == .millennium {
            let years = months / 12
            return CivilTime.days(
                year: CivilTime.floorDivide(date.year - 1, years) * years + 1, month: 1, day: 1)
        }
        let total = CivilTime.floorDivide(date.year * 12 + date.month - 1, months) * months
        let year = CivilTime.floorDivide(total, 12)
        return CivilTime.days(year: year, month: total - year * 12 + 1, day: 1)
    }

    /// The start of the unit behind the one that begins at `floor`.
    static func next(_ unit: TimeUnit, _ floor: Int64, _ kind: TemporalKind) -> Int64 {
        if let months = unit.months {
            return kind == .date ? addMonths(days: floor, months) : addMonths(timestamp: floor, months)
        }
        let step = unit.microseconds ?? 0
        return kind == .date ? floor + step / CivilTime.dayMicroseconds : floor &+ step
    }
}
