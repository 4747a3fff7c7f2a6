import MillraceCore

/// Finds the OVERs whose keys each lie in one partition of a topic: PARTITION BY contains the columns of the message key
/// (`'key.fields'`), by which producers choose the partition.
enum PartitionLocality {
    static func marked(_ plan: ExecutionPlan) -> ExecutionPlan {
        var plan = plan
        for (index, node) in plan.nodes.enumerated() {
            guard case .over(var over) = node.kind, over.timeColumn != nil, !over.isOnArrival,
                !over.judgesLatenessByKey,
                isLocal(plan, node.inputs[0], Set(over.keys))
            else { continue }
            over.isPartitionLocal = true
            plan.nodes[index].kind = .over(over)
        }
        return plan
    }

    /// Follows the columns from `start` to their source, through operators that pass rows on with what they carry of their
    /// partition.
    private static func isLocal(_ plan: ExecutionPlan, _ start: Int, _ columns: Set<Int>) -> Bool {
        var (index, columns, hasTime) = (start, columns, false)
        while !columns.isEmpty {
            let node = plan.nodes[index]
            switch node.kind {
            case .source(let source):
                let source = plan.sources[source]
                let keys = (source.options["key.fields"] ?? "").split(separator: ";").map { $0.trimmingSpaces() }
                let names = Set(columns.map { source.fields[$0].name })
                return hasTime && !keys.isEmpty && keys.allSatisfy(names.contains)
            case .watermark:
                // Event time that begins at the source: that of its partitions.
                hasTime = plan.nodes.indices.contains {
                    if case .source = plan.nodes[$0].kind { plan.watermarkNode(behind: $0) == index } else { false }
                }
                guard hasTime else { return false }
            case .project(let expressions):
                columns = Set(
                    columns.compactMap {
                        if case .column(let column, _) = expressions[$0] { column } else { nil }
                    })
            case .filter: break
            case .predict: columns = columns.filter { $0 < plan.nodes[node.inputs[0]].schema.fields.count }
            case .over(let over) where over.isOnArrival:
                columns = columns.filter { $0 < plan.nodes[node.inputs[0]].schema.fields.count }
            default: return false
            }
            index = node.inputs.first ?? 0
        }
        return false
    }
}

extension Substring {
    fileprivate func trimmingSpaces() -> String {
        var text = drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
