import MillraceCore

extension Parser {
    /// Behind FROM. A comma is a cross join that binds weaker than JOIN.
    mutating func parseFrom() throws(Diagnostic) -> TableSyntax {
        var left = try parseJoins()
        while accept(",") {
            let right = try parseJoins()
            peak += 1
            try checkHeight(peak)
            left = TableSyntax(.join(.cross, left, right, .none), range: left.range.through(right.range))
        }
        return left
    }

    private mutating func parseJoins() throws(Diagnostic) -> TableSyntax {
        var left = try parseTable()
        while let join = try parseJoinType() {
            let right = try parseTable()
            var condition = join.isNatural ? TableSyntax.JoinCondition.natural : .none
            if join.type != .cross, !join.isNatural {
                if accept(words: "ON") {
                    condition = .on(try parseExpression())
                } else if accept(words: "USING") {
                    condition = .using(try parseNameList())
                } else if join.type != .inner || !right.isCorrelated {
                    var error = unexpected("\"ON\" or \"USING\"")
                    error.hint =
                        error.hint
                        ?? "Say which rows belong together, as in ON a.id = b.id; CROSS JOIN takes every pair."
                    throw error
                }
            }
            peak += 1
            try checkHeight(peak)
            left = TableSyntax(
                .join(join.type, left, right, condition), range: left.range.through(previousRange))
        }
        return left
    }

    private mutating func parseJoinType() throws(Diagnostic) -> (type: TableSyntax.JoinType, isNatural: Bool)? {
        let isNatural = accept(words: "NATURAL")
        let types: [(String, TableSyntax.JoinType)] = [
            ("INNER", .inner), ("LEFT", .left), ("RIGHT", .right), ("FULL", .full), ("CROSS", .cross),
        ]
        for (word, type) in types where accept(words: word) {
            if type != .inner, type != .cross { accept(words: "OUTER") }
            if isWord("SEMI") || isWord("ANTI") {
                throw unsupported(
                    "\(token.keyword) JOIN", at: token.range, hint: "Use IN, EXISTS or NOT EXISTS in WHERE.")
            }
            try expect(words: "JOIN")
            return (type, isNatural)
        }
        if accept(words: "JOIN") { return (.inner, isNatural) }
        if isNatural { throw unexpected("\"JOIN\"") }
        return nil
    }

    /// One table with its alias.
    private mutating func parseTable() throws(Diagnostic) -> TableSyntax {
        try enter()
        defer { leave() }
        let start = token.range
        var table: TableSyntax
        if accept("(") {
            table = try parseTableInParentheses(start)
            // `(a AS x)` is complete; a join or query in parentheses may get an alias.
            if table.alias != nil { return table }
        } else {
            let kind: TableSyntax.Kind
            if accept(words: "LATERAL") {
                if accept("(") {
                    kind = .lateral(try parseQuery())
                    try expect(")")
                } else {
                    kind = try parseNamedTable(isLateral: true)
                }
            } else if isWord("UNNEST") {
                advance()
                try expect("(")
                let outer = peak
                let expression = try parseExpression()
                peak = max(outer, peak)
                try expect(")")
                kind = .unnest(expression, withOrdinality: accept(words: "WITH", "ORDINALITY"))
            } else {
                kind = try parseNamedTable(isLateral: false)
            }
            table = TableSyntax(kind, range: start)
        }
        try parseTableTail(&table)
        table.range = start.through(previousRange)
        return table
    }

    private mutating func parseTableTail(_ table: inout TableSyntax) throws(Diagnostic) {
        try parseSystemTime(&table)
        let place = token
        if place.kind == .word, ["MATCH_RECOGNIZE", "TABLESAMPLE", "PIVOT", "UNPIVOT"].contains(place.keyword) {
            throw unsupported(
                place.keyword, at: place.range,
                hint: place.keyword == "MATCH_RECOGNIZE"
                    ? "Patterns over rows have no other spelling here; run this part on Flink." : nil)
        }
        table.alias = try parseAlias()
        if table.alias != nil, isSign("(") { table.columnAliases = try parseNameList() }
        if table.systemTime == nil { try parseSystemTime(&table) }
    }

    /// `FOR SYSTEM_TIME AS OF e`, before the alias or behind it.
    private mutating func parseSystemTime(_ table: inout TableSyntax) throws(Diagnostic) {
        guard accept(words: "FOR") else { return }
        try expect(words: "SYSTEM_TIME", "AS", "OF")
        // Weaker operators would swallow nothing useful, but keep the expression whole.
        table.systemTime = try parseExpression()
    }

    /// Behind `(`: a query, VALUES, or a join.
    private mutating func parseTableInParentheses(_ start: SourceRange) throws(Diagnostic) -> TableSyntax {
        var table: TableSyntax
        if isQueryStart() {
            let query = try parseQuery()
            if case .values(let rows) = query.body, query.with.isEmpty, query.orderBy.isEmpty, query.limit == nil {
                table = TableSyntax(.values(rows), range: start)
            } else {
                table = TableSyntax(.query(query), range: start)
            }
        } else {
            table = try parseFrom()
            // `((SELECT …) UNION …)`
            if isQueryContinuation, table.alias == nil, let query = table.asQuery {
                table = TableSyntax(.query(try parseQuery(continuing: query)), range: start)
            }
        }
        try expect(")")
        return table
    }

    /// `t`, `f(…)`, `TABLE(f(…))`.
    mutating func parseNamedTable(isLateral: Bool) throws(Diagnostic) -> TableSyntax.Kind {
        if isWord("TABLE"), isSign("(", ahead: 1) {
            index += 2
            let name = try parseObjectName("a table function")
            let call = try parseCall(name, isTableFunction: true)
            try expect(")")
            return .function(call, isLateral: isLateral)
        }
        let name = try parseObjectName("a table name")
        if isSign("(") {
            return .function(try parseCall(name, isTableFunction: true), isLateral: isLateral)
        }
        if isLateral { throw unexpected("\"(\"") }
        return .name(name, options: try parseHints())
    }
}

extension TableSyntax {
    fileprivate var isCorrelated: Bool {
        switch kind {
        case .unnest, .lateral: true
        default: false
        }
    }

    fileprivate var asQuery: QuerySyntax? {
        switch kind {
        case .query(let query): query
        case .values(let rows): QuerySyntax(body: .values(rows), range: range)
        default: nil
        }
    }
}
