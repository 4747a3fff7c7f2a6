import MillraceCore

extension Parser {
    /// All statements of the text; errors go to `diagnostics`.
    mutating func parseScript() -> ScriptSyntax {
        var statements: [StatementSyntax] = []
        while token.kind != .end {
            if accept(";") { continue }
            let start = index
            do throws(Diagnostic) {
                let kind = try parseStatement()
                let range = tokens[start].range.through(previousRange)
                if token.kind != .end, !isSign(";") {
                    try recoverMissingSemicolon()
                }
                statements.append(StatementSyntax(kind, range: range))
            } catch {
                recover(from: error, start: start)
            }
            if diagnostics.count >= SQLParser.maximumDiagnostics { break }
        }
        diagnostics = diagnostics.enumerated()
            .sorted { ($0.element.range.start, $0.offset) < ($1.element.range.start, $1.offset) }.map(\.element)
        return ScriptSyntax(statements: statements)
    }

    /// A statement that starts on a new line behind a complete one only lacks the `;` between them.
    private mutating func recoverMissingSemicolon() throws(Diagnostic) {
        var error = unexpected("\";\"")
        let isNewLine = token.range.start.line > previousRange.end.line
        guard isNewLine, token.kind == .word, Keywords.statements.contains(token.keyword) else { throw error }
        error.hint = "End the statement before it with \";\"."
        diagnostics.append(error)
    }

    /// Reports `error` of the statement that began at `start`, and moves behind the next `;`, or to a line that starts with
    /// INSERT or CREATE: no statement has these words inside. Unreadable tokens on the way are reported too.
    mutating func recover(from error: Diagnostic, start: Int) {
        resetLimits()
        diagnostics.append(error)
        noteLostNames(start)
        while token.kind != .end, !isSign(";") {
            if index > start, isWord("INSERT") || isWord("CREATE"), token.range.start.line > previousRange.end.line {
                return
            }
            if let skipped = token.diagnostic, skipped.range != error.range { diagnostics.append(skipped) }
            advance()
        }
        accept(";")
    }

    /// Words of `CREATE TABLE [IF NOT EXISTS] a.b` up to what follows the name.
    private mutating func noteLostNames(_ start: Int) {
        guard tokens[start].keyword == "CREATE" else { return }
        var name = ""
        for token in tokens[(start + 1)...].prefix(12) {
            let isDot = token.kind == .sign && token.text == "."
            guard token.kind == .word || token.kind == .quotedName || isDot, token.keyword != "AS",
                token.keyword != "WITH"
            else { break }
            name = isDot || name.hasSuffix(".") ? name + token.text : token.text
            lostNames.insert(name)
        }
    }

    private mutating func parseStatement() throws(Diagnostic) -> StatementSyntax.Kind {
        let start = token
        if isWord("CREATE") { return try parseCreate() }
        if isWord("INSERT") { return .insert(try parseInsert()) }
        if accept(words: "EXECUTE") {
            if isWord("INSERT") { return .insert(try parseInsert()) }
            try expect(words: "STATEMENT", "SET", "BEGIN")
            return .statementSet(try parseStatementSet())
        }
        if accept(words: "BEGIN") {
            try expect(words: "STATEMENT", "SET")
            try expect(";")
            return .statementSet(try parseStatementSet())
        }
        if accept(words: "SET") {
            if isName() { throw unquotedSetting() }
            let key = try parseString("an option name in quotes")
            try expect("=")
            return .set(key: key, value: try parseString("an option value in quotes"))
        }
        if isWord("SHOW"), isWord("FUNCTIONS", ahead: 1) || isWord("USER", ahead: 1) && isWord("FUNCTIONS", ahead: 2) {
            return try parseShowFunctions()
        }
        if let statement = try parseCatalogStatement() { return .catalog(statement) }
        if isQueryStart() || isSign("(") {
            throw Diagnostic(
                "query has no target", at: start.range,
                hint: isWord("WITH")
                    ? "Write INSERT INTO target WITH … SELECT …." : "A pipeline needs INSERT INTO … SELECT ….")
        }
        if start.kind == .word, Keywords.unsupportedStatements.contains(start.keyword) {
            let next = ahead(1)
            let isPair = next.kind == .word && isUpperOrReserved(next)
            let what = isPair ? "\(start.keyword) \(next.keyword)" : start.keyword
            throw unsupportedStatement(what, at: isPair ? start.range.through(next.range) : start.range)
        }
        for word in Keywords.statements { accept(words: word) }
        throw unexpected("a statement")
    }

    private mutating func parseShowFunctions() throws(Diagnostic) -> StatementSyntax.Kind {
        advance()
        let isUser = accept(words: "USER")
        try expect(words: "FUNCTIONS")
        let isNegated = accept(words: "NOT")
        guard isNegated || isWord("LIKE") else { return .showFunctions(isUser: isUser, like: nil, isNegated: false) }
        try expect(words: "LIKE")
        return .showFunctions(isUser: isUser, like: try parseString("a pattern in quotes").text, isNegated: isNegated)
    }

    /// Whether the second word of a statement is part of its name: TABLE in `ALTER TABLE t`, not `t` in `UPDATE t`.
    private func isUpperOrReserved(_ token: Token) -> Bool {
        [
            "TABLE", "TABLES", "VIEW", "VIEWS", "MODEL", "MODELS", "FUNCTION", "FUNCTIONS", "DATABASE", "DATABASES",
            "CATALOG", "CATALOGS", "JAR", "JARS", "MODULE", "MODULES", "FROM", "INTO", "TEMPORARY", "PLAN", "JOB",
            "JOBS",
            "COLUMNS", "CREATE", "MATERIALIZED", "PARTITIONS", "INDEX",
        ].contains(token.keyword)
    }

    /// The inserts up to `END`. An error in one does not hide those behind it.
    mutating func parseStatementSet() throws(Diagnostic) -> [InsertSyntax] {
        var inserts: [InsertSyntax] = []
        let start = previousRange
        while !accept(words: "END") {
            if token.kind == .end {
                var error = unexpected("\"END\"")
                error.hint = "A statement set ends with END;"
                throw error
            }
            if accept(";") { continue }
            let first = index
            do throws(Diagnostic) {
                accept(words: "EXECUTE")
                if !isWord("INSERT") {
                    accept(words: "INSERT")
                    throw unexpected("\"INSERT\" or \"END\"")
                }
                inserts.append(try parseInsert())
                try expect(";")
            } catch {
                recover(from: error, start: first)
            }
            if diagnostics.count >= SQLParser.maximumDiagnostics { break }
        }
        if inserts.isEmpty, diagnostics.isEmpty {
            throw Diagnostic(
                "statement set is empty", at: start, hint: "Write INSERT statements between BEGIN and END.")
        }
        return inserts
    }

    mutating func parseInsert() throws(Diagnostic) -> InsertSyntax {
        let start = token.range
        try expect(words: "INSERT")
        let isOverwrite = accept(words: "OVERWRITE")
        if isOverwrite { accept(words: "TABLE") } else { try expect(words: "INTO") }
        if isWord("TABLE") {
            throw Diagnostic("expected a table name but found \"TABLE\"", at: token.range, hint: "Leave out TABLE.")
        }
        let target = try parseObjectName("a table name")
        let options = try parseHints()
        var partition: [InsertSyntax.PartitionValue] = []
        if accept(words: "PARTITION") {
            try expect("(")
            repeat {
                let column = try parseIdentifier("a column name")
                partition.append(.init(column: column, value: accept("=") ? try parseExpression() : nil))
            } while accept(",")
            try expectListEnd()
        }
        var columns: [Identifier] = []
        if isSign("("), !isQueryStart(ahead: 1), !isSign("(", ahead: 1) { columns = try parseNameList() }
        let query = try parseQuery()
        if isWord("ON"), isWord("CONFLICT", ahead: 1) {
            throw unsupported(
                "ON CONFLICT", at: token.range.through(ahead(1).range),
                hint: "Rows are upserted when the target has a PRIMARY KEY.")
        }
        return InsertSyntax(
            target: target, options: options, partition: partition, columns: columns, query: query,
            isOverwrite: isOverwrite,
            range: start.through(previousRange))
    }
}
