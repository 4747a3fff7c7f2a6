internal import MillraceCore
internal import MillraceModels

/// What a remote model's place in the plan means for restarts; see `RemotePositions`.
struct RemotePlacement {
    /// Which of the plan's remote models, from 0.
    let number: Int
    /// No state before it and none behind it, and PostgreSQL keeps positions: Kafka has no place for two of a partition.
    let storesPositions: Bool
    /// No state behind it.
    let skipsReplayed: Bool

    init(of index: Int, in plan: ExecutionPlan) {
        let remote = plan.nodes.indices.filter { RemotePlacement.isRemote(plan.nodes[$0], plan) }
        number = remote.firstIndex(of: index) ?? 0
        let before = plan.reachable(from: index) { plan.nodes[$0].inputs }
        let behind = plan.reachable(from: index) { node in
            plan.nodes.indices.filter { plan.nodes[$0].inputs.contains(node) }
        }
        let isFree = { (nodes: Set<Int>) in
            nodes.allSatisfy { RemotePlacement.keepsNothing(plan.nodes[$0]) && !remote.contains($0) }
        }
        skipsReplayed = isFree(behind)
        storesPositions = skipsReplayed && isFree(before) && plan.sinks.contains { $0.connector == "postgres" }
    }

    /// A node that treats each row for itself and passes it on at once.
    private static func keepsNothing(_ node: PlanNode) -> Bool {
        switch node.kind {
        case .source, .project, .filter, .watermark, .staticJoin, .lookupJoin, .unnest, .predict, .windowAssign,
            .expand, .union, .sink:
            true
        default: false
        }
    }

    static func isRemote(_ node: PlanNode, _ plan: ExecutionPlan) -> Bool {
        if case .predict(let predict) = node.kind { ModelProviders.isRemote(plan.models[predict.model]) } else { false }
    }
}

extension ExecutionPlan {
    /// All nodes that `next` leads to from a node, itself left out.
    fileprivate func reachable(from node: Int, _ next: (Int) -> [Int]) -> Set<Int> {
        var found: Set<Int> = []
        var open = next(node)
        while let each = open.popLast() {
            if found.insert(each).inserted { open += next(each) }
        }
        return found
    }
}
