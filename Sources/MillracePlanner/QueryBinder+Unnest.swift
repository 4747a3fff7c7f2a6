import MillraceCore
import MillraceSQL

/// `UNNEST(collection)`: rows of each row's own collection.
extension QueryBinder {
    /// `UNNEST` as the right side of a join, over the columns of the left side.
    func unnest(
        _ type: TableSyntax.JoinType, _ left: Relation, _ syntax: TableSyntax, _ expression: ExpressionSyntax,
        withOrdinality: Bool, _ condition: TableSyntax.JoinCondition, _ range: SourceRange
    ) -> Relation? {
        guard type == .inner || type == .cross || type == .left else {
            log.error(
                "\(type.rawValue) JOIN is not possible with UNNEST", at: range,
                hint: "UNNEST reads the rows of the left side: use CROSS JOIN or LEFT JOIN … ON TRUE.")
            return nil
        }
        guard let bound = binder(left.scope, "UNNEST").bind(expression) else { return nil }
        switch bound.type {
        case .array, .map, .multiset: break
        default:
            log.error("UNNEST takes ARRAY, MAP or MULTISET, not \(bound.type)", at: expression.range)
            return nil
        }
        var fields = UnnestPlan.fields(of: bound.type, withOrdinality: withOrdinality)
        // A single column takes the alias as its name.
        if fields.count == 1, syntax.columnAliases.isEmpty, let alias = syntax.alias, fields[0].name == "EXPR$0" {
            fields[0].name = alias.text
        }
        if !syntax.columnAliases.isEmpty {
            guard syntax.columnAliases.count == fields.count else {
                log.error(
                    "alias \"\(syntax.alias?.text ?? "")\" names \(syntax.columnAliases.count) columns, UNNEST of \(bound.type) has \(fields.count)",
                    at: syntax.columnAliases[0].range.through(
                        syntax.columnAliases[syntax.columnAliases.count - 1].range))
                return nil
            }
            for (index, name) in syntax.columnAliases.enumerated() { fields[index].name = name.text }
        }
        let (input, columns) = withColumns(left.node, [bound.expression])
        let count = left.node.columns.count
        let added = fields.map {
            OutputColumn($0.name, $0.type, isNullable: $0.isNullable || type == .left)
        }
        var right = Scope(columns: added)
        if let alias = syntax.alias { right.relations = [Scope.Relation(alias: alias.text, columns: added.indices)] }
        let scope = left.scope.joined(right)
        var predicate: Expression?
        switch condition {
        case .none: break
        case .on(let syntax):
            guard let bound = binder(scope, "ON").boolean(syntax, "ON") else { return nil }
            if bound.expression != .literal(.boolean(true), .boolean) { predicate = bound.expression }
        case .using, .natural:
            log.error("UNNEST has no columns in common with the left side", at: range, hint: "Use ON TRUE.")
            return nil
        }
        let node = LogicalNode(
            .unnest(
                UnnestPlan(
                    collection: columns[0], carried: Array(0..<count), withOrdinality: withOrdinality,
                    keepsRow: type == .left, condition: predicate)),
            inputs: [input], columns: left.node.columns + added, object: object)
        return Relation(node: node, scope: scope.with(node.columns))
    }
}

extension Scope {
    /// The same names over other knowledge of the columns.
    func with(_ columns: [OutputColumn]) -> Scope {
        var result = self
        result.columns = columns
        return result
    }
}
