import MillraceCore

/// Logical nodes -> `ExecutionPlan`: only what the sinks need, down to the leaves of ROWs.
///
/// Needs travel from the sinks to the sources as paths: a column, then the fields inside it. A node used both by the
/// stream and by a static side is emitted twice, for the static copy is read to its end first.
struct PlanEmitter {
    /// Column, then field indices.
    typealias Path = [Int]
    struct Key: Hashable {
        var node: ObjectIdentifier
        var isStatic: Bool
        init(_ node: LogicalNode, _ isStatic: Bool) {
            self.node = ObjectIdentifier(node)
            self.isStatic = isStatic
        }
    }
    struct Emitted {
        var node: Int
        /// Where each needed path of the logical node stands in the plan node's output.
        var places: [Path: Int]
    }
    var plan: ExecutionPlan
    private var order: [(node: LogicalNode, isStatic: Bool)] = []
    private var seen: Set<Key> = []
    var needs: [Key: Set<Path>] = [:]
    var emitted: [Key: Emitted] = [:]
    private var readers = ChangeReaders()

    static func emit(_ sinks: [LogicalNode], name: String, settings: [String: String], registry: Registry)
        -> ExecutionPlan
    {
        var emitter = PlanEmitter(name: name, settings: settings)
        var separation = StaticSeparation()
        let sinks = sinks.map { separation.separated($0) }
        for sink in sinks { emitter.visit(sink, false) }
        emitter.readers = ChangeReaders(sinks, registry)
        // Consumers stand behind their inputs in `order`.
        for (node, isStatic) in emitter.order.reversed() { emitter.need(node, isStatic) }
        for (node, isStatic) in emitter.order { emitter.emit(node, isStatic) }
        return PartitionLocality.marked(ProjectionMerging.merge(emitter.plan))
    }

    private init(name: String, settings: [String: String]) {
        plan = ExecutionPlan(name: name)
        plan.settings = settings
    }

    private mutating func visit(_ node: LogicalNode, _ isStatic: Bool) {
        guard seen.insert(Key(node, isStatic)).inserted else { return }
        for (port, input) in node.inputs.enumerated() { visit(input, isStaticInput(node, port, isStatic)) }
        order.append((node, isStatic))
    }

    private func isStaticInput(_ node: LogicalNode, _ port: Int, _ isStatic: Bool) -> Bool {
        if case .staticJoin = node.kind, port == 1 { return true }
        return isStatic
    }

    // MARK: Needs

    private mutating func need(_ node: LogicalNode, _ isStatic: Bool) {
        let own = Self.normalized(needs[Key(node, isStatic)] ?? [])
        func add(_ paths: some Sequence<Path>, to port: Int = 0) {
            needs[Key(node.inputs[port], isStaticInput(node, port, isStatic)), default: []].formUnion(paths)
        }
        switch node.kind {
        case .scan: break
        case .sink: add(node.columns.indices.map { [$0] })
        case .project(let expressions):
            var paths: Set<Path> = []
            for path in own { Self.collect(Self.access(expressions[path[0]], path.dropFirst()), into: &paths) }
            add(paths)
        case .filter(let predicate):
            var paths = Set(own)
            Self.collect(predicate, into: &paths)
            add(paths)
        case .watermark(let scan):
            var paths = Set(own)
            if let watermark = scan.watermark?.plan {
                paths.insert([watermark.rowtimeColumn])
                Self.collect(watermark.expression, into: &paths)
            }
            add(paths)
        case .staticJoin(let join), .lookupJoin(let join):
            let probe = node.inputs[0].columns.count
            var paths = Set(own)
            if let residual = join.residual { Self.collect(residual, into: &paths) }
            add(paths.filter { $0[0] < probe } + join.probeKeys.map { [$0] })
            add(
                paths.filter { $0[0] >= probe }.map { [$0[0] - probe] + $0.dropFirst() } + join.buildKeys.map { [$0] },
                to: 1)
        case .finalRows: add(own)
        case .unnest(let unnest):
            let inputs = unnest.carried.count
            var paths = Set(own)
            if let condition = unnest.condition { Self.collect(condition, into: &paths) }
            add(
                paths.filter { $0[0] < inputs }.map { [unnest.carried[$0[0]]] + $0.dropFirst() }
                    + [[unnest.collection]])
        case .streamJoin(let join):
            let left = node.inputs[0].columns.count
            var paths = Set(own)
            if let residual = join.residual { Self.collect(residual, into: &paths) }
            let times = join.form.columns
            add(paths.filter { $0[0] < left } + (join.leftKeys + times.left).map { [$0] })
            add(
                paths.filter { $0[0] >= left }.map { [$0[0] - left] + $0.dropFirst() }
                    + (join.rightKeys + times.right).map { [$0] }, to: 1)
        case .predict(_, let predict):
            let inputs = node.inputs[0].columns.count
            add(own.filter { $0[0] < inputs } + predict.columns.map { [$0] })
        case .windowAssign(let timeColumn, let identity):
            let inputs = node.inputs[0].columns.count
            add(own.filter { $0[0] < inputs } + ([timeColumn] + identity.keys(in: node.inputs[0])).map { [$0] })
        case .windowAggregate(let aggregate):
            let read =
                aggregate.keys + Self.columns(aggregate.aggregates) + [aggregate.timeColumn] + aggregate.window.columns
            add(read.map { [$0] })
        case .groupAggregate(let keys, let aggregates), .updatingAggregate(let keys, let aggregates, _):
            add(keys.map { [$0] } + Self.columns(aggregates).map { [$0] })
        case .expand(let expand):
            let inputs = node.inputs[0].columns.count
            add(own.filter { $0[0] < inputs } + expand.keys.map { [$0] })
        case .topN(let top):
            let inputs = node.inputs[0].columns.count
            add(own.filter { $0[0] < inputs } + (top.keys + top.order.map(\.column)).map { [$0] })
        case .over(let over, _):
            let inputs = node.inputs[0].columns.count
            let read =
                over.keys + (over.timeColumn.map { [$0] } ?? []) + over.frames.flatMap(\.calls).flatMap(\.columns)
            add(own.filter { $0[0] < inputs } + read.map { [$0] })
        case .windowRank(let rank):
            let inputs = node.inputs[0].columns.count
            let read = rank.keys + rank.order.map(\.column) + [rank.startColumn, rank.endColumn]
            add(own.filter { $0[0] < inputs } + read.map { [$0] })
        case .sort(let sort): add(own + sort.order.map { [$0.column] } + (sort.timeColumn.map { [[$0]] } ?? []))
        case .limit: add(own)
        case .processingTime(let column, _): add(own + [[column]])
        case .union: for port in node.inputs.indices { add(own, to: port) }
        }
    }

    private static func columns(_ calls: [AggregateCall]) -> [Int] {
        calls.flatMap(\.columns)
    }

    /// Sorted, without the paths that a shorter one covers.
    static func normalized(_ paths: Set<Path>) -> [Path] {
        paths.filter { path in !(1..<max(path.count, 1)).contains { paths.contains(Array(path.prefix($0))) } }
            .sorted { $0.lexicographicallyPrecedes($1) }
    }

    private static func chain(_ expression: Expression) -> Path? {
        switch expression {
        case .column(let index, _): [index]
        case .field(let inner, let index, _): chain(inner).map { $0 + [index] }
        default: nil
        }
    }

    static func collect(_ expression: Expression, into paths: inout Set<Path>) {
        if let path = chain(expression) {
            paths.insert(path)
        } else {
            for operand in expression.operands { collect(operand, into: &paths) }
        }
    }

    /// A field inside an expression's value.
    private static func access(_ expression: Expression, _ fields: ArraySlice<Int>) -> Expression {
        var result = expression
        for index in fields {
            if case .call(.rowConstructor, let values, _) = result {
                result = values[index]
            } else if case .row(let fields) = result.type {
                result = .field(result, index: index, fields[index].type)
            }
        }
        return result
    }

    // MARK: Emission

    mutating func append(_ kind: NodeKind, _ inputs: [Int], _ fields: [Field], _ object: String) -> Int {
        plan.nodes.append(PlanNode(kind, inputs: inputs, schema: Schema(fields), object: object))
        return plan.nodes.count - 1
    }

    func input(_ node: LogicalNode, _ port: Int, _ isStatic: Bool) -> Emitted {
        guard let input = emitted[Key(node.inputs[port], isStaticInput(node, port, isStatic))] else {
            preconditionFailure("input of \(node.object) was not emitted")
        }
        return input
    }

    func fields(_ emitted: Emitted) -> [Field] { plan.nodes[emitted.node].schema.fields }

    private mutating func emit(_ node: LogicalNode, _ isStatic: Bool) {
        let key = Key(node, isStatic)
        let own = Self.normalized(needs[key] ?? [])
        switch node.kind {
        case .scan(let scan):
            let source = sourcePlan(node, scan, own, isStatic: isStatic)
            // A looked-up table has no node: the join asks the connector.
            let isLookup = order.contains {
                if case .lookupJoin = $0.node.kind { $0.node.inputs[1] === node } else { false }
            }
            if isLookup {
                emitted[key] = Emitted(node: -1, places: places(own))
                return
            }
            plan.sources.append(source)
            let index = append(.source(plan.sources.count - 1), [], source.schema.fields, scan.table.name)
            emitted[key] = Emitted(node: index, places: places(own))
        case .sink(let sink):
            let input = input(node, 0, isStatic)
            plan.sinks.append(sink)
            // The projection below has exactly the sink's columns.
            let index = append(.sink(plan.sinks.count - 1), [input.node], sink.schema.fields, sink.name)
            emitted[key] = Emitted(node: index, places: [:])
        case .project(let expressions): emitProject(node, expressions, own, isStatic)
        case .filter(let predicate):
            let input = input(node, 0, isStatic)
            let index = append(.filter(rewrite(predicate, input.places)), [input.node], fields(input), node.object)
            emitted[key] = Emitted(node: index, places: input.places)
        case .watermark(let scan):
            let input = input(node, 0, isStatic)
            guard var watermark = scan.emittedWatermark else {
                emitted[key] = input
                return
            }
            watermark.expression = rewrite(watermark.expression, input.places)
            watermark.rowtimeColumn = place([watermark.rowtimeColumn], input)
            let index = append(.watermark(watermark), [input.node], fields(input), node.object)
            emitted[key] = Emitted(node: index, places: input.places)
        case .staticJoin(let join), .lookupJoin(let join): emitJoin(node, join, isStatic)
        case .finalRows:
            let input = input(node, 0, isStatic)
            let index = append(.finalRows, [input.node], fields(input), node.object)
            emitted[key] = Emitted(node: index, places: input.places)
        case .unnest(let unnest): emitUnnest(node, unnest, own, isStatic)
        case .streamJoin(let join): emitStreamJoin(node, join, isStatic)
        case .predict(let model, var predict):
            let input = input(node, 0, isStatic)
            let count = fields(input).count
            let before = node.inputs[0].columns.count
            var output = input.places
            let added = node.columns[before...].enumerated().map { offset, column -> Field in
                output[[before + offset]] = count + offset
                return Field(column.name, column.type, isNullable: column.isNullable)
            }
            let models = plan.models.firstIndex { $0.name == model.name }
            if models == nil { plan.models.append(model.plan) }
            predict.model = models ?? plan.models.count - 1
            predict.arguments = predict.arguments.map { place([$0], input) }
            predict.canaryKey = predict.canaryKey.map { place([$0], input) }
            let index = append(.predict(predict), [input.node], fields(input) + added, node.object)
            emitted[key] = Emitted(node: index, places: output)
        case .windowAssign(let timeColumn, let identity):
            let input = input(node, 0, isStatic)
            if case .session(let gap) = identity.kind {
                let session = SessionAssignPlan(
                    timeColumn: place([timeColumn], input),
                    keys: identity.keys(in: node.inputs[0]).map { place([$0], input) }, gapMilliseconds: gap)
                extend(node, .sessionAssign(session), input, key)
                return
            }
            extend(node, .windowAssign(timeColumn: place([timeColumn], input), identity.kind), input, key)
        case .windowAggregate(var aggregate):
            let input = input(node, 0, isStatic)
            aggregate.timeColumn = place([aggregate.timeColumn], input)
            if case .attached(let start, let end) = aggregate.window {
                aggregate.window = .attached(startColumn: place([start], input), endColumn: place([end], input))
            }
            aggregate.keys = aggregate.keys.map { place([$0], input) }
            aggregate.aggregates = aggregate.aggregates.map { moved($0, input) }
            aggregate.emitsBefore = readers.wantBefore(node)
            whole(node, .windowAggregate(aggregate), input, key)
        case .groupAggregate(let keys, let aggregates):
            let input = input(node, 0, isStatic)
            whole(
                node,
                .groupAggregate(keys: keys.map { place([$0], input) }, aggregates: aggregates.map { moved($0, input) }),
                input, key)
        case .expand(var expand):
            let input = input(node, 0, isStatic)
            expand.keys = expand.keys.map { place([$0], input) }
            extend(node, .expand(expand), input, key)
        case .topN(var top):
            let input = input(node, 0, isStatic)
            top.keys = top.keys.map { place([$0], input) }
            for i in top.order.indices { top.order[i].column = place([top.order[i].column], input) }
            top.inputRetracts = node.inputs[0].updates != nil && !isStatic
            top.emitsBefore = readers.wantBefore(node)
            top.isFinal = top.isFinal || isStatic
            top.emitsRank = own.contains { $0[0] == node.inputs[0].columns.count }
            if top.emitsRank {
                extend(node, .topN(top), input, key)
            } else {
                let index = append(.topN(top), [input.node], fields(input), node.object)
                emitted[key] = Emitted(node: index, places: input.places)
            }
        case .over(var over, _):
            let input = input(node, 0, isStatic)
            func moved(_ column: Int) -> Int { place([column], input) }
            over.timeColumn = over.timeColumn.map(moved)
            over.keys = over.keys.map(moved)
            for i in over.frames.indices { over.frames[i].calls = over.frames[i].calls.map { $0.mapColumns(moved) } }
            extend(node, .over(over), input, key)
        case .windowRank(var rank):
            let input = input(node, 0, isStatic)
            rank.startColumn = place([rank.startColumn], input)
            rank.endColumn = place([rank.endColumn], input)
            rank.keys = rank.keys.map { place([$0], input) }
            for i in rank.order.indices { rank.order[i].column = place([rank.order[i].column], input) }
            extend(node, .windowRank(rank), input, key)
        case .sort(var sort):
            let input = input(node, 0, isStatic)
            sort.timeColumn = sort.timeColumn.map { place([$0], input) }
            for i in sort.order.indices { sort.order[i].column = place([sort.order[i].column], input) }
            let index = append(.sort(sort), [input.node], fields(input), node.object)
            emitted[key] = Emitted(node: index, places: input.places)
        case .processingTime(let column, let window):
            let input = input(node, 0, isStatic)
            let plan = ProcessingTimePlan(timeColumn: place([column], input), window: window)
            let index = append(.processingTime(plan), [input.node], fields(input), node.object)
            emitted[key] = Emitted(node: index, places: input.places)
        case .limit(let offset, let count):
            let input = input(node, 0, isStatic)
            let index = append(.limit(offset: offset, count: count), [input.node], fields(input), node.object)
            emitted[key] = Emitted(node: index, places: input.places)
        case .updatingAggregate(let keys, let aggregates, let ttl):
            let input = input(node, 0, isStatic)
            // The rows of a key that is the sink's are told apart there.
            if aggregates.isEmpty, !isStatic, node.inputs[0].updates == nil, !readers.wantBefore(node) {
                emitted[key] = input
                return
            }
            let places = keys.map { place([$0], input) }
            let calls = aggregates.map { moved($0, input) }
            whole(
                node,
                isStatic
                    ? .groupAggregate(keys: places, aggregates: calls)
                    : .updatingAggregate(
                        UpdatingAggregatePlan(
                            keys: places, aggregates: calls, inputRetracts: node.inputs[0].updates != nil,
                            emitsBefore: readers.wantBefore(node), stateTTLMilliseconds: ttl)), input, key)
        case .union:
            let inputs = node.inputs.indices.map { input(node, $0, isStatic) }
            let index = append(.union, inputs.map(\.node), own.map { pathField(node, $0) }, node.object)
            emitted[key] = Emitted(node: index, places: places(own))
        }
    }

    private func places(_ paths: [Path]) -> [Path: Int] {
        Dictionary(uniqueKeysWithValues: paths.enumerated().map { ($0.element, $0.offset) })
    }

    func place(_ path: Path, _ emitted: Emitted) -> Int {
        guard let index = emitted.places[path] else { preconditionFailure("column \(path) was not kept") }
        return index
    }

    private func moved(_ call: AggregateCall, _ input: Emitted) -> AggregateCall {
        call.mapColumns { place([$0], input) }
    }

    /// A node whose output is all of its logical columns.
    private mutating func whole(_ node: LogicalNode, _ kind: NodeKind, _ input: Emitted, _ key: Key) {
        let index = append(
            kind, [input.node], node.columns.map { Field($0.name, $0.type, isNullable: $0.isNullable) }, node.object)
        emitted[key] = Emitted(node: index, places: places(node.columns.indices.map { [$0] }))
    }

    /// A node that puts columns behind those of its input.
    private mutating func extend(_ node: LogicalNode, _ kind: NodeKind, _ input: Emitted, _ key: Key) {
        let count = fields(input).count
        let before = node.inputs[0].columns.count
        var output = input.places
        let added = node.columns[before...].enumerated().map { offset, column -> Field in
            output[[before + offset]] = count + offset
            return Field(column.name, column.type, isNullable: column.isNullable)
        }
        let index = append(kind, [input.node], fields(input) + added, node.object)
        emitted[key] = Emitted(node: index, places: output)
    }

    private func pathField(_ node: LogicalNode, _ path: Path) -> Field {
        let column = node.columns[path[0]]
        var field = Field(column.name, column.type, isNullable: column.isNullable)
        for index in path.dropFirst() {
            guard case .row(let fields) = field.type else { break }
            let inner = fields[index]
            field = Field(field.name + "." + inner.name, inner.type, isNullable: field.isNullable || inner.isNullable)
        }
        return field
    }

    private mutating func emitProject(_ node: LogicalNode, _ expressions: [Expression], _ own: [Path], _ isStatic: Bool)
    {
        let input = input(node, 0, isStatic)
        let rewritten = own.map { rewrite(Self.access(expressions[$0[0]], $0.dropFirst()), input.places) }
        let isIdentity =
            rewritten.count == fields(input).count
            && rewritten.enumerated().allSatisfy { if case .column($0.offset, _) = $0.element { true } else { false } }
        if isIdentity {
            emitted[Key(node, isStatic)] = Emitted(node: input.node, places: places(own))
            return
        }
        let index = append(.project(rewritten), [input.node], own.map { pathField(node, $0) }, node.object)
        emitted[Key(node, isStatic)] = Emitted(node: index, places: places(own))
    }

    private mutating func emitJoin(_ node: LogicalNode, _ join: JoinPlan, _ isStatic: Bool) {
        let probe = input(node, 0, isStatic)
        let build = input(node, 1, isStatic)
        let before = node.inputs[0].columns.count
        let probeCount = fields(probe).count
        var output = probe.places
        for (path, index) in build.places { output[[path[0] + before] + path.dropFirst()] = index + probeCount }
        var moved = join
        moved.probeKeys = join.probeKeys.map { place([$0], probe) }
        moved.buildKeys = join.buildKeys.map { place([$0], build) }
        moved.residual = join.residual.map { rewrite($0, output) }
        let index: Int
        if case .lookupJoin = node.kind, case .scan(let scan) = node.inputs[1].kind {
            let paths = Self.normalized(needs[Key(node.inputs[1], isStatic)] ?? [])
            var source = sourcePlan(node.inputs[1], scan, paths, isStatic: false)
            source.lookupKeys = moved.buildKeys
            plan.sources.append(source)
            let added = source.schema.fields.map { field in
                Field(field.name, field.type, isNullable: field.isNullable || join.kind == .left)
            }
            index = append(
                .lookupJoin(moved, lookup: plan.sources.count - 1), [probe.node], fields(probe) + added, node.object)
        } else {
            let added =
                join.kind.hasRightColumns
                ? fields(build).map { Field($0.name, $0.type, isNullable: $0.isNullable || join.kind == .left) } : []
            index = append(.staticJoin(moved), [probe.node, build.node], fields(probe) + added, node.object)
        }
        emitted[Key(node, isStatic)] = Emitted(node: index, places: output)
    }

    func rewrite(_ expression: Expression, _ places: [Path: Int]) -> Expression {
        if let path = Self.chain(expression) {
            if let index = places[path] { return .column(index, expression.type) }
            if case .field(let inner, let index, let type) = expression {
                return .field(rewrite(inner, places), index: index, type)
            }
            preconditionFailure("column \(path) was not kept")
        }
        return switch expression {
        case .column, .literal: expression
        case .call(let function, let arguments, let type): .call(function, arguments.map { rewrite($0, places) }, type)
        case .cast(let operand, let type, let isTry): .cast(rewrite(operand, places), to: type, isTry: isTry)
        case .field(let operand, let index, let type): .field(rewrite(operand, places), index: index, type)
        case .conditional(let branches, let otherwise, let type):
            .conditional(
                branches.map {
                    Expression.Branch(condition: rewrite($0.condition, places), result: rewrite($0.result, places))
                }, otherwise: otherwise.map { rewrite($0, places) }, type)
        }
    }

    private func sourcePlan(_ node: LogicalNode, _ scan: TableScan, _ paths: [Path], isStatic: Bool) -> SourcePlan {
        let table = scan.table
        let stored = TableScanBinder.stored(table)
        let fields = paths.map { path -> SourceField in
            let field = pathField(node, path)
            switch stored[path[0]] {
            case .metadata(_, let key, _, _, _):
                return SourceField(
                    name: field.name, origin: .metadata(key: key), type: field.type, isNullable: field.isNullable)
            default:
                var names = [stored[path[0]].name]
                var type = node.columns[path[0]].type
                for index in path.dropFirst() {
                    guard case .row(let inner) = type else { break }
                    names.append(inner[index].name)
                    type = inner[index].type
                }
                return SourceField(
                    name: field.name, origin: .physical(path: names), type: field.type, isNullable: field.isNullable)
            }
        }
        return SourcePlan(
            name: table.name, connector: table.connector?.name ?? "", options: scan.options,
            physicalSchema: table.physicalSchema, fields: fields, isStatic: isStatic,
            errors: scan.options["errors"].flatMap(ErrorPolicy.init(rawValue:)) ?? .deadLetter,
            primaryKey: table.primaryKey, partitionKeys: table.partitionKeys)
    }
}
