import MillraceCore

/// Makes one projection of two where the lower one has no other reader, and drops nodes nobody reads.
enum ProjectionMerging {
    static func merge(_ plan: ExecutionPlan) -> ExecutionPlan {
        var nodes = plan.nodes
        var readers = [Int](repeating: 0, count: nodes.count)
        for node in nodes { for input in node.inputs { readers[input] += 1 } }
        for index in nodes.indices {
            guard case .project(let outer) = nodes[index].kind, let input = nodes[index].inputs.first,
                case .project(let inner) = nodes[input].kind, readers[input] == 1
            else { continue }
            var uses = [Int](repeating: 0, count: inner.count)
            for expression in outer { count(expression, &uses) }
            // An expression that is read twice stays where it is computed once.
            guard zip(inner, uses).allSatisfy({ isCheap($0) || $1 <= 1 }) else { continue }
            nodes[index].kind = .project(outer.map { substitute($0, inner) })
            nodes[index].inputs = nodes[input].inputs
            readers[input] = 0
        }
        // Dead letters name the sink's columns, not those of the query in front of it.
        for node in nodes {
            guard case .sink = node.kind, let input = node.inputs.first, readers[input] == 1,
                case .project = nodes[input].kind, nodes[input].schema.count == node.schema.count
            else { continue }
            for index in node.schema.fields.indices {
                nodes[input].schema.fields[index].name = node.schema[index].name
            }
        }
        var isRead = [Bool](repeating: false, count: nodes.count)
        for index in nodes.indices.reversed() {
            if case .sink = nodes[index].kind { isRead[index] = true }
            if isRead[index] { for input in nodes[index].inputs { isRead[input] = true } }
        }
        var result = plan
        var places = [Int](repeating: -1, count: nodes.count)
        result.nodes = []
        for index in nodes.indices where isRead[index] {
            var node = nodes[index]
            node.inputs = node.inputs.map { places[$0] }
            places[index] = result.nodes.count
            result.nodes.append(node)
        }
        return result
    }

    private static func isCheap(_ expression: Expression) -> Bool {
        switch expression {
        case .column, .literal: true
        case .field(let inner, _, _): isCheap(inner)
        default: false
        }
    }

    private static func count(_ expression: Expression, _ uses: inout [Int]) {
        if case .column(let index, _) = expression { uses[index] += 1 }
        for operand in expression.operands { count(operand, &uses) }
    }

    private static func substitute(_ expression: Expression, _ inner: [Expression]) -> Expression {
        switch expression {
        case .column(let index, _): inner[index]
        case .literal: expression
        case .call(let function, let arguments, let type):
            .call(function, arguments.map { substitute($0, inner) }, type)
        case .cast(let operand, let type, false): Coercion.cast(substitute(operand, inner), to: type)
        case .cast(let operand, let type, true): .cast(substitute(operand, inner), to: type, isTry: true)
        case .field(let operand, let index, let type): .field(substitute(operand, inner), index: index, type)
        case .conditional(let branches, let otherwise, let type):
            .conditional(
                branches.map {
                    Expression.Branch(condition: substitute($0.condition, inner), result: substitute($0.result, inner))
                }, otherwise: otherwise.map { substitute($0, inner) }, type)
        }
    }
}
