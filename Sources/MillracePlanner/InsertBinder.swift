import MillraceCore
import MillraceSQL

/// INSERT: the query's columns onto the target's, with the casts that Flink inserts by itself.
struct InsertBinder {
    private let query: QueryBinder
    private var log: DiagnosticLog { query.log }

    init(_ query: QueryBinder) { self.query = query }

    private struct Target {
        var field: Field
        var metadataKey: String?
        /// The connector's type of a metadata column.
        var sinkType: DataType
    }

    /// - Parameter rows: the query, when it is bound already.
    func bind(_ syntax: InsertSyntax, rows: LogicalNode? = nil) -> LogicalNode? {
        let table = self.table(syntax.target)
        if syntax.isOverwrite { log.error("INSERT OVERWRITE is not supported on a stream", at: syntax.target.range) }
        let node = withStaticKeys(syntax, rows ?? query.query(syntax.query, isTop: true))
        guard let table, let node, !table.isBroken else { return nil }
        guard let (options, connector) = query.merged(table, hints: syntax.options) else { return nil }
        guard connector.roles.contains(.sink) else {
            log.error(
                "table \"\(table.name)\" cannot be written: connector \"\(connector.name)\" is not a sink",
                at: syntax.target.range)
            return nil
        }
        let targets = Self.targets(table)
        guard let listed = listed(syntax, table, targets) else { return nil }
        let select = Self.selectItems(syntax.query)
        guard listed.count == node.columns.count else {
            if node.columns.contains(where: \.isBroken) { return nil }
            log.error(
                "INSERT has \(node.columns.count) column\(node.columns.count == 1 ? "" : "s") for \(listed.count) column\(listed.count == 1 ? "" : "s") of table \"\(table.name)\"",
                at: syntax.target.range,
                hint: Self.missingComma(syntax.query, missing: listed.count - node.columns.count)
                    ?? "The table takes \(listed.map { "\(targets[$0].field.name) \(targets[$0].field.type)" }.joined(separator: ", "))."
            )
            return nil
        }
        var isFine = true
        var values = [Expression?](repeating: nil, count: targets.count)
        for (index, target) in listed.enumerated() {
            let column = node.columns[index]
            if column.isBroken {
                isFine = false
                continue
            }
            let place = index < select.count && select.count == node.columns.count ? select[index] : syntax.target.range
            let field = targets[target].field
            let literal: Expression? =
                if case .project(let expressions) = node.kind, case .literal = expressions[index] {
                    expressions[index]
                } else { nil }
            guard Coercion.isImplicit(from: column.type, to: field.type) || fits(literal, field.type) else {
                log.error(
                    "column \"\(column.name)\" is \(column.type), column \"\(field.name)\" of table \"\(table.name)\" is \(field.type)",
                    at: place, hint: Self.conversion(from: column.type, to: field.type))
                isFine = false
                continue
            }
            if !field.isNullable, case .literal(.null, _)? = literal {
                log.error("column \"\(field.name)\" of table \"\(table.name)\" is NOT NULL", at: place)
                isFine = false
                continue
            }
            let value = Expression.column(index, column.type)
            var result =
                Coercion.isSame(column.type, field.type) && !Self.needsCast(column.type, field.type)
                ? value : Coercion.cast(value, to: field.type)
            if targets[target].sinkType != field.type { result = Coercion.cast(result, to: targets[target].sinkType) }
            values[target] = result
        }
        // Metadata columns that are not listed are not written; physical ones become NULL.
        var written: [Int] = []
        for (index, target) in targets.enumerated() {
            if values[index] != nil || target.metadataKey == nil { written.append(index) }
            guard values[index] == nil, target.metadataKey == nil, !listed.contains(index), !target.field.isNullable
            else { continue }
            log.error(
                "column \"\(target.field.name)\" of table \"\(table.name)\" is NOT NULL but gets no value",
                at: syntax.target.range)
            isFine = false
        }
        guard isFine else { return nil }
        let fields = written.map {
            Field(targets[$0].field.name, targets[$0].sinkType, isNullable: targets[$0].field.isNullable)
        }
        var metadata: [String: String] = [:]
        for index in written { if let key = targets[index].metadataKey { metadata[targets[index].field.name] = key } }
        let projected = LogicalNode.project(
            node,
            written.map { index in
                (
                    targets[index].field.name, values[index] ?? .literal(.null, targets[index].sinkType),
                    targets[index].field.isNullable
                )
            }, object: table.name)
        guard
            ChangelogCheck(log: log).accepts(projected, table: table, connector: connector, at: syntax.target.range)
        else { return nil }
        let plan = SinkPlan(
            name: table.name, connector: connector.name, options: options, schema: Schema(fields), metadata: metadata,
            primaryKey: table.primaryKey, partitionKeys: table.partitionKeys, isUpdating: projected.updates != nil,
            range: syntax.target.range)
        return LogicalNode(.sink(plan), inputs: [projected], columns: projected.columns, object: table.name)
    }

    /// Precision of times and scale of decimals change the value; text lengths are not enforced, as in Flink.
    private static func needsCast(_ from: DataType, _ to: DataType) -> Bool {
        switch (from, to) {
        case (.timestamp(let a), .timestamp(let b)), (.timestampLTZ(let a), .timestampLTZ(let b)),
            (.time(let a), .time(let b)):
            a > b
        default: false
        }
    }

    /// A whole-number literal may go into a smaller integer that holds it.
    private func fits(_ literal: Expression?, _ type: DataType) -> Bool {
        guard case .literal(.integer(let value), let from)? = literal, from.isInteger else { return false }
        switch type {
        case .tinyInt: return Int8(exactly: value) != nil
        case .smallInt: return Int16(exactly: value) != nil
        case .integer: return Int32(exactly: value) != nil
        default: return false
        }
    }

    private func table(_ name: ObjectName) -> CatalogTable? {
        switch query.catalog.find(name) {
        case .table(let table): return table.connector == nil ? nil : table
        case .broken: break
        case .view: log.error("view \"\(name.text)\" cannot be written", at: name.range)
        case .model: log.error("\"\(name.text)\" is a model, not a table", at: name.range)
        case nil:
            log.error(
                "unknown table \"\(name.text)\"", at: name.range,
                hint: query.catalog.relationHint(name.text))
        }
        return nil
    }

    /// Columns INSERT may write: physical ones, then writable metadata.
    private static func targets(_ table: CatalogTable) -> [Target] {
        let physical = table.columns.compactMap { column -> Target? in
            if case .physical(let field) = column {
                Target(field: field, metadataKey: nil, sinkType: field.type)
            } else {
                nil
            }
        }
        let metadata = table.columns.compactMap { column -> Target? in
            if case .metadata(let field, let key, let source, false, true) = column {
                Target(field: field, metadataKey: key, sinkType: source)
            } else {
                nil
            }
        }
        return physical + metadata
    }

    /// The targets in the order of the query's columns; nil after an error.
    private func listed(_ syntax: InsertSyntax, _ table: CatalogTable, _ targets: [Target]) -> [Int]? {
        if syntax.columns.isEmpty {
            // By position means in declared order, metadata among the physical columns.
            let fixed = Self.staticKeys(syntax)
            guard fixed.allSatisfy({ key in check(key, table, targets) }) else { return nil }
            let names = fixed.map(\.text)
            return (table.columns.map(\.name).filter { !names.contains($0) } + names).compactMap { name in
                targets.firstIndex { $0.field.name == name }
            }
        }
        var result: [Int] = []
        var isFine = true
        for name in syntax.columns + Self.staticKeys(syntax) {
            guard let index = targets.firstIndex(where: { $0.field.name == name.text }) else {
                isFine = false
                if let column = table.columns.first(where: { $0.name == name.text }) {
                    let what = if case .computed = column { "computed" } else { "read-only metadata" }
                    log.error(
                        "column \"\(name.text)\" of table \"\(table.name)\" is \(what) and cannot be written",
                        at: name.range)
                } else {
                    log.error(
                        "column \"\(name.text)\" is not in table \"\(table.name)\"", at: name.range,
                        hint: NearestName.hint(name.text, in: targets.map(\.field.name))
                            ?? "Its columns are \(targets.map { "\"\($0.field.name)\"" }.joined(separator: ", ")).")
                }
                continue
            }
            if result.contains(index) {
                log.error("column \"\(name.text)\" is listed twice", at: name.range)
                isFine = false
            }
            result.append(index)
        }
        return isFine ? result : nil
    }

    private func check(_ key: Identifier, _ table: CatalogTable, _ targets: [Target]) -> Bool {
        if targets.contains(where: { $0.field.name == key.text }) { return true }
        log.error(
            "column \"\(key.text)\" is not in table \"\(table.name)\"", at: key.range,
            hint: NearestName.hint(key.text, in: targets.map(\.field.name)))
        return false
    }

    private static func staticKeys(_ syntax: InsertSyntax) -> [Identifier] {
        syntax.partition.compactMap { $0.value == nil ? nil : $0.column }
    }

    /// The values of `PARTITION (a = 1)` as columns behind the query's.
    private func withStaticKeys(_ syntax: InsertSyntax, _ node: LogicalNode?) -> LogicalNode? {
        let fixed = syntax.partition.compactMap { key in key.value.map { (key.column.text, $0) } }
        guard let node, !fixed.isEmpty else { return node }
        var items = node.columns.enumerated().map { index, column in
            (name: column.name, expression: Expression.column(index, column.type), isNullable: column.isNullable)
        }
        let binder = query.binder(Scope(columns: []), "PARTITION")
        for (name, value) in fixed {
            guard let bound = binder.bind(value) else { return nil }
            items.append((name, bound.expression, bound.isNullable))
        }
        return LogicalNode.project(node, items, object: syntax.target.text)
    }

    private static func conversion(from: DataType, to type: DataType) -> String? {
        if Coercion.isCastable(from: from, to: type) { return "Write CAST(… AS \(type))." }
        if type.isNumeric, from.isInterval { return "Write TIMESTAMPDIFF(SECOND, start, end) for a number." }
        if type.isNumeric, from.isTemporal { return "Use TIMESTAMPDIFF or EXTRACT to get a number from a time." }
        return nil
    }

    /// `SELECT a b FROM t` for two columns: b was read as the name of a.
    private static func missingComma(_ query: QuerySyntax, missing: Int) -> String? {
        guard missing > 0, case .select(let select) = query.body else { return nil }
        for case .expression(let expression, let alias?) in select.items
        where alias.range.start.offset - expression.range.end.offset < 4 {
            return "\"\(alias.text)\" names the column before it; a comma may be missing between them."
        }
        return nil
    }

    /// Places of the select list, where each item is one column.
    private static func selectItems(_ query: QuerySyntax) -> [SourceRange] {
        if case .values(let rows) = query.body { return rows.first?.map(\.range) ?? [] }
        guard case .select(let select) = query.body else { return [] }
        return select.items.compactMap { if case .expression(let e, _) = $0 { e.range } else { nil } }
    }
}
