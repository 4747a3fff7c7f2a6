import MillraceCore
import MillraceSQL

/// `SELECT … FROM (SELECT …, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) WHERE rn = 1`: the newest row of
/// each key. As rows that change it would have to be taken back; as the right side of FOR SYSTEM_TIME AS OF an event time
/// it is the versions themselves, and `k` their key.
struct NewestRows {
    private let outer: SelectSyntax
    private let inner: SelectSyntax
    private let alias: String?
    private let columnAliases: [Identifier]
    private let number: String
    private let window: WindowSyntax

    /// Nil when the query has another shape.
    init?(_ syntax: SelectSyntax) {
        guard let from = syntax.from, case .query(let query) = from.kind, query.with.isEmpty, query.orderBy.isEmpty,
            query.limit == nil, case .select(let inner) = query.body, inner.groupBy.isEmpty, inner.having == nil,
            inner.qualify == nil, !inner.isDistinct, from.columnAliases.isEmpty, from.systemTime == nil,
            let filter = syntax.filter, let name = Self.isOne(filter), syntax.groupBy.isEmpty
        else { return nil }
        var found: WindowSyntax?
        for case .expression(let expression, let alias?) in inner.items where alias.text == name {
            guard case .call(let call) = expression.kind, call.name.text.uppercased() == "ROW_NUMBER",
                let over = call.over, over.name == nil, over.orderBy.count == 1, over.orderBy[0].isDescending
            else { return nil }
            found = over
        }
        guard let found, !found.partitionBy.isEmpty else { return nil }
        outer = syntax
        self.inner = inner
        alias = from.alias?.text
        columnAliases = from.columnAliases
        number = name
        window = found
    }

    /// The name that `rn = 1` compares.
    private static func isOne(_ filter: ExpressionSyntax) -> String? {
        guard case .binary(let comparison, let a, let b) = filter.kind else { return nil }
        var (name, value) = (a, b)
        if comparison == .equal, case .number = a.kind { (name, value) = (b, a) }
        guard case .name(let parts) = name.kind, case .number(let text) = value.kind else { return nil }
        switch comparison {
        case .equal where text == "1", .lessOrEqual where text == "1", .less where text == "2":
            return parts[parts.count - 1].text
        default: return nil
        }
    }

    /// The query's rows, all versions, in a node that carries their key; nil when the order is not event time.
    func bind(_ query: QueryBinder) -> LogicalNode? {
        var rows = inner
        let range = window.range
        let added = window.partitionBy + [window.orderBy[0].expression]
        rows.items.removeAll { if case .expression(_, let alias?) = $0 { alias.text == number } else { false } }
        rows.items += added.enumerated().map { .expression($1, alias: Identifier("$newest\($0)", range: range)) }
        guard let node = query.silently({ query.select(rows) }) else { return nil }
        let count = node.columns.count - added.count
        let time = node.columns.count - 1
        let keys = Array(count..<time)
        guard node.updates == nil, node.columns[time].time == .event,
            keys.allSatisfy({ node.columns[$0].window == nil })
        else { return nil }
        let newest = LogicalNode(
            .newestRows(keys: keys, at: range), inputs: [node], columns: node.columns, object: query.object)
        // The number is 1; what was added is not seen.
        let literal = Expression.literal(.integer(1), .bigInt)
        let items =
            (0..<count).map {
                (newest.columns[$0].name, Expression.column($0, newest.columns[$0].type), newest.columns[$0].isNullable)
            }
            + [(number, literal, false)]
        let numbered = LogicalNode.project(newest, items, object: query.object)
        var scope = Scope(columns: numbered.columns)
        if let alias { scope.relations = [Scope.Relation(alias: alias, columns: numbered.columns.indices)] }
        var select = outer
        select.filter = nil
        return query.silently { query.select(select, from: Relation(node: numbered, scope: scope)) }
    }
}

extension LogicalNode {
    /// The key of the versions this node gives, when it keeps the newest rows only, and the node that gives all of them.
    var newestRows: (keys: [Int], versions: LogicalNode)? {
        switch kind {
        case .newestRows(let keys, _): return (keys, inputs[0])
        case .project(let expressions):
            guard let (keys, versions) = inputs[0].newestRows else { return nil }
            let places = keys.compactMap { key in
                expressions.firstIndex { if case .column(key, _) = $0 { true } else { false } }
                    ?? inputs[0].sameColumn(key).flatMap { same in
                        expressions.firstIndex { if case .column(same, _) = $0 { true } else { false } }
                    }
            }
            guard places.count == keys.count else { return nil }
            return (places, LogicalNode(kind, inputs: [versions], columns: columns, object: object))
        default: return nil
        }
    }

    /// Another column that holds the same as `column`: both forward one of the input.
    private func sameColumn(_ column: Int) -> Int? {
        switch kind {
        case .newestRows: return inputs[0].sameColumn(column)
        case .project(let expressions):
            return expressions.indices.first { $0 != column && expressions[$0] == expressions[column] }
        default: return nil
        }
    }
}
