internal import MillraceCore

/// How many shards a plan may have.
enum ShardCount {
    /// The wanted number, or 1 with the reason when rows of one group could meet on different shards.
    ///
    /// Aggregates across shards need an exchange of partial aggregates, which is not built yet; a stateless plan over Kafka
    /// splits by partition without any.
    static func decide(_ plan: ExecutionPlan, wanted: Int) -> (count: Int, reason: String?) {
        guard wanted > 1 else { return (1, nil) }
        for node in plan.nodes {
            switch node.kind {
            case .windowAggregate, .groupAggregate:
                return (1, "an aggregate needs all rows of a group on one shard")
            case .streamJoin: return (1, "a join of two streams needs all rows of a key on one shard")
            default: continue
            }
        }
        if plan.sources.contains(where: { !$0.isStatic && $0.lookupKeys == nil && $0.connector != "kafka" }) {
            return (1, "only Kafka topics are split by partition")
        }
        return (wanted, nil)
    }
}
