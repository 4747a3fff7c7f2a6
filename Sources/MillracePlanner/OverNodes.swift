import MillraceCore
import MillraceSQL

/// Makes nodes of the OVER calls of one SELECT: calls over the same partition share an aggregate, each rank within a window
/// has a node of its own.
struct OverNodes {
    private let query: QueryBinder
    private let base: LogicalNode
    private var log: DiagnosticLog { query.log }
    /// Columns behind those of `base`: keys and arguments that are expressions.
    private var added: [(name: String, expression: Expression, isNullable: Bool)] = []

    private struct Group: Hashable {
        var partition: [Int]
        /// nil: processing time.
        var timeColumn: Int?
    }
    private struct Frames {
        var group: Group
        var frames: [OverFrame] = []
        /// The numbers of the calls, frame by frame.
        var numbers: [[Int]] = []
    }
    private var overs: [Frames] = []
    private var ranks: [(number: Int, plan: WindowRankPlan)] = []
    private var topNs: [(number: Int, plan: TopNPlan, cause: UpdateCause)] = []
    /// The function of calls that are ranks by time.
    private var timeRanks: [Int: TimeRank] = [:]
    private var types: [(type: DataType, isNullable: Bool)] = []

    init(_ query: QueryBinder, _ base: LogicalNode) {
        self.query = query
        self.base = base
    }

    /// - Returns: the call's number; nil after an error.
    mutating func add(_ call: OverBinder.Call) -> Int? {
        let number = types.count
        types.append((call.type, true))
        let partition = call.window.partition.map { slot($0) }
        if case .rank(let function) = call.function, let window = boundWindow(partition) {
            let order = call.window.order.map {
                SortKey(column: slot($0.expression), isDescending: $0.isDescending, nullsFirst: $0.nullsFirst)
            }
            ranks.append(
                (
                    number,
                    WindowRankPlan(
                        function, startColumn: window.start, endColumn: window.end, keys: partition, order: order)
                ))
            types[number].isNullable = false
            return number
        }
        if case .rank(let function) = call.function, !isByTime(call) {
            topNs.append((number, topN(function, call, partition), cause(call)))
            types[number].isNullable = false
            return number
        }
        if base.updates != nil {
            log.error(
                "OVER over rows that change is not supported", at: call.range,
                hint: "Rank them: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …).")
            return nil
        }
        if case .rank(let function) = call.function {
            timeRanks[number] = TimeRank(function: function, range: call.range)
        }
        guard let time = timeColumn(call) else { return nil }
        let group = Group(partition: partition, timeColumn: time)
        guard let (extent, over) = overCall(call) else { return nil }
        let index = overs.firstIndex { $0.group == group } ?? overs.count
        if index == overs.count { overs.append(Frames(group: group)) }
        let frame = overs[index].frames.firstIndex { $0.extent == extent } ?? overs[index].frames.count
        if frame == overs[index].frames.count {
            overs[index].frames.append(OverFrame(extent, calls: []))
            overs[index].numbers.append([])
        }
        overs[index].frames[frame].calls.append(over)
        overs[index].numbers[frame].append(number)
        if case .aggregate = call.function { types[number].isNullable = call.aggregate?.isNullable ?? true }
        return number
    }

    /// The nodes, and the column of each call by its number.
    func finish() -> (LogicalNode, [Int: Int]) {
        var node = added.isEmpty ? base : base.appending(added)
        var places: [Int: Int] = [:]
        func append(_ kind: LogicalNode.Kind, _ numbers: [Int]) {
            var columns = node.columns
            for number in numbers {
                places[number] = columns.count
                columns.append(
                    OutputColumn("OVER$\(number)", types[number].type, isNullable: types[number].isNullable))
            }
            node = LogicalNode(kind, inputs: [node], columns: columns, object: query.object)
        }
        for (number, plan, cause) in topNs {
            places[number] = node.columns.count
            let column = OutputColumn("OVER$\(number)", types[number].type, isNullable: false)
            node = query.topN(plan, node, node.columns + [column], cause)
        }
        for (number, plan) in ranks { append(.windowRank(plan), [number]) }
        for over in overs {
            append(
                .over(
                    OverPlan(
                        timeColumn: over.group.timeColumn, keys: over.group.partition, frames: over.frames,
                        judgesLatenessByKey: base.isReadOnce, emission: query.overEmission,
                        stateTTLMilliseconds: query.stateTTLMilliseconds),
                    rank: over.numbers.joined().count == 1 ? timeRanks[over.numbers[0][0]] : nil),
                over.numbers.flatMap { $0 })
        }
        return (node, places)
    }

    // MARK: - Inside

    private mutating func slot(_ expression: Expression, isNullable: Bool = true) -> Int {
        if case .column(let index, _) = expression { return index }
        if let known = added.firstIndex(where: { $0.expression == expression }) { return base.columns.count + known }
        added.append((expression.pathName(base.columns) ?? "EXPR$\(added.count)", expression, isNullable))
        return base.columns.count + added.count - 1
    }

    /// The bounds among PARTITION BY, when both are there.
    private func boundWindow(_ partition: [Int]) -> (start: Int, end: Int)? {
        func column(_ part: WindowColumn.Part) -> Int? {
            partition.first { $0 < base.columns.count && base.columns[$0].window?.part == part }
        }
        guard let start = column(.start), let end = column(.end),
            base.columns[start].window?.window == base.columns[end].window?.window
        else { return nil }
        return (start, end)
    }

    // MARK: - Ranks without a window

    /// Rows come in this order, but for those that are late: ranks are final when time has passed.
    private func isByTime(_ call: OverBinder.Call) -> Bool {
        guard base.updates == nil, call.window.order.count == 1, !call.window.order[0].isDescending else {
            return false
        }
        return time(of: call.window.order[0].expression) != .none
    }

    private func time(of expression: Expression) -> TimeAttribute {
        if case .call(.processingTime, _, _) = expression { return .processing }
        guard case .column(let index, _) = expression, index < base.columns.count else { return .none }
        switch base.columns[index].time {
        case .event, .processing: return base.columns[index].time
        default: return .none
        }
    }

    private mutating func topN(
        _ function: WindowRankPlan.Function, _ call: OverBinder.Call, _ partition: [Int]
    ) -> TopNPlan {
        // Rows come in the order of processing time; no two have the same.
        if let first = call.window.order.first, time(of: first.expression) == .processing {
            return TopNPlan(function, keys: partition, order: [], prefersNewest: first.isDescending)
        }
        let order = call.window.order.map {
            SortKey(column: slot($0.expression), isDescending: $0.isDescending, nullsFirst: $0.nullsFirst)
        }
        return TopNPlan(function, keys: partition, order: order, movesRows: TopN.movesRows(base, order))
    }

    private func cause(_ call: OverBinder.Call) -> UpdateCause {
        TopN.cause("a rank without a window", call.range, isBounded: base.isBounded)
    }

    /// The event-time column that the call is ordered by, or nil for processing time; nil after an error.
    private mutating func timeColumn(_ call: OverBinder.Call) -> Int?? {
        guard let first = call.window.order.first else { return .none }
        var time = TimeAttribute.none
        if case .column(let index, _) = first.expression, index < base.columns.count { time = base.columns[index].time }
        if case .call(.processingTime, _, _) = first.expression { time = .processing }
        func fail(_ message: String, _ hint: String?) -> Int?? {
            log.error(message, at: call.orderRange, hint: hint)
            return .none
        }
        switch time {
        case .event, .processing: break
        case .lost(let reason):
            return fail("OVER is ordered by what is no event-time attribute: \(reason)", nil)
        case .none, .candidate:
            return fail("OVER is ordered by what is no time attribute", "Order by the event-time column.")
        }
        guard !first.isDescending else {
            return fail("OVER is ordered by time descending", "Only rows that came before are known: leave DESC out.")
        }
        guard call.window.order.count == 1 else {
            return fail("OVER is ordered by more than a time attribute", "Order by the time attribute alone.")
        }
        guard time == .event, case .column(let index, _) = first.expression else { return .some(nil) }
        return .some(index)
    }

    private mutating func overCall(_ call: OverBinder.Call) -> (OverFrame.Extent, OverCall)? {
        switch call.function {
        case .rank(let function):
            // Rows of one time have one rank: that of the last of them, as Flink counts.
            let extent: OverFrame.Extent =
                function == .rowNumber ? .rows(preceding: nil) : .range(precedingMilliseconds: nil)
            return (extent, .aggregate(AggregateCall(.countAll, argument: nil, type: .bigInt)))
        case .lag(let offset):
            guard let argument = call.argument else { return nil }
            let value = slot(argument.expression, isNullable: argument.isNullable)
            let otherwise = call.otherwise.map { slot($0.expression, isNullable: $0.isNullable) }
            return (
                .range(precedingMilliseconds: nil),
                .lag(argument: value, offset: offset, otherwise: otherwise, type: call.type)
            )
        case .aggregate:
            guard let aggregate = call.aggregate else { return nil }
            let bound = aggregate.call { slot($0, isNullable: $1) }
            switch call.window.frame {
            case .rows(let preceding)?: return (.rows(preceding: preceding), .aggregate(bound))
            case .range(let preceding)?: return (.range(precedingMilliseconds: preceding), .aggregate(bound))
            case nil: return (.range(precedingMilliseconds: nil), .aggregate(bound))
            }
        }
    }
}
