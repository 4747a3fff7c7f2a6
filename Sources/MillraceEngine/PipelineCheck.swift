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

    /// What the connectors themselves say of their tables' options, beyond what the planner knows. Connects to nothing.
    public static func options(_ plan: ExecutionPlan) -> [Diagnostic] {
        var found: [Diagnostic] = []
        for source in plan.sources where source.connector == "kafka" {
            do throws(Diagnostic) { try KafkaConnector.check(plan: source) } catch { found.append(error) }
        }
        for sink in plan.sinks where sink.connector == "kafka" {
            do throws(Diagnostic) {
                try KafkaConnector.check(plan: sink, pipeline: plan.name)
            } catch {
                var error = error
                if error.range.isNone { error.range = sink.range }
                found.append(error)
            }
        }
        guard found.isEmpty, plan.positions == .kafka else { return found }
        do throws(Diagnostic) {
            try KafkaConnector.checkTransactions(
                sinks: plan.sinks.filter(KafkaConnector.isExactlyOnce), sources: plan.streams, pipeline: plan.name)
        } catch {
            found.append(error)
        }
        return found
    }

    /// What the plan asks for and this engine cannot keep its promises for. Found before anything connects.
    ///
    /// Windows and joins of streams are rebuilt after a restart by reading their rows again, or their state is stored (see
    /// `StateRecovery`). What reading again cannot rebuild and no operator stores yet is refused.
    public static func promises(_ plan: ExecutionPlan) -> [Diagnostic] {
        let recovery = StateRecovery(plan)
        return recovery.needed.sorted().compactMap { index in
            let node = plan.nodes[index]
            if recovery.stored.contains(index), StateRecovery.isImplemented(node) { return nil }
            // Without snapshots: what can be read again is.
            if recovery.stored.isEmpty, plan.canBeReadAgain(index, recovery.needed) { return nil }
            return refusal(plan, index, recovery)
        }
    }

    private static func refusal(_ plan: ExecutionPlan, _ index: Int, _ recovery: StateRecovery) -> Diagnostic {
        let node = plan.nodes[index]
        let instead: String
        if StateRecovery.isImplemented(node) {
            instead =
                plan.positions == .kafka
                ? "Its state must be stored, which Kafka does not do: write to a PostgreSQL table, too."
                : "Its state must be stored: remove SET 'state.snapshots' = 'off'."
        } else if node.isJoin, node.cannotBeReadAgain {
            instead =
                "Bound the time between the two sides (a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts), join windows, or make one"
                + " side a bounded table."
        } else if case .over = node.kind, node.cannotBeReadAgain {
            instead =
                "SET 'over.emit' = 'on-arrival', use a frame of time (RANGE BETWEEN INTERVAL … PRECEDING AND CURRENT ROW) or a"
                + " window, or read a bounded source."
        } else if node.cannotBeReadAgain {
            instead = "Add a window, read a bounded source, or write to a sink without positions, such as print."
        } else {
            instead = "Write the first result to a table and go on from there, or read a bounded source."
        }
        return Diagnostic(
            "\(name(node)) cannot be restarted exactly yet\(reason(plan, index, recovery))", hint: instead)
    }

    private static func name(_ node: PlanNode) -> String {
        switch node.kind {
        case .updatingAggregate(let plan):
            plan.aggregates.isEmpty ? "DISTINCT over a stream" : "GROUP BY without a window over a stream"
        case .windowAggregate(let plan): plan.emit == nil ? "a window" : "a window with table.exec.emit"
        case .topN: "a rank without a window"
        case .limit: "LIMIT over a stream"
        case .processingTime: "a window by processing time"
        case .over(let over): over.isReplayable ? "OVER" : "OVER with a frame that is not bounded by time"
        case .streamJoin(let join): join.form == .regular ? "a join that keeps both streams for ever" : "a join"
        case .sort: "ORDER BY"
        case .sessionAssign: "a session"
        default: "a rank"
        }
    }

    private static func reason(_ plan: ExecutionPlan, _ index: Int, _ recovery: StateRecovery) -> String {
        let node = plan.nodes[index]
        if node.cannotBeReadAgain { return ": its state is not stored in the database" }
        let behind = plan.ancestors(of: index).intersection(recovery.needed)
        let below = behind.isEmpty ? "a window or join" : "an operator whose own state is stored"
        return ": it is made of the results of \(below), and its state is not stored in the database"
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
