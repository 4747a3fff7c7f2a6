import MillraceCore

/// Windows over instants follow the session's clock: they are aligned to its midnight, and their bounds are wall-clock times.
///
/// The operators know only instants. So windows get an offset, and a projection behind them turns the bounds into wall-clock
/// times; where bounds go into another window operator they are turned back in front of it.
///
/// Where the clock is changed, windows work on the time that it would be without summer time: in summer that is an hour later
/// than it is, so a window closes up to an hour after its end, and never too early.
extension SessionZone {
    /// The plan with these offsets and projections.
    func applyToWindows(_ plan: ExecutionPlan) -> ExecutionPlan {
        guard !rules.isUTC else { return plan }
        var result = plan
        result.nodes = []
        /// Where each node of the old plan went, and whether the windows in front of it are windows of instants.
        var places: [Int] = []
        var hasInstants: [Bool] = []
        for var node in plan.nodes {
            var isLocal = node.inputs.contains { hasInstants[$0] }
            let inputs = node.inputs.map { places[$0] }
            /// Columns with bounds, by port, and in the output.
            var before: [[Int]] = Array(repeating: [], count: inputs.count)
            var after: [Int] = []
            var winterInput: Int?
            let width = node.schema.count
            switch node.kind {
            case .windowAssign(_, .attached(let start, let end)):
                if isLocal { (before[0], after) = ([start, end], [start, end, width - 3, width - 2]) }
            case .windowAggregate(let aggregate) where attached(aggregate.window) != nil:
                if isLocal, let bounds = attached(aggregate.window) {
                    before[0] = bounds
                    after =
                        aggregate.keys.indices.filter { bounds.contains(aggregate.keys[$0]) } + [width - 3, width - 2]
                }
            case .windowAssign(let time, let window) where isInstant(plan, node, time):
                after = [width - 3, width - 2]
                isLocal = true
                guard changes else {
                    node.kind = .windowAssign(timeColumn: time, shifted(window))
                    break
                }
                // The time without summer time stands behind the input's columns, and is taken away again.
                let added = width - 3
                node.kind = .windowAssign(timeColumn: added, shifted(window))
                node.inputs = [insertWinterTime(of: time, behind: inputs[0], into: &result)]
                let output = node.schema
                var fields = output.fields
                fields.insert(Field("$winter", output.fields[width - 1].type), at: added)
                node.schema = Schema(fields)
                result.nodes.append(node)
                let kept = (0..<width).map { $0 < added ? $0 : $0 + 1 }
                let place = insert(
                    after, .toLocalTime, winterTime: width - 1, keeping: kept, output, behind: result.nodes.count - 1,
                    into: &result)
                places.append(place)
                hasInstants.append(true)
                continue
            case .sessionAssign(let session) where isInstant(plan, node, session.timeColumn):
                after = [width - 3, width - 2]
                isLocal = true
            case .windowAggregate(var aggregate) where isInstant(plan, node, aggregate.timeColumn):
                aggregate.window = shifted(aggregate.window)
                if changes {
                    winterInput = insertWinterTime(of: aggregate.timeColumn, behind: inputs[0], into: &result)
                    aggregate.timeColumn = plan.nodes[node.inputs[0]].schema.count
                }
                node.kind = .windowAggregate(aggregate)
                after = [width - 3, width - 2]
                isLocal = true
            case .processingTime(var clock):
                clock.offsetMilliseconds -= offsetMilliseconds
                if clock.stepMilliseconds > 0 {
                    clock.offsetMilliseconds = modulo(clock.offsetMilliseconds, clock.stepMilliseconds)
                }
                node.kind = .processingTime(clock)
            case .windowRank(let rank) where isLocal:
                before[0] = [rank.startColumn, rank.endColumn]
                after = before[0]
            case .streamJoin(let join) where isLocal:
                if case .window = join.form {
                    let left = plan.nodes[node.inputs[0]].schema.count
                    before = [
                        join.leftKeys.filter { isBound(plan, node, 0, $0) },
                        join.rightKeys.filter { isBound(plan, node, 1, $0) },
                    ]
                    if case .window(let leftEnd, let rightEnd) = join.form {
                        if !before[0].contains(leftEnd) { before[0].append(leftEnd) }
                        if !before[1].contains(rightEnd) { before[1].append(rightEnd) }
                    }
                    after = before[0] + (join.kind.hasRightColumns ? before[1].map { $0 + left } : [])
                }
            default: break
            }
            node.inputs = inputs
            if let winterInput { node.inputs[0] = winterInput }
            for (port, columns) in before.enumerated() where !columns.isEmpty {
                node.inputs[port] = insert(columns, .fromLocalTime, behind: inputs[port], into: &result)
            }
            result.nodes.append(node)
            var place = result.nodes.count - 1
            if !after.isEmpty {
                let hasTime = changes && isWindow(node.kind)
                place = insert(
                    after, .toLocalTime, winterTime: hasTime ? width - 1 : nil, behind: place, into: &result)
            }
            places.append(place)
            hasInstants.append(isLocal)
        }
        return result
    }

    private func isInstant(_ plan: ExecutionPlan, _ node: PlanNode, _ column: Int) -> Bool {
        if case .timestampLTZ = plan.nodes[node.inputs[0]].schema.fields[column].type { true } else { false }
    }

    private func attached(_ window: WindowKind) -> [Int]? {
        if case .attached(let start, let end) = window { [start, end] } else { nil }
    }

    /// Keys of a window join that are bounds of the window.
    private func isBound(_ plan: ExecutionPlan, _ node: PlanNode, _ port: Int, _ column: Int) -> Bool {
        let field = plan.nodes[node.inputs[port]].schema.fields[column]
        return field.type == .timestamp(precision: 3)
    }

    private func isWindow(_ kind: NodeKind) -> Bool {
        switch kind {
        case .windowAssign, .windowAggregate: true
        default: false
        }
    }

    /// Since 2000. Older changes do not count: windows of that time would be an hour off.
    private static let start: Int64 = 946_684_800
    private var changes: Bool { rules.changes(after: Self.start) }
    private var offset: Int64 { rules.leastOffset(after: Self.start) }

    /// The zone without summer time, such as `-08:00`.
    private var winterZone: Expression {
        let minutes = abs(offset) / 60
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return .literal(.string((offset < 0 ? "-" : "+") + two(minutes / 60) + ":" + two(minutes % 60)), .string)
    }

    private var sessionZone: Expression { .literal(.string(rules.name), .string) }

    /// One more column: the time that it would be without summer time.
    private func insertWinterTime(of column: Int, behind input: Int, into plan: inout ExecutionPlan) -> Int {
        let source = plan.nodes[input]
        let type = source.schema.fields[column].type
        let wall = Expression.call(.toLocalTime, [.column(column, type), sessionZone], .timestamp(precision: 6))
        var expressions = source.schema.fields.enumerated().map { Expression.column($0.offset, $0.element.type) }
        expressions.append(.call(.fromLocalTime, [wall, winterZone], type))
        plan.nodes.append(
            PlanNode(
                .project(expressions), inputs: [input], schema: Schema(source.schema.fields + [Field("$winter", type)]),
                object: source.object))
        return plan.nodes.count - 1
    }

    /// A projection of the columns, bounds converted; `winterTime` is the place of window_time, which becomes an instant
    /// again. Gives its place.
    private func insert(
        _ bounds: [Int], _ function: BuiltinFunction, winterTime: Int? = nil, keeping: [Int]? = nil,
        _ schema: Schema? = nil, behind input: Int, into plan: inout ExecutionPlan
    ) -> Int {
        let source = plan.nodes[input]
        let schema = schema ?? source.schema
        let expressions = schema.fields.enumerated().map { index, field in
            let column = Expression.column(keeping?[index] ?? index, field.type)
            if bounds.contains(index) { return Expression.call(function, [column, winterZone], field.type) }
            guard index == winterTime else { return column }
            let wall = Expression.call(.toLocalTime, [column, winterZone], .timestamp(precision: 3))
            return .call(.fromLocalTime, [wall, sessionZone], field.type)
        }
        plan.nodes.append(PlanNode(.project(expressions), inputs: [input], schema: schema, object: source.object))
        return plan.nodes.count - 1
    }

    private var offsetMilliseconds: Int64 { offset * 1000 }

    private func modulo(_ value: Int64, _ size: Int64) -> Int64 { ((value % size) + size) % size }

    private func shifted(_ window: WindowKind) -> WindowKind {
        let zone = offsetMilliseconds
        switch window {
        case .tumble(let size, let offset):
            return .tumble(sizeMilliseconds: size, offsetMilliseconds: modulo(offset - zone, size))
        case .hop(let slide, let size, let offset):
            return .hop(
                slideMilliseconds: slide, sizeMilliseconds: size, offsetMilliseconds: modulo(offset - zone, slide))
        case .cumulate(let step, let size, let offset):
            return .cumulate(
                stepMilliseconds: step, sizeMilliseconds: size, offsetMilliseconds: modulo(offset - zone, size))
        case .session, .attached: return window
        }
    }
}
