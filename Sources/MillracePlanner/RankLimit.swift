import MillraceCore

/// Tells a rank how far it is asked for, from the conditions above it.
struct RankLimit {
    let query: QueryBinder

    /// `node` with the limits that `predicate`, a condition over its columns, sets; and what is left of the predicate.
    func push(_ predicate: Expression, into node: LogicalNode) -> (LogicalNode, rest: Expression?) {
        var node = node
        var rest: [Expression] = []
        // The last rank first: it decides what kind of node ranks.
        var others: [Expression] = []
        for part in predicate.conjuncts {
            guard let (column, bound) = Self.bound(part), bound.last != nil, Self.isRank(node, column),
                let limited = limited(node, column, bound)
            else {
                others.append(part)
                continue
            }
            node = limited.node
            if !limited.isExact { rest.append(part) }
        }
        for part in others {
            guard let (column, bound) = Self.bound(part), bound.last == nil, Self.isRank(node, column),
                let limited = limited(node, column, bound),
                limited.isExact
            else {
                rest.append(part)
                continue
            }
            node = limited.node
        }
        return (node, Expression.conjunction(rest))
    }

    /// The rows that pass: `node` limited, and filtered by what is left.
    func filter(_ node: LogicalNode, _ predicate: Expression) -> LogicalNode {
        let (limited, rest) = push(predicate, into: node)
        guard let rest else { return limited }
        return LogicalNode(.filter(rest), inputs: [limited], columns: limited.columns, object: query.object)
    }

    private struct Bound {
        var first: Int?
        var last: Int?
    }

    /// `rank <= 3` and its like: the column, and the ranks that pass.
    private static func bound(_ condition: Expression) -> (column: Int, Bound)? {
        guard case .call(let function, let operands, _) = condition, operands.count == 2 else { return nil }
        if let column = column(operands[0]), let value = number(operands[1]) {
            return range(function, value).map { (column, $0) }
        }
        if let column = column(operands[1]), let value = number(operands[0]) {
            let mirrored: BuiltinFunction =
                switch function {
                case .less: .greater
                case .lessOrEqual: .greaterOrEqual
                case .greater: .less
                case .greaterOrEqual: .lessOrEqual
                default: function
                }
            return range(mirrored, value).map { (column, $0) }
        }
        return nil
    }

    private static func range(_ function: BuiltinFunction, _ value: Int) -> Bound? {
        switch function {
        case .equal: Bound(first: value, last: value)
        case .lessOrEqual: Bound(last: value)
        case .less: Bound(last: value - 1)
        case .greaterOrEqual: Bound(first: value)
        case .greater: Bound(first: value + 1)
        default: nil
        }
    }

    private static func column(_ expression: Expression) -> Int? {
        switch expression {
        case .column(let index, _): index
        case .cast(let operand, _, _): column(operand)
        default: nil
        }
    }

    private static func number(_ expression: Expression) -> Int? {
        switch expression {
        case .literal(.integer(let value), let type) where type.isInteger: Int(clamping: value)
        case .cast(let operand, let type, _) where type.isInteger: number(operand)
        default: nil
        }
    }

    /// Whether filters and projections alone lie above a rank that the column holds. A loop: views may lie a thousand deep.
    private static func isRank(_ node: LogicalNode, _ column: Int) -> Bool {
        var (node, column) = (node, column)
        while true {
            switch node.kind {
            case .project(let expressions):
                guard case .column(let index, _) = expressions[column] else { return false }
                (node, column) = (node.inputs[0], index)
            case .filter: node = node.inputs[0]
            case .windowRank, .over, .topN: return column == node.columns.count - 1
            default: return false
            }
        }
    }

    /// Nil when nothing below ranks into the column. `isExact`: only the rows of these ranks come out.
    private func limited(_ node: LogicalNode, _ column: Int, _ bound: Bound) -> (node: LogicalNode, isExact: Bool)? {
        func rebuilt(_ kind: LogicalNode.Kind, _ input: LogicalNode) -> LogicalNode {
            LogicalNode(
                kind, inputs: [input], columns: input.updates == nil ? node.columns : TopN.columns(node.columns),
                object: node.object)
        }
        switch node.kind {
        case .project(let expressions):
            guard case .column(let index, _) = expressions[column] else { return nil }
            return limited(node.inputs[0], index, bound).map { (rebuilt(node.kind, $0.node), $0.isExact) }
        case .filter:
            return limited(node.inputs[0], column, bound).map { (rebuilt(node.kind, $0.node), $0.isExact) }
        case .windowRank(var plan):
            guard column == node.columns.count - 1, let last = bound.last else { return nil }
            plan.last = max(0, min(plan.last ?? .max, last))
            if plan.last == 1, plan.function == .rowNumber, plan.order.count == 1, plan.order[0].isDescending {
                // Keep the last row: of rows of one time the last one to come.
                switch node.inputs[0].columns[plan.order[0].column].time {
                case .event, .lost: plan.prefersNewest = true
                default: break
                }
            }
            return (rebuilt(.windowRank(plan), node.inputs[0]), false)
        case .over(let over, rank: let rank?) where rank.function == .rowNumber:
            // The first row by time stays the first: it is given when time has passed, and never changes.
            guard column == node.columns.count - 1, let last = bound.last, last > 1 else { return nil }
            let order = over.timeColumn.map { [SortKey(column: $0, isDescending: false, nullsFirst: true)] } ?? []
            let plan = TopNPlan(keys: over.keys, order: order)
            let cause = TopN.cause("a rank without a window", rank.range, isBounded: node.isBounded)
            return limited(query.topN(plan, node.inputs[0], node.columns, cause), column, bound)
        case .topN(var plan):
            guard column == node.columns.count - 1 else { return nil }
            plan.first = max(plan.first, bound.first ?? 1)
            if let last = bound.last { plan.last = max(0, min(plan.last ?? .max, last)) }
            if plan.first == 1, plan.last == 1, plan.order.count == 1, plan.order[0].isDescending,
                node.inputs[0].columns[plan.order[0].column].time == .event
            {
                plan.prefersNewest = true
            }
            return (query.topN(plan, node.inputs[0], node.columns, node.updates), true)
        default: return nil
        }
    }
}
