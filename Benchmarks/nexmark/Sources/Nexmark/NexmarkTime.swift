/// Times as JSON holds them: `2026-01-31 12:00:00.5`, as many fraction digits as there are.
public enum NexmarkTime {
    public static func text(_ milliseconds: Int64) -> String {
        var fraction = milliseconds.floored(by: 1000)
        let second = (milliseconds - fraction) / 1000
        var text = "\(date(milliseconds)) \(clock(second, 3600, 24)):\(clock(second, 60, 60)):\(clock(second, 1, 60))"
        if fraction != 0 {
            var digits = 3
            while fraction % 10 == 0 {
                fraction /= 10
                digits -= 1
            }
            text += "." + padded(fraction, digits)
        }
        return text
    }

    /// `2026-01-31`
    public static func date(_ milliseconds: Int64) -> String {
        // Days to a civil date by counting years and months: slow and obvious.
        var days = (milliseconds - milliseconds.floored(by: 86_400_000)) / 86_400_000
        var year: Int64 = 1970
        func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
        while days >= (isLeap(year) ? 366 : 365) {
            days -= isLeap(year) ? 366 : 365
            year += 1
        }
        var month = 0
        let lengths: [Int64] = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        while days >= lengths[month] {
            days -= lengths[month]
            month += 1
        }
        return "\(year)-\(padded(Int64(month + 1), 2))-\(padded(days + 1, 2))"
    }

    /// `12:00`
    public static func minute(_ milliseconds: Int64) -> String {
        let second = milliseconds / 1000
        return "\(clock(second, 3600, 24)):\(clock(second, 60, 60))"
    }

    public static func hour(_ milliseconds: Int64) -> Int64 { milliseconds / 3_600_000 % 24 }

    private static func clock(_ second: Int64, _ unit: Int64, _ modulus: Int64) -> String {
        padded((second / unit).floored(by: modulus), 2)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let text = "\(value)"
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}

extension Int64 {
    /// The remainder in 0..<modulus.
    fileprivate func floored(by modulus: Int64) -> Int64 { (self % modulus + modulus) % modulus }
}
