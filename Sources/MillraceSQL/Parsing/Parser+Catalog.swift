import MillraceCore

/// DROP, ALTER TABLE, USE, SHOW, DESCRIBE, EXPLAIN, RESET.
extension Parser {
    /// Nil when the next statement is none of these; nothing is taken then.
    mutating func parseCatalogStatement() throws(Diagnostic) -> CatalogStatement? {
        let start = index
        switch token.keyword {
        case "DROP" where token.kind == .word:
            advance()
            accept(words: "TEMPORARY")
            for kind in CatalogStatement.ObjectKind.allCases where accept(words: kind.rawValue) {
                return try parseDrop(kind)
            }
        case "ALTER" where token.kind == .word:
            advance()
            if accept(words: "TABLE") { return try parseAlterTable() }
        case "USE" where token.kind == .word:
            advance()
            if isWord("MODULES") { break }
            let isCatalog = accept(words: "CATALOG")
            return .use(try parseObjectName(isCatalog ? "a catalog name" : "a database name"), isCatalog: isCatalog)
        case "RESET" where token.kind == .word:
            advance()
            return .reset(isSign(";") || token.kind == .end ? nil : try parseString("an option name in quotes"))
        case "DESCRIBE" where token.kind == .word, "DESC" where token.kind == .word:
            advance()
            if ["CATALOG", "DATABASE", "JOB", "FUNCTION"].contains(where: { isWord($0) }), isName(ahead: 1) { break }
            accept(words: "EXTENDED")
            return .describe(try parseObjectName("a table name"))
        case "SHOW" where token.kind == .word:
            advance()
            if let listing = try parseListing() {
                if accept(words: "FROM") || accept(words: "IN") { _ = try parseObjectName("a database name") }
                let isNegated = isWord("NOT") && isWord("LIKE", ahead: 1)
                if isNegated { advance() }
                guard accept(words: "LIKE") else { return .show(listing, like: nil, isNegated: false) }
                return .show(listing, like: try parseString("a pattern in quotes").text, isNegated: isNegated)
            }
        case "EXPLAIN" where token.kind == .word:
            advance()
            return try parseExplain()
        default: break
        }
        index = start
        return nil
    }

    func isIfExists() -> Bool { isWord("IF") && isWord("EXISTS", ahead: 1) }

    private mutating func acceptIfExists() -> Bool {
        guard isIfExists() else { return false }
        index += 2
        return true
    }

    private mutating func parseDrop(_ kind: CatalogStatement.ObjectKind) throws(Diagnostic) -> CatalogStatement {
        let ifExists = acceptIfExists()
        let name = try parseObjectName("a \(kind.rawValue.lowercased()) name")
        if !accept(words: "RESTRICT") { accept(words: "CASCADE") }
        return .drop(kind, name, ifExists: ifExists)
    }

    private mutating func parseListing() throws(Diagnostic) -> CatalogStatement.Listing? {
        if accept(words: "TABLES") { return .tables }
        if accept(words: "VIEWS") { return .views }
        if accept(words: "MODELS") { return .models }
        if accept(words: "DATABASES") { return .databases }
        if accept(words: "CATALOGS") { return .catalogs }
        if accept(words: "CURRENT", "DATABASE") { return .currentDatabase }
        if accept(words: "CURRENT", "CATALOG") { return .currentCatalog }
        if accept(words: "CREATE", "TABLE") { return .createTable(try parseObjectName("a table name")) }
        if accept(words: "CREATE", "VIEW") { return .createView(try parseObjectName("a view name")) }
        if accept(words: "COLUMNS") {
            if !accept(words: "FROM") { try expect(words: "IN") }
            return .columns(try parseObjectName("a table name"))
        }
        return nil
    }

    private mutating func parseExplain() throws(Diagnostic) -> CatalogStatement {
        if accept(words: "PLAN") {
            try expect(words: "FOR")
        } else {
            for word in ["ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"] {
                if accept(words: word) { accept(",") }
            }
        }
        if isWord("INSERT") { return .explain([try parseInsert()]) }
        if accept(words: "STATEMENT", "SET", "BEGIN") { return .explain(try parseStatementSet()) }
        guard isQueryStart() || isSign("(") else { throw unexpected("a query or \"INSERT\"") }
        return .explainQuery(try parseQuery())
    }

    // MARK: ALTER TABLE

    private mutating func parseAlterTable() throws(Diagnostic) -> CatalogStatement {
        let ifExists = acceptIfExists()
        let name = try parseObjectName("a table name")
        return .alterTable(name, try parseAlteration(), ifExists: ifExists)
    }

    private mutating func parseAlteration() throws(Diagnostic) -> AlterTableSyntax {
        if accept(words: "RENAME") {
            if accept(words: "TO") { return .rename(try parseObjectName("a table name")) }
            let column = try parseIdentifier("a column name")
            try expect(words: "TO")
            return .renameColumn(column, try parseIdentifier("a column name"))
        }
        if accept(words: "SET") { return .set(try parseOptions()) }
        if accept(words: "RESET") {
            try expect("(")
            var keys: [StringSyntax] = []
            repeat { keys.append(try parseString("an option name in quotes")) } while accept(",")
            try expectListEnd()
            return .reset(keys)
        }
        if accept(words: "ADD") { return .add(try parseElements()) }
        if accept(words: "MODIFY") { return .modify(try parseElements()) }
        try expect(words: "DROP")
        if accept(words: "PRIMARY", "KEY") { return .dropPrimaryKey }
        if isWord("CONSTRAINT"), isName(ahead: 1) {
            index += 2
            return .dropPrimaryKey
        }
        if isWord("WATERMARK"), isSign(";", ahead: 1) || ahead(1).kind == .end {
            advance()
            return .dropWatermark
        }
        return .dropColumns(isSign("(") ? try parseNameList() : [try parseIdentifier("a column name")])
    }

    private mutating func parseElements() throws(Diagnostic) -> [AlterTableSyntax.Element] {
        var elements: [AlterTableSyntax.Element] = []
        let isList = accept("(")
        repeat {
            var definition = CreateTableSyntax(name: ObjectName([Identifier("", range: token.range)]), columns: [])
            try parseTableElement(&definition)
            var place = AlterTableSyntax.Element.Place.last
            if accept(words: "FIRST") {
                place = .first
            } else if accept(words: "AFTER") {
                place = .after(try parseIdentifier("a column name"))
            }
            elements.append(.init(definition: definition, place: place))
        } while isList && accept(",")
        if isList { try expectListEnd() }
        return elements
    }
}
