import MillraceCore
import MillraceSQL

/// Checks WITH clauses against the registry before anything connects.
struct OptionChecker {
    let registry: Registry
    let variables: [String: String]
    let log: DiagnosticLog

    /// The value with `${key}` and `${key:-default}` filled in; nil when a variable is missing.
    func expand(_ syntax: StringSyntax) -> String? {
        let text = syntax.text
        guard text.contains("${") else { return text }
        var result = ""
        var isComplete = true
        var rest = text[...]
        while let start = rest.firstIndex(of: "$") {
            let after = rest.index(after: start)
            guard after < rest.endIndex, rest[after] == "{", let end = rest[after...].firstIndex(of: "}") else {
                result += rest[...start]
                rest = rest[after...]
                continue
            }
            result += rest[..<start]
            let body = rest[rest.index(after: after)..<end]
            var key = String(body)
            var fallback: String?
            // `:-` separates the default, as in a shell.
            if let colon = body.firstIndex(of: ":"), body[colon...].hasPrefix(":-") {
                key = String(body[..<colon])
                fallback = String(body[colon...].dropFirst(2))
            }
            if let value = variables[key] ?? fallback {
                result += value
            } else {
                isComplete = false
                log.error(
                    "variable \"\(key)\" is not set", at: range(of: start, to: rest.index(after: end), in: syntax),
                    hint: NearestName.hint(key, in: variables.keys.sorted())
                        ?? "Give it on the command line, or write ${\(key):-default}.")
            }
            rest = rest[rest.index(after: end)...]
        }
        return isComplete ? result + rest : nil
    }

    /// A part of a literal as a place in the file; the whole literal where quotes or line ends make columns differ.
    private func range(of start: String.Index, to end: String.Index, in syntax: StringSyntax) -> SourceRange {
        let text = syntax.text
        guard !syntax.range.isNone, !text.contains("'"), !text.contains("\n") else { return syntax.range }
        func position(_ index: String.Index) -> TextPosition {
            var position = syntax.range.start
            position.offset += 1 + text.utf8.distance(from: text.startIndex, to: index)
            position.column += 1 + text.distance(from: text.startIndex, to: index)
            return position
        }
        return SourceRange(start: position(start), end: position(end))
    }

    /// Connector and canonical options of a table; nil connector after an error about it.
    func table(
        _ options: [OptionSyntax], name: String, range: SourceRange
    ) -> (connector: ConnectorDescriptor?, options: [String: String], isComplete: Bool) {
        var values: [String: (value: String, syntax: OptionSyntax)] = [:]
        var isComplete = true
        for option in options {
            if let earlier = values[option.key.text], earlier.syntax.key.range != option.key.range {
                log.warning(
                    "option \"\(option.key.text)\" is given twice", at: option.key.range, hint: "The last value counts."
                )
            }
            guard let value = expand(option.value) else {
                isComplete = false
                values[option.key.text] = ("", option)
                continue
            }
            values[option.key.text] = (value, option)
        }
        guard let connectorOption = values["connector"] else {
            let hint = NearestName.find("connector", in: options.map(\.key.text)).map {
                "Did you mean \"connector\" instead of \"\($0)\"?"
            }
            log.error(
                "table \"\(name)\" has no option \"connector\"", at: range,
                hint: hint ?? "Add 'connector' = '…' to its WITH clause: \(list(registry.connectors.map(\.name))).")
            return (nil, [:], false)
        }
        let wanted = connectorOption.value
        guard let connector = registry.connectors.first(where: { $0.name == wanted || $0.aliases.contains(wanted) })
        else {
            log.error(
                "unknown connector \"\(wanted)\"", at: connectorOption.syntax.value.range,
                hint: NearestName.hint(wanted, in: registry.connectors.flatMap { [$0.name] + $0.aliases })
                    ?? "The connectors are \(list(registry.connectors.map(\.name))).")
            return (nil, [:], false)
        }
        var known = connector.options + registry.tableOptions
        var formats: [(prefix: String, format: FormatDescriptor)] = []
        if connector.takesFormat {
            var keys = ["format"]
            if connector.takesKeyFormat { keys += ["value.format", "key.format"] }
            for key in keys {
                if !known.contains(where: { $0.name == key }) {
                    known.append(OptionDescriptor(key, .choice(registry.formats.map(\.name)), "The format"))
                }
                guard let given = values[key], let format = registry.formats.first(where: { $0.name == given.value })
                else {
                    continue
                }
                formats.append((format.name + ".", format))
                if connector.takesKeyFormat {
                    formats.append(((key == "key.format" ? "key." : "value.") + format.name + ".", format))
                }
            }
            if values["format"] == nil, values["value.format"] == nil {
                isComplete = false
                log.error(
                    "table \"\(name)\" has no option \"format\"", at: range,
                    hint: "The formats are \(list(registry.formats.map(\.name))).")
            }
        }
        var result: [String: String] = [:]
        var misspelt: Set<String> = []
        let names =
            known.map(\.name) + ["connector"] + formats.flatMap { f in f.format.options.map { f.prefix + $0.name } }
        for option in options where values[option.key.text]?.syntax == option {
            let key = option.key.text
            guard key != "connector", let value = values[key]?.value else { continue }
            if let descriptor = known.first(where: { $0.name == key }) {
                if !check(value, descriptor, key: key, at: option.value.range, isFormat: key.hasSuffix("format")) {
                    isComplete = false
                }
            } else if let match = formats.first(where: { key.hasPrefix($0.prefix) }) {
                let short = String(key.dropFirst(match.prefix.count))
                if let descriptor = match.format.options.first(where: { $0.name == short }) {
                    if !check(value, descriptor, key: key, at: option.value.range) { isComplete = false }
                } else {
                    isComplete = false
                    log.error(
                        "unknown option \"\(key)\" of format \"\(match.format.name)\"", at: option.key.range,
                        hint: NearestName.hint(key, in: match.format.options.map { match.prefix + $0.name }))
                }
            } else if !connector.openPrefixes.contains(where: { key.hasPrefix($0) }) {
                isComplete = false
                if let meant = NearestName.find(key, in: names) { misspelt.insert(meant) }
                log.error(
                    "unknown option \"\(key)\" of connector \"\(connector.name)\"", at: option.key.range,
                    hint: NearestName.hint(key, in: names))
            }
            result[key] = known.first { $0.name == key }.map { canonical(value, $0) } ?? value
        }
        for descriptor in connector.options where descriptor.isRequired && values[descriptor.name] == nil {
            isComplete = false
            // A misspelt option was reported at its place.
            if misspelt.contains(descriptor.name) { continue }
            log.error(
                "table \"\(name)\" has no option \"\(descriptor.name)\", which connector \"\(connector.name)\" needs",
                at: range,
                hint: "\(descriptor.documentation).")
        }
        for (prefix, format) in formats {
            for descriptor in format.options where descriptor.isRequired && result[prefix + descriptor.name] == nil {
                // A format appears under its short and its long prefix; one of them is enough.
                let others = formats.filter { $0.format == format }.map { $0.prefix + descriptor.name }
                guard others.first == prefix + descriptor.name, !others.contains(where: { result[$0] != nil }) else {
                    continue
                }
                isComplete = false
                log.error(
                    "table \"\(name)\" has no option \"\(prefix)\(descriptor.name)\", which format \"\(format.name)\" needs",
                    at: range, hint: "\(descriptor.documentation).")
            }
        }
        return (connector, result, isComplete)
    }

    /// Provider and options of a model; nil after an error.
    func model(_ options: [OptionSyntax], name: String, range: SourceRange) -> (
        provider: String, options: [String: String]
    )? {
        let provider = options.first { $0.key.text == "provider" }
        let wanted: String
        if let provider {
            guard let text = expand(provider.value) else { return nil }
            wanted = text
        } else {
            wanted = ModelProviderDescriptor.automatic
            guard options.contains(where: { $0.key.text == "path" }),
                registry.modelProviders.contains(where: { $0.name == wanted })
            else {
                log.error(
                    "model \"\(name)\" has no option \"path\" and no option \"provider\"", at: range,
                    hint: "'path' is the model file; the providers are \(list(registry.modelProviders.map(\.name))).")
                return nil
            }
        }
        guard let descriptor = registry.modelProviders.first(where: { $0.name == wanted }) else {
            log.error(
                "unknown model provider \"\(wanted)\"", at: provider?.value.range ?? range,
                hint: NearestName.hint(wanted, in: registry.modelProviders.map(\.name))
                    ?? "The providers are \(list(registry.modelProviders.map(\.name))).")
            return nil
        }
        var result: [String: String] = [:]
        var isComplete = true
        let takesPath = descriptor.options.contains { $0.name == "path" }
        let all = descriptor.options + (takesPath ? registry.modelOptions : [])
        for option in options where option.key.text != "provider" {
            let key = option.key.text
            guard let known = all.first(where: { $0.name == key }) else {
                isComplete = false
                log.error(
                    "unknown option \"\(key)\" of model provider \"\(descriptor.name)\"", at: option.key.range,
                    hint: NearestName.hint(key, in: all.map(\.name)))
                continue
            }
            guard let value = expand(option.value), check(value, known, key: key, at: option.value.range) else {
                isComplete = false
                continue
            }
            result[key] = value
        }
        for known in descriptor.options
        where known.isRequired && !options.contains(where: { $0.key.text == known.name }) {
            isComplete = false
            log.error(
                "model \"\(name)\" has no option \"\(known.name)\", which provider \"\(descriptor.name)\" needs",
                at: range,
                hint: "\(known.documentation).")
        }
        return isComplete ? (descriptor.name, result) : nil
    }

    /// Choices may be written in any case; connectors see their own spelling.
    private func canonical(_ value: String, _ descriptor: OptionDescriptor) -> String {
        guard case .choice(let choices) = descriptor.kind, !choices.contains(value) else { return value }
        return choices.first { $0.lowercased() == value.lowercased() } ?? value
    }

    func check(
        _ value: String, _ descriptor: OptionDescriptor, key: String, at range: SourceRange, isFormat: Bool = false
    ) -> Bool {
        switch descriptor.kind {
        case .string: return true
        case .integer:
            if Int64(value) != nil { return true }
            log.error("option \"\(key)\" takes a whole number", at: range)
        case .boolean:
            if OptionValue.boolean(value) != nil { return true }
            log.error("option \"\(key)\" takes true or false", at: range)
        case .duration:
            if OptionValue.microseconds(value) != nil { return true }
            log.error(
                "option \"\(key)\" takes a duration", at: range,
                hint: "Write a number with a unit, such as 5 s, 200 ms or 1 min.")
        case .memory:
            if OptionValue.bytes(value) != nil { return true }
            log.error(
                "option \"\(key)\" takes a size", at: range,
                hint: "Write a number with a unit, such as 64 kb or 128 mb.")
        case .choice(let choices):
            if choices.contains(value) { return true }
            let lowered = value.lowercased()
            if choices.contains(where: { $0.lowercased() == lowered }), !isFormat { return true }
            let shown = descriptor.isSecret ? "" : " \"\(value)\""
            log.error(
                isFormat ? "unknown format\(shown)" : "option \"\(key)\" has no choice\(shown)", at: range,
                hint: NearestName.hint(value, in: choices) ?? "The choices are \(list(choices)).")
        }
        return false
    }

    private func list(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ", ") }
}
