import MillraceCore
import MillraceSQL

/// DROP, ALTER TABLE, USE, SHOW, DESCRIBE, EXPLAIN, RESET.
extension ScriptBinder {
    func catalog(_ statement: CatalogStatement) {
        switch statement {
        case .drop(let kind, let name, let ifExists): drop(kind, name, ifExists)
        case .alterTable(let name, let alteration, let ifExists): alter(name, alteration, ifExists)
        case .createDatabase(let name, let ifNotExists):
            let database = databaseName(name)
            guard query.catalog.databases.contains(database) else { return query.catalog.addDatabase(database) }
            if !ifNotExists {
                log.error("database \"\(database)\" is already defined", at: name.range, hint: "Write IF NOT EXISTS.")
            }
        case .use(let name, let isCatalog): use(name, isCatalog)
        case .reset(let key): reset(key)
        case .describe(let name): describe(name).map { listings.append($0) }
        case .show(let listing, let like, let isNegated): show(listing, like.map { LikeText($0) }, isNegated)
        case .explain(let inserts):
            explain(inserts.compactMap { InsertBinder(query).bind($0) })
        case .explainQuery(let syntax):
            query.object = "query"
            guard let node = query.query(syntax) else { return }
            let schema = Schema(node.columns.map { Field($0.name, $0.type, isNullable: $0.isNullable) })
            let sink = SinkPlan(
                name: "query", connector: "print", options: ["connector": "print"], schema: schema,
                isUpdating: node.updates != nil, range: syntax.range)
            explain([LogicalNode(.sink(sink), inputs: [node], columns: node.columns, object: "query")])
        }
    }

    private func explain(_ nodes: [LogicalNode]) {
        guard !nodes.isEmpty, !log.all.contains(where: { $0.severity == .error }) else { return }
        var seen: Set<ObjectIdentifier> = []
        for node in nodes { checkSessions(node, &seen) }
        let plan = PlanEmitter.emit(
            nodes, name: settings["pipeline.name"] ?? "explain", settings: settings, registry: registry)
        listings.append([Explain.text(plan)])
    }

    // MARK: Names

    private func databaseName(_ name: ObjectName) -> String { name.parts[name.parts.count - 1].text }

    private func use(_ name: ObjectName, _ isCatalog: Bool) {
        if isCatalog || name.parts.count > 1, name.parts[0].text != "default_catalog" {
            log.error(
                "unknown catalog \"\(name.parts[0].text)\"", at: name.range, hint: "There is \"default_catalog\".")
            return
        }
        if isCatalog { return query.catalog.database = Catalog.defaultDatabase }
        let database = databaseName(name)
        guard query.catalog.databases.contains(database) else {
            log.error(
                "unknown database \"\(database)\"", at: name.range,
                hint: NearestName.hint(database, in: query.catalog.databases)
                    ?? "Define it first with CREATE DATABASE.")
            return
        }
        query.catalog.database = database
    }

    private func reset(_ key: StringSyntax?) {
        if key == nil { settings = [:] }
        if let key { settings[key.text] = nil }
        query.mode = QueryBinder.RuntimeMode(setting: settings["execution.runtime-mode"])
        query.emission = EmitSettings()
        for (key, value) in settings { _ = query.emission.set(key, value) }
        if settings["table.local-time-zone"] == nil { zone = .utc }
    }

    private func drop(_ kind: CatalogStatement.ObjectKind, _ name: ObjectName, _ ifExists: Bool) {
        let what = kind.rawValue.lowercased()
        if kind == .database {
            let database = databaseName(name)
            if query.catalog.databases.contains(database) {
                query.catalog.removeDatabase(database)
            } else if !ifExists {
                log.error("unknown database \"\(database)\"", at: name.range, hint: "Write IF EXISTS.")
            }
            return
        }
        let entry = query.catalog.find(name)
        let fits: Bool
        switch (kind, entry) {
        case (.table, .table?), (.view, .view?), (.model, .model?), (_, .broken?): fits = true
        case (_, .some):
            log.error("\"\(name.text)\" is not a \(what)", at: name.range)
            return
        case (_, nil): fits = false
        }
        guard fits else {
            if ifExists { return }
            log.error(
                "unknown \(what) \"\(name.text)\"", at: name.range,
                hint: query.catalog.relationHint(name.text) ?? "Write IF EXISTS.")
            return
        }
        query.forget(name)
        query.catalog.remove(name)
    }

    /// The table that a statement names; nil after an error.
    private func table(_ name: ObjectName, ifExists: Bool = false) -> CatalogTable? {
        switch query.catalog.find(name) {
        case .table(let table): return table.isBroken ? nil : table
        case .broken: return nil
        case .view, .model:
            log.error("\"\(name.text)\" is not a table", at: name.range)
            return nil
        case nil:
            if !ifExists {
                log.error(
                    "unknown table \"\(name.text)\"", at: name.range, hint: query.catalog.relationHint(name.text))
            }
            return nil
        }
    }

    // MARK: ALTER TABLE

    private func alter(_ name: ObjectName, _ alteration: AlterTableSyntax, _ ifExists: Bool) {
        guard let table = table(name, ifExists: ifExists) else { return }
        var definition = table.definition
        func column(_ name: Identifier) -> Int? {
            if let index = definition.columns.firstIndex(where: { $0.name.text == name.text }) { return index }
            log.error(
                "column \"\(name.text)\" is not in table \"\(table.name)\"", at: name.range,
                hint: NearestName.hint(name.text, in: definition.columns.map(\.name.text)))
            return nil
        }
        switch alteration {
        case .rename(let other):
            // A new name of one part stays in the table's database.
            let parts = Array(name.parts.dropLast()) + [other.parts[other.parts.count - 1]]
            definition.name = other.parts.count > 1 ? other : ObjectName(parts)
            if query.catalog.find(definition.name) != nil {
                log.error("\"\(other.text)\" is already defined", at: other.range)
                return
            }
        case .renameColumn(let old, let new):
            guard let index = column(old) else { return }
            definition.columns[index].name = new
            for i in definition.primaryKey.indices where definition.primaryKey[i].text == old.text {
                definition.primaryKey[i] = new
            }
        case .set(let options):
            let keys = Set(options.map(\.key.text))
            definition.options = definition.options.filter { !keys.contains($0.key.text) } + options
        case .reset(let keys):
            let gone = Set(keys.map(\.text))
            definition.options.removeAll { gone.contains($0.key.text) }
        case .add(let elements):
            for element in elements { place(element, in: &definition, replaces: false) }
        case .modify(let elements):
            for element in elements {
                if let own = element.definition.columns.first, column(own.name) == nil { return }
                place(element, in: &definition, replaces: true)
            }
        case .dropColumns(let names):
            for name in names {
                guard let index = column(name) else { return }
                definition.columns.remove(at: index)
            }
        case .dropPrimaryKey:
            definition.primaryKey = []
            for index in definition.columns.indices { definition.columns[index].isPrimaryKey = false }
        case .dropWatermark: definition.watermarks = []
        }
        query.forget(name)
        query.catalog.remove(name)
        define(definition)
    }

    private func place(
        _ element: AlterTableSyntax.Element, in definition: inout CreateTableSyntax, replaces: Bool
    ) {
        let own = element.definition
        if !own.primaryKey.isEmpty { definition.primaryKey = own.primaryKey }
        if !own.watermarks.isEmpty {
            if replaces { definition.watermarks = own.watermarks } else { definition.watermarks += own.watermarks }
        }
        guard let column = own.columns.first else { return }
        var index = definition.columns.count
        if replaces, let old = definition.columns.firstIndex(where: { $0.name.text == column.name.text }) {
            definition.columns.remove(at: old)
            index = old
        }
        switch element.place {
        case .last: break
        case .first: index = 0
        case .after(let name):
            guard let before = definition.columns.firstIndex(where: { $0.name.text == name.text }) else {
                log.error("column \"\(name.text)\" is not in the table", at: name.range)
                return
            }
            index = before + 1
        }
        definition.columns.insert(column, at: index)
    }

    // MARK: SHOW, DESCRIBE

    private func show(_ listing: CatalogStatement.Listing, _ pattern: LikeText?, _ isNegated: Bool) {
        func list(_ header: String, _ names: [String]) {
            let kept = names.filter { pattern == nil || pattern!.matches($0) != isNegated }
            listings.append(kept.isEmpty ? ["Empty set"] : TextTable.lines([header], kept.map { [$0] }))
        }
        let catalog = query.catalog
        // Of the current database.
        func names(_ isListed: (Catalog.Entry) -> Bool) -> [String] {
            let prefix = catalog.database + "."
            return catalog.order.compactMap { key in
                guard let entry = catalog.entries[key], isListed(entry) else { return nil }
                if catalog.database != Catalog.defaultDatabase {
                    return key.hasPrefix(prefix) ? String(key.dropFirst(prefix.count)) : nil
                }
                return catalog.databases.contains { key.hasPrefix($0 + ".") } ? nil : key
            }.sorted()
        }
        switch listing {
        case .tables:
            list("table name", names { if case .model = $0 { false } else { true } })
        case .views: list("view name", names { if case .view = $0 { true } else { false } })
        case .models: list("model name", names { if case .model = $0 { true } else { false } })
        case .databases: list("database name", catalog.databases.sorted())
        case .catalogs: list("catalog name", ["default_catalog"])
        case .currentDatabase: list("current database name", [catalog.database])
        case .currentCatalog: list("current catalog name", ["default_catalog"])
        case .columns(let name): describe(name).map { listings.append($0) }
        case .createTable(let name):
            guard let table = table(name) else { return }
            listings.append([SQLPrinter.print(StatementSyntax(.createTable(table.definition), range: table.range))])
        case .createView(let name):
            guard case .view(let view)? = catalog.find(name) else {
                log.error("unknown view \"\(name.text)\"", at: name.range, hint: catalog.relationHint(name.text))
                return
            }
            listings.append([SQLPrinter.print(StatementSyntax(.createView(view.definition), range: name.range))])
        }
    }

    /// Name, type, NULL, key, origin and watermark of each column.
    private func describe(_ name: ObjectName) -> [String]? {
        let header = ["name", "type", "null", "key", "extras", "watermark"]
        func flag(_ value: Bool) -> String { value ? "TRUE" : "FALSE" }
        if case .view(let view)? = query.catalog.find(name) {
            return view.node.map { node in
                TextTable.lines(
                    header, node.columns.map { [$0.name, $0.type.description, flag($0.isNullable), "", "", ""] })
            }
        }
        guard let table = table(name) else { return nil }
        let scan = TableScan(
            table: table, options: table.options,
            isBounded: table.connector.map { $0.isBounded(table.options) } ?? true)
        let node = TableScanBinder(functions: query.functions, log: DiagnosticLog()).bind(scan)
        let key = table.primaryKey.isEmpty ? "" : "PRI(\(table.primaryKey.joined(separator: ", ")))"
        let rows = zip(table.columns, node.columns).map { column, bound -> [String] in
            let watermark = table.watermark.flatMap { watermark in
                watermark.column.map(\.text) == [column.name] ? SQLPrinter.print(watermark.expression) : nil
            }
            let extras: String =
                switch column {
                case .physical: ""
                case .metadata(_, let key, _, let isVirtual, _):
                    "METADATA FROM '\(key)'" + (isVirtual ? " VIRTUAL" : "")
                case .computed(let expression, _): "AS \(SQLPrinter.print(expression))"
                }
            return [
                column.name, bound.type.description + (watermark == nil ? "" : " *ROWTIME*"), flag(bound.isNullable),
                table.primaryKey.contains(column.name) ? key : "", extras, watermark ?? "",
            ]
        }
        return TextTable.lines(header, rows)
    }
}

/// Rows as Flink's SQL client shows them.
enum TextTable {
    static func lines(_ header: [String], _ rows: [[String]]) -> [String] {
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        func line(_ row: [String]) -> String {
            "| "
                + zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: " | ")
                + " |"
        }
        let rule = "+" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "+") + "+"
        return [rule, line(header), rule] + rows.map(line) + [rule]
    }
}
