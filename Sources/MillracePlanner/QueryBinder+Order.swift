import MillraceCore
import MillraceSQL

extension QueryBinder {
    /// The query's rows behind ORDER BY.
    ///
    /// Its keys are columns of the result, by name or by number. Others are computed beside the select list and dropped again.
    func ordered(_ syntax: QuerySyntax) -> LogicalNode? {
        var inner = syntax
        var hidden: [ExpressionSyntax] = []
        if case .select(var select) = syntax.body {
            let hasStar = select.items.contains { if case .all = $0 { true } else { false } }
            let names = select.items.compactMap { item -> String? in
                if case .expression(let expression, let alias) = item {
                    alias?.text ?? expression.derivedName
                } else {
                    nil
                }
            }
            hidden = syntax.orderBy.map(\.expression).filter { expression in
                switch expression.kind {
                case .number: false
                case .name(let parts): !(parts.count == 1 && (names.contains(parts[0].text) || hasStar))
                default: true
                }
            }
            if select.isDistinct, let first = hidden.first {
                log.error("ORDER BY of SELECT DISTINCT names columns of the result", at: first.range)
                return nil
            }
            select.items += hidden.map { .expression($0, alias: nil) }
            inner.body = .select(select)
        }
        guard let node = body(inner) else { return nil }
        let visible = node.columns.count - hidden.count
        var keys: [SortKey] = []
        var nextHidden = visible
        for item in syntax.orderBy {
            guard let column = column(item.expression, node, visible, hidden, &nextHidden) else { return nil }
            guard AggregateCallBinder.hasOrder(node.columns[column].type) else {
                log.error("ORDER BY does not take \(node.columns[column].type)", at: item.expression.range)
                return nil
            }
            keys.append(
                SortKey(
                    column: column, isDescending: item.isDescending, nullsFirst: item.nullsFirst ?? !item.isDescending))
        }
        guard let sorted = sort(node, keys, syntax) else { return nil }
        return hidden.isEmpty ? sorted : sorted.selecting(Array(0..<visible))
    }

    private func column(
        _ expression: ExpressionSyntax, _ node: LogicalNode, _ visible: Int, _ hidden: [ExpressionSyntax],
        _ nextHidden: inout Int
    ) -> Int? {
        if hidden.contains(expression) {
            defer { nextHidden += 1 }
            return nextHidden
        }
        if case .number(let text) = expression.kind, let number = Int(text) {
            guard (1...visible).contains(number) else {
                log.error("ORDER BY \(text) is not a column of the select list", at: expression.range)
                return nil
            }
            return number - 1
        }
        guard case .name(let parts) = expression.kind, parts.count == 1,
            let column = node.columns[..<visible].firstIndex(where: { $0.name == parts[0].text })
        else {
            log.error("ORDER BY names columns of the result here", at: expression.range)
            return nil
        }
        return column
    }

    private func sort(_ node: LogicalNode, _ keys: [SortKey], _ syntax: QuerySyntax) -> LogicalNode? {
        let isLimited = syntax.limit != nil || syntax.offset != nil
        let first = keys[0]
        let time = node.columns[first.column].time
        func sorted(_ timeColumn: Int?) -> LogicalNode {
            LogicalNode(
                .sort(SortPlan(timeColumn: timeColumn, order: keys)), inputs: [node], columns: node.columns,
                object: object)
        }
        if time == .event, !first.isDescending, !isLimited { return sorted(first.column) }
        // Rows come in the order of processing time.
        if time == .processing, !first.isDescending, keys.count == 1 { return node }
        if node.isBounded { return sorted(nil) }
        log.error(
            isLimited
                ? "the first rows of an order change as a stream goes on, so the result is not append-only"
                : "ORDER BY of a stream begins with event time, ascending",
            at: syntax.orderBy[0].expression.range,
            hint: isLimited
                ? "Rank within a window: ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY …)."
                : "Leave it out, or order by the event-time column.")
        return nil
    }

    func limited(_ syntax: QuerySyntax, _ node: LogicalNode) -> LogicalNode? {
        guard syntax.limit != nil || syntax.offset != nil else { return node }
        func number(_ expression: ExpressionSyntax?, _ what: String, otherwise: Int) -> Int? {
            guard let expression else { return otherwise }
            if case .number(let text) = expression.kind, let value = Int(text) { return value }
            log.error("\(what) takes a whole number", at: expression.range)
            return nil
        }
        guard let count = number(syntax.limit, "LIMIT", otherwise: .max),
            let offset = number(syntax.offset, "OFFSET", otherwise: 0)
        else { return nil }
        return LogicalNode(.limit(offset: offset, count: count), inputs: [node], columns: node.columns, object: object)
    }
}
