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

    /// The rows in order; with LIMIT or OFFSET those that they leave.
    private func sort(_ node: LogicalNode, _ keys: [SortKey], _ syntax: QuerySyntax) -> LogicalNode? {
        let isLimited = syntax.limit != nil || syntax.offset != nil
        if isLimited, isContinuous(node) || node.updates != nil {
            guard let (first, last) = ranks(syntax) else { return nil }
            return ranked(
                node, TopNPlan(order: keys, first: first, last: last, movesRows: TopN.movesRows(node, keys)),
                "ORDER BY with LIMIT over a stream", syntax.orderBy[0].expression.range)
        }
        if node.updates != nil, node.isBounded {
            // Changes add up to the final rows.
            let plan = TopNPlan(order: keys, isFinal: true)
            return LogicalNode(
                .topN(plan), inputs: [node], columns: node.columns + [Self.rankColumn], object: object
            ).selecting(Array(node.columns.indices))
        }
        guard let sorted = sorted(node, keys, syntax) else { return nil }
        return limited(syntax, sorted)
    }

    private static var rankColumn: OutputColumn { OutputColumn("RANK$", .bigInt, isNullable: false) }

    /// The rows between two ranks, without their ranks.
    private func ranked(_ node: LogicalNode, _ plan: TopNPlan, _ clause: String, _ range: SourceRange) -> LogicalNode {
        topN(plan, node, node.columns + [Self.rankColumn], TopN.cause(clause, range, isBounded: node.isBounded))
            .selecting(Array(node.columns.indices))
    }

    private func sorted(_ node: LogicalNode, _ keys: [SortKey], _ syntax: QuerySyntax) -> LogicalNode? {
        let isLimited = syntax.limit != nil || syntax.offset != nil
        let first = keys[0]
        let time = node.columns[first.column].time
        func sorted(_ timeColumn: Int?) -> LogicalNode {
            LogicalNode(
                .sort(SortPlan(timeColumn: timeColumn, order: keys, judgesLatenessByRows: node.isReadOnce)),
                inputs: [node], columns: node.columns,
                object: object)
        }
        if time == .event, !first.isDescending, !isLimited { return sorted(first.column) }
        // Rows come in the order of processing time.
        if time == .processing, !first.isDescending, keys.count == 1 { return node }
        if node.isBounded { return sorted(nil) }
        log.error(
            "ORDER BY of a stream begins with event time, ascending", at: syntax.orderBy[0].expression.range,
            hint: "Leave it out, order by the event-time column, or add LIMIT.")
        return nil
    }

    func limited(_ syntax: QuerySyntax, _ node: LogicalNode) -> LogicalNode? {
        guard syntax.limit != nil || syntax.offset != nil else { return node }
        guard let (first, last) = ranks(syntax) else { return nil }
        if node.updates != nil {
            let range = (syntax.limit ?? syntax.offset)?.range ?? syntax.range
            return ranked(node, TopNPlan(order: [], first: first, last: last), "LIMIT over rows that change", range)
        }
        let offset = first - 1
        return LogicalNode(
            .limit(offset: offset, count: last.map { $0 - offset } ?? .max), inputs: [node], columns: node.columns,
            object: object)
    }

    /// The first and the last row that OFFSET and LIMIT leave; nil after an error.
    private func ranks(_ syntax: QuerySyntax) -> (first: Int, last: Int?)? {
        func number(_ expression: ExpressionSyntax?, _ what: String, otherwise: Int) -> Int? {
            guard let expression else { return otherwise }
            if case .number(let text) = expression.kind, let value = Int(text) { return value }
            log.error("\(what) takes a whole number", at: expression.range)
            return nil
        }
        guard let count = number(syntax.limit, "LIMIT", otherwise: .max),
            let offset = number(syntax.offset, "OFFSET", otherwise: 0)
        else { return nil }
        let (last, isOver) = offset.addingReportingOverflow(count)
        return (offset + 1, isOver || syntax.limit == nil ? nil : last)
    }
}
