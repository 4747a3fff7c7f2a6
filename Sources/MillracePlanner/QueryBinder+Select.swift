import MillraceCore
import MillraceSQL

extension QueryBinder {
    /// Views of `SELECT *, *` double their columns with every level.
    static let maximumColumns = 10_000

    func select(_ syntax: SelectSyntax) -> LogicalNode? {
        let pending = PendingConditions(syntax.filter?.conjuncts ?? [])
        let from =
            syntax.from.map { table($0, pending: pending) } ?? Relation(node: oneRow(), scope: Scope(columns: []))
        guard var relation = from else { return nil }
        // What a join took has to be right here, too: a name may be ambiguous among all tables.
        for part in pending.taken {
            guard binder(relation.scope, "WHERE").boolean(part, "WHERE") != nil else { return nil }
        }
        relation.scope.aliases = syntax.aliases
        var filter = syntax.filter
        if !pending.taken.isEmpty {
            filter = pending.open.dropFirst().reduce(pending.open.first) { all, part in
                all.map { ExpressionSyntax(.binary(.and, $0, part), range: $0.range.through(part.range)) }
            }
        }
        if let clause = filter, clause.conjuncts.contains(where: { $0.subQueryTest != nil }) {
            guard let (rest, node) = subQueries(of: clause, relation) else {
                _ = project(syntax, relation)
                return nil
            }
            filter = rest
            relation.node = node
        }
        if let filter {
            if let predicate = binder(relation.scope, "WHERE").boolean(filter, "WHERE") {
                relation.node = RankLimit(query: self).filter(relation.node, predicate.expression)
            } else {
                // The select list is still worth checking.
                _ = project(syntax, relation)
                return nil
            }
        }
        return project(syntax, relation)
    }

    private func project(_ syntax: SelectSyntax, _ relation: Relation) -> LogicalNode? {
        let isAggregate =
            !syntax.groupBy.isEmpty || syntax.having?.containsAggregate == true
            || syntax.items.contains { if case .expression(let e, _) = $0 { e.containsAggregate } else { false } }
        if isAggregate { return AggregateBinder(self, syntax, relation).bind() }
        if let having = syntax.having { log.error("HAVING needs GROUP BY or an aggregate", at: having.range) }
        let binder = binder(relation.scope, "SELECT")
        let over = OverBinder(self, syntax.windows, rows: self.binder(relation.scope, "SELECT"))
        binder.intercept = { over.intercept($0) }
        var items: [(name: String, expression: Expression, isNullable: Bool)] = []
        var broken: Set<Int> = []
        for (position, item) in syntax.items.enumerated() {
            guard items.count <= Self.maximumColumns else {
                log.error("query has more than \(Self.maximumColumns) columns", at: syntax.range)
                return nil
            }
            switch item {
            case .all(let qualifier, _) where isRow(qualifier, relation.scope):
                for field in rowFields(qualifier, relation.scope) {
                    guard let bound = binder.bind(field) else { continue }
                    items.append((field.derivedName ?? "", bound.expression, bound.isNullable))
                }
            case .all(let qualifier, let range):
                guard let columns = star(qualifier, relation.scope, range) else {
                    broken.insert(items.count)
                    items.append(("", .literal(.null, .null), true))
                    continue
                }
                for index in columns {
                    let column = relation.scope.columns[index]
                    if column.isBroken { broken.insert(items.count) }
                    items.append((column.name, .column(index, column.type), column.isNullable))
                }
            case .expression(let expression, let alias):
                let name = alias?.text ?? expression.derivedName ?? "EXPR$\(position)"
                if let bound = binder.bind(expression) {
                    items.append((name, bound.expression, bound.isNullable))
                } else {
                    broken.insert(items.count)
                    items.append((name, .literal(.null, .null), true))
                }
            }
        }
        guard let (rows, place) = overRows(syntax, relation.node, over, binder) else { return nil }
        var node = LogicalNode.project(
            rows, items.map { ($0.name, place($0.expression), $0.isNullable) }, object: object
        ).namingLosses(syntax.items)
        if !broken.isEmpty {
            var columns = node.columns
            for index in broken { columns[index].isBroken = true }
            node = LogicalNode(node.kind, inputs: node.inputs, columns: columns, object: object)
        }
        guard syntax.isDistinct else { return node }
        return distinct(node)
    }

    /// The rows with the OVER calls behind them, as QUALIFY keeps them; and how expressions find the calls.
    func overRows(
        _ syntax: SelectSyntax, _ node: LogicalNode, _ over: OverBinder, _ binder: ExpressionBinder,
        place: (Expression) -> Expression = { $0 }
    ) -> (LogicalNode, (Expression) -> Expression)? {
        var condition: Expression?
        if let qualify = syntax.qualify {
            guard let bound = qualifier(syntax, binder).boolean(qualify, "QUALIFY") else { return nil }
            condition = bound.expression
        }
        guard let (rows, attached) = over.attach(to: node, place: place) else { return nil }
        guard let condition else { return (rows, attached) }
        if over.calls.isEmpty, let qualify = syntax.qualify {
            log.error("QUALIFY has no OVER call to ask for", at: qualify.range, hint: "Write WHERE.")
            return nil
        }
        let predicate = attached(place(condition))
        return (RankLimit(query: self).filter(rows, predicate), attached)
    }

    /// QUALIFY may also name the select list's aliases.
    private func qualifier(_ syntax: SelectSyntax, _ binder: ExpressionBinder) -> ExpressionBinder {
        let result = ExpressionBinder(scope: binder.scope, log: log, functions: functions, place: "QUALIFY")
        result.intercept = { expression in
            if case .name(let names) = expression.kind, names.count == 1,
                !binder.scope.columns.contains(where: { $0.name == names[0].text }),
                let item = syntax.items.lazy.compactMap({ item -> ExpressionSyntax? in
                    if case .expression(let e, let alias?) = item, alias.text == names[0].text { e } else { nil }
                }).first
            {
                return binder.bind(item).map { .bound($0) } ?? .failed
            }
            return binder.intercept?(expression) ?? .passed
        }
        return result
    }

    /// Whether `a.b` of `a.b.*` is a ROW column instead of a table.
    private func isRow(_ qualifier: [Identifier], _ scope: Scope) -> Bool { !rowFields(qualifier, scope).isEmpty }

    /// `a.b.*` of a ROW: its fields one by one; empty for what is no ROW.
    private func rowFields(_ qualifier: [Identifier], _ scope: Scope) -> [ExpressionSyntax] {
        guard !qualifier.isEmpty,
            !scope.relations.contains(where: { $0.alias == qualifier.map(\.text).joined(separator: ".") })
        else { return [] }
        let range = qualifier[0].range.through(qualifier[qualifier.count - 1].range)
        let silent = ExpressionBinder(scope: scope, log: DiagnosticLog(), functions: functions, place: "SELECT")
        guard let whole = silent.bind(ExpressionSyntax(.name(qualifier), range: range)),
            case .row(let fields) = whole.type
        else { return [] }
        return fields.map { field in
            ExpressionSyntax(.name(qualifier + [Identifier(field.name, range: range)]), range: range)
        }
    }

    /// Columns of `*` or `t.*`.
    private func star(_ qualifier: [Identifier], _ scope: Scope, _ range: SourceRange) -> [Int]? {
        if qualifier.isEmpty { return scope.columns.indices.filter { !scope.hidden.contains($0) } }
        let name = qualifier.map(\.text).joined(separator: ".")
        guard let relation = scope.relations.first(where: { $0.alias == name }) else {
            log.error(
                "unknown table \"\(name)\"", at: range, hint: scope.qualifierHint(name))
            return nil
        }
        return Array(relation.columns)
    }
}

extension ExpressionSyntax {
    /// The column name a select item gets without AS.
    var derivedName: String? {
        switch kind {
        case .name(let parts): parts.last?.text
        case .field(_, let name): name.text
        default: nil
        }
    }

    /// The expressions directly inside.
    var children: [ExpressionSyntax] {
        switch kind {
        case .unary(_, let e), .isNull(let e, _), .isTruth(let e, _, _), .cast(let e, _, _), .field(let e, _),
            .inQuery(let e, _, _), .isJSON(let e, _, _):
            [e]
        case .json(let json): json.operands
        case .binary(_, let a, let b), .isDistinctFrom(let a, let b, _), .element(let a, index: let b),
            .overlaps(let a, let b):
            [a, b]
        case .between(let e, let low, let high, _, _): [e, low, high]
        case .inList(let e, let list, _): [e] + list
        case .like(let e, let pattern, let escape, _, _): [e, pattern] + (escape.map { [$0] } ?? [])
        case .conditional(let operand, let branches, let otherwise):
            (operand.map { [$0] } ?? []) + branches.flatMap { [$0.condition, $0.result] }
                + (otherwise.map { [$0] } ?? [])
        case .call(let call): call.arguments.map(\.value)
        case .rowValue(let values), .arrayValue(let values), .mapValue(let values): values
        default: []
        }
    }

    var containsAggregate: Bool {
        if case .call(let call) = kind {
            guard let over = call.over else {
                return ExpressionBinder.aggregateNames.contains(call.name.text.uppercased())
                    || children.contains(where: \.containsAggregate)
            }
            return (children + over.partitionBy + over.orderBy.map(\.expression)).contains(where: \.containsAggregate)
        }
        return children.contains(where: \.containsAggregate)
    }
}
