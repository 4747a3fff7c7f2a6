/// Reads the values of WITH options. All return nil for text that is not of the kind.
public enum OptionValue {
    /// Microseconds of `5 s`, `200 ms`, `10us`, `1 min`, `2 h`, `1 d`; a bare number is milliseconds (as in Flink).
    public static func microseconds(_ text: String) -> Int64? {
        guard let (number, unit) = split(text) else { return nil }
        let factor: Int64? =
            switch unit {
            case "us", "micro", "micros", "microsecond", "microseconds", "µs": 1
            case "", "ms", "milli", "millis", "millisecond", "milliseconds": 1_000
            case "s", "sec", "secs", "second", "seconds": 1_000_000
            case "m", "min", "mins", "minute", "minutes": 60_000_000
            case "h", "hour", "hours": 3_600_000_000
            case "d", "day", "days": 86_400_000_000
            default: nil
            }
        guard let factor else { return nil }
        let (result, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : result
    }

    /// Bytes of `128 mb`, `64kb`, `1 g`; a bare number is bytes.
    public static func bytes(_ text: String) -> Int64? {
        guard let (number, unit) = split(text) else { return nil }
        let shift: Int64? =
            switch unit {
            case "", "b", "bytes": 0
            case "k", "kb", "kibibytes": 10
            case "m", "mb", "mebibytes": 20
            case "g", "gb", "gibibytes": 30
            default: nil
            }
        guard let shift else { return nil }
        let (result, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : result
    }

    public static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true": true
        case "false": false
        default: nil
        }
    }

    private static func split(_ text: String) -> (number: Int64, unit: String)? {
        let digits = text.drop { $0 == " " }.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits) else { return nil }
        let unit = text[digits.endIndex...].drop { $0 == " " }.lowercased()
        return (number, String(unit.reversed().drop { $0 == " " }.reversed()))
    }
}
