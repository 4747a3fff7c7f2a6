internal import MillraceCore

/// How the state of a plan's operators survives a restart: stored in the database, or rebuilt by reading rows again.
///
/// Stored is, where a PostgreSQL sink keeps the positions, the state
/// - that reading again cannot rebuild, because every row of the stream may be in it, or cannot rebuild exactly;
/// - of OVER on arrival, whose histories are long;
/// - of windows longer than `SET 'state.replay-limit'`;
/// - that is made of results which are not made again: all behind one of those, and windows over windows.
struct StateRecovery {
    /// Nodes whose state is stored.
    private(set) var stored: Set<Int> = []
    /// What `stored` would be without `SET 'state.snapshots' = 'off'`, and if Kafka, where it keeps the positions, could keep state.
    private(set) var needed: Set<Int> = []

    /// Milliseconds of event time that a restart may have to read again for a window.
    static let replayLimit: Int64 = 3_600_000

    init(_ plan: ExecutionPlan) {
        guard plan.positions != .none else { return }
        let limit = plan.settings["state.replay-limit"].flatMap(OptionValue.microseconds).map { $0 / 1000 }
        for index in plan.nodes.indices where plan.isFedByStream(index) {
            let node = plan.nodes[index]
            guard node.holdsState else { continue }
            let behind = plan.ancestors(of: index)
            if node.cannotBeReadAgain || node.isOverOnArrival
                || node.windowMilliseconds ?? 0 > limit ?? StateRecovery.replayLimit
                || !(behind.isDisjoint(with: needed) && plan.isMadeOfRows(index, behind))
                    && !plan.holdsNothingBetweenWatermarks(index, behind)
            {
                needed.insert(index)
            }
        }
        // Bounded topics: what is not stored starts over or is read again, as without this.
        if !plan.hasUnboundedSource, needed.contains(where: { !StateRecovery.isImplemented(plan.nodes[$0]) }) {
            needed = []
        }
        if plan.positions == .postgres, plan.settings["state.snapshots"]?.lowercased() != "off" { stored = needed }
    }

    /// The operator of this node can be stored.
    static func isImplemented(_ node: PlanNode) -> Bool {
        switch node.kind {
        case .over(let over): over.isOnArrival
        case .windowAggregate: true
        case .updatingAggregate, .topN, .streamJoin, .windowRank, .sessionAssign, .limit, .processingTime: true
        case .sort(let sort): sort.timeColumn != nil
        default: false
        }
    }

    /// Tells the operator from others of the plan; stays the same as long as the plan does.
    static func name(of index: Int, in plan: ExecutionPlan) -> String {
        let node = plan.nodes[index]
        let kind =
            switch node.kind {
            case .over: "OVER"
            case .windowAggregate: "window aggregate"
            case .updatingAggregate: "aggregate"
            case .topN: "Top-N"
            case .streamJoin: "join"
            default: "operator"
            }
        return "\(kind) \(index) of \(node.object)"
    }
}

extension PlanNode {
    /// Keeps something of its rows from batch to batch, other than what is read again anyway (static tables, caches).
    var holdsState: Bool {
        switch kind {
        case .over, .windowAggregate, .windowRank, .sort, .streamJoin, .sessionAssign, .updatingAggregate, .topN,
            .limit,
            .processingTime:
            true
        default: false
        }
    }

    /// Its state may need every row of the stream.
    var cannotBeReadAgain: Bool {
        switch kind {
        case .updatingAggregate, .topN, .limit, .processingTime: true
        case .windowAggregate(let aggregate): aggregate.emit != nil
        case .over(let over): !over.isReplayable
        case .streamJoin(let join): join.form == .regular
        default: false
        }
    }

    /// It holds nothing back, but what it knows must be there after a restart.
    var isOverOnArrival: Bool { if case .over(let over) = kind { over.isOnArrival } else { false } }

    /// Holds rows back, or what they add up to.
    var holdsRows: Bool {
        switch kind {
        case .over(let over): !over.isOnArrival
        case .windowAggregate, .windowRank, .sort, .streamJoin, .sessionAssign: true
        default: false
        }
    }

    var isJoin: Bool { if case .streamJoin = kind { true } else { false } }

    /// How long a row of a window aggregate is needed; nil: no window of fixed length.
    var windowMilliseconds: Int64? {
        guard case .windowAggregate(let aggregate) = kind else { return nil }
        return switch aggregate.window {
        case .tumble(let size, _), .hop(_, let size, _), .cumulate(_, let size, _):
            size + max(0, aggregate.allowedLatenessMilliseconds)
        case .session, .attached: nil
        }
    }

    /// Emits all rows of a window at the watermark that closes it.
    var isClosing: Bool {
        switch kind {
        case .windowAggregate(let aggregate): aggregate.allowedLatenessMilliseconds == 0
        default: closesWithItsInput
        }
    }

    /// Its windows are those of its input.
    var closesWithItsInput: Bool {
        switch kind {
        case .windowRank: true
        case .windowAggregate(let aggregate): if case .attached = aggregate.window { true } else { false }
        case .streamJoin(let join): if case .window = join.form { true } else { false }
        default: false
        }
    }
}

extension ExecutionPlan {
    func ancestors(of index: Int) -> Set<Int> {
        var found: Set<Int> = []
        var next = nodes[index].inputs
        while let node = next.popLast() {
            if found.insert(node).inserted { next += nodes[node].inputs }
        }
        return found
    }

    /// Sources behind a node that have no end, or whose positions a later run goes on from.
    func streams(behind index: Int) -> [Int] {
        ancestors(of: index).filter { node in
            guard case .source(let source) = nodes[node].kind else { return false }
            return !sources[source].isStatic
                && (sources[source].connector == "kafka" || !Registry.millrace.isBounded(sources[source]))
        }
    }

    var hasUnboundedSource: Bool {
        sources.contains { !$0.isStatic && $0.lookupKeys == nil && !Registry.millrace.isBounded($0) }
    }

    func isFedByStream(_ index: Int) -> Bool { !streams(behind: index).isEmpty }

    /// Reading rows again rebuilds it, although its state would rather be stored: with OVER on arrival, rows that are read
    /// again are answered again for what is behind it, as far as that asks for a known time.
    func canBeReadAgain(_ index: Int, _ needed: Set<Int>) -> Bool {
        let node = nodes[index]
        if node.cannotBeReadAgain { return false }
        let behind = ancestors(of: index)
        if node.isOverOnArrival, ReplayReach.milliseconds(behind: index, of: self) == nil { return false }
        return isMadeOfRows(index, behind) && behind.intersection(needed).allSatisfy { nodes[$0].isOverOnArrival }
    }

    /// Its input is the rows of sources: these are read again. Results are not.
    func isMadeOfRows(_ index: Int, _ ancestors: Set<Int>) -> Bool {
        guard nodes[index].holdsRows || nodes[index].isOverOnArrival else { return true }
        return !ancestors.contains { nodes[$0].holdsRows }
    }

    /// What closes with the window below holds nothing between two watermarks. The sides of a join close at the same moment
    /// only when they come from one source.
    func holdsNothingBetweenWatermarks(_ index: Int, _ ancestors: Set<Int>) -> Bool {
        let node = nodes[index]
        let below = ancestors.filter { nodes[$0].holdsRows }
        return node.closesWithItsInput && !below.isEmpty && below.allSatisfy { nodes[$0].isClosing }
            && (streams(behind: index).count == 1 || !node.isJoin)
    }
}
