import CLibpq
import MillraceCore

/// The statements of a transaction, prepared once a connection.
extension PostgresSession {
    enum Statement: Hashable {
        case checkpoint
        case sink(Int)
        case deletion(Int)
        case deadLetters
        case partitions
        case stateLog
        case snapshots
        case dropLog
        case outbox
        case relayed
    }

    func name(of statement: Statement) -> String {
        switch statement {
        case .checkpoint: "millrace_checkpoint"
        case .sink(let index): sinks[index].name
        case .deletion(let index): sinks[index].deletionName
        case .deadLetters: "millrace_dead_letters"
        case .partitions: "millrace_partitions"
        case .stateLog: "millrace_state_log"
        case .snapshots: "millrace_snapshots"
        case .dropLog: "millrace_drop_log"
        case .outbox: "millrace_outbox"
        case .relayed: "millrace_relayed"
        }
    }

    private func text(of statement: Statement) -> String {
        switch statement {
        case .checkpoint: StateSchema.checkpoint
        case .sink(let index): sinks[index].statement
        case .deletion(let index): sinks[index].deletion
        case .deadLetters: StateSchema.deadLetters
        case .partitions: StateSchema.partitions
        case .stateLog: StateSchema.stateLog
        case .snapshots: StateSchema.snapshots
        case .dropLog: StateSchema.dropLog
        case .outbox: StateSchema.outbox
        case .relayed: StateSchema.relayed
        }
    }

    /// Prepares what this connection does not know yet, in a transaction of its own, so that it stays whatever becomes of
    /// the rows.
    func prepare(for transaction: SinkTransaction, _ raw: OpaquePointer) -> Bool {
        let known = prepared.count
        guard prepareOnce(.checkpoint, raw) else { return false }
        for (i, block) in transaction.blocks.enumerated() where block.rows > 0 {
            guard prepareOnce(.sink(i), raw) else { return false }
        }
        for (i, block) in transaction.deletions.enumerated() where (block?.rows ?? 0) > 0 {
            guard prepareOnce(.deletion(i), raw) else { return false }
        }
        if transaction.deadLetters.rows > 0 { guard prepareOnce(.deadLetters, raw) else { return false } }
        if transaction.partitions.rows > 0 { guard prepareOnce(.partitions, raw) else { return false } }
        if transaction.changes.count > 0 { guard prepareOnce(.stateLog, raw) else { return false } }
        if transaction.snapshots.rows > 0 { guard prepareOnce(.snapshots, raw) else { return false } }
        if transaction.dropped != nil { guard prepareOnce(.dropLog, raw) else { return false } }
        if transaction.outbox.rows > 0 { guard prepareOnce(.outbox, raw) else { return false } }
        if prepared.count > known {
            guard PQpipelineSync(raw) == 1 else { return false }
            units.append(.prepare)
        }
        return true
    }

    func prepareOnce(_ statement: Statement, _ raw: OpaquePointer) -> Bool {
        guard prepared.insert(statement).inserted else { return true }
        return PQsendPrepare(raw, name(of: statement), text(of: statement), 0, nil) == 1
    }

    /// Prepares every statement before the first row needs one, and has the server plan those that write rows.
    ///
    /// EXPLAIN plans without running anything, and opens the tables and their indexes: without it the first row, and the
    /// first window of each sink, waits 1 to 3 ms for that.
    func prepareAll(_ connection: Connection) throws(ServerError) {
        let updating = sinks.filter { !$0.deletion.isEmpty }
        let statements: [Statement] =
            [.checkpoint, .deadLetters, .partitions] + sinks.indices.map { .sink($0) }
            + updating.map { .deletion($0.index) } + (stateOperators.isEmpty ? [] : [.stateLog, .snapshots, .dropLog])
            + (outboxes.isEmpty ? [] : [.outbox, .relayed])
        try connection.pipeline { raw in statements.allSatisfy { prepareOnce($0, raw) } }
        var plans: [(sql: String, parameters: [String?])] = [
            (explain(.checkpoint, parameterCount: 6 + StateSchema.pageTypes.count), [])
        ]
        if !stateOperators.isEmpty {
            plans.append((explain(.stateLog, parameterCount: 3), []))
            plans.append((explain(.snapshots, parameterCount: 2 + StateSchema.snapshotTypes.count), []))
            plans.append((explain(.dropLog, parameterCount: 3), []))
        }
        for sink in sinks { plans.append((explain(.sink(sink.index), parameterCount: sink.encoders.count), [])) }
        for sink in updating {
            plans.append((explain(.deletion(sink.index), parameterCount: sink.keyColumns.count), []))
        }
        _ = try connection.pipeline(plans)
    }

    private func explain(_ statement: Statement, parameterCount: Int) -> String {
        let nulls = [String](repeating: "NULL", count: parameterCount).joined(separator: ", ")
        return "EXPLAIN EXECUTE \(name(of: statement).quotedIdentifier)(\(nulls))"
    }
}
