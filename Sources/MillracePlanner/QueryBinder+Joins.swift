import MillraceCore
import MillraceSQL

extension QueryBinder {
    func join(
        _ type: TableSyntax.JoinType, _ left: TableSyntax, _ right: TableSyntax, _ condition: TableSyntax.JoinCondition,
        _ range: SourceRange, pending: PendingConditions? = nil
    ) -> Relation? {
        let probe = table(left, pending: pending)
        switch right.kind {
        case .unnest(let expression, let withOrdinality):
            guard let probe else { return nil }
            return unnest(type, probe, right, expression, withOrdinality: withOrdinality, condition, range)
        case .lateral(let query):
            guard let probe else { return nil }
            return lateral(type, probe, right, query, condition, range)
        default: break
        }
        if let systemTime = right.systemTime, case .name(let name, let hints) = right.kind,
            case .table(let lookup)? = catalog.find(name), let (options, connector) = merged(lookup, hints: hints),
            connector.roles.contains(.lookup), options["lookup.cache"]?.uppercased() != "FULL"
        {
            guard let probe else { return nil }
            return lookupJoin(type, probe, right, lookup, options, condition, systemTime, range)
        }
        let build = table(right)
        guard let probe, let build else { return nil }
        var scope = probe.scope.joined(build.scope)
        guard let predicate = predicate(condition, probe, build, &scope, range) else { return nil }
        var parts = predicate?.conjuncts ?? []
        if type == .inner || type == .cross, let pending {
            parts += pending.take(scope, splitAt: probe.node.columns.count, functions)
        }
        let sides = JoinSides(left: probe.node, right: build.node, rightRange: right.range, range: range)
        let node: LogicalNode?
        if let systemTime = right.systemTime {
            node = temporalJoin(type, sides, parts, probe.scope, systemTime)
        } else {
            node = self.joined(type, sides, parts)
        }
        guard let node else { return nil }
        return Relation(node: node, scope: scope.with(node.columns))
    }

    /// The join that fits: of windows, within a time, with a table in memory, or of two streams.
    func joined(_ type: TableSyntax.JoinType, _ sides: JoinSides, _ parts: [Expression]) -> LogicalNode? {
        let kind: JoinKind =
            switch type {
            case .inner, .cross: .inner
            case .left: .left
            case .right: .right
            case .full: .full
            }
        if let node = timedJoin(kind, sides, parts) { return node }
        return staticJoin(kind, sides, parts) ?? regularJoin(kind, sides, parts)
    }

    /// A join with the side that is bounded: the right one, or for INNER and RIGHT the left one.
    private func staticJoin(_ kind: JoinKind, _ sides: JoinSides, _ parts: [Expression]) -> LogicalNode? {
        let isSwapped: Bool
        switch kind {
        case .inner: isSwapped = !sides.right.isBounded && sides.left.isBounded
        case .left, .semi, .anti: isSwapped = false
        case .right: isSwapped = true
        case .full: return nil
        }
        guard isSwapped ? sides.left.isBounded : sides.right.isBounded else { return nil }
        return hashJoin(
            kind == .right ? .left : kind, probe: isSwapped ? sides.right : sides.left,
            build: isSwapped ? sides.left : sides.right, parts: parts, leftCount: sides.left.columns.count,
            isSwapped: isSwapped)
    }

    /// `predicate` is over left then right columns; so is the result.
    func hashJoin(
        _ kind: JoinKind, probe: LogicalNode, build: LogicalNode, parts: [Expression], leftCount: Int, isSwapped: Bool
    ) -> LogicalNode {
        let total = kind.hasRightColumns ? probe.columns.count + build.columns.count : leftCount
        let condition = EquiCondition(parts, leftCount: leftCount)
        let probeKeys = isSwapped ? condition.right : condition.left
        let buildKeys = isSwapped ? condition.left : condition.right
        let rest = condition.rest
        let (probeInput, probeColumns) = withColumns(probe, probeKeys)
        let (buildInput, buildColumns) = withColumns(build, buildKeys)
        // Place of a left-then-right column in the join's output.
        func place(_ column: Int) -> Int {
            if isSwapped {
                return column < leftCount ? probeInput.columns.count + column : column - leftCount
            }
            return column < leftCount ? column : probeInput.columns.count + column - leftCount
        }
        let residual = Expression.conjunction(rest)?.mapColumns(place)
        var columns = probeInput.columns
        if kind.hasRightColumns {
            columns += buildInput.columns.map { column in
                var column = column
                if kind == .left { column.isNullable = true }
                if column.time == .event { column.time = .lost("it comes from the static side of a join") }
                if case .candidate = column.time { column.time = .lost("it comes from the static side of a join") }
                column.window = nil
                return column
            }
        }
        let joined = LogicalNode(
            .staticJoin(JoinPlan(kind: kind, probeKeys: probeColumns, buildKeys: buildColumns, residual: residual)),
            inputs: [probeInput, buildInput], columns: columns, object: build.object)
        return joined.selecting((0..<total).map(place))
    }

    /// The node with further columns where an expression is not a plain column.
    func withColumns(_ node: LogicalNode, _ expressions: [Expression]) -> (LogicalNode, [Int]) {
        var added: [(name: String, expression: Expression, isNullable: Bool)] = []
        let indices = expressions.map { expression -> Int in
            if case .column(let index, _) = expression { return index }
            if let known = added.firstIndex(where: { $0.expression == expression }) {
                return node.columns.count + known
            }
            added.append((expression.pathName(node.columns) ?? "EXPR$\(added.count)", expression, true))
            return node.columns.count + added.count - 1
        }
        return (added.isEmpty ? node : node.appending(added), indices)
    }

    /// The condition over left then right columns; `.some(nil)` for a cross join, nil after an error.
    func predicate(
        _ condition: TableSyntax.JoinCondition, _ left: Relation, _ right: Relation, _ scope: inout Scope,
        _ range: SourceRange
    ) -> Expression?? {
        switch condition {
        case .none: return .some(nil)
        case .on(let syntax):
            let binder = binder(scope, "ON")
            guard let bound = binder.boolean(syntax, "ON") else { return nil }
            return .some(bound.expression)
        case .using(let names): return using(names, left, right, &scope)
        case .natural:
            let names = left.scope.columns.map(\.name).filter { name in right.scope.columns.contains { $0.name == name }
            }
            return using(names.map { Identifier($0, range: range) }, left, right, &scope)
        }
    }

    private func using(_ names: [Identifier], _ left: Relation, _ right: Relation, _ scope: inout Scope) -> Expression??
    {
        var parts: [Expression] = []
        let offset = left.node.columns.count
        var hidden: Set<Int> = []
        for name in names {
            guard case .column(let a, _) = left.scope.resolve([name], log: log),
                case .column(let b, _) = right.scope.resolve([name], log: log)
            else { return nil }
            let x = left.node.columns[a]
            let y = right.node.columns[b]
            if x.isBroken || y.isBroken { return nil }
            guard
                let (p, q) = binder(scope, "USING").comparable(
                    Bound(.column(a, x.type), isNullable: x.isNullable),
                    Bound(.column(offset + b, y.type), isNullable: y.isNullable), "USING", name.range)
            else { return nil }
            parts.append(.call(.equal, [p.expression, q.expression], .boolean))
            hidden.insert(offset + b)
        }
        scope.hidden.formUnion(hidden)
        return .some(Expression.conjunction(parts))
    }

    private func lookupJoin(
        _ type: TableSyntax.JoinType, _ probe: Relation, _ syntax: TableSyntax, _ table: CatalogTable,
        _ options: [String: String], _ condition: TableSyntax.JoinCondition, _ systemTime: ExpressionSyntax,
        _ range: SourceRange
    ) -> Relation? {
        guard type == .inner || type == .left else {
            log.error(
                "\(type.rawValue) JOIN is not supported with a lookup table", at: range, hint: "Use INNER or LEFT JOIN."
            )
            return nil
        }
        guard let time = binder(probe.scope, "FOR SYSTEM_TIME").bind(systemTime) else { return nil }
        guard time.type.isTimestamp else {
            log.error("FOR SYSTEM_TIME AS OF takes a time attribute, not \(time.type)", at: systemTime.range)
            return nil
        }
        if table.isBroken { return nil }
        if table.columns.contains(where: { if case .computed = $0 { true } else { false } }) {
            log.error(
                "table \"\(table.name)\" has computed columns and cannot be looked up", at: syntax.range,
                hint: "Write the expression in SELECT, or set 'lookup.cache' = 'FULL'.")
            return nil
        }
        let scan = TableScan(table: table, options: options, isBounded: true)
        var leaf = TableScanBinder.leaf(scan)
        if !syntax.columnAliases.isEmpty {
            guard syntax.columnAliases.count == leaf.columns.count else {
                _ = renamed(leaf, syntax.columnAliases, "alias \"\(syntax.alias?.text ?? "")\"")
                return nil
            }
            let columns = zip(syntax.columnAliases, leaf.columns).map { name, column in
                var column = column
                column.name = name.text
                return column
            }
            leaf = LogicalNode(.scan(scan), inputs: [], columns: columns, object: table.name)
        }
        var buildScope = Scope(columns: leaf.columns)
        let alias = syntax.alias?.text ?? ObjectNameText.last(of: syntax) ?? table.name
        buildScope.relations = [Scope.Relation(alias: alias, columns: leaf.columns.indices)]
        let build = Relation(node: leaf, scope: buildScope)
        var scope = probe.scope.joined(buildScope)
        guard let found = predicate(condition, probe, build, &scope, range) else { return nil }
        let count = probe.node.columns.count
        var probeKeys: [Expression] = []
        var lookupKeys: [Int] = []
        var rest: [Expression] = []
        for part in found?.conjuncts ?? [] {
            if let (key, column) = lookupKey(part, count, leaf) {
                probeKeys.append(key)
                lookupKeys.append(column)
            } else {
                rest.append(part)
            }
        }
        guard !lookupKeys.isEmpty else {
            log.error(
                "the lookup of table \"\(table.name)\" has no equality on one of its columns", at: range,
                hint: "Write ON stream.key = \(alias).key; CAST the stream's side if the types differ.")
            return nil
        }
        let (input, columns) = withColumns(probe.node, probeKeys)
        func place(_ column: Int) -> Int { column < count ? column : input.columns.count + column - count }
        let output =
            input.columns
            + leaf.columns.map { column in
                var column = column
                if type == .left { column.isNullable = true }
                return column
            }
        let joined = LogicalNode(
            .lookupJoin(
                JoinPlan(
                    kind: type == .left ? .left : .inner, probeKeys: columns, buildKeys: lookupKeys,
                    residual: Expression.conjunction(rest)?.mapColumns(place))),
            inputs: [input, leaf], columns: output, object: table.name)
        let result = joined.selecting((0..<count + leaf.columns.count).map(place))
        scope.columns = result.columns
        return Relation(node: result, scope: scope)
    }

    /// `stream expression = lookup column`, the stream's side cast to the column's type where that loses nothing.
    private func lookupKey(_ part: Expression, _ count: Int, _ leaf: LogicalNode) -> (Expression, Int)? {
        guard case .call(.equal, let sides, _) = part, sides.count == 2 else { return nil }
        for (stream, table) in [(sides[0], sides[1]), (sides[1], sides[0])] {
            guard !stream.usedColumns.isEmpty, stream.usedColumns.allSatisfy({ $0 < count }) else { continue }
            var column = table
            if case .cast(let inner, _, false) = table { column = inner }
            guard case .column(let index, let type) = column, index >= count else { continue }
            var key = stream
            if case .cast(let inner, _, false) = stream, Coercion.isImplicit(from: inner.type, to: type) { key = inner }
            guard Coercion.isImplicit(from: key.type, to: type) else { continue }
            return (Coercion.isSame(key.type, type) ? key : Coercion.cast(key, to: type), index - count)
        }
        return nil
    }
}

enum ObjectNameText {
    /// The last part of a table's name.
    static func last(of syntax: TableSyntax) -> String? {
        if case .name(let name, _) = syntax.kind { return name.parts.last?.text }
        return nil
    }
}

extension Expression {
    /// The parts of a conjunction.
    var conjuncts: [Expression] {
        if case .call(.and, let parts, _) = self { return parts.flatMap(\.conjuncts) }
        return [self]
    }

    /// `payload.state` for a field of a column.
    func pathName(_ columns: [OutputColumn]) -> String? {
        switch self {
        case .column(let index, _): columns[index].name
        case .field(let inner, let index, _):
            if case .row(let fields) = inner.type {
                inner.pathName(columns).map { $0 + "." + fields[index].name }
            } else {
                nil
            }
        default: nil
        }
    }

    static func conjunction(_ parts: [Expression]) -> Expression? {
        if parts.count < 2 { return parts.first }
        return .call(.and, parts, .boolean)
    }
}
