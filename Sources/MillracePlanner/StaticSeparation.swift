import MillraceCore

/// Gives a table that is kept in memory for a join inside another kept table a scan of its own.
///
/// Kept tables are read one after the other, inner ones first; one scan for both would have to be read before itself.
struct StaticSeparation {
    private struct Key: Hashable {
        var node: ObjectIdentifier
        var isStatic: Bool
    }
    private var known: [Key: LogicalNode] = [:]

    mutating func separated(_ node: LogicalNode, isStatic: Bool = false) -> LogicalNode {
        let key = Key(node: ObjectIdentifier(node), isStatic: isStatic)
        if let known = known[key] { return known }
        let inputs = node.inputs.enumerated().map { port, input -> LogicalNode in
            guard case .staticJoin = node.kind, port == 1 else { return separated(input, isStatic: isStatic) }
            if !isStatic { return separated(input, isStatic: true) }
            var copies: [ObjectIdentifier: LogicalNode] = [:]
            return separated(Self.copy(input, &copies), isStatic: true)
        }
        let isSame = zip(inputs, node.inputs).allSatisfy { $0 === $1 }
        let result =
            isSame
            ? node
            : LogicalNode(
                node.kind, inputs: inputs, columns: node.columns, object: node.object, updates: node.updates)
        known[key] = result
        return result
    }

    private static func copy(_ node: LogicalNode, _ copies: inout [ObjectIdentifier: LogicalNode]) -> LogicalNode {
        if let known = copies[ObjectIdentifier(node)] { return known }
        let inputs = node.inputs.map { copy($0, &copies) }
        let result = LogicalNode(
            node.kind, inputs: inputs, columns: node.columns, object: node.object, updates: node.updates)
        copies[ObjectIdentifier(node)] = result
        return result
    }
}
