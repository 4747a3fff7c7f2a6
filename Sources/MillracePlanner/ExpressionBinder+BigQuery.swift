import MillraceCore
import MillraceSQL

/// BigQuery's spellings, as the expressions of Flink that mean the same.
extension ExpressionBinder {
    /// The call in Flink's terms. `.passed` when the name is not one of BigQuery's own.
    func bigQuery(_ name: String, _ arguments: [ExpressionSyntax], _ range: SourceRange) -> Interception {
        guard let counts = BigQueryCall.argumentCounts[name] else { return .passed }
        guard counts.contains(arguments.count) else {
            let most =
                counts.upperBound < 100 && counts.upperBound > counts.lowerBound ? " to \(counts.upperBound)" : ""
            _ = fail(
                "function \(name) takes \(counts.lowerBound)\(most) arguments, not \(arguments.count)", range)
            return .failed
        }
        guard let rewritten = BigQueryCall(name: name, arguments: arguments, range: range, log: log).rewritten() else {
            return .failed
        }
        return bind(rewritten).map { .bound($0) } ?? .failed
    }

    /// `STRUCT(1 AS a, x)`: a ROW whose fields have these names, or those of their columns.
    func structure(_ arguments: [CallSyntax.ArgumentSyntax]) -> Bound? {
        let bound = arguments.map { ($0, bind($0.value)) }
        let parts = bound.compactMap { item in item.1.map { (item.0, $0) } }
        guard parts.count == arguments.count else { return nil }
        let fields = parts.enumerated().map { index, part in
            var name = "EXPR$\(index)"
            if let given = part.0.name {
                name = given.text
            } else if case .name(let path) = part.0.value.kind, let last = path.last {
                name = last.text
            }
            return Field(name, part.1.type, isNullable: part.1.isNullable)
        }
        return Bound(.call(.rowConstructor, parts.map(\.1.expression), .row(fields)), isNullable: false)
    }

    /// The position in `a[OFFSET(0)]`, `a[SAFE_OFFSET(0)]`, `a[ORDINAL(1)]`, counted from 1.
    func position(_ index: ExpressionSyntax) -> ExpressionSyntax? {
        guard case .call(let call) = index.kind, call.arguments.count == 1 else { return nil }
        let value = call.arguments[0].value
        switch call.name.text.uppercased() {
        case "OFFSET", "SAFE_OFFSET":
            if case .number(let text) = value.kind, let number = Int(text) {
                return ExpressionSyntax(.number(String(number + 1)), range: value.range)
            }
            return ExpressionSyntax(
                .binary(.add, value, ExpressionSyntax(.number("1"), range: value.range)), range: value.range)
        case "ORDINAL", "SAFE_ORDINAL": return value
        default: return nil
        }
    }
}

/// One call of BigQuery on its way to Flink's.
struct BigQueryCall {
    let name: String
    let arguments: [ExpressionSyntax]
    let range: SourceRange
    let log: DiagnosticLog

    static let argumentCounts: [String: ClosedRange<Int>] = {
        var counts: [String: ClosedRange<Int>] = [
            "SAFE_DIVIDE": 2...2, "IEEE_DIVIDE": 2...2, "IS_NAN": 1...1, "IS_INF": 1...1,
            "TIMESTAMP_TRUNC": 2...3, "DATETIME_TRUNC": 2...2, "DATE_TRUNC": 2...2, "TIME_TRUNC": 2...2,
            "FORMAT_TIMESTAMP": 2...3, "FORMAT_DATETIME": 2...2, "FORMAT_DATE": 2...2, "FORMAT_TIME": 2...2,
            "PARSE_TIMESTAMP": 2...3, "PARSE_DATETIME": 2...2, "PARSE_DATE": 2...2, "PARSE_TIME": 2...2,
            "UNIX_SECONDS": 1...1, "UNIX_MILLIS": 1...1, "UNIX_MICROS": 1...1, "UNIX_DATE": 1...1,
            "TIMESTAMP_SECONDS": 1...1, "TIMESTAMP_MILLIS": 1...1, "TIMESTAMP_MICROS": 1...1,
            "DATE_FROM_UNIX_DATE": 1...1, "CURRENT_DATETIME": 0...1, "LAST_DAY": 1...2,
            "DATE": 1...3, "TIME": 1...3, "TIMESTAMP": 1...2, "DATETIME": 1...6,
            "STRING": 1...1, "INT64": 1...1, "FLOAT64": 1...1, "BOOL": 1...1,
            "STRPOS": 2...2, "CONTAINS_SUBSTR": 2...2, "FORMAT": 1...1000, "ARRAY_TO_STRING": 2...3,
            "TO_JSON_STRING": 1...2,
        ]
        for kind in ["TIMESTAMP", "DATETIME", "DATE", "TIME"] {
            counts[kind + "_ADD"] = 2...2
            counts[kind + "_SUB"] = 2...2
            counts[kind + "_DIFF"] = 3...3
        }
        return counts
    }()

    static var names: [String] { argumentCounts.keys.sorted() }

    // MARK: Pieces of syntax

    private func make(_ kind: ExpressionSyntax.Kind) -> ExpressionSyntax { ExpressionSyntax(kind, range: range) }
    private func text(_ text: String) -> ExpressionSyntax { make(.string(text, isDoubleQuoted: false)) }
    private func number(_ value: Int) -> ExpressionSyntax { make(.number(String(value))) }
    private func unit(_ name: String) -> ExpressionSyntax { make(.timeUnit(name)) }
    private func interval(_ unit: IntervalUnit) -> ExpressionSyntax {
        make(.interval(text: "1", from: unit, to: nil, isNegative: false))
    }
    private func cast(_ value: ExpressionSyntax, _ type: String, _ parameters: [Int] = []) -> ExpressionSyntax {
        make(.cast(value, TypeSyntax(name: type, parameters: parameters, range: range), isTry: false))
    }
    private func binary(
        _ op: ExpressionSyntax.BinaryOperator, _ left: ExpressionSyntax, _ right: ExpressionSyntax
    ) -> ExpressionSyntax { make(.binary(op, left, right)) }
    private func call(_ name: String, _ arguments: ExpressionSyntax...) -> ExpressionSyntax { call(name, arguments) }
    private func call(_ name: String, _ arguments: [ExpressionSyntax]) -> ExpressionSyntax {
        make(
            .call(
                CallSyntax(
                    name: ObjectName([Identifier(name, range: range)]), arguments: arguments.map { .init(value: $0) })))
    }

    private func fail(_ message: String, at range: SourceRange, _ hint: String? = nil) -> ExpressionSyntax? {
        log.error(message, at: range, hint: hint)
        return nil
    }

    // MARK: Rewriting

    /// Nil after an error.
    func rewritten() -> ExpressionSyntax? {
        let first = arguments.first ?? number(0)
        let second = arguments.count > 1 ? arguments[1] : number(0)
        switch name {
        case "SAFE_DIVIDE", "IEEE_DIVIDE":
            let quotient = binary(.divide, cast(first, "DOUBLE"), cast(second, "DOUBLE"))
            guard name == "SAFE_DIVIDE" else { return quotient }
            let condition = binary(.notEqual, second, number(0))
            return make(.conditional(operand: nil, [.init(condition: condition, result: quotient)], otherwise: nil))
        case "IS_NAN": return binary(.equal, cast(cast(first, "DOUBLE"), "STRING"), text("NaN"))
        case "IS_INF": return binary(.equal, cast(call("ABS", cast(first, "DOUBLE")), "STRING"), text("Infinity"))
        case "TIMESTAMP_TRUNC", "DATETIME_TRUNC", "DATE_TRUNC", "TIME_TRUNC":
            guard isUTC(at: 2) else { return nil }
            return truncated(first, to: second)
        case "TIMESTAMP_ADD", "DATETIME_ADD", "DATE_ADD", "TIME_ADD": return binary(.add, first, second)
        case "TIMESTAMP_SUB", "DATETIME_SUB", "DATE_SUB", "TIME_SUB": return binary(.subtract, first, second)
        case "TIMESTAMP_DIFF", "DATETIME_DIFF", "DATE_DIFF", "TIME_DIFF": return difference(first, second)
        case "FORMAT_TIMESTAMP", "FORMAT_DATETIME", "FORMAT_DATE", "FORMAT_TIME":
            guard isUTC(at: 2), let pattern = pattern(first) else { return nil }
            return call("DATE_FORMAT", name == "FORMAT_TIME" ? cast(second, "TIMESTAMP", [3]) : second, text(pattern))
        case "PARSE_TIMESTAMP", "PARSE_DATETIME", "PARSE_DATE", "PARSE_TIME":
            guard isUTC(at: 2), let pattern = pattern(first) else { return nil }
            if name == "PARSE_DATE" { return call("TO_DATE", second, text(pattern)) }
            guard name == "PARSE_TIME" else { return call("TO_TIMESTAMP", second, text(pattern)) }
            let day = binary(.concat, text("1970-01-01 "), second)
            return cast(call("TO_TIMESTAMP", day, text("yyyy-MM-dd " + pattern)), "TIME")
        case "UNIX_SECONDS": return call("EXTRACT", unit("EPOCH"), first)
        case "UNIX_MILLIS": return epoch(first, "MILLISECOND", 1000)
        case "UNIX_MICROS": return epoch(first, "MICROSECOND", 1_000_000)
        case "UNIX_DATE": return call("TIMESTAMPDIFF", unit("DAY"), make(.temporal(.date, "1970-01-01")), first)
        case "DATE_FROM_UNIX_DATE":
            return binary(.add, make(.temporal(.date, "1970-01-01")), binary(.multiply, first, interval(.day)))
        case "TIMESTAMP_SECONDS": return call("TO_TIMESTAMP_LTZ", first, number(0))
        case "TIMESTAMP_MILLIS": return call("TO_TIMESTAMP_LTZ", first, number(3))
        case "TIMESTAMP_MICROS": return call("TO_TIMESTAMP_LTZ", first, number(6))
        case "CURRENT_DATETIME": return call("LOCALTIMESTAMP")
        case "LAST_DAY":
            let floor = arguments.count > 1 ? truncated(first, to: second) : truncated(first, to: unit("MONTH"))
            guard let floor else { return nil }
            let step = IntervalUnit(rawValue: arguments.count > 1 ? unitName(second) ?? "" : "MONTH") ?? .month
            return cast(binary(.subtract, binary(.add, floor, interval(step)), interval(.day)), "DATE")
        case "DATE", "TIME", "DATETIME", "TIMESTAMP": return moment(first)
        case "STRING": return cast(first, "STRING")
        case "INT64": return cast(first, "BIGINT")
        case "FLOAT64": return cast(first, "DOUBLE")
        case "BOOL": return cast(first, "BOOLEAN")
        case "STRPOS": return call("POSITION", second, first)
        case "CONTAINS_SUBSTR":
            let place = call("POSITION", call("LOWER", second), call("LOWER", cast(first, "STRING")))
            return binary(.greater, place, number(0))
        case "FORMAT": return call("PRINTF", arguments)
        case "ARRAY_TO_STRING": return call("ARRAY_JOIN", arguments)
        default: return call("JSON_STRING", first)
        }
    }

    /// DATE(x), or DATE(year, month, day) and its like.
    private func moment(_ first: ExpressionSyntax) -> ExpressionSyntax? {
        let type = name == "DATE" ? "DATE" : name == "TIME" ? "TIME" : "TIMESTAMP"
        let parameters = type == "TIMESTAMP" ? [6] : []
        guard arguments.count > 2 else {
            if arguments.count == 2, !isUTC(at: 1) { return nil }
            return cast(first, type, parameters)
        }
        func digits(_ value: ExpressionSyntax, _ width: Int) -> ExpressionSyntax {
            call("LPAD", cast(value, "STRING"), number(width), text("0"))
        }
        func joined(_ values: ArraySlice<ExpressionSyntax>, _ separator: String, _ width: Int) -> ExpressionSyntax {
            var result = digits(values.first ?? number(0), width)
            for value in values.dropFirst() {
                result = binary(.concat, binary(.concat, result, text(separator)), digits(value, 2))
            }
            return result
        }
        if name == "TIME" { return cast(joined(arguments[...], ":", 2), type) }
        let date = joined(arguments[..<3], "-", 4)
        guard name == "DATETIME", arguments.count == 6 else { return cast(date, type, parameters) }
        return cast(
            binary(.concat, binary(.concat, date, text(" ")), joined(arguments[3...], ":", 2)), type, parameters)
    }

    private func epoch(_ time: ExpressionSyntax, _ fraction: String, _ perSecond: Int) -> ExpressionSyntax {
        binary(
            .add, binary(.multiply, call("EXTRACT", unit("EPOCH"), time), number(perSecond)),
            call("EXTRACT", unit(fraction), time))
    }

    /// Days, weeks and longer units of dates are counted by their bounds; shorter ones, and those of TIMESTAMP, whole.
    private func difference(_ to: ExpressionSyntax, _ from: ExpressionSyntax) -> ExpressionSyntax? {
        guard let unit = unitName(arguments[2]) else { return unknownUnit(arguments[2]) }
        if unit == "MILLISECOND" || unit == "MICROSECOND" {
            let (fraction, perSecond) = unit == "MILLISECOND" ? (unit, 1000) : (unit, 1_000_000)
            if name == "TIME_DIFF" {
                let day = [to, from].map { cast($0, "TIMESTAMP", [6]) }
                return binary(.subtract, epoch(day[0], fraction, perSecond), epoch(day[1], fraction, perSecond))
            }
            return binary(.subtract, epoch(to, fraction, perSecond), epoch(from, fraction, perSecond))
        }
        var ends = [from, to]
        if name == "DATE_DIFF" || name == "DATETIME_DIFF" {
            ends = ends.compactMap { truncated($0, to: arguments[2]) }
            guard ends.count == 2 else { return nil }
        }
        let counted = unit == "ISOWEEK" || unit.hasPrefix("WEEK") ? "WEEK" : unit == "ISOYEAR" ? "YEAR" : unit
        return cast(call("TIMESTAMPDIFF", [self.unit(counted)] + ends), "BIGINT")
    }

    /// The start of the unit that holds a time. WEEK begins on Sunday, ISOWEEK on Monday, WEEK(day) on that day.
    private func truncated(_ time: ExpressionSyntax, to unit: ExpressionSyntax) -> ExpressionSyntax? {
        guard let name = unitName(unit) else { return unknownUnit(unit) }
        let days = ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"]
        var shift = 0
        if name == "ISOWEEK" { shift = 1 }
        if name.hasPrefix("WEEK("), let day = days.firstIndex(of: String(name.dropFirst(5).dropLast())) { shift = day }
        guard shift > 0 else {
            return call("FLOOR", time, self.unit(name.hasPrefix("WEEK") ? "WEEK" : name))
        }
        let days_ = binary(.multiply, interval(.day), number(shift))
        return binary(.add, call("FLOOR", binary(.subtract, time, days_), self.unit("WEEK")), days_)
    }

    private static let units: Set<String> = [
        "MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "ISOWEEK", "MONTH", "QUARTER", "YEAR",
    ]

    /// `DAY`, or `WEEK(MONDAY)`; nil when it is none.
    private func unitName(_ syntax: ExpressionSyntax) -> String? {
        switch syntax.kind {
        case .timeUnit(let name): return name
        case .name(let path) where path.count == 1:
            let name = path[0].text.uppercased()
            return Self.units.contains(name) ? name : nil
        case .call(let call) where call.name.text.uppercased() == "WEEK" && call.arguments.count == 1:
            guard case .name(let path) = call.arguments[0].value.kind, let day = path.first else { return nil }
            let name = day.text.uppercased()
            return name.hasSuffix("DAY") ? "WEEK(\(name))" : nil
        default: return nil
        }
    }

    private func unknownUnit(_ syntax: ExpressionSyntax) -> ExpressionSyntax? {
        fail(
            "\(name) takes a unit of time", at: syntax.range,
            "The units are \(Self.units.sorted().joined(separator: ", ")).")
    }

    /// Times are kept in UTC; another zone as an argument has no counterpart.
    private func isUTC(at index: Int) -> Bool {
        guard arguments.count > index else { return true }
        if case .string(let zone, _) = arguments[index].kind, ["UTC", "+00", "+00:00", "Z"].contains(zone.uppercased())
        {
            return true
        }
        log.error(
            "\(name) takes only the time zone 'UTC'", at: arguments[index].range,
            hint: "Convert with CONVERT_TZ, or SET 'table.local-time-zone'.")
        return false
    }

    /// A format such as `%Y-%m-%d` as a pattern of Java.
    private func pattern(_ format: ExpressionSyntax) -> String? {
        guard case .string(let format, _) = format.kind else {
            _ = fail("\(name) takes its format as a text literal", at: format.range)
            return nil
        }
        switch TimeFormat.javaPattern(of: format) {
        case .success(let pattern): return pattern
        case .failure(let unknown):
            _ = fail(
                "\(name) does not know \"\(unknown.element)\"", at: arguments[0].range,
                "Elements such as %Y %m %d %H %M %S %E3S %F %T %y %j %b %B %a %A %I %p %R are known.")
            return nil
        }
    }
}

/// The format elements of BigQuery (those of `strftime`).
enum TimeFormat {
    struct Unknown: Error { var element: String }

    private static let elements: [String: String] = [
        "Y": "yyyy", "m": "MM", "d": "dd", "H": "HH", "M": "mm", "S": "ss", "F": "yyyy-MM-dd", "T": "HH:mm:ss",
        "y": "yy", "j": "DDD", "b": "MMM", "h": "MMM", "B": "MMMM", "a": "EEE", "A": "EEEE", "I": "hh", "p": "a",
        "R": "HH:mm", "D": "MM/dd/yy", "x": "MM/dd/yy", "X": "HH:mm:ss", "e": "d", "k": "H", "l": "h", "u": "e",
        "Q": "Q", "E4Y": "yyyy", "E1S": "ss.S", "E2S": "ss.SS", "E3S": "ss.SSS", "E4S": "ss.SSSS", "E5S": "ss.SSSSS",
        "E6S": "ss.SSSSSS", "E*S": "ss.SSSSSS", "n": "\n", "t": "\t", "%": "%", "Z": "'UTC'", "z": "'+0000'",
        "Ez": "'+00:00'",
    ]

    static func javaPattern(of format: String) -> Result<String, Unknown> {
        var pattern = ""
        var literal = ""
        func flush() {
            // Letters are quoted; a quote is doubled.
            let escaped = literal.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
            if literal.contains(where: { $0.isLetter }) {
                pattern += "'\(escaped)'"
            } else {
                pattern += escaped
            }
            literal = ""
        }
        var rest = Substring(format)
        while let character = rest.popFirst() {
            guard character == "%" else {
                literal.append(character)
                continue
            }
            flush()
            let length = rest.first == "E" ? (rest.dropFirst().first == "z" ? 2 : 3) : 1
            let element = String(rest.prefix(length))
            guard let java = elements[element] else { return .failure(Unknown(element: "%" + element)) }
            rest = rest.dropFirst(length)
            pattern += java
        }
        flush()
        return .success(pattern)
    }
}
