import MillraceCore
import MillraceSQL

/// The CONFIG argument of ML_PREDICT, checked: which receipts, what contract, what Flink writes there.
struct PredictConfig {
    var receipts: [(kind: PredictReceipt.Kind, name: String)] = []
    var contract = PredictContract()
    /// Keys that are read for Flink's sake.
    var rest: [String: String] = [:]

    static let keys: [OptionDescriptor] = [
        OptionDescriptor("async", .boolean, "Accepted for Flink's sake; models run in the process"),
        OptionDescriptor("timeout", .duration, "Accepted for Flink's sake"),
        OptionDescriptor("capacity", .integer, "Accepted for Flink's sake"),
        OptionDescriptor("output-mode", .choice(["ORDERED", "ALLOW_UNORDERED"]), "Rows always keep their order"),
        OptionDescriptor("max-concurrent-operations", .integer, "Accepted for Flink's sake"),
        OptionDescriptor("version-column", .string, "Name of a column with the model's version"),
        OptionDescriptor("model-column", .string, "Name of a column with the model's name"),
        OptionDescriptor("hash-column", .string, "Name of a column with the SHA-256 of the model's file"),
        OptionDescriptor("latency-column", .string, "Name of a column with the microseconds of the model's call"),
        OptionDescriptor("timeout-column", .string, "Name of a column that is TRUE where a default stands"),
        OptionDescriptor("shadow-column", .string, "Name of a column with the shadow's first output"),
        OptionDescriptor("deadline", .duration, "How long a row may wait for the model"),
        OptionDescriptor("on-timeout", .choice(["default", "dead-letter"]), "What becomes of a row after that"),
        OptionDescriptor("default-value", .string, "The OUTPUT column's value of such a row"),
        OptionDescriptor("batch-size", .integer, "Most rows that the model is given at once"),
    ]
    private static let longestBatch: Int64 = 65_536

    private struct Entry {
        var text: String
        var key: SourceRange
        var value: SourceRange
    }

    /// Nil after an error.
    ///
    /// - Parameter syntax: `MAP['key', 'value', …]`; nil: nothing was given.
    static func read(
        _ syntax: ExpressionSyntax?, model: ModelPlan, options: OptionChecker, log: DiagnosticLog
    ) -> PredictConfig? {
        guard let syntax else { return PredictConfig() }
        guard let entries = entries(syntax, model: model, options: options, log: log) else { return nil }
        var config = PredictConfig()
        var isFine = true
        func fail(_ message: String, at range: SourceRange, hint: String? = nil) {
            log.error(message, at: range, hint: hint)
            isFine = false
        }
        for kind in PredictReceipt.Kind.allCases {
            guard let entry = entries[kind.rawValue] else { continue }
            if entry.text.isEmpty { fail("CONFIG key \"\(kind.rawValue)\" takes a column name", at: entry.value) }
            if kind == .shadow, model.shadow == nil {
                fail(
                    "model \"\(model.name)\" has no shadow", at: entry.key,
                    hint: "Give it one with 'shadow.path' in CREATE MODEL.")
            }
            config.receipts.append((kind, entry.text))
        }
        if let entry = entries["batch-size"] {
            if let rows = Int64(entry.text), (1...longestBatch).contains(rows) {
                config.contract.batchRows = Int(rows)
            } else {
                fail("CONFIG key \"batch-size\" takes 1 to \(longestBatch) rows", at: entry.value)
            }
        }
        if let entry = entries["deadline"] {
            config.contract.deadlineMicroseconds = OptionValue.microseconds(entry.text)
            if config.contract.deadlineMicroseconds == 0 {
                fail(
                    "CONFIG key \"deadline\" takes more than 0", at: entry.value,
                    hint: "Leave it out to wait as long as the model takes.")
            }
        }
        let onTimeout = entries["on-timeout"]
        let givesDefault = onTimeout?.text.lowercased() == "default"
        let defaults = entries.filter { $0.key == "default-value" || $0.key.hasPrefix("default-value.") }
            .sorted { $0.value.key.start < $1.value.key.start }
        if entries["deadline"] == nil, let entry = onTimeout ?? entries["timeout-column"] {
            fail(
                "CONFIG has no \"deadline\" that could pass", at: entry.key,
                hint: "Add 'deadline', '5 ms' or another time.")
        }
        if !givesDefault, let entry = defaults.first?.value {
            fail(
                "CONFIG key \"default-value\" needs 'on-timeout', 'default'", at: entry.key)
        }
        if givesDefault, let onTimeout {
            if let values = defaultValues(defaults, model: model, at: onTimeout.value, fail) {
                config.contract.onTimeout = .values(values)
            }
        }
        for key in ["async", "timeout", "capacity", "output-mode", "max-concurrent-operations"] {
            config.rest[key] = entries[key]?.text
        }
        return isFine ? config : nil
    }

    /// One value an OUTPUT column.
    private static func defaultValues(
        _ entries: [(key: String, value: Entry)], model: ModelPlan, at range: SourceRange,
        _ fail: (String, SourceRange, String?) -> Void
    ) -> [Value]? {
        let outputs = model.outputs.fields
        guard !entries.isEmpty else {
            fail(
                "'on-timeout', 'default' needs a default", range,
                outputs.count == 1
                    ? "Add 'default-value' with a value for \(outputs[0].name) \(outputs[0].type), or NULL."
                    : "Add 'default-value.\(outputs[0].name)' and so on, for each column of OUTPUT that is not to be NULL."
            )
            return nil
        }
        var values = outputs.map { _ in Value.null }
        var isFine = true
        for (key, entry) in entries {
            var column = 0
            if key == "default-value" {
                guard outputs.count == 1 else {
                    fail(
                        "model \"\(model.name)\" has \(outputs.count) outputs", entry.key,
                        "Write 'default-value.\(outputs[0].name)' and so on; a column without one gets NULL.")
                    isFine = false
                    continue
                }
            } else {
                let name = String(key.dropFirst("default-value.".count))
                guard let index = model.outputs.index(of: name) else {
                    fail(
                        "model \"\(model.name)\" has no output \"\(name)\"", entry.key,
                        NearestName.find(name, in: outputs.map(\.name)).map { "Did you mean \"default-value.\($0)\"?" })
                    isFine = false
                    continue
                }
                column = index
            }
            guard let value = TextValue.parse(entry.text, as: outputs[column].type) else {
                fail(
                    "output \"\(outputs[column].name)\" is \(outputs[column].type), which \"\(entry.text)\" is not",
                    entry.value, "Write a value of that type, or NULL.")
                isFine = false
                continue
            }
            values[column] = value
        }
        return isFine ? values : nil
    }

    /// Keys and values as written, with variables filled in; nil after an error.
    private static func entries(
        _ syntax: ExpressionSyntax, model: ModelPlan, options: OptionChecker, log: DiagnosticLog
    ) -> [String: Entry]? {
        guard case .mapValue(let parts) = syntax.kind, parts.count.isMultiple(of: 2) else {
            log.error("CONFIG takes MAP['key', 'value', …]", at: syntax.range)
            return nil
        }
        var result: [String: Entry] = [:]
        var isFine = true
        for index in stride(from: 0, to: parts.count, by: 2) {
            guard case .string(let key, _) = parts[index].kind, case .string(let value, _) = parts[index + 1].kind
            else {
                log.error("CONFIG takes text keys and values", at: parts[index].range)
                isFine = false
                continue
            }
            let isDefault = key.hasPrefix("default-value.")
            guard let descriptor = keys.first(where: { $0.name == (isDefault ? "default-value" : key) }) else {
                log.error(
                    "unknown CONFIG key \"\(key)\"", at: parts[index].range,
                    hint: NearestName.hint(key, in: keys.map(\.name)))
                isFine = false
                continue
            }
            if result[key] != nil {
                log.error("CONFIG key \"\(key)\" is given twice", at: parts[index].range)
                isFine = false
                continue
            }
            guard let filled = options.value(StringSyntax(value, range: parts[index + 1].range), of: descriptor) else {
                isFine = false
                continue
            }
            result[key] = Entry(text: filled, key: parts[index].range, value: parts[index + 1].range)
        }
        return isFine ? result : nil
    }
}
