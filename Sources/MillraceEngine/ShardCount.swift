internal import MillraceCore
internal import MillraceRuntime

/// How many shards a plan may have.
enum ShardCount {
    /// The wanted number, or 1 with the reason why the plan cannot be spread.
    ///
    /// A plan over Kafka is split by partition. Its window aggregates exchange partial aggregates (`Exchange`), as long as
    /// no aggregate reads another's rows, which lie where their keys are owned.
    static func decide(_ plan: ExecutionPlan, wanted: Int) -> (count: Int, reason: String?) {
        guard wanted > 1 else { return (1, nil) }
        if plan.sources.contains(where: { !$0.isStatic && $0.lookupKeys == nil && $0.connector != "kafka" }) {
            return (1, "only Kafka topics are split by partition")
        }
        // What the shards tell one another of their windows has no place among the offsets of a consumer group.
        if plan.positions == .kafka, exchange(plan, shards: wanted) != nil {
            return (1, "windows run on one shard when Kafka keeps the positions")
        }
        for index in plan.nodes.indices {
            if let reason = obstacle(plan, index) { return (1, reason) }
        }
        if let index = StateRecovery(plan).stored.min() {
            return (1, "the state of \(StateRecovery.name(of: index, in: plan)) is stored, which needs one shard")
        }
        return (wanted, nil)
    }

    /// What the shards of a plan with window aggregates share; nil when it has none, or one shard.
    static func exchange(_ plan: ExecutionPlan, shards: Int) -> Exchange? {
        let windows = plan.nodes.count {
            if case .windowAggregate(let plan) = $0.kind { plan.emit == nil } else { false }
        }
        guard shards > 1, windows > 0 else { return nil }
        return Exchange(shards: shards, sources: plan.sources.count, windows: windows)
    }

    private static func obstacle(_ plan: ExecutionPlan, _ index: Int) -> String? {
        let node = plan.nodes[index]
        // An operator that is not known to work by parts needs all rows in one place.
        switch node.kind {
        case .predict where RemotePlacement.isRemote(node, plan) && hasWindows(plan):
            return "a model server beside a window aggregate needs one shard"
        case .source, .project, .filter, .staticJoin, .lookupJoin, .unnest, .predict, .windowAssign, .expand, .union,
            .sink:
            return nil
        case .groupAggregate, .updatingAggregate: return "GROUP BY without a window needs all rows on one shard"
        case .over, .windowRank, .topN, .sort, .limit: return "OVER, ORDER BY and LIMIT need all rows on one shard"
        case .sessionAssign: return "sessions of one key may lie in several partitions"
        case .processingTime: return "windows by processing time need one shard"
        case .windowAggregate(let aggregate):
            if case .attached = aggregate.window {
                return "an aggregate over rows that bring their window needs one shard"
            }
            if aggregate.emit != nil { return "a window with table.exec.emit runs on one shard" }
            if case .session = aggregate.window { return "sessions of one key may lie in several partitions" }
            if aggregate.allowedLatenessMilliseconds > 0 { return "'late.lateness' corrects windows on one shard only" }
            let input = plan.nodes[node.inputs[0]].schema
            let columns = aggregate.keys + aggregate.aggregates.compactMap(\.argument)
            if columns.contains(where: { !WindowAggregateOperator.canExchange(input[$0].type) }) {
                return "an aggregate over ROW, ARRAY or MAP needs all rows of a group on one shard"
            }
            if aggregate.aggregates.contains(where: { !$0.function.mergesFromParts }) {
                return "an aggregate that depends on the order of its rows needs them on one shard"
            }
            return readsAggregate(plan, index) ? "an aggregate of an aggregate needs one shard" : nil
        case .watermark:
            // Event time is agreed on where the shard hands rows in.
            let isFirst = plan.nodes.indices.contains { head in
                guard case .source = plan.nodes[head].kind else { return false }
                return plan.watermarkNode(behind: head) == index
            }
            return isFirst ? nil : "a watermark behind other operators needs one shard"
        case .finalRows: return "the final rows of what changes are known on one shard only"
        case .streamJoin: return "a join of two streams needs all rows of a key on one shard"
        }
    }

    /// What shards owe one another for a window is told by what has been read, not by what has been answered.
    private static func hasWindows(_ plan: ExecutionPlan) -> Bool {
        plan.nodes.contains { if case .windowAggregate = $0.kind { true } else { false } }
    }

    private static func readsAggregate(_ plan: ExecutionPlan, _ index: Int) -> Bool {
        plan.nodes[index].inputs.contains { input in
            switch plan.nodes[input].kind {
            case .windowAggregate, .groupAggregate, .updatingAggregate: true
            default: readsAggregate(plan, input)
            }
        }
    }
}

extension AggregateCall.Function {
    /// Partial aggregates of several shards merge into the result of one, and can be sent (`Accumulators+Partials`).
    fileprivate var mergesFromParts: Bool {
        switch self {
        case .countAll, .count, .sum, .average, .minimum, .maximum, .stddevPop, .stddevSamp, .varPop, .varSamp: true
        default: false
        }
    }
}
