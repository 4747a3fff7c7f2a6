import MillraceCore
import MillraceSQL

/// Sub-queries as conditions of WHERE: `x IN (SELECT …)`, `EXISTS (SELECT …)` and their negations are joins of which only the
/// left rows come out.
extension QueryBinder {
    /// What a sub-query says about the rows around it.
    private struct Correlated {
        var node: LogicalNode
        /// Conditions over the outer, then the inner columns.
        var parts: [Expression]
        /// The select list, over the same.
        var items: [Bound]
    }

    /// The relation without the rows that sub-queries refuse, and what is left of the condition.
    func subQueries(of clause: ExpressionSyntax, _ relation: Relation) -> (rest: ExpressionSyntax?, LogicalNode)? {
        var node = relation.node
        var rest: ExpressionSyntax?
        for part in clause.conjuncts {
            guard let test = part.subQueryTest else {
                rest =
                    rest.map { ExpressionSyntax(.binary(.and, $0, part), range: $0.range.through(part.range)) } ?? part
                continue
            }
            let outer = Relation(node: node, scope: relation.scope)
            guard let joined = semiJoin(outer, test, part.range) else { return nil }
            node = joined
        }
        return (rest, node)
    }

    private func semiJoin(_ outer: Relation, _ test: SubQueryTest, _ range: SourceRange) -> LogicalNode? {
        var values: [Bound]? = []
        if let operand = test.operand {
            let list: [ExpressionSyntax] = if case .rowValue(let items) = operand.kind { items } else { [operand] }
            let bound = list.map { binder(outer.scope, "IN").bind($0) }
            values = bound.contains { $0 == nil } ? nil : bound.compactMap { $0 }
        }
        let inner = correlated(test.query, outer)
        guard let values, let inner else { return nil }
        var parts = inner.parts
        if test.operand != nil {
            guard inner.items.count == values.count else {
                log.error(
                    "IN takes a query of \(values.count == 1 ? "one column" : "\(values.count) columns"), not \(inner.items.count)",
                    at: test.query.range)
                return nil
            }
            for (value, item) in zip(values, inner.items) {
                guard let (left, right) = binder(outer.scope, "IN").comparable(value, item, "IN", range) else {
                    return nil
                }
                let equal = Expression.call(.equal, [left.expression, right.expression], .boolean)
                guard test.isNegated else {
                    parts.append(equal)
                    continue
                }
                // NOT IN is not true beside a NULL: such a row is refused like an equal one.
                var refused = [equal]
                for bound in [left, right] where bound.isNullable {
                    refused.append(.call(.isNull, [bound.expression], .boolean))
                }
                parts.append(refused.count == 1 ? equal : .call(.or, refused, .boolean))
            }
        }
        let sides = JoinSides(left: outer.node, right: inner.node, rightRange: test.query.range, range: range)
        return semiJoined(test.isNegated ? .anti : .semi, sides, parts)
    }

    /// Binds a query that may name columns of `outer`: on its own if it can be, else its WHERE is the join's condition.
    private func correlated(_ query: QuerySyntax, _ outer: Relation) -> Correlated? {
        let count = outer.node.columns.count
        if let node = silently({ self.query(query) }) {
            if node.columns.contains(where: \.isBroken) { return nil }
            let items = node.columns.enumerated().map {
                Bound(.column(count + $0.offset, $0.element.type), isNullable: $0.element.isNullable)
            }
            return Correlated(node: node, parts: [], items: items)
        }
        guard case .select(let select) = query.body, query.with.isEmpty, query.orderBy.isEmpty, query.limit == nil,
            select.groupBy.isEmpty, select.having == nil, select.qualify == nil, let from = select.from,
            !select.items.contains(where: { if case .expression(let e, _) = $0 { e.containsAggregate } else { false } })
        else {
            // Its errors are its own.
            if self.query(query) != nil { log.error("this sub-query is not supported here", at: query.range) }
            return nil
        }
        guard let (inner, parts, scope) = correlated(from, select.filter, outer) else { return nil }
        let binder = binder(scope, "SELECT")
        var items: [Bound] = []
        for item in select.items {
            switch item {
            case .all:
                items += inner.columns.enumerated().map {
                    Bound(.column(count + $0, $1.type), isNullable: $1.isNullable)
                }
            case .expression(let expression, _):
                guard let bound = binder.bind(expression) else { return nil }
                items.append(bound)
            }
        }
        return Correlated(node: inner, parts: parts, items: items)
    }

    /// FROM and WHERE of a correlated query: its rows, and the conditions that name columns of `outer`.
    private func correlated(
        _ from: TableSyntax, _ filter: ExpressionSyntax?, _ outer: Relation
    ) -> (LogicalNode, parts: [Expression], scope: Scope)? {
        guard var inner = table(from) else { return nil }
        let count = outer.node.columns.count
        var filters: [Expression] = []
        var parts: [Expression] = []
        var scope = outer.scope.joined(inner.scope)
        scope.preferred = count..<scope.columns.count
        for part in filter?.conjuncts ?? [] {
            if part.subQueryTest != nil {
                guard let (_, node) = subQueries(of: part, inner) else { return nil }
                inner.node = node
                continue
            }
            guard let bound = binder(scope, "WHERE").boolean(part, "WHERE") else { return nil }
            for piece in bound.expression.conjuncts {
                if piece.usedColumns.allSatisfy({ $0 >= count }) {
                    filters.append(piece.mapColumns { $0 - count })
                } else {
                    parts.append(piece)
                }
            }
        }
        if let predicate = Expression.conjunction(filters) {
            inner.node = LogicalNode(
                .filter(predicate), inputs: [inner.node], columns: inner.node.columns, object: object)
        }
        return (inner.node, parts, scope)
    }

    /// A result without an error; nothing is reported otherwise. Notes are kept.
    func silently(_ bind: () -> LogicalNode?) -> LogicalNode? {
        let saved = log
        let own = DiagnosticLog()
        log = own
        let node = bind()
        log = saved
        guard node != nil, !own.all.contains(where: { $0.severity == .error }) else { return nil }
        log.all += own.all
        return node
    }

    // MARK: LATERAL

    /// `LATERAL (SELECT …)` as the right side of a join: a select over the left side's own rows or another table.
    func lateral(
        _ type: TableSyntax.JoinType, _ left: Relation, _ syntax: TableSyntax, _ query: QuerySyntax,
        _ condition: TableSyntax.JoinCondition, _ range: SourceRange
    ) -> Relation? {
        guard type == .inner || type == .cross || type == .left else {
            log.error("\(type.rawValue) JOIN is not possible with LATERAL", at: range, hint: "Use CROSS or LEFT JOIN.")
            return nil
        }
        let count = left.node.columns.count
        if let node = silently({ self.query(query) }) {
            guard let right = relation(node, syntax, default: nil, full: nil) else { return nil }
            var scope = left.scope.joined(right.scope)
            guard let predicate = predicate(condition, left, right, &scope, range) else { return nil }
            let sides = JoinSides(left: left.node, right: right.node, rightRange: syntax.range, range: range)
            return joined(type, sides, predicate?.conjuncts ?? []).map {
                Relation(node: $0, scope: scope.with($0.columns))
            }
        }
        guard case .select(let select) = query.body, query.with.isEmpty, query.orderBy.isEmpty, query.limit == nil,
            select.groupBy.isEmpty, select.having == nil, select.qualify == nil, !select.isDistinct,
            let from = select.from,
            !select.items.contains(where: { if case .expression(let e, _) = $0 { e.containsAggregate } else { false } })
        else {
            if self.query(query) != nil { log.error("this LATERAL sub-query is not supported", at: syntax.range) }
            return nil
        }
        guard var inside = lateralRows(type, left, from, select.filter, range) else { return nil }
        inside.scope.preferred = count..<inside.node.columns.count
        // The select list behind the left side's columns.
        let binder = binder(inside.scope, "SELECT")
        var items: [(name: String, expression: Expression, isNullable: Bool)] = []
        for (position, item) in select.items.enumerated() {
            switch item {
            case .all:
                for index in count..<inside.node.columns.count {
                    let column = inside.node.columns[index]
                    items.append((column.name, .column(index, column.type), column.isNullable))
                }
            case .expression(let expression, let alias):
                guard let bound = binder.bind(expression) else { return nil }
                if type == .left {
                    guard case .column(let index, _) = bound.expression, index >= count else {
                        log.error(
                            "LEFT JOIN LATERAL takes columns of its own query only", at: expression.range,
                            hint: "Compute it in the SELECT around the join.")
                        return nil
                    }
                }
                items.append(
                    (alias?.text ?? expression.derivedName ?? "EXPR$\(position)", bound.expression, bound.isNullable))
            }
        }
        if !syntax.columnAliases.isEmpty {
            guard syntax.columnAliases.count == items.count else {
                log.error(
                    "alias \"\(syntax.alias?.text ?? "")\" names \(syntax.columnAliases.count) columns, its query has \(items.count)",
                    at: syntax.range)
                return nil
            }
            for (index, name) in syntax.columnAliases.enumerated() { items[index].name = name.text }
        }
        let own = (0..<count).map { index in
            let column = inside.node.columns[index]
            return (name: column.name, expression: Expression.column(index, column.type), isNullable: column.isNullable)
        }
        let node = LogicalNode.project(inside.node, own + items, object: object)
        var right = Scope(columns: Array(node.columns[count...]))
        if let alias = syntax.alias {
            right.relations = [Scope.Relation(alias: alias.text, columns: right.columns.indices)]
        }
        let scope = left.scope.joined(right).with(node.columns)
        guard case .on(let on) = condition else { return Relation(node: node, scope: scope) }
        guard let bound = self.binder(scope, "ON").boolean(on, "ON") else { return nil }
        if bound.expression == .literal(.boolean(true), .boolean) { return Relation(node: node, scope: scope) }
        guard type != .left else {
            log.error("LEFT JOIN LATERAL takes ON TRUE", at: on.range, hint: "Write the condition in its WHERE.")
            return nil
        }
        return Relation(
            node: LogicalNode(.filter(bound.expression), inputs: [node], columns: node.columns, object: object),
            scope: scope)
    }

    /// The left side's columns, then those of the sub-query's FROM, where its WHERE holds.
    private func lateralRows(
        _ type: TableSyntax.JoinType, _ left: Relation, _ from: TableSyntax, _ filter: ExpressionSyntax?,
        _ range: SourceRange
    ) -> Relation? {
        if case .unnest(let expression, let withOrdinality) = from.kind {
            let on = filter.map { TableSyntax.JoinCondition.on($0) } ?? .none
            return unnest(type, left, from, expression, withOrdinality: withOrdinality, on, range)
        }
        guard let (inner, parts, scope) = correlated(from, filter, left) else { return nil }
        let sides = JoinSides(left: left.node, right: inner, rightRange: from.range, range: range)
        return joined(type, sides, parts).map { Relation(node: $0, scope: scope.with($0.columns)) }
    }
}

extension QueryBinder {
    /// The left rows with (without) a partner.
    func semiJoined(_ kind: JoinKind, _ sides: JoinSides, _ parts: [Expression]) -> LogicalNode? {
        if let node = timedJoin(kind, sides, parts) { return node }
        guard !sides.right.isBounded else {
            return hashJoin(
                kind, probe: sides.left, build: sides.right, parts: parts, leftCount: sides.left.columns.count,
                isSwapped: false)
        }
        return regularJoin(kind, sides, parts)
    }
}

/// `x [NOT] IN (query)` or `[NOT] EXISTS (query)`.
struct SubQueryTest {
    var operand: ExpressionSyntax?
    var query: QuerySyntax
    var isNegated: Bool
}

extension ExpressionSyntax {
    /// The parts of a conjunction, parentheses aside.
    var conjuncts: [ExpressionSyntax] {
        if case .binary(.and, let a, let b) = kind { return a.conjuncts + b.conjuncts }
        return [self]
    }

    var subQueryTest: SubQueryTest? {
        switch kind {
        case .inQuery(let operand, let query, let isNegated):
            return SubQueryTest(operand: operand, query: query, isNegated: isNegated)
        case .exists(let query): return SubQueryTest(operand: nil, query: query, isNegated: false)
        case .unary(.not, let inner):
            guard var test = inner.subQueryTest else { return nil }
            test.isNegated.toggle()
            return test
        default: return nil
        }
    }

    var containsSubQuery: Bool {
        switch kind {
        case .inQuery, .exists, .scalarQuery: true
        default: children.contains(where: \.containsSubQuery)
        }
    }
}
