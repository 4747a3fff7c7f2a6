import MillraceCore
import MillraceSQL

/// Joins whose two sides are streams.
extension QueryBinder {
    /// A window or interval join, if the condition makes one.
    func timedJoin(_ kind: JoinKind, _ sides: JoinSides, _ parts: [Expression]) -> LogicalNode? {
        // What is taken back later belongs to no window and no interval.
        guard sides.left.updates == nil, sides.right.updates == nil else { return nil }
        if let (form, rest) = windowForm(sides, parts) { return streamJoin(form, kind, sides, rest) }
        guard kind.hasRightColumns, let bounds = TimeBounds(parts, sides), let lower = bounds.lower,
            let upper = bounds.upper
        else { return nil }
        let form = StreamJoinPlan.Form.interval(
            leftTime: bounds.leftTime, rightTime: bounds.rightTime, lowerMilliseconds: lower, upperMilliseconds: upper)
        return streamJoin(form, kind, sides, bounds.rest)
    }

    /// Both sides carry the columns of windows of one shape, and the condition equates starts and ends.
    private func windowForm(_ sides: JoinSides, _ parts: [Expression]) -> (StreamJoinPlan.Form, rest: [Expression])? {
        let leftCount = sides.left.columns.count
        var ends: (left: Int, right: Int)?
        var hasStart = false
        var windows: (WindowIdentity, WindowIdentity)?
        var rest: [Expression] = []
        for part in parts {
            guard case .call(.equal, let operands, _) = part, operands.count == 2,
                case .column(let a, _) = operands[0], case .column(let b, _) = operands[1],
                (a < leftCount) != (b < leftCount)
            else {
                rest.append(part)
                continue
            }
            let (left, right) = (min(a, b), max(a, b) - leftCount)
            guard let x = sides.left.columns[left].window, let y = sides.right.columns[right].window, x.part == y.part,
                x.part != .time, x.window.kind == y.window.kind,
                windows == nil || windows! == (x.window, y.window)
            else {
                rest.append(part)
                continue
            }
            windows = (x.window, y.window)
            if x.part == .end {
                ends = (left, right)
            } else {
                hasStart = true
                // The end of a session does not say where it began.
                if case .session = x.window.kind { rest.append(part) }
            }
        }
        guard let ends, hasStart else { return nil }
        return (.window(leftEnd: ends.left, rightEnd: ends.right), rest)
    }

    /// Two inputs of which neither can be read first. Outer rows, and those of `anti`, come out until a partner comes. Of bounded
    /// inputs only the final rows come out, at the end.
    func regularJoin(_ kind: JoinKind, _ sides: JoinSides, _ parts: [Expression]) -> LogicalNode {
        guard kind != .inner, kind != .semi else { return streamJoin(.regular, kind, sides, parts) }
        let name = kind == .anti ? "NOT EXISTS or NOT IN" : "\(kind.rawValue.uppercased()) JOIN"
        let cause = UpdateCause(
            clause: "\(name) of two streams without a bound", range: sides.range,
            hint:
                "Bound the time: a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts, or join windows on window_start and window_end."
                + " Or write to a table that takes changes, such as print.")
        let node = streamJoin(.regular, kind, sides, parts, updates: cause)
        guard sides.left.isBounded, sides.right.isBounded, !isStreaming else { return node }
        return LogicalNode(.finalRows, inputs: [node], columns: node.columns, object: object)
    }

    /// `FOR SYSTEM_TIME AS OF time`: the version valid then of a table with event time, else the table as it is now.
    func temporalJoin(
        _ type: TableSyntax.JoinType, _ sides: JoinSides, _ parts: [Expression], _ scope: Scope,
        _ systemTime: ExpressionSyntax
    ) -> LogicalNode? {
        guard let time = binder(scope, "FOR SYSTEM_TIME").bind(systemTime) else { return nil }
        var sides = sides
        let newest = time.isEventTime(sides.left) ? sides.right.newestRows : nil
        if let newest {
            sides = JoinSides(
                left: sides.left, right: newest.versions, rightRange: sides.rightRange, range: sides.range)
        }
        guard case .column(let leftTime, _) = time.expression, sides.left.columns[leftTime].time == .event,
            sides.right.columns.contains(where: { $0.time == .event })
        else {
            guard sides.right.isBounded else {
                log.error(
                    "FOR SYSTEM_TIME AS OF \(time.isEventTime(sides.left) ? "a stream without event time" : "processing time") is not supported with a stream",
                    at: sides.rightRange,
                    hint:
                        "Join with a bounded table: a database table, a file, or a topic with 'scan.bounded.mode'; or with a table that has PRIMARY KEY and WATERMARK, as of the event time of the left side."
                )
                return nil
            }
            return joined(type, sides, parts)
        }
        guard type == .inner || type == .left else {
            log.error(
                "\(type.rawValue) JOIN is not possible FOR SYSTEM_TIME AS OF", at: sides.range,
                hint: "Use INNER or LEFT JOIN.")
            return nil
        }
        guard let key = newest?.keys ?? sides.right.primaryKey else {
            log.error(
                "FOR SYSTEM_TIME AS OF an event time needs a PRIMARY KEY on the right side", at: sides.rightRange,
                hint: "Declare PRIMARY KEY (…) NOT ENFORCED on the columns that the join equates.")
            return nil
        }
        let equal = EquiCondition(parts, leftCount: sides.left.columns.count).right
        for column in key {
            guard equal.contains(.column(column, sides.right.columns[column].type)) else {
                log.error(
                    "the join does not equate \"\(sides.right.columns[column].name)\", which is in the right side's PRIMARY KEY",
                    at: sides.range)
                return nil
            }
        }
        let rightTime = sides.right.columns.firstIndex { $0.time == .event }!
        return streamJoin(
            .temporal(leftTime: leftTime, rightTime: rightTime), type == .left ? .left : .inner, sides, parts)
    }

    /// The node, with the columns of both sides in order (`semi` and `anti`: of the left one).
    private func streamJoin(
        _ form: StreamJoinPlan.Form, _ kind: JoinKind, _ sides: JoinSides, _ parts: [Expression],
        updates: UpdateCause? = nil
    ) -> LogicalNode {
        let leftCount = sides.left.columns.count
        let condition = EquiCondition(parts, leftCount: leftCount)
        let (left, leftKeys) = withColumns(sides.left, condition.left)
        let (right, rightKeys) = withColumns(sides.right, condition.right)
        func place(_ column: Int) -> Int { column < leftCount ? column : left.columns.count + column - leftCount }
        var columns = left.columns.map { form.output($0, isLeft: true, isNullable: kind.keepsRight) }
        if kind.hasRightColumns {
            columns += right.columns.map { form.output($0, isLeft: false, isNullable: kind.keepsLeft) }
        }
        var plan = StreamJoinPlan(
            form: form, kind: kind, leftKeys: leftKeys, rightKeys: rightKeys,
            residual: Expression.conjunction(condition.rest)?.mapColumns(place))
        if form == .regular, isContinuous(left) || isContinuous(right) {
            plan.stateTTLMilliseconds = stateTTLMilliseconds
        }
        let joined = LogicalNode(
            .streamJoin(plan),
            inputs: [left, right], columns: columns, object: object, updates: updates)
        let total = kind.hasRightColumns ? leftCount + sides.right.columns.count : leftCount
        return joined.selecting((0..<total).map(place))
    }
}

extension Bound {
    fileprivate func isEventTime(_ node: LogicalNode) -> Bool {
        if case .column(let index, _) = expression { node.columns[index].time == .event } else { false }
    }
}

extension StreamJoinPlan.Form {
    /// What is known of a column behind the join.
    fileprivate func output(_ column: OutputColumn, isLeft: Bool, isNullable: Bool) -> OutputColumn {
        var column = column
        if isNullable { column.isNullable = true }
        let lost: String?
        switch self {
        case .window, .interval: lost = nil
        case .temporal: lost = isLeft ? nil : "it comes from the right side of a FOR SYSTEM_TIME AS OF join"
        case .regular: lost = "it comes through a join that keeps both sides for ever"
        }
        if let lost {
            if column.time == .event { column.time = .lost(lost) }
            if case .candidate = column.time { column.time = .lost(lost) }
            if !isLeft || self == .regular { column.window = nil }
        }
        return column
    }
}

extension LogicalNode {
    /// Columns that identify a row, as the table behind the node declares them; nil when there is none or one was lost.
    var primaryKey: [Int]? {
        switch kind {
        case .scan(let scan):
            let names = scan.table.primaryKey
            let places = names.compactMap { name in columns.firstIndex { $0.name == name } }
            return names.isEmpty || places.count < names.count ? nil : places
        case .watermark, .filter: return inputs[0].primaryKey
        case .project(let expressions):
            guard let below = inputs[0].primaryKey else { return nil }
            let places = below.compactMap { column in
                expressions.firstIndex { if case .column(column, _) = $0 { true } else { false } }
            }
            return places.count < below.count ? nil : places
        default: return nil
        }
    }
}
