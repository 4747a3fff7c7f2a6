extension ExecutionPlan {
    /// The watermark node of a source: its only consumer chain before any branch.
    public func watermarkNode(behind head: Int) -> Int? {
        var node = head
        while true {
            let consumers = nodes.indices.filter { nodes[$0].inputs.contains(node) }
            guard consumers.count == 1, let next = consumers.first else { return nil }
            if case .watermark = nodes[next].kind { return next }
            guard case .project = nodes[next].kind else { return nil }
            node = next
        }
    }
}
