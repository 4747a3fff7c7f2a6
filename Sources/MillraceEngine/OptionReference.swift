public import MillraceCore
internal import MillracePlanner

/// Every WITH option as Markdown, from the tables the planner checks them with; `docs/connectors.md` holds the result.
public enum OptionReference {
    /// Sections for table options, connectors, formats and model providers; no heading above level 2.
    ///
    /// Names stand in the registry's order, options in their table's. Ends with a line end.
    public static func markdown(_ registry: Registry = .millrace) -> String {
        var parts = ["## Options of every source table", table(registry.tableOptions)]
        for connector in registry.connectors { parts += section(connector, formats: registry.formats) }
        for format in registry.formats {
            parts += [
                "## Format `\(format.name)`",
                "`'format' = '\(format.name)'`. With `value.format` or `key.format` the prefix may also be "
                    + "`value.\(format.name).` or `key.\(format.name).`.",
                table(format.options, prefix: format.name + "."),
            ]
        }
        parts += ["## Options of every model with a `path`", table(registry.modelOptions)]
        for provider in registry.modelProviders {
            parts += [
                "## Model provider `\(provider.name)`", "`CREATE MODEL … WITH ('provider' = '\(provider.name)', …)`.",
                table(provider.options),
            ]
        }
        return parts.joined(separator: "\n\n") + "\n"
    }

    /// Every SQL function; `docs/sql/functions.md` holds the result.
    public static func functions() -> String { FunctionReference.markdown() }

    private static func section(_ connector: ConnectorDescriptor, formats: [FormatDescriptor]) -> [String] {
        var facts: [String] = []
        let roles: [(ConnectorDescriptor.Role, String)] = [
            (.scan, "source"), (.sink, "sink"), (.lookup, "lookup table"),
        ]
        facts.append("Use: " + roles.filter { connector.roles.contains($0.0) }.map(\.1).joined(separator: ", ") + ".")
        if !connector.aliases.isEmpty {
            facts.append("Also spelled " + connector.aliases.map { "`\($0)`" }.joined(separator: ", ") + ".")
        }
        if connector.changes == .byPrimaryKey { facts.append("A PRIMARY KEY makes the sink upsert.") }
        var options = connector.options
        if connector.takesFormat {
            let choices = OptionDescriptor.Kind.choice(formats.map(\.name))
            var added = [
                OptionDescriptor("format", choices, isRequired: !connector.takesKeyFormat, "Format of the rows")
            ]
            if connector.takesKeyFormat {
                added[0].documentation = "Format of the message value; one of format and value.format is required"
                added.append(
                    OptionDescriptor("value.format", choices, "The same; format options may then start with value."))
                added.append(OptionDescriptor("key.format", choices, "Format of the message key; needs key.fields"))
            }
            options = added.filter { new in !options.contains { $0.name == new.name } } + options
        }
        var parts = ["## Connector `\(connector.name)`", facts.joined(separator: " ")]
        parts.append(options.isEmpty ? "It has no options." : table(options))
        if !connector.openPrefixes.isEmpty {
            let prefixes = connector.openPrefixes.map { "`\($0)*`" }.joined(separator: ", ")
            parts.append("Further options: \(prefixes), checked when the pipeline starts; see above.")
        }
        if !connector.metadata.isEmpty {
            parts.append("Metadata columns (`name TYPE METADATA [FROM 'key'] [VIRTUAL]`):")
            parts.append(
                rows(
                    ["Key", "Type", "Written by a sink"],
                    connector.metadata.map { ["`\($0.key)`", "`\($0.type)`", $0.isWritable ? "yes" : "no"] }))
        }
        return parts
    }

    private static func table(_ options: [OptionDescriptor], prefix: String = "") -> String {
        rows(
            ["Option", "Kind", "Default", "Meaning"],
            options.map { option in
                [
                    "`\(prefix)\(option.name)`", kind(option.kind), standard(option),
                    cell(option.documentation) + (option.isSecret ? "; never printed" : ""),
                ]
            })
    }

    private static func kind(_ kind: OptionDescriptor.Kind) -> String {
        switch kind {
        case .string: "text"
        case .integer: "integer"
        case .boolean: "boolean"
        case .duration: "duration"
        case .memory: "size"
        case .choice(let choices): choices.map { "`\($0)`" }.joined(separator: " ")
        }
    }

    private static func standard(_ option: OptionDescriptor) -> String {
        if option.isRequired { return "required" }
        guard let value = option.defaultValue, !value.isEmpty else { return "" }
        return "`\(cell(value))`"
    }

    /// Text that neither ends a table cell nor is taken for HTML.
    private static func cell(_ text: String) -> String {
        text.reduce(into: "") { $0 += $1 == "|" ? "\\|" : $1 == "<" ? "&lt;" : String($1) }
    }

    private static func rows(_ head: [String], _ body: [[String]]) -> String {
        let lines = [head, head.map { _ in "---" }] + body
        return lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
    }
}
