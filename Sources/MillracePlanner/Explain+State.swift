import MillraceCore

/// What an operator keeps, for how long, and what bounds it. Not part of the fingerprint: how much there is now is a metric.
extension Explain {
    static func state(_ plan: ExecutionPlan, _ node: PlanNode, limits: Limits = Limits()) -> String? {
        func most(_ limit: Int, _ what: String) -> String { "at most \(grouped(limit)) \(what)" }
        let groups = most(limits.windowGroups, "groups")
        switch node.kind {
        case .windowAggregate(let aggregate):
            if case .session(let gap) = aggregate.window {
                return "state: a group a session and key until \(time(gap)) without rows have passed; \(groups)"
            }
            let lateness =
                aggregate.allowedLatenessMilliseconds > 0
                ? " by \(time(aggregate.allowedLatenessMilliseconds))" : ""
            return "state: a group a window and key until the watermark passes the window's end\(lateness); \(groups)"
        case .over(let over): return overState(over, limits)
        case .windowRank(let rank):
            let kept = rank.last.map { "the first \($0) rows" } ?? "the rows"
            return "state: \(kept) of each key until the window closes; \(most(limits.keptRows, "rows"))"
        case .sessionAssign: return "state: rows until their session ends; \(most(limits.keptRows, "rows"))"
        case .sort(let sort):
            let end = sort.timeColumn == nil ? "the end of the input" : "the watermark passes them"
            return "state: rows until \(end); \(most(limits.keptRows, "rows"))"
        case .topN(let top):
            let kept = top.inputRetracts || top.last == nil ? "all rows" : "the first \(top.last ?? 0) rows"
            return "state: \(kept) of each key, for ever; \(most(limits.keptRows, "rows"))"
        case .updatingAggregate: return "state: a group a key, for ever; \(groups)"
        case .groupAggregate: return "state: a group a key until the end of the input; \(groups)"
        case .finalRows: return "state: the rows until the end of the input; \(most(limits.joinRows, "rows"))"
        case .staticJoin: return "state: the second input; \(most(limits.staticRows, "rows"))"
        case .streamJoin(let join): return joinState(join, most(limits.joinRows, "rows of both sides"))
        default: return nil
        }
    }

    private static func overState(_ over: OverPlan, _ limits: Limits) -> String {
        let all = "at most \(grouped(limits.keptRows)) rows"
        if over.isOnArrival {
            // How long is a fact of the plan, and stands above.
            return "\(all), of one key the newest \(grouped(limits.keptRowsOfKey))"
        }
        guard over.timeColumn != nil else { return "state: the frames of each key, for ever; \(all)" }
        guard let retention = over.retentionMilliseconds else {
            return "state: rows until the watermark passes them, the frames of each key for ever; \(all)"
        }
        return "state: rows until the watermark has passed them by \(time(retention)); \(all)"
    }

    private static func joinState(_ join: StreamJoinPlan, _ bound: String) -> String {
        switch join.form {
        case .regular: "state: the rows of both sides, for ever; \(bound)"
        case .window: "state: rows until their window closes; \(bound)"
        case .interval(_, _, let lower, let upper):
            "state: left rows for \(time(max(0, -lower))), right rows for \(time(max(0, upper))) behind the watermark; \(bound)"
        case .temporal:
            "state: of each key the versions from the watermark on, and left rows until it passes them; \(bound)"
        }
    }

    private static func time(_ milliseconds: Int64) -> String { ExpressionText.duration(milliseconds * 1000) }

    /// With a comma between thousands.
    private static func grouped(_ number: Int) -> String {
        var digits = String(number)
        var place = digits.count - 3
        while place > 0 {
            digits.insert(",", at: digits.index(digits.startIndex, offsetBy: place))
            place -= 3
        }
        return digits
    }
}
