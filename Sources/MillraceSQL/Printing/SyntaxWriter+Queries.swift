extension SyntaxWriter {
    mutating func write(_ query: QuerySyntax) {
        if !query.with.isEmpty {
            text += "WITH "
            list(query.with) { writer, table in
                writer.write(table.name)
                if !table.columns.isEmpty {
                    writer.text += " "
                    writer.writeColumns(table.columns)
                }
                writer.text += " AS ("
                writer.write(table.query)
                writer.text += ")"
            }
            text += " "
        }
        switch query.body {
        case .select(let select): write(select)
        case .values(let rows): writeValues(rows)
        case .setOperation(let kind, let isAll, let left, let right):
            let level = kind.level
            writeOperand(left, atLeast: level)
            text += " \(kind.rawValue) " + (isAll ? "ALL " : "")
            writeOperand(right, atLeast: level + 1)
        }
        if !query.orderBy.isEmpty {
            text += " "
            write(orderBy: query.orderBy)
        }
        if let limit = query.limit {
            text += " LIMIT "
            write(limit)
        }
        if let offset = query.offset {
            text += " OFFSET "
            write(offset)
        }
    }

    private mutating func writeOperand(_ query: QuerySyntax, atLeast level: Int) {
        var isBare = query.with.isEmpty && query.orderBy.isEmpty && query.limit == nil && query.offset == nil
        if case .setOperation(let kind, _, _, _) = query.body, kind.level < level { isBare = false }
        if !isBare { text += "(" }
        write(query)
        if !isBare { text += ")" }
    }

    private mutating func writeValues(_ rows: [[ExpressionSyntax]]) {
        text += "VALUES "
        list(rows) { writer, row in
            // `((1, 2))` would be read as the row itself.
            var needsWord = row.isEmpty
            if row.count == 1, case .rowValue = row[0].kind { needsWord = true }
            writer.text += needsWord ? "ROW(" : "("
            writer.write(row)
            writer.text += ")"
        }
    }

    mutating func write(_ items: [SelectSyntax.Item]) {
        list(items) { writer, item in
            switch item {
            case .all(let qualifier, _):
                writer.write(qualifier)
                writer.text += qualifier.isEmpty ? "*" : ".*"
            case .expression(let expression, let alias):
                writer.write(expression)
                if let alias {
                    writer.text += " AS "
                    writer.write(alias)
                }
            }
        }
    }

    private mutating func write(_ select: SelectSyntax) {
        text += select.isDistinct ? "SELECT DISTINCT " : "SELECT "
        write(select.items)
        if let from = select.from {
            text += " FROM "
            writeTable(from)
        }
        writeClause(" WHERE ", select.filter)
        if !select.groupBy.isEmpty {
            text += " GROUP BY "
            list(select.groupBy) { $0.write($1) }
        }
        writeClause(" HAVING ", select.having)
        if !select.windows.isEmpty {
            text += " WINDOW "
            list(select.windows) {
                $0.write($1.name)
                $0.text += " AS "
                $0.writeInParentheses($1.window)
            }
        }
        writeClause(" QUALIFY ", select.qualify)
    }

    private mutating func writeClause(_ word: String, _ expression: ExpressionSyntax?) {
        guard let expression else { return }
        text += word
        write(expression)
    }

    private mutating func write(_ grouping: SelectSyntax.Grouping) {
        let sets: [[ExpressionSyntax]]
        switch grouping {
        case .expression(let expression): return write(expression)
        case .groupingSets(let items):
            text += "GROUPING SETS ("
            sets = items
        case .rollup(let items):
            text += "ROLLUP ("
            sets = items
        case .cube(let items):
            text += "CUBE ("
            sets = items
        }
        list(sets) { writer, set in
            if set.count != 1 { writer.text += "(" }
            writer.write(set)
            if set.count != 1 { writer.text += ")" }
        }
        text += ")"
    }

    /// A table with its tail. A join without one stands bare.
    mutating func writeTable(_ table: TableSyntax) {
        let hasTail = table.alias != nil || table.systemTime != nil
        switch table.kind {
        case .name(let name, let options):
            write(name)
            writeHint(options)
        case .query(let query):
            text += "("
            write(query)
            text += ")"
        case .function(let call, let isLateral):
            text += isLateral ? "LATERAL TABLE(" : "TABLE("
            write(call)
            text += ")"
        case .lateral(let query):
            text += "LATERAL ("
            write(query)
            text += ")"
        case .unnest(let expression, let withOrdinality):
            text += "UNNEST("
            write(expression)
            text += withOrdinality ? ") WITH ORDINALITY" : ")"
        case .values(let rows):
            text += "("
            writeValues(rows)
            text += ")"
        case .join(let type, let left, let right, let condition):
            if hasTail { text += "(" }
            writeJoin(type, left, right, condition)
            if hasTail { text += ")" }
        }
        if let systemTime = table.systemTime {
            text += " FOR SYSTEM_TIME AS OF "
            write(systemTime)
        }
        if let alias = table.alias {
            text += " AS "
            write(alias)
            if !table.columnAliases.isEmpty {
                text += " "
                writeColumns(table.columnAliases)
            }
        }
    }

    private mutating func writeJoin(
        _ type: TableSyntax.JoinType, _ left: TableSyntax, _ right: TableSyntax, _ condition: TableSyntax.JoinCondition
    ) {
        writeTable(left)
        text += condition == .natural ? " NATURAL \(type.rawValue) JOIN " : " \(type.rawValue) JOIN "
        var needsParentheses = false
        if case .join = right.kind, right.alias == nil, right.systemTime == nil { needsParentheses = true }
        if needsParentheses { text += "(" }
        writeTable(right)
        if needsParentheses { text += ")" }
        switch condition {
        case .on(let expression):
            text += " ON "
            write(expression)
        case .using(let columns):
            text += " USING "
            writeColumns(columns)
        case .none, .natural: break
        }
    }
}

extension QuerySyntax.SetOperator {
    fileprivate var level: Int { self == .intersect ? 2 : 1 }
}
