import MillraceCore

/// Which nodes must give the row as it was before an update: all but those whose readers find it by its key.
///
/// The row before is only left out on the way to a sink that replaces by PRIMARY KEY, if that is the key of the query's rows
/// and nothing in between may drop the new row.
struct ChangeReaders {
    private var withoutBefore: Set<ObjectIdentifier> = []

    init() {}

    init(_ sinks: [LogicalNode], _ registry: Registry) {
        var wanting: Set<ObjectIdentifier> = []
        var seen: Set<ObjectIdentifier> = []
        for sink in sinks {
            guard case .sink(let plan) = sink.kind else { continue }
            let changes = registry.connectors.first { $0.name == plan.connector }?.changes ?? .insertOnly
            walk(sink.inputs[0], wanted: !Self.replacesByKey(sink.inputs[0], plan, changes), &wanting, &seen)
        }
        withoutBefore = seen.subtracting(wanting)
    }

    func wantBefore(_ node: LogicalNode) -> Bool { !withoutBefore.contains(ObjectIdentifier(node)) }

    private static func replacesByKey(
        _ node: LogicalNode, _ sink: SinkPlan, _ changes: ConnectorDescriptor.SinkChanges
    ) -> Bool {
        guard changes == .byPrimaryKey, !sink.primaryKey.isEmpty else { return false }
        let places = Set(sink.primaryKey.compactMap { key in node.columns.firstIndex { $0.name == key } })
        return node.upsertKeys.contains(places)
    }

    private func walk(
        _ node: LogicalNode, wanted: Bool, _ wanting: inout Set<ObjectIdentifier>, _ seen: inout Set<ObjectIdentifier>
    ) {
        let id = ObjectIdentifier(node)
        let isNew = seen.insert(id).inserted
        let changed = wanted && wanting.insert(id).inserted
        guard isNew || changed else { return }
        switch node.kind {
        case .project, .predict, .watermark: walk(node.inputs[0], wanted: wanted, &wanting, &seen)
        default: for input in node.inputs { walk(input, wanted: true, &wanting, &seen) }
        }
    }
}
