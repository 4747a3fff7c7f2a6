internal import MillraceCore

/// Where the values of a column come from, as far as replay needs to know.
enum ColumnLineage: Hashable {
    /// A metadata column of a source.
    case metadata(source: Int, key: String)
    case receipt(PredictReceipt.Kind)
    /// Its function gives another value each time.
    case volatile
    case other

    /// Of column `column` of node `node`.
    static func trace(_ plan: ExecutionPlan, node: Int, column: Int) -> ColumnLineage {
        let this = plan.nodes[node]
        func input(_ column: Int) -> ColumnLineage { trace(plan, node: this.inputs[0], column: column) }
        func width() -> Int { plan.nodes[this.inputs[0]].schema.count }
        switch this.kind {
        case .source(let source):
            if case .metadata(let key) = plan.sources[source].fields[column].origin {
                return .metadata(source: source, key: key)
            }
            return .other
        case .project(let expressions): return trace(expressions[column], input)
        case .filter, .watermark, .processingTime, .sink: return input(column)
        case .over, .windowAssign, .staticJoin, .lookupJoin: return column < width() ? input(column) : .other
        case .predict(let predict):
            if column < width() { return input(column) }
            let place = column - width() - plan.models[predict.model].outputs.count
            return place < 0 ? .other : .receipt(predict.receipts[place].kind)
        default: return .other
        }
    }

    private static func trace(_ expression: Expression, _ input: (Int) -> ColumnLineage) -> ColumnLineage {
        switch expression {
        case .column(let column, _): return input(column)
        // Offsets and partitions may be widened on their way.
        case .cast(let operand, let type, _) where type.isInteger || type.isCharacter: return trace(operand, input)
        case .call(let function, _, _) where isVolatile(function): return .volatile
        default:
            let parts = expression.operands.map { trace($0, input) }
            return parts.contains { $0 == .volatile || $0 == .receipt(.latency) } ? .volatile : .other
        }
    }

    private static func isVolatile(_ function: BuiltinFunction) -> Bool {
        switch function {
        case .rand, .randInteger, .uuid, .currentTimestamp, .localTimestamp, .currentDate, .currentTime: true
        default: false
        }
    }
}

extension ExecutionPlan {
    /// The same pipeline with these sinks alone, and only what stands before them.
    func keeping(sinks kept: [Int]) -> ExecutionPlan {
        var wanted: Set<Int> = []
        var next = nodes.indices.filter { index in
            if case .sink(let sink) = nodes[index].kind { kept.contains(sink) } else { false }
        }
        while let node = next.popLast() {
            if wanted.insert(node).inserted { next += nodes[node].inputs }
        }
        var result = ExecutionPlan(name: name)
        result.settings = settings
        result.models = models
        var places: [Int: Int] = [:]
        var sourcePlaces: [Int: Int] = [:]
        func source(_ index: Int) -> Int {
            if let place = sourcePlaces[index] { return place }
            sourcePlaces[index] = result.sources.count
            result.sources.append(sources[index])
            return result.sources.count - 1
        }
        for index in nodes.indices where wanted.contains(index) {
            var node = nodes[index]
            node.inputs = node.inputs.map { places[$0]! }
            switch node.kind {
            case .source(let index): node.kind = .source(source(index))
            case .lookupJoin(let join, let lookup): node.kind = .lookupJoin(join, lookup: source(lookup))
            case .sink(let index):
                node.kind = .sink(result.sinks.count)
                result.sinks.append(sinks[index])
            default: break
            }
            places[index] = result.nodes.count
            result.nodes.append(node)
        }
        return result
    }
}
