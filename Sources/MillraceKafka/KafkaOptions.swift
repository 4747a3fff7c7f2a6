import MillraceCore

/// How the columns of a table are spread over a message's key and value.
struct MessageFormats: Sendable {
    let valueFormat: String
    /// `value` when the table says `value.format`, so that format options are looked up as `value.json.…`.
    let valuePart: String?
    let keyFormat: String?
    /// As declared, prefix included.
    let keyFields: [String]
    let keyPrefix: String
    /// `value.fields-include` = EXCEPT_KEY.
    let valueExcludesKey: Bool
    /// The ROW column that stands for the message itself, as `payload` does in Dataflow SQL; nil: one column a field.
    let valueColumn: (name: String, schema: Schema)?

    init(options: [String: String], columns: Schema) throws(Diagnostic) {
        if let format = options["value.format"] {
            valueFormat = format
            valuePart = "value"
        } else if let format = options["format"] {
            valueFormat = format
            valuePart = nil
        } else {
            throw Diagnostic(
                "option \"format\" is missing", hint: "Add 'format' = 'json' (or 'value.format') to the WITH clause.")
        }
        valueColumn = try MessageFormats.valueColumn(options["value.column"], in: columns)
        keyFormat = options["key.format"]
        keyFields = (options["key.fields"] ?? "").split(separator: ";").map { trim($0) }
        keyPrefix = options["key.fields-prefix"] ?? ""
        switch options["value.fields-include"] ?? "ALL" {
        case "ALL": valueExcludesKey = false
        case "EXCEPT_KEY": valueExcludesKey = true
        case let other:
            throw Diagnostic(
                "option \"value.fields-include\" has the unknown value \"\(other)\"", hint: "Use ALL or EXCEPT_KEY.")
        }
        if keyFormat != nil, keyFields.isEmpty {
            throw Diagnostic(
                "option \"key.format\" needs \"key.fields\"", hint: "Name the key's columns: 'key.fields' = 'a;b'.")
        }
        if keyFormat == nil, !keyFields.isEmpty, valueExcludesKey {
            throw Diagnostic("option \"key.fields\" needs \"key.format\"", hint: "Add 'key.format' = 'json'.")
        }
        if !keyPrefix.isEmpty, !valueExcludesKey {
            throw Diagnostic(
                "option \"key.fields-prefix\" needs 'value.fields-include' = 'EXCEPT_KEY'",
                hint: "A prefixed column is not in the value, so add 'value.fields-include' = 'EXCEPT_KEY'.")
        }
        for field in keyFields {
            guard columns.index(of: field) != nil else {
                throw Diagnostic(
                    "unknown column \"\(field)\" in option \"key.fields\"",
                    hint: NearestName.hint(field, in: columns.fields.map(\.name)))
            }
            guard field.hasPrefix(keyPrefix) else {
                throw Diagnostic(
                    "key column \"\(field)\" does not start with the prefix \"\(keyPrefix)\"",
                    hint: "With 'key.fields-prefix' every column of 'key.fields' carries the prefix.")
            }
        }
    }

    private static func valueColumn(_ name: String?, in columns: Schema) throws(Diagnostic) -> (
        name: String, schema: Schema
    )? {
        guard let name else { return nil }
        guard let index = columns.index(of: name) else {
            throw Diagnostic(
                "unknown column \"\(name)\" in option \"value.column\"",
                hint: NearestName.hint(name, in: columns.fields.map(\.name)))
        }
        guard case .row(let fields) = columns[index].type else {
            throw Diagnostic(
                "column \"\(name)\" in option \"value.column\" is \(columns[index].type)",
                hint: "Declare it as ROW<…> with the fields of the message.")
        }
        return (name, Schema(fields))
    }

    /// Where the value message has a column that the table knows by `path`.
    func pathInValue(_ path: [String]) throws(Diagnostic) -> [String] {
        guard let valueColumn else { return path }
        guard path.first == valueColumn.name, path.count > 1 else {
            throw Diagnostic(
                "column \"\(path.joined(separator: "."))\" cannot be read as a whole",
                hint: "The message is column \"\(valueColumn.name)\"; select its fields, \"\(valueColumn.name).x\".")
        }
        return Array(path.dropFirst())
    }

    func isKey(_ column: String) -> Bool { keyFields.contains(column) }
    /// The name inside the key message.
    func keyName(_ column: String) -> String { String(column.dropFirst(keyPrefix.count)) }
}

/// The `scan.…` and `topic` options of a source table.
struct ScanOptions: Sendable {
    enum Startup: Sendable, Equatable {
        case groupOffsets, earliest, latest
        /// Milliseconds since 1970.
        case timestamp(Int64)
        case specific([Int32: Int64])
    }
    enum Bound: Sendable, Equatable {
        case latest, groupOffsets
        case timestamp(Int64)
        case specific([Int32: Int64])
    }
    let topics: [String]
    let pattern: String?
    let startup: Startup
    /// nil: never ends.
    let bound: Bound?
    /// 0 = off.
    let discoveryIntervalMicroseconds: Int64

    init(options: [String: String]) throws(Diagnostic) {
        topics = (options["topic"] ?? "").split(separator: ";").map { trim($0) }.filter { !$0.isEmpty }
        pattern = options["topic-pattern"]
        if topics.isEmpty == (pattern == nil) {
            throw Diagnostic(
                topics.isEmpty
                    ? "option \"topic\" is missing" : "options \"topic\" and \"topic-pattern\" are both given",
                hint: "Give either 'topic' = 'a;b' or 'topic-pattern' = 'regular expression'.")
        }
        if let pattern, (try? Regex(pattern)) == nil {
            throw Diagnostic("option \"topic-pattern\" is not a regular expression", hint: "Example: 'orders-.*'.")
        }
        switch options["scan.startup.mode"] ?? "group-offsets" {
        case "group-offsets": startup = .groupOffsets
        case "earliest-offset": startup = .earliest
        case "latest-offset": startup = .latest
        case "timestamp":
            startup = .timestamp(try ScanOptions.milliseconds(options, "scan.startup.timestamp-millis"))
        case "specific-offsets":
            startup = .specific(try ScanOptions.offsets(options, "scan.startup.specific-offsets"))
        case let other:
            throw ScanOptions.unknownChoice(
                "scan.startup.mode", other,
                ["group-offsets", "earliest-offset", "latest-offset", "timestamp", "specific-offsets"])
        }
        switch options["scan.bounded.mode"] ?? "unbounded" {
        case "unbounded": bound = nil
        case "latest-offset": bound = .latest
        case "group-offsets": bound = .groupOffsets
        case "timestamp": bound = .timestamp(try ScanOptions.milliseconds(options, "scan.bounded.timestamp-millis"))
        case "specific-offsets":
            bound = .specific(try ScanOptions.offsets(options, "scan.bounded.specific-offsets"))
        case let other:
            throw ScanOptions.unknownChoice(
                "scan.bounded.mode", other,
                ["unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets"])
        }
        let interval = options["scan.topic-partition-discovery.interval"] ?? "5 min"
        guard let microseconds = OptionValue.microseconds(interval) else {
            throw Diagnostic(
                "option \"scan.topic-partition-discovery.interval\" is not a duration",
                hint: "Write it as '30 s' or '5 min'; '0' switches discovery off.")
        }
        discoveryIntervalMicroseconds = microseconds
    }

    private static func unknownChoice(_ option: String, _ value: String, _ choices: [String]) -> Diagnostic {
        Diagnostic(
            "option \"\(option)\" has the unknown value \"\(value)\"",
            hint: NearestName.hint(value, in: choices) ?? "Use one of: \(choices.joined(separator: ", ")).")
    }

    private static func milliseconds(_ options: [String: String], _ name: String) throws(Diagnostic) -> Int64 {
        guard let value = options[name].flatMap({ Int64($0) }), value >= 0 else {
            throw Diagnostic(
                "option \"\(name)\" must be a number of milliseconds since 1970",
                hint: "Example: '\(name)' = '1735689600000'.")
        }
        return value
    }

    /// `partition:0,offset:42;partition:1,offset:300`, as Flink writes it.
    private static func offsets(_ options: [String: String], _ name: String) throws(Diagnostic) -> [Int32: Int64] {
        var result: [Int32: Int64] = [:]
        for entry in (options[name] ?? "").split(separator: ";") {
            var partition: Int32?
            var offset: Int64?
            for part in entry.split(separator: ",") {
                let pair = part.split(separator: ":", maxSplits: 1).map { trim($0) }
                guard pair.count == 2 else { continue }
                if pair[0] == "partition" { partition = Int32(pair[1]) }
                if pair[0] == "offset" { offset = Int64(pair[1]) }
            }
            guard let partition, let offset, partition >= 0, offset >= 0, result[partition] == nil else {
                result = [:]
                break
            }
            result[partition] = offset
        }
        guard !result.isEmpty else {
            throw Diagnostic(
                "option \"\(name)\" must name an offset for each partition",
                hint: "Example: '\(name)' = 'partition:0,offset:42;partition:1,offset:300'.")
        }
        return result
    }
}

/// The text without blanks at its ends.
func trim(_ text: some StringProtocol) -> String {
    var rest = Substring(text)
    while let first = rest.first, first.isWhitespace { rest.removeFirst() }
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return String(rest)
}
