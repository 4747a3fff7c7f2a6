internal import MillraceCore

/// How far back a restart asks for rows: what an operator that answers at once must be able to answer again.
enum ReplayReach {
    /// Milliseconds before the watermark for which the operators behind `index` may ask for its rows again; nil: not known.
    static func milliseconds(behind index: Int, of plan: ExecutionPlan) -> Int64? {
        var longest: Int64 = 0
        for consumer in plan.nodes.indices where plan.nodes[consumer].inputs.contains(index) {
            guard let reach = milliseconds(of: consumer, plan) else { return nil }
            longest = max(longest, reach)
        }
        return longest
    }

    private static func milliseconds(of index: Int, _ plan: ExecutionPlan) -> Int64? {
        switch plan.nodes[index].kind {
        case .sink: return 0
        case .project, .filter, .predict, .unnest, .union, .windowAssign, .expand, .staticJoin, .lookupJoin:
            return milliseconds(behind: index, of: plan)
        case .windowAggregate(let aggregate):
            let size: Int64? =
                switch aggregate.window {
                case .tumble(let size, _), .hop(_, let size, _), .cumulate(_, let size, _): size
                case .session, .attached: nil
                }
            return size.map { $0 + aggregate.allowedLatenessMilliseconds }
        case .over(let over):
            guard let own = over.retentionMilliseconds else { return nil }
            if !over.isOnArrival { return own }
            return milliseconds(behind: index, of: plan).map { own + $0 }
        default: return nil
        }
    }
}
