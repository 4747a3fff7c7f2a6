import MillraceCore

/// Every SQL function as Markdown, from the table that binds calls; `docs/sql/functions.md` holds the result.
public enum FunctionReference {
    /// Every function by name, those with a syntax of their own included: what SHOW FUNCTIONS lists.
    static var names: [String] {
        let special = [
            "CAST", "TRY_CAST", "COALESCE", "IF", "IFNULL", "NVL", "NULLIF", "TYPEOF", "CURRENT_DATABASE", "PARSE_JSON",
            "TRY_PARSE_JSON", "OBJECT_OF", "OBJECT_UPDATE", "TRIM",
            "MOD", "DIV", "OVERLAPS",
            "JSON_VALUE", "JSON_QUERY", "JSON_EXISTS", "JSON_OBJECT", "JSON_ARRAY", "ROW", "ARRAY", "MAP",
        ]
        let all =
            FunctionTable.standard.names + BigQueryCall.names + ExpressionBinder.bitmapFunctions.keys
            + FunctionTable.extractUnits.keys
            + ExpressionBinder.aggregateNames + special
        return Set(all).sorted()
    }

    /// One table a family, functions by name. Ends with a line end.
    public static func markdown() -> String {
        let families: [(String, [FunctionDeclaration])] = [
            ("Numbers", FunctionTable.numbers), ("Text", FunctionTable.strings), ("Patterns", FunctionTable.patterns),
            ("JSON", FunctionTable.json), ("Hashes", FunctionTable.hashes),
            ("Times", FunctionTable.times), ("Conditions", FunctionTable.conditions),
            ("Arrays and maps", FunctionTable.nested), ("Addresses", FunctionTable.network),
        ]
        return families.map { title, declarations in
            let lines = declarations.sorted { $0.names[0] < $1.names[0] }.map(line)
            return (["## \(title)", "", "| Call | Result | Meaning |", "|---|---|---|"] + lines).joined(separator: "\n")
        }.joined(separator: "\n\n") + "\n"
    }

    private static func line(_ declaration: FunctionDeclaration) -> String {
        var calls = declaration.overloads.map { "`\(declaration.names[0])\($0.signature)`" }
        let others = declaration.names.dropFirst().map { "`\($0)`" }
        if !others.isEmpty { calls.append("also " + others.joined(separator: ", ")) }
        var meaning = declaration.documentation
        if declaration.mayBeNull, !meaning.contains("NULL") { meaning += "; may be NULL" }
        return "| \(calls.joined(separator: "<br>")) | \(result(declaration)) | \(meaning) |"
    }

    /// The result's type where it does not depend on the arguments.
    private static func result(_ declaration: FunctionDeclaration) -> String {
        if let name = declaration.overloads.compactMap(\.resultName).first { return name }
        let types = Set(
            declaration.overloads.flatMap { overload in
                [[.null], [.bigInt, .bigInt, .bigInt], [.double, .double, .double]].map { overload.result($0) }
            })
        guard types.count == 1, let type = types.first, type != .null else { return "as the argument" }
        return "`\(type)`"
    }
}
