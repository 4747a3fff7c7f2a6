import MillraceCore

extension LogicalNode {
    /// Of `SELECT … FROM (SELECT …, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) WHERE rn = 1`, the newest
    /// row of each key: the key's columns, and the node that gives every row with the same columns. These are the versions of
    /// FOR SYSTEM_TIME AS OF an event time. Nil for another query.
    var newestRows: (keys: [Int], versions: LogicalNode)? {
        switch kind {
        case .topN(let top):
            let input = inputs[0]
            guard top.function == .rowNumber, top.first == 1, top.last == 1, top.order.count == 1,
                top.order[0].isDescending, input.columns[top.order[0].column].time == .event, input.updates == nil,
                let rank = columns.last
            else { return nil }
            return (top.keys, input.appending([(rank.name, .literal(.integer(1), rank.type), false)]))
        case .project(let expressions):
            guard let (keys, versions) = inputs[0].newestRows else { return nil }
            let places = keys.compactMap { key in
                expressions.firstIndex { if case .column(key, _) = $0 { true } else { false } }
            }
            guard places.count == keys.count else { return nil }
            let items = zip(columns, expressions).map { ($0.name, $1, $0.isNullable) }
            return (places, .project(versions, items, object: object))
        default: return nil
        }
    }
}
