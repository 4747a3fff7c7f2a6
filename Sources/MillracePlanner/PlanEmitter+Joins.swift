import MillraceCore

extension PlanEmitter {
    mutating func emitUnnest(_ node: LogicalNode, _ unnest: UnnestPlan, _ own: [Path], _ isStatic: Bool) {
        let input = input(node, 0, isStatic)
        let before = unnest.carried.count
        // Only what is read on: a copy of the collection in every row of it would cost much.
        var paths = Set(own)
        if let condition = unnest.condition { Self.collect(condition, into: &paths) }
        let inputFields = fields(input)
        var places: [Int] = []
        var output: [Path: Int] = [:]
        for path in Self.normalized(paths.filter { $0[0] < before }) {
            // The input may have the whole of what a path leads into.
            for length in stride(from: path.count, to: 0, by: -1) {
                let prefix = Array(path.prefix(length))
                guard let index = input.places[[unnest.carried[path[0]]] + prefix.dropFirst()] else { continue }
                if output.updateValue(places.count, forKey: prefix) == nil {
                    places.append(index)
                } else {
                    output[prefix] = places.firstIndex(of: index)
                }
                break
            }
        }
        for offset in node.columns.indices.dropFirst(before) { output[[offset]] = places.count + offset - before }
        var moved = unnest
        moved.collection = place([unnest.collection], input)
        moved.carried = places
        moved.condition = unnest.condition.map { rewrite($0, output) }
        let added = node.columns[before...].map { Field($0.name, $0.type, isNullable: $0.isNullable) }
        let index = append(.unnest(moved), [input.node], places.map { inputFields[$0] } + added, node.object)
        emitted[Key(node, isStatic)] = Emitted(node: index, places: output)
    }

    mutating func emitStreamJoin(_ node: LogicalNode, _ join: StreamJoinPlan, _ isStatic: Bool) {
        let left = input(node, 0, isStatic)
        let right = input(node, 1, isStatic)
        let before = node.inputs[0].columns.count
        let leftFields = fields(left)
        var output = left.places
        for (path, index) in right.places { output[[path[0] + before] + path.dropFirst()] = index + leftFields.count }
        var moved = join
        moved.leftKeys = join.leftKeys.map { place([$0], left) }
        moved.rightKeys = join.rightKeys.map { place([$0], right) }
        moved.residual = join.residual.map { rewrite($0, output) }
        moved.form =
            switch join.form {
            case .regular: .regular
            case .window(let a, let b): .window(leftEnd: place([a], left), rightEnd: place([b], right))
            case .interval(let a, let b, let lower, let upper):
                .interval(
                    leftTime: place([a], left), rightTime: place([b], right), lowerMilliseconds: lower,
                    upperMilliseconds: upper)
            case .temporal(let a, let b): .temporal(leftTime: place([a], left), rightTime: place([b], right))
            }
        moved.isUpdating = join.form == .regular && node.updates != nil
        moved.sharesTime = timeNode(left.node) != nil && timeNode(left.node) == timeNode(right.node)
        func nullable(_ fields: [Field], _ isNullable: Bool) -> [Field] {
            fields.map { Field($0.name, $0.type, isNullable: $0.isNullable || isNullable) }
        }
        var columns = nullable(leftFields, join.kind.keepsRight)
        if join.kind.hasRightColumns { columns += nullable(fields(right), join.kind.keepsLeft) }
        let index = append(.streamJoin(moved), [left.node, right.node], columns, node.object)
        emitted[Key(node, isStatic)] = Emitted(node: index, places: output)
    }

    /// The node that gives rows their watermarks, if what is behind it passes each row on with its own.
    private func timeNode(_ index: Int) -> Int? {
        let node = plan.nodes[index]
        switch node.kind {
        case .watermark: return index
        case .project, .filter, .unnest, .staticJoin, .lookupJoin, .predict, .windowAssign, .expand:
            return timeNode(node.inputs[0])
        default: return nil
        }
    }
}

extension StreamJoinPlan.Form {
    /// Columns that the form itself reads.
    var columns: (left: [Int], right: [Int]) {
        switch self {
        case .regular: ([], [])
        case .window(let left, let right), .interval(let left, let right, _, _), .temporal(let left, let right):
            ([left], [right])
        }
    }
}

extension WindowKind {
    /// Columns that the window itself reads.
    var columns: [Int] { if case .attached(let start, let end) = self { [start, end] } else { [] } }
}
