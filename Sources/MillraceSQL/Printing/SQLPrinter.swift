import MillraceCore

/// Writes a syntax tree as SQL that parses to the same tree, places in the file aside.
///
/// Keywords in upper case, one blank between words, parentheses only where the tree needs them. Special forms are written
/// as the plain calls they became, comments and what the parser ignores are gone.
public enum SQLPrinter {
    public static func print(_ script: ScriptSyntax) -> String {
        script.statements.map { print($0) + ";\n" }.joined(separator: "\n")
    }

    /// Without the `;`.
    public static func print(_ statement: StatementSyntax) -> String {
        var writer = SyntaxWriter()
        writer.write(statement)
        return writer.text
    }

    public static func print(_ query: QuerySyntax) -> String {
        var writer = SyntaxWriter()
        writer.write(query)
        return writer.text
    }

    public static func print(_ expression: ExpressionSyntax) -> String {
        var writer = SyntaxWriter()
        writer.write(expression)
        return writer.text
    }

    /// A name, between backticks when it would not be one otherwise.
    public static func identifier(_ name: String) -> String {
        let isPlain =
            !name.isEmpty && !("0"..."9").contains(name.first!)
            && name.utf8.allSatisfy { $0 == 0x5F || $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 }
        var writer = SyntaxWriter()
        writer.write(
            Identifier(
                name, isQuoted: !isPlain || Keywords.reserved.contains(name.uppercased()), range: .none))
        return writer.text
    }

    /// A text between quotes.
    public static func string(_ text: String) -> String {
        var writer = SyntaxWriter()
        writer.writeString(text)
        return writer.text
    }

    public static func print(_ type: TypeSyntax) -> String {
        var writer = SyntaxWriter()
        writer.write(type)
        return writer.text
    }
}

/// The text written so far.
struct SyntaxWriter {
    var text = ""

    mutating func list<Item>(_ items: [Item], _ write: (inout SyntaxWriter, Item) -> Void) {
        for (index, item) in items.enumerated() {
            if index > 0 { text += ", " }
            write(&self, item)
        }
    }

    mutating func write(_ name: Identifier) {
        if name.isQuoted {
            text += "`" + name.text.doubling("`") + "`"
        } else {
            text += name.text
        }
    }

    mutating func write(_ parts: [Identifier]) {
        for (index, part) in parts.enumerated() {
            if index > 0 { text += "." }
            write(part)
        }
    }

    mutating func write(_ name: ObjectName) { write(name.parts) }

    /// `(a, b)`
    mutating func writeColumns(_ names: [Identifier]) {
        text += "("
        list(names) { $0.write($1) }
        text += ")"
    }

    mutating func writeString(_ string: String) { text += "'" + string.doubling("'") + "'" }

    /// `('k' = 'v')`
    mutating func write(_ options: [OptionSyntax]) {
        text += "("
        list(options) {
            $0.writeString($1.key.text)
            $0.text += " = "
            $0.writeString($1.value.text)
        }
        text += ")"
    }

    mutating func writeHint(_ options: [OptionSyntax]) {
        if options.isEmpty { return }
        text += " /*+ OPTIONS"
        write(options)
        text += " */"
    }

    mutating func write(_ type: TypeSyntax) {
        let zone = " WITH TIME ZONE"
        let hasZone = type.name.hasSuffix(zone)
        text += hasZone ? String(type.name.dropLast(zone.count)) : type.name
        if type.name == "ROW" {
            text += "<"
            list(type.fields) {
                $0.write($1.name)
                $0.text += " "
                $0.write($1.type)
            }
            text += ">"
        }
        if !type.arguments.isEmpty {
            text += "<"
            list(type.arguments) { $0.write($1) }
            text += ">"
        }
        if !type.parameters.isEmpty { text += "(" + type.parameters.map(String.init).joined(separator: ", ") + ")" }
        if hasZone { text += zone }
        if type.isNotNull { text += " NOT NULL" }
    }
}

extension String {
    /// The text with every `quote` written twice.
    fileprivate func doubling(_ quote: Character) -> String {
        guard utf8.contains(quote.asciiValue!) else { return self }
        // Over scalars: a combining mark behind the quote would hide it from a search by characters.
        var result = ""
        for scalar in unicodeScalars {
            if scalar == quote.unicodeScalars.first! { result.unicodeScalars.append(scalar) }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
