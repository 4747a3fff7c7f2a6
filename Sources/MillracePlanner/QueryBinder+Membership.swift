import MillraceCore
import MillraceSQL

/// `WHERE x IN (SELECT …)`: a join with the distinct rows of a bounded query.
extension QueryBinder {
    /// The relation without the rows that a membership refuses, and what is left of the condition.
    func memberships(of clause: ExpressionSyntax, _ relation: Relation) -> (rest: ExpressionSyntax?, LogicalNode)? {
        var node = relation.node
        var rest: ExpressionSyntax?
        for part in clause.conjuncts {
            guard case .inQuery(let operand, let query, isNegated: false) = part.kind else {
                rest =
                    rest.map { ExpressionSyntax(.binary(.and, $0, part), range: $0.range.through(part.range)) } ?? part
                continue
            }
            guard let joined = semiJoin(node, relation.scope, operand, query, part.range) else { return nil }
            node = joined
        }
        return (rest, node)
    }

    private func semiJoin(
        _ node: LogicalNode, _ scope: Scope, _ operand: ExpressionSyntax, _ query: QuerySyntax, _ range: SourceRange
    ) -> LogicalNode? {
        let value = binder(scope, "IN").bind(operand)
        let members = self.query(query)
        guard let value, let members else { return nil }
        guard members.columns.count == 1 else {
            log.error("IN takes a query of one column, not \(members.columns.count)", at: query.range)
            return nil
        }
        guard members.isBounded, !members.hasEventTime || node.isBounded else {
            log.error(
                "IN with a query over a stream is not supported", at: query.range,
                hint: "Its tables must be bounded: a database table, a file, or a topic with 'scan.bounded.mode'.")
            return nil
        }
        let count = node.columns.count
        let member = members.columns[0]
        if member.isBroken { return nil }
        guard
            let (left, right) = binder(scope, "IN").comparable(
                value, Bound(.column(count, member.type), isNullable: member.isNullable), "IN", range)
        else { return nil }
        let distinct = LogicalNode(
            .groupAggregate(keys: [0], aggregates: []), inputs: [members], columns: members.columns, object: object)
        let joined = hashJoin(
            .inner, probe: node, build: distinct,
            predicate: .call(.equal, [left.expression, right.expression], .boolean), leftCount: count, isSwapped: false)
        return joined.selecting(Array(0..<count))
    }
}

extension ExpressionSyntax {
    /// The parts of a conjunction, parentheses aside.
    var conjuncts: [ExpressionSyntax] {
        if case .binary(.and, let a, let b) = kind { return a.conjuncts + b.conjuncts }
        return [self]
    }

    /// One of the conjuncts is `x IN (SELECT …)`.
    var containsMembership: Bool {
        conjuncts.contains { if case .inQuery(_, _, isNegated: false) = $0.kind { true } else { false } }
    }
}
