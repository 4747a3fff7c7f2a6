import MillraceCore

/// Takes a window table function out from under an aggregate that assigns the same windows itself.
///
/// HOP and CUMULATE would otherwise copy every row for each of its windows before the aggregate does it again.
struct WindowAbsorption {
    let identity: WindowIdentity
    /// Conditions of filters in between that read nothing but the window: they hold for whole groups, so they may as well
    /// be asked after the aggregate. Over the columns start, end, time.
    private(set) var conditions: [Expression] = []

    init(_ identity: WindowIdentity) { self.identity = identity }

    /// The node without the function: the same columns (those of the window NULL and unused), perhaps one more behind
    /// them, and the place of the time column. Nil when a filter or expression in between reads the window's columns.
    mutating func absorb(_ node: LogicalNode) -> (LogicalNode, timeColumn: Int)? {
        switch node.kind {
        case .windowAssign(let timeColumn, identity):
            let input = node.inputs[0]
            let items = node.columns.enumerated().map { index, column in
                (
                    column.name,
                    index < input.columns.count ? Expression.column(index, column.type) : .literal(.null, column.type),
                    column.isNullable
                )
            }
            return (.project(input, items), timeColumn)
        case .filter(let predicate):
            let columns = node.inputs[0].columns
            var rest: [Expression] = []
            for part in predicate.conjuncts {
                guard reads(part, node.inputs[0]) else {
                    rest.append(part)
                    continue
                }
                guard part.usedColumns.allSatisfy({ isWindow(columns[$0]) }) else { return nil }
                conditions.append(part.mapColumns { columns[$0].window?.part.place ?? 0 })
            }
            guard let (input, time) = absorb(node.inputs[0]) else { return nil }
            guard let predicate = Expression.conjunction(rest) else { return (input, time) }
            return (LogicalNode(.filter(predicate), inputs: [input], columns: input.columns, object: node.object), time)
        case .project(let expressions):
            for expression in expressions {
                if case .column = expression { continue }
                if reads(expression, node.inputs[0]) { return nil }
            }
            guard let (input, time) = absorb(node.inputs[0]) else { return nil }
            if let known = expressions.firstIndex(where: { $0 == .column(time, input.columns[time].type) }) {
                return (
                    LogicalNode(.project(expressions), inputs: [input], columns: node.columns, object: node.object),
                    known
                )
            }
            let type = input.columns[time].type
            return (
                LogicalNode(
                    .project(expressions + [.column(time, type)]), inputs: [input],
                    columns: node.columns + [
                        OutputColumn("window_rowtime", type, isNullable: input.columns[time].isNullable)
                    ],
                    object: node.object), expressions.count
            )
        case .staticJoin(let plan), .lookupJoin(let plan):
            let before = node.inputs[0].columns.count
            if plan.probeKeys.contains(where: { isWindow(node.inputs[0].columns[$0]) }) { return nil }
            if let residual = plan.residual,
                residual.usedColumns.contains(where: { $0 < before && isWindow(node.columns[$0]) })
            {
                return nil
            }
            guard let (probe, time) = absorb(node.inputs[0]) else { return nil }
            let shift = probe.columns.count - before
            var moved = plan
            moved.residual = plan.residual?.mapColumns { $0 < before ? $0 : $0 + shift }
            let columns = probe.columns + node.columns[before...]
            let kind: LogicalNode.Kind =
                if case .staticJoin = node.kind { .staticJoin(moved) } else { .lookupJoin(moved) }
            let joined = LogicalNode(kind, inputs: [probe, node.inputs[1]], columns: columns, object: node.object)
            if shift == 0 { return (joined, time) }
            let order = Array(0..<before) + Array(before + shift..<columns.count) + Array(before..<before + shift)
            return (joined.selecting(order), time < before ? time : node.columns.count + time - before)
        case .predict(let model, let plan):
            let before = node.inputs[0].columns.count
            if plan.columns.contains(where: { isWindow(node.inputs[0].columns[$0]) }) { return nil }
            guard let (input, time) = absorb(node.inputs[0]) else { return nil }
            let shift = input.columns.count - before
            let columns = input.columns + node.columns[before...]
            let predict = LogicalNode(
                .predict(model, plan), inputs: [input], columns: columns, object: node.object)
            if shift == 0 { return (predict, time) }
            let order = Array(0..<before) + Array(before + shift..<columns.count) + Array(before..<before + shift)
            return (predict.selecting(order), time < before ? time : node.columns.count + time - before)
        default: return nil
        }
    }

    private func isWindow(_ column: OutputColumn) -> Bool { column.window?.window == identity }

    private func reads(_ expression: Expression, _ input: LogicalNode) -> Bool {
        expression.usedColumns.contains { isWindow(input.columns[$0]) }
    }
}

extension WindowColumn.Part {
    /// Among start, end, time, as a window aggregate puts them.
    var place: Int {
        switch self {
        case .start: 0
        case .end: 1
        case .time: 2
        }
    }
}
