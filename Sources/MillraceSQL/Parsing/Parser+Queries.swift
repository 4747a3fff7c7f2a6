import MillraceCore

extension Parser {
    /// `[WITH …] body [ORDER BY …] [LIMIT …]`
    mutating func parseQuery() throws(Diagnostic) -> QuerySyntax {
        try enter()
        defer { leave() }
        let start = token.range
        var with: [CommonTableSyntax] = []
        if accept(words: "WITH") {
            if isWord("RECURSIVE") { throw unsupported("WITH RECURSIVE", at: token.range) }
            repeat {
                let name = try parseIdentifier("a query name")
                let columns = isSign("(") ? try parseNameList() : []
                try expect(words: "AS")
                try expect("(")
                let query = try parseQuery()
                try expect(")")
                with.append(CommonTableSyntax(name: name, columns: columns, query: query))
            } while accept(",")
        }
        var query = try parseSetOperations(start, minimum: 0, left: nil)
        if !with.isEmpty {
            if !query.with.isEmpty { query = wrap(query) }
            query.with = with
        }
        try parseTail(&query)
        query.range = start.through(previousRange)
        return query
    }

    /// The rest of a query whose first operand, in parentheses, has been read.
    mutating func parseQuery(continuing left: QuerySyntax) throws(Diagnostic) -> QuerySyntax {
        var query = try parseSetOperations(left.range, minimum: 0, left: left)
        try parseTail(&query)
        query.range = left.range.through(previousRange)
        return query
    }

    /// `SELECT * FROM (query)`: for a query in parentheses that gets a further ORDER BY or LIMIT outside.
    private func wrap(_ query: QuerySyntax) -> QuerySyntax {
        let select = SelectSyntax(
            isDistinct: false, items: [.all(qualifier: [], range: query.range)],
            from: TableSyntax(.query(query), range: query.range), range: query.range)
        return QuerySyntax(body: .select(select), range: query.range)
    }

    private mutating func parseTail(_ query: inout QuerySyntax) throws(Diagnostic) {
        let hasTail = !query.orderBy.isEmpty || query.limit != nil || query.offset != nil
        if hasTail, ["ORDER", "LIMIT", "OFFSET", "FETCH"].contains(where: { isWord($0) }) {
            query = wrap(query)
        }
        if accept(words: "ORDER") {
            try expect(words: "BY")
            query.orderBy = try parseOrder()
        }
        if accept(words: "LIMIT") {
            if !accept(words: "ALL") { query.limit = try parseExpression() }
        }
        if accept(words: "OFFSET") {
            query.offset = try parseExpression()
            if !accept(words: "ROW") { accept(words: "ROWS") }
        }
        if accept(words: "FETCH") {
            if !accept(words: "FIRST") { try expect(words: "NEXT") }
            query.limit =
                isWord("ROW") || isWord("ROWS")
                ? ExpressionSyntax(.number("1"), range: token.range) : try parseExpression()
            if !accept(words: "ROW") { try expect(words: "ROWS") }
            try expect(words: "ONLY")
        }
    }

    /// UNION and EXCEPT are level 1, INTERSECT binds stronger; all associate to the left.
    private mutating func parseSetOperations(
        _ start: SourceRange, minimum: Int, left first: QuerySyntax?
    ) throws(Diagnostic) -> QuerySyntax {
        var left: QuerySyntax
        if let first { left = first } else { left = try parseOperand() }
        var chain = 0
        while true {
            let level: Int
            let kind: QuerySyntax.SetOperator
            if isWord("UNION") {
                (level, kind) = (1, .union)
            } else if isWord("EXCEPT") {
                (level, kind) = (1, .except)
            } else if isWord("INTERSECT") {
                (level, kind) = (2, .intersect)
            } else {
                break
            }
            if level <= minimum { break }
            advance()
            let isAll = accept(words: "ALL")
            if !isAll { accept(words: "DISTINCT") }
            let right = try parseSetOperations(token.range, minimum: level, left: nil)
            left = QuerySyntax(
                body: .setOperation(kind, isAll: isAll, left, right), range: start.through(previousRange))
            chain += 1
            peak += 1
            try checkHeight(max(chain, peak))
        }
        return left
    }

    private mutating func parseOperand() throws(Diagnostic) -> QuerySyntax {
        let start = token.range
        if accept(words: "VALUES") {
            let rows = try parseRows()
            return QuerySyntax(body: .values(rows), range: start.through(previousRange))
        }
        if accept("(") {
            // Not through parseParenthesised: here an expression is an error, not an alternative.
            let query = try parseQuery()
            try expect(")")
            return query
        }
        guard isWord("SELECT") else {
            accept(words: "SELECT")
            throw unexpected("\"SELECT\"")
        }
        return QuerySyntax(body: .select(try parseSelect()), range: start.through(previousRange))
    }

    /// Behind VALUES: `(1, 'a'), (2, 'b')`, or single values without parentheses.
    mutating func parseRows() throws(Diagnostic) -> [[ExpressionSyntax]] {
        var rows: [[ExpressionSyntax]] = []
        repeat {
            let isRow = isSign("(") || isWord("ROW") && isSign("(", ahead: 1)
            let value = try parseExpression()
            if isRow, case .rowValue(let items) = value.kind { rows.append(items) } else { rows.append([value]) }
        } while accept(",")
        return rows
    }

    private mutating func parseSelect() throws(Diagnostic) -> SelectSyntax {
        let start = token.range
        try expect(words: "SELECT")
        if isSign("/*+") {
            let place = token.range
            if !(try parseHints()).isEmpty {
                throw Diagnostic(
                    "OPTIONS hint has no table", at: place, hint: "Write it behind the table's name in FROM.")
            }
        }
        let isDistinct = accept(words: "DISTINCT")
        if !isDistinct { accept(words: "ALL") }
        var items: [SelectSyntax.Item] = []
        repeat { items.append(try parseItem()) } while accept(",")
        var select = SelectSyntax(isDistinct: isDistinct, items: items, from: nil, range: start)
        if accept(words: "FROM") { select.from = try parseFrom() }
        if accept(words: "WHERE") { select.filter = try parseExpression() }
        if accept(words: "GROUP") {
            try expect(words: "BY")
            select.groupBy = try parseGroupBy()
        }
        if accept(words: "HAVING") { select.having = try parseExpression() }
        if accept(words: "WINDOW") {
            repeat {
                let name = try parseIdentifier("a window name")
                try expect(words: "AS")
                if !isSign("(") { throw unexpected("\"(\"") }
                select.windows.append(.init(name: name, window: try parseWindow()))
            } while accept(",")
        }
        if accept(words: "QUALIFY") { select.qualify = try parseExpression() }
        select.range = start.through(previousRange)
        return select
    }

    mutating func parseItem() throws(Diagnostic) -> SelectSyntax.Item {
        let start = token.range
        if accept("*") { return .all(qualifier: [], range: start) }
        if isName() {
            var count = 1
            while isSign(".", ahead: count), ahead(count + 1).kind == .word || ahead(count + 1).kind == .quotedName {
                count += 2
            }
            if isSign(".", ahead: count), isSign("*", ahead: count + 1) {
                let qualifier = try parseDottedName("a table name")
                index += 2
                return .all(qualifier: qualifier, range: start.through(previousRange))
            }
        }
        let expression = try parseExpression()
        return .expression(expression, alias: try parseAlias())
    }

    /// `AS a`, or `a` where no keyword could be meant.
    mutating func parseAlias() throws(Diagnostic) -> Identifier? {
        if accept(words: "AS") {
            // `SELECT a AS FROM t`: FROM is no name where a table follows.
            if isWord("FROM"), isName(ahead: 1) { throw unexpected("a name") }
            return try parseAnyIdentifier("a name")
        }
        guard isName(), token.kind == .quotedName || !Keywords.noBareAlias.contains(token.keyword) else { return nil }
        if token.kind == .word { bareAliasIndex = index }
        return try parseIdentifier("a name")
    }

    // MARK: GROUP BY

    private mutating func parseGroupBy() throws(Diagnostic) -> [SelectSyntax.Grouping] {
        var groups: [SelectSyntax.Grouping] = []
        repeat {
            if accept(words: "GROUPING", "SETS") {
                groups.append(.groupingSets(try parseGroupingSets()))
            } else if isWord("ROLLUP"), isSign("(", ahead: 1) {
                advance()
                groups.append(.rollup(try parseGroupingSets()))
            } else if isWord("CUBE"), isSign("(", ahead: 1) {
                advance()
                groups.append(.cube(try parseGroupingSets()))
            } else if isSign("("), isSign(")", ahead: 1) {
                index += 2
                groups.append(.groupingSets([[]]))
            } else {
                // `(a, b)` groups like `a, b`.
                let isList = isSign("(")
                let expression = try parseExpression()
                if isList, case .rowValue(let items) = expression.kind {
                    groups += items.map { .expression($0) }
                } else {
                    groups.append(.expression(expression))
                }
            }
        } while accept(",")
        return groups
    }

    /// `((a, b), c, ())`
    private mutating func parseGroupingSets() throws(Diagnostic) -> [[ExpressionSyntax]] {
        try expect("(")
        var sets: [[ExpressionSyntax]] = []
        repeat {
            if isSign("("), isSign(")", ahead: 1) {
                index += 2
                sets.append([])
            } else {
                let isList = isSign("(")
                let expression = try parseExpression()
                if isList, case .rowValue(let items) = expression.kind {
                    sets.append(items)
                } else {
                    sets.append([expression])
                }
            }
        } while accept(",")
        try expect(")")
        return sets
    }
}
