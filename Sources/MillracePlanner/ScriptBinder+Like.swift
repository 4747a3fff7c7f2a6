import MillraceCore
import MillraceSQL

/// `CREATE TABLE … LIKE other` and `CREATE TABLE … AS query` as plain definitions.
extension ScriptBinder {
    /// The definition with what LIKE copies and the columns of AS; with AS also the query, bound. Nil after an error.
    ///
    /// A column that is declared and comes from the query, too, stands in the query's order with the declared type.
    func expanded(_ syntax: CreateTableSyntax) -> (definition: CreateTableSyntax, rows: LogicalNode?)? {
        var result = syntax
        var rows: LogicalNode?
        result.like = nil
        result.query = nil
        if let like = syntax.like {
            guard let base = likeBase(like) else { return nil }
            merge(base, like, into: &result)
        }
        if let content = syntax.query {
            query.object = syntax.name.text
            guard let node = query.query(content, isTop: true) else { return nil }
            guard let columns = columns(of: node) else {
                log.error("the columns of the query cannot be those of a table", at: content.range)
                return nil
            }
            for column in columns {
                let declared = result.columns.firstIndex { $0.name.text == column.name.text }
                result.columns.append(declared.map { result.columns.remove(at: $0) } ?? column)
            }
            rows = node
        }
        return (result, rows)
    }

    private func likeBase(_ like: CreateTableSyntax.Like) -> CreateTableSyntax? {
        switch query.catalog.find(like.source) {
        case .table(let table) where !table.isBroken: return table.definition
        case .table, .broken: break
        case .view, .model:
            log.error("\"\(like.source.text)\" is not a table", at: like.source.range)
        case nil:
            log.error(
                "unknown table \"\(like.source.text)\"", at: like.source.range,
                hint: query.catalog.relationHint(like.source.text))
        }
        return nil
    }

    private func merge(
        _ base: CreateTableSyntax, _ like: CreateTableSyntax.Like, into result: inout CreateTableSyntax
    ) {
        func overwrites(_ what: String) -> Bool { like.options.contains("OVERWRITING \(what)") }
        func excludes(_ what: String) -> Bool {
            if like.options.contains("INCLUDING \(what)") || overwrites(what) { return false }
            return like.options.contains("EXCLUDING \(what)") || like.options.contains("EXCLUDING ALL")
        }
        let own = Set(result.columns.map(\.name.text))
        let copied = base.columns.compactMap { column -> CreateTableSyntax.Column? in
            var column = column
            switch column.kind {
            case .computed where excludes("GENERATED") || overwrites("GENERATED") && own.contains(column.name.text):
                return nil
            case .metadata where excludes("METADATA") || overwrites("METADATA") && own.contains(column.name.text):
                return nil
            default: break
            }
            if excludes("CONSTRAINTS") { column.isPrimaryKey = false }
            return column
        }
        let declaresKey = !result.primaryKey.isEmpty || result.columns.contains(where: \.isPrimaryKey)
        if !excludes("CONSTRAINTS"), !declaresKey { result.primaryKey = base.primaryKey }
        result.columns =
            copied.map { column in
                var column = column
                if declaresKey { column.isPrimaryKey = false }
                return column
            } + result.columns
        if result.partitionKeys.isEmpty, !excludes("PARTITIONS") { result.partitionKeys = base.partitionKeys }
        if result.watermarks.isEmpty, !excludes("WATERMARKS") { result.watermarks = base.watermarks }
        if !excludes("OPTIONS") {
            let keys = Set(result.options.map(\.key.text))
            result.options = base.options.filter { !keys.contains($0.key.text) } + result.options
        }
    }

    /// The types as their names, which are SQL.
    private func columns(of node: LogicalNode) -> [CreateTableSyntax.Column]? {
        let text = node.columns.map { column in
            "`\(column.name.split(separator: "`", omittingEmptySubsequences: false).joined(separator: "``"))` \(column.type)"
                + (column.isNullable ? "" : " NOT NULL")
        }.joined(separator: ", ")
        let parsed = SQLParser.parse("CREATE TABLE t (\(text))")
        guard parsed.diagnostics.isEmpty, case .createTable(let table)? = parsed.script.statements.first?.kind else {
            return nil
        }
        return table.columns
    }
}
