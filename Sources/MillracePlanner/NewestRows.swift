import MillraceCore

extension LogicalNode {
    /// The newest row of each key, `SELECT … FROM (SELECT …, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t)
    /// WHERE rn = 1`: its key, and a node that gives all versions of the rows instead. Rows that change elsewhere are the
    /// versions themselves on the right side of FOR SYSTEM_TIME AS OF an event time.
    var newestRows: (keys: [Int], versions: LogicalNode)? {
        switch kind {
        case .topN(let plan):
            let input = inputs[0]
            guard plan.function == .rowNumber, plan.first == 1, plan.last == 1, plan.order.count == 1,
                plan.order[0].isDescending, input.columns[plan.order[0].column].time == .event, input.updates == nil
            else { return nil }
            var items = input.columns.enumerated().map { index, column in
                (name: column.name, expression: Expression.column(index, column.type), isNullable: column.isNullable)
            }
            // The rank.
            for column in columns.dropFirst(items.count) {
                items.append((column.name, .literal(.integer(1), column.type), false))
            }
            return (plan.keys, LogicalNode.project(input, items, object: object))
        case .project(let expressions):
            guard let (keys, versions) = inputs[0].newestRows else { return nil }
            let places = keys.compactMap { key in
                expressions.firstIndex { if case .column(key, _) = $0 { true } else { false } }
                    ?? inputs[0].sameColumn(key).flatMap { same in
                        expressions.firstIndex { if case .column(same, _) = $0 { true } else { false } }
                    }
            }
            guard places.count == keys.count else { return nil }
            let timed = zip(columns, expressions).map { column, expression in
                var column = column
                if case .column(let index, _) = expression { column.time = versions.columns[index].time }
                return column
            }
            return (places, LogicalNode(kind, inputs: [versions], columns: timed, object: object))
        default: return nil
        }
    }

    /// Another column that holds the same as `column`: both forward one of the input.
    private func sameColumn(_ column: Int) -> Int? {
        switch kind {
        case .topN where column < inputs[0].columns.count: return inputs[0].sameColumn(column)
        case .project(let expressions):
            return expressions.indices.first { $0 != column && expressions[$0] == expressions[column] }
        default: return nil
        }
    }
}
