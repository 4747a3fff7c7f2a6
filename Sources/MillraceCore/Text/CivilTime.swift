/// The proleptic Gregorian calendar over days since 1970-01-01.
///
/// The formulas are those of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
public enum CivilTime {
    /// Days since 1970-01-01. The month is 1 ... 12; a day beyond the month's end runs over into the next.
    public static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    public static func date(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = days + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    public static func isLeap(_ year: Int64) -> Bool {
        (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
    }

    /// 28 ... 31.
    public static func daysInMonth(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Microseconds of a day.
    public static let dayMicroseconds: Int64 = 86_400_000_000

    /// Splits a timestamp toward negative infinity, so times before 1970 have the right day.
    @inline(__always)
    public static func split(_ microseconds: Int64) -> (days: Int64, time: Int64) {
        let days = floorDivide(microseconds, dayMicroseconds)
        return (days, microseconds &- days &* dayMicroseconds)
    }

    /// Quotient toward negative infinity; the divisor is positive.
    @inline(__always)
    public static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    /// 0 = Sunday ... 6 = Saturday.
    @inline(__always)
    public static func weekday(days: Int64) -> Int64 {
        let shifted = (days &+ 4) % 7
        return shifted < 0 ? shifted + 7 : shifted
    }
}
