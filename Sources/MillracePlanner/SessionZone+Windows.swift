import MillraceCore

/// Windows over instants follow the session's clock: they are aligned to its midnight, and their bounds are wall-clock times.
///
/// The operators know only instants. So windows get an offset, and a projection behind them turns the bounds into wall-clock
/// times; where bounds go into another window operator they are turned back in front of it.
extension SessionZone {
    private static let hour: Int64 = 3_600_000

    /// The plan with these offsets and projections.
    func applyToWindows(_ plan: ExecutionPlan) -> (plan: ExecutionPlan, diagnostics: [Diagnostic]) {
        guard !rules.isUTC else { return (plan, []) }
        var result = plan
        result.nodes = []
        var diagnostics: [Diagnostic] = []
        /// Where each node of the old plan went, and whether the windows in front of it are windows of instants.
        var places: [Int] = []
        var hasInstants: [Bool] = []
        for var node in plan.nodes {
            var isLocal = node.inputs.contains { hasInstants[$0] }
            let inputs = node.inputs.map { places[$0] }
            /// Columns with bounds, by port, and in the output.
            var before: [[Int]] = Array(repeating: [], count: inputs.count)
            var after: [Int] = []
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
                node.kind = .windowAssign(timeColumn: time, shifted(window, &diagnostics))
                after = [width - 3, width - 2]
                isLocal = true
            case .windowAggregate(var aggregate) where isInstant(plan, node, aggregate.timeColumn):
                aggregate.window = shifted(aggregate.window, &diagnostics)
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
            for (port, columns) in before.enumerated() where !columns.isEmpty {
                node.inputs[port] = insert(columns, .fromLocalTime, behind: inputs[port], into: &result)
            }
            result.nodes.append(node)
            var place = result.nodes.count - 1
            if !after.isEmpty { place = insert(after, .toLocalTime, behind: place, into: &result) }
            places.append(place)
            hasInstants.append(isLocal)
        }
        return (result, diagnostics)
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

    /// A projection of all columns, some of them converted. Gives its place.
    private func insert(
        _ columns: [Int], _ function: BuiltinFunction, behind input: Int, into plan: inout ExecutionPlan
    ) -> Int {
        let source = plan.nodes[input]
        let zone = Expression.literal(.string(rules.name), .string)
        let expressions = source.schema.fields.enumerated().map { index, field in
            let column = Expression.column(index, field.type)
            return columns.contains(index) ? Expression.call(function, [column, zone], field.type) : column
        }
        plan.nodes.append(
            PlanNode(.project(expressions), inputs: [input], schema: source.schema, object: source.object))
        return plan.nodes.count - 1
    }

    /// The offset of now, which has been that of every time since 2000 unless the zone changes its clock.
    private var offsetMilliseconds: Int64 { rules.latestOffset * 1000 }

    private func modulo(_ value: Int64, _ size: Int64) -> Int64 { ((value % size) + size) % size }

    private func shifted(_ window: WindowKind, _ diagnostics: inout [Diagnostic]) -> WindowKind {
        func check(_ size: Int64) {
            // Within the hour the clock's changes do not matter.
            guard rules.lastTransition > 946_684_800, Self.hour % size != 0 else { return }
            diagnostics.append(
                Diagnostic(
                    "windows over TIMESTAMP_LTZ in time zone \"\(rules.name)\", whose clock changes, last an hour at most",
                    hint: "Cast the event time to TIMESTAMP in the table, or use a zone without summer time."))
        }
        let zone = offsetMilliseconds
        switch window {
        case .tumble(let size, let offset):
            check(size)
            return .tumble(sizeMilliseconds: size, offsetMilliseconds: modulo(offset - zone, size))
        case .hop(let slide, let size, let offset):
            check(size)
            return .hop(
                slideMilliseconds: slide, sizeMilliseconds: size, offsetMilliseconds: modulo(offset - zone, slide))
        case .cumulate(let step, let size, let offset):
            check(size)
            return .cumulate(
                stepMilliseconds: step, sizeMilliseconds: size, offsetMilliseconds: modulo(offset - zone, size))
        case .session, .attached: return window
        }
    }
}
