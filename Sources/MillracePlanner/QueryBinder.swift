import MillraceCore
import MillraceSQL

/// Rows with the names they are reached by.
struct Relation {
    var node: LogicalNode
    var scope: Scope
}

/// Binds queries to logical nodes. Methods return nil after having reported an error.
final class QueryBinder {
    let registry: Registry
    let options: OptionChecker
    let functions: FunctionTable
    var catalog = Catalog()
    var log: DiagnosticLog
    /// Names of WITH, innermost last; a nil node had errors.
    var commonTables: [[String: LogicalNode?]] = []
    /// The same table with the same options is read once.
    private var scans: [ScanKey: LogicalNode] = [:]
    /// Uses of models with a baseline.
    var drifts: [DriftUse] = []
    /// What a new node belongs to, for dead letters and explain.
    var object = "query"
    /// `SET 'table.exec.emit.…'`.
    var emission = EmitSettings()
    /// `SET 'over.emit'`.
    var overEmission = OverPlan.Emission.watermark
    /// `SET 'table.exec.state.ttl'`; nil: for ever.
    var stateTTLMilliseconds: Int64?
    var mode = RuntimeMode.automatic
    /// Bounded input gives changes as a stream would.
    var isStreaming: Bool { mode == .streaming }

    /// `SET 'execution.runtime-mode' = '…'`
    enum RuntimeMode: String {
        /// Bounded input is read as a stream, but only final rows are written.
        case automatic
        /// As Flink's streaming mode.
        case streaming
        /// As Flink's batch mode: bounded input has no watermark before its end, so no row is late.
        case batch

        init(setting: String?) { self = setting.flatMap { RuntimeMode(rawValue: $0.lowercased()) } ?? .automatic }
    }

    private struct ScanKey: Hashable {
        var name: String
        var options: [String: String]
    }

    init(registry: Registry, options: OptionChecker, log: DiagnosticLog, functions: FunctionTable = .standard) {
        self.registry = registry
        self.options = options
        self.log = log
        self.functions = functions
    }

    /// Adds a name to the catalog. What was bound before keeps its meaning.
    func define(_ name: ObjectName, _ entry: Catalog.Entry, isTemporary: Bool) {
        forget(name)
        catalog.add(name, entry, isTemporary: isTemporary)
    }

    /// The name will mean something else: a later use is a scan of its own.
    func forget(_ name: ObjectName) {
        let key = catalog.key(name)
        scans = scans.filter { $0.key.name != key }
    }

    func binder(_ scope: Scope, _ place: String) -> ExpressionBinder {
        ExpressionBinder(scope: scope, log: log, functions: functions, place: place)
    }

    // MARK: Queries

    /// - Parameter isTop: the order of its rows is the order in which they are written; that of a sub-query means nothing
    ///   without LIMIT.
    func query(_ syntax: QuerySyntax, isTop: Bool = false) -> LogicalNode? {
        var names: [String: LogicalNode?] = [:]
        commonTables.append([:])
        defer { commonTables.removeLast() }
        for table in syntax.with {
            if names[table.name.text] != nil {
                log.error("WITH names \"\(table.name.text)\" twice", at: table.name.range)
            }
            var node = query(table.query)
            if let bound = node, !table.columns.isEmpty {
                node = renamed(bound, table.columns, "WITH \(table.name.text)")
            }
            names[table.name.text] = node
            commonTables[commonTables.count - 1] = names
        }
        let isLimited = syntax.limit != nil || syntax.offset != nil
        guard !syntax.orderBy.isEmpty, isTop || isLimited else { return body(syntax).flatMap { limited(syntax, $0) } }
        return ordered(syntax)
    }

    func body(_ syntax: QuerySyntax) -> LogicalNode? {
        switch syntax.body {
        case .select(let select): return self.select(select)
        case .values(let rows): return values(rows, syntax.range)
        case .setOperation(let op, let isAll, let left, let right):
            return setOperation(op, isAll: isAll, left, right, syntax.range)
        }
    }

    /// The node with other column names.
    func renamed(_ node: LogicalNode, _ names: [Identifier], _ what: String) -> LogicalNode? {
        guard names.count == node.columns.count else {
            log.error(
                "\(what) names \(names.count) columns, its query has \(node.columns.count)",
                at: names[0].range.through(names[names.count - 1].range))
            return nil
        }
        return .project(
            node,
            zip(names, node.columns.enumerated()).map {
                ($0.text, .column($1.offset, $1.element.type), $1.element.isNullable)
            })
    }

    private func setOperation(
        _ op: QuerySyntax.SetOperator, isAll: Bool, _ left: QuerySyntax, _ right: QuerySyntax, _ range: SourceRange
    ) -> LogicalNode? {
        if op != .union, isAll {
            log.error(
                "\(op.rawValue) ALL is not supported", at: range, hint: "Leave out ALL: each row then comes once.")
            return nil
        }
        let a = query(left)
        let b = query(right)
        guard let a, let b else { return nil }
        guard a.columns.count == b.columns.count else {
            log.error("\(op.rawValue) joins \(a.columns.count) columns with \(b.columns.count)", at: right.range)
            return nil
        }
        var isFine = true
        var columns: [OutputColumn] = []
        for (x, y) in zip(a.columns, b.columns) {
            guard let type = Coercion.leastRestrictive(x.type, y.type) else {
                log.error(
                    "\(op.rawValue) joins column \"\(x.name)\" of \(x.type) with column \"\(y.name)\" of \(y.type)",
                    at: right.range,
                    hint: "Write a CAST.")
                isFine = false
                continue
            }
            var column = OutputColumn(x.name, type, isNullable: x.isNullable || y.isNullable)
            column.isBroken = x.isBroken || y.isBroken
            switch (x.time, y.time) {
            case (.event, .event): column.time = .event
            case (.processing, .processing): column.time = .processing
            case (.candidate(let p), .candidate(let q)): column.time = .candidate(p + q)
            case (.event, _), (_, .event):
                column.time = .lost("the other side of \(op.rawValue) has no event time in its place")
            default: break
            }
            columns.append(column)
        }
        guard isFine else { return nil }
        if op != .union { return membership(op, a, b, columns, range) }
        let inputs = [a, b].map { input in
            LogicalNode.project(
                input,
                zip(columns, input.columns.enumerated()).map {
                    ($0.name, Coercion.cast(.column($1.offset, $1.element.type), to: $0.type), $0.isNullable)
                })
        }
        let union = LogicalNode(.union, inputs: inputs, columns: columns, object: object)
        guard !isAll else { return union }
        return distinct(union)
    }

    // MARK: Tables

    /// - Parameter pending: conditions of WHERE, which an inner join may take as its own.
    func table(_ syntax: TableSyntax, pending: PendingConditions? = nil) -> Relation? {
        switch syntax.kind {
        case .name(let name, let hints):
            guard let node = named(name, hints: hints) else { return nil }
            return relation(node, syntax, default: name.parts[name.parts.count - 1].text, full: name.text)
        case .query(let query):
            guard let node = self.query(query) else { return nil }
            return relation(node, syntax, default: nil, full: nil)
        case .function(let call, _):
            guard let node = tableFunction(call, syntax.range) else { return nil }
            return relation(node, syntax, default: nil, full: nil)
        case .unnest(let expression, let withOrdinality):
            // On its own it reads no row: that of one.
            let nothing = Relation(node: oneRow(), scope: Scope(columns: []))
            return unnest(
                .cross, nothing, syntax, expression, withOrdinality: withOrdinality, .none, syntax.range)
        case .values(let rows):
            guard let node = values(rows, syntax.range) else { return nil }
            return relation(node, syntax, default: nil, full: nil)
        case .lateral(let query):
            guard let node = self.query(query) else { return nil }
            return relation(node, syntax, default: nil, full: nil)
        case .join(let type, let left, let right, let condition):
            let isOpen = syntax.alias == nil && (type == .inner || type == .cross)
            return join(type, left, right, condition, syntax.range, pending: isOpen ? pending : nil)
        }
    }

    func relation(_ node: LogicalNode, _ syntax: TableSyntax, default name: String?, full: String?) -> Relation? {
        var node = node
        if !syntax.columnAliases.isEmpty {
            guard let other = renamed(node, syntax.columnAliases, "alias \"\(syntax.alias?.text ?? "")\"") else {
                return nil
            }
            node = other
        }
        var scope = Scope(columns: node.columns)
        if let alias = syntax.alias?.text ?? name {
            scope.relations.append(Scope.Relation(alias: alias, columns: node.columns.indices))
            if syntax.alias == nil, let full, full != alias {
                scope.relations.append(Scope.Relation(alias: full, columns: node.columns.indices))
            }
        }
        return Relation(node: node, scope: scope)
    }

    func named(_ name: ObjectName, hints: [OptionSyntax]) -> LogicalNode? {
        if name.parts.count == 1 {
            for level in commonTables.reversed() {
                if let node = level[name.text] { return node }
            }
        }
        switch catalog.find(name) {
        case .table(let table):
            if table.connector == nil || table.isBroken { return nil }
            return scan(table, hints: hints, at: name.range)
        case .view(let view):
            if let first = hints.first {
                log.error("OPTIONS do not apply to view \"\(view.name)\"", at: first.key.range)
            }
            return view.node
        case .model:
            log.error(
                "\"\(name.text)\" is a model, not a table", at: name.range,
                hint: "Use ML_PREDICT(TABLE …, MODEL \(name.text), DESCRIPTOR(…)).")
        case .broken: break
        case nil:
            let common = commonTables.flatMap(\.keys).sorted()
            log.error(
                "unknown table \"\(name.text)\"", at: name.range, hint: catalog.relationHint(name.text, or: common))
        }
        return nil
    }

    /// The options of a table with the hints of one use.
    func merged(_ table: CatalogTable, hints: [OptionSyntax]) -> (
        options: [String: String], connector: ConnectorDescriptor
    )? {
        guard let connector = table.connector else { return nil }
        if hints.isEmpty { return (table.options, connector) }
        let keys = Set(hints.map(\.key.text))
        let checked = options.table(
            table.optionSyntax.filter { !keys.contains($0.key.text) } + hints, name: table.name, range: table.range)
        guard checked.isComplete, let other = checked.connector else { return nil }
        return (checked.options, other)
    }

    func scan(_ table: CatalogTable, hints: [OptionSyntax], at range: SourceRange) -> LogicalNode? {
        guard let (values, connector) = merged(table, hints: hints) else { return nil }
        let key = ScanKey(name: table.name, options: values)
        if let node = scans[key] { return node }
        guard connector.roles.contains(.scan) else {
            log.error(
                "table \"\(table.name)\" cannot be read: connector \"\(connector.name)\" is not a source", at: range)
            return nil
        }
        let scan = TableScan(table: table, options: values, isBounded: connector.isBounded(values))
        let node = TableScanBinder(functions: functions, log: DiagnosticLog()).bind(scan)
        if mode == .batch, scan.isBounded, let type = scan.watermark?.plan.expression.type {
            scan.watermark?.plan.expression = .literal(.null, type)
        }
        scans[key] = node
        return node
    }
}
