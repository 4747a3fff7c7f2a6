public import MillraceCore
internal import MillraceKafka
internal import MillracePlanner
internal import MillracePostgres
internal import MillraceRuntime

/// The checks of `millrace check` beyond the file itself.
public enum PipelineCheck {
    /// Loads every model and compares its signature with the SQL.
    public static func models(_ plan: ExecutionPlan, baseDirectory: String) -> [Diagnostic] {
        let store = ModelStore(plan, baseDirectory: baseDirectory)
        return store.uses.compactMap { use in
            do throws(Diagnostic) {
                _ = try store.read(use)
                return nil
            } catch {
                return error
            }
        }
    }

    /// What the plan asks for and this engine cannot keep its promises for. Found before anything connects.
    ///
    /// Windows and joins of streams are rebuilt after a restart by reading their rows again. The rows of a window over a
    /// window are results, which are not made again, so its open windows would come back incomplete: refused until state is
    /// stored. So is what would take the whole stream to rebuild: results that any row may change, joins without a bound.
    public static func promises(_ plan: ExecutionPlan) -> [Diagnostic] {
        guard plan.sinks.contains(where: { $0.connector == "postgres" }) else { return [] }
        return plan.nodes.indices.compactMap { index in
            let node = plan.nodes[index]
            if let clause = unboundedState(node) {
                guard ancestors(of: index, in: plan).contains(where: { isUnboundedSource(plan.nodes[$0], plan) }) else {
                    return nil
                }
                return Diagnostic(
                    "\(clause) over a stream cannot be restarted exactly yet: its state is not stored in the database",
                    hint: "Add a window, read a bounded source, or write to a sink without positions, such as print.")
            }
            let behind = ancestors(of: index, in: plan)
            let sources = behind.filter { isUnboundedSource(plan.nodes[$0], plan) }
            guard !sources.isEmpty else { return nil }
            if let (kept, instead) = keepsForEver(node) {
                return Diagnostic("\(kept) cannot be restarted exactly yet", hint: instead)
            }
            if isOverOnArrival(node), ReplayReach.milliseconds(behind: index, of: plan) == nil {
                return Diagnostic(
                    "a join, sort or session behind OVER on arrival cannot be restarted exactly yet",
                    hint: "Write the result of OVER to a table and go on from there, or read a bounded source.")
            }
            guard holdsRows(node) || isOverOnArrival(node) else { return nil }
            let below = behind.filter { holdsRows(plan.nodes[$0]) }
            guard !below.isEmpty else { return nil }
            // What closes with the window below holds nothing between two watermarks. The sides of a join close at the same
            // moment only when they come from one source.
            if closesWithItsInput(node), sources.count == 1 || !isJoin(node),
                below.allSatisfy({ isClosing(plan.nodes[$0]) })
            {
                return nil
            }
            return Diagnostic(
                isOverOnArrival(node)
                    ? "OVER over the results of a window or join cannot be restarted exactly yet"
                    : isJoin(node)
                        ? "a join over the results of a window or join cannot be restarted exactly yet"
                        : "a window over the results of a window or join cannot be restarted exactly yet",
                hint: "Write the first result to a table and go on from there, or read a bounded source.")
        }
    }

    /// State that grows older than any part of the input that could be read again, and what to write instead.
    private static func keepsForEver(_ node: PlanNode) -> (String, hint: String)? {
        let bounded =
            "Use a frame of time (RANGE BETWEEN INTERVAL … PRECEDING AND CURRENT ROW) or a window, or read a bounded source."
        switch node.kind {
        case .over(let over) where !over.isReplayable:
            return (
                "OVER with a frame that is not bounded by time",
                over.isOnArrival ? "SET 'table.exec.state.ttl', such as '7 d', or use a frame of time." : bounded
            )
        case .limit: return ("LIMIT", bounded)
        case .processingTime: return ("a window by processing time", bounded)
        case .streamJoin(let join) where join.form == .regular:
            return (
                "a join that keeps both streams for ever",
                "Bound the time between the two sides (a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts), join windows, or make one side a bounded table."
            )
        default: return nil
        }
    }

    private static func isJoin(_ node: PlanNode) -> Bool {
        if case .streamJoin = node.kind { true } else { false }
    }

    /// The clause whose state would need every row of the stream again; nil: none such.
    private static func unboundedState(_ node: PlanNode) -> String? {
        switch node.kind {
        case .updatingAggregate(let plan): plan.aggregates.isEmpty ? "DISTINCT" : "GROUP BY without a window"
        case .windowAggregate(let plan) where plan.emit != nil: "a window with table.exec.emit"
        case .topN: "a rank without a window"
        default: nil
        }
    }

    /// It holds nothing back, but what it knows must be rebuilt from rows that are read again.
    private static func isOverOnArrival(_ node: PlanNode) -> Bool {
        if case .over(let over) = node.kind { over.isOnArrival } else { false }
    }

    private static func holdsRows(_ node: PlanNode) -> Bool {
        switch node.kind {
        case .over(let over): !over.isOnArrival
        case .windowAggregate, .windowRank, .sort, .streamJoin, .sessionAssign: true
        default: false
        }
    }

    /// Emits all rows of a window at the watermark that closes it.
    private static func isClosing(_ node: PlanNode) -> Bool {
        switch node.kind {
        case .windowAggregate(let aggregate): aggregate.allowedLatenessMilliseconds == 0
        default: closesWithItsInput(node)
        }
    }

    /// Its windows are those of its input.
    private static func closesWithItsInput(_ node: PlanNode) -> Bool {
        switch node.kind {
        case .windowRank: true
        case .windowAggregate(let aggregate): if case .attached = aggregate.window { true } else { false }
        case .streamJoin(let join): if case .window = join.form { true } else { false }
        default: false
        }
    }

    private static func isUnboundedSource(_ node: PlanNode, _ plan: ExecutionPlan) -> Bool {
        guard case .source(let index) = node.kind else { return false }
        return !Registry.millrace.isBounded(plan.sources[index])
    }

    private static func ancestors(of index: Int, in plan: ExecutionPlan) -> Set<Int> {
        var found: Set<Int> = []
        var next = plan.nodes[index].inputs
        while let node = next.popLast() {
            if found.insert(node).inserted { next += plan.nodes[node].inputs }
        }
        return found
    }

    /// Compares topics, tables, columns and types with the real broker and database.
    public static func outside(_ plan: ExecutionPlan) -> [Diagnostic] {
        // A broker or database that is away is said once, not once a table.
        var seen: Set<Diagnostic> = []
        return (topics(plan) + PostgresConnector.check(plan: plan)).filter { seen.insert($0).inserted }
    }

    private static func topics(_ plan: ExecutionPlan) -> [Diagnostic] {
        var found: [Diagnostic] = []
        for source in plan.sources where source.connector == "kafka" {
            do throws(Diagnostic) { try KafkaConnector.checkTopics(plan: source) } catch { found.append(error) }
        }
        for sink in plan.sinks where sink.connector == "kafka" {
            do throws(Diagnostic) { try KafkaConnector.checkTopics(plan: sink) } catch { found.append(error) }
        }
        return found
    }
}

extension PipelineFile {
    /// The plan as text for a person; empty when there is none.
    public var explanation: String { plan.map { Explain.text($0) } ?? "" }
}
