import CLibpq
import MillraceCore
import MillraceRuntime

/// Sending and receiving in pipeline mode.
extension PostgresSession {
    /// Sends the transactions that are not on the wire yet. A broken connection shows when results are read.
    func sendPending() {
        guard case .ready = state, recovery == nil, !isResynchronizing, let connection, sentCount < transactions.count
        else {
            return
        }
        if !isPipelined {
            guard PQenterPipelineMode(connection.raw) == 1 else { return connectionLost() }
            isPipelined = true
        }
        while sentCount < transactions.count {
            guard send(transactions[sentCount], connection) else { return connectionLost() }
            sentCount += 1
        }
        flush(connection)
    }

    /// The answer decides what is to be sent.
    var isResynchronizing: Bool { units.contains { if case .resynchronize = $0 { true } else { false } } }

    func flush(_ connection: Connection) {
        let result = PQflush(connection.raw)
        if result < 0 { return connectionLost() }
        wantsFlush = result == 1
    }

    private func send(_ transaction: SinkTransaction, _ connection: Connection) -> Bool {
        let raw = connection.raw
        guard prepare(for: transaction, raw) else { return false }
        // The fence comes first: a run that another one has replaced must not do work before it hears of it.
        for page in 0..<transaction.pageCount {
            checkpointParameters(transaction, page)
            guard sendPrepared(raw, .checkpoint) else { return false }
        }
        // A deleted row may be in the way of a new one of another key.
        for case (let i, let block?) in transaction.deletions.enumerated() where block.rows > 0 {
            parameters.clear()
            parameters.append(block)
            guard sendPrepared(raw, .deletion(i)) else { return false }
        }
        for (i, block) in transaction.blocks.enumerated() where block.rows > 0 {
            parameters.clear()
            parameters.append(block)
            guard sendPrepared(raw, .sink(i)) else { return false }
        }
        if transaction.deadLetters.rows > 0 {
            deadLetterParameters(transaction.deadLetters)
            guard sendPrepared(raw, .deadLetters) else { return false }
        }
        if transaction.outbox.rows > 0 {
            outboxParameters(transaction.outbox)
            guard sendPrepared(raw, .outbox) else { return false }
        }
        if transaction.partitions.rows > 0 {
            partitionParameters(transaction.partitions)
            guard sendPrepared(raw, .partitions) else { return false }
        }
        guard sendState(transaction, raw), PQpipelineSync(raw) == 1 else { return false }
        units.append(.transaction)
        return true
    }

    func checkpointParameters(_ transaction: SinkTransaction, _ index: Int) {
        let page = transaction.pages[index]
        parameters.clear()
        parameters.append(pipelineBytes.bytes)
        parameters.append(int4: shard)
        parameters.append(int4: page.number)
        parameters.append(epoch)
        parameters.append(page.number == 0 ? transaction.previous : nil)
        parameters.append(transaction.ticket)
        parameters.append(page.block)
    }

    func partitionParameters(_ block: RowBlock) {
        parameters.clear()
        parameters.append(pipelineBytes.bytes)
        parameters.append(epoch)
        parameters.append(int4: shard)
        parameters.append(block)
    }

    func deadLetterParameters(_ block: RowBlock) {
        parameters.clear()
        parameters.append(pipelineBytes.bytes)
        parameters.append(block)
    }

    func sendPrepared(_ raw: OpaquePointer, _ statement: Statement) -> Bool {
        PQsendQueryPrepared(
            raw, name(of: statement), parameters.count, parameters.values, parameters.lengths, parameters.formats, 1)
            == 1
    }

    /// Reads what has arrived, acts on failures once nothing is under way, sends what waits.
    func receive(_ now: Int64) throws(Diagnostic) {
        guard let connection else { return }
        let raw = connection.raw
        if wantsFlush { flush(connection) }
        guard case .ready = state else { return }
        if PQconsumeInput(raw) == 0 { return connectionLost() }
        while let unit = units.first {
            if PQisBusy(raw) == 1 { break }
            guard let result = PQgetResult(raw) else {
                if connection.isBroken { return connectionLost() }
                continue
            }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC:
                units.removeFirst()
                let failure = unitFailure
                unitFailure = nil
                try finished(unit, failure, now)
                guard case .ready = state else { return }
            case PGRES_FATAL_ERROR:
                if connection.isBroken { return connectionLost() }
                if unitFailure == nil { unitFailure = ServerError(result: result) }
            case PGRES_TUPLES_OK:
                if case .resynchronize = unit, PQnfields(result) == 2, PQntuples(result) == 1 {
                    let row = TupleReader(result)
                    resynchronized = (row.integer(0), row.integer(1))
                }
            default: break
            }
        }
        if units.isEmpty, connection.isBroken { return connectionLost() }
        if units.isEmpty, let recovery { try recover(recovery, now) }
        sendPending()
    }

    private func finished(_ unit: Unit, _ failure: ServerError?, _ now: Int64) throws(Diagnostic) {
        switch unit {
        case .prepare:
            guard let failure else { return }
            if failure.kind == .transient || failure.kind == .connection { return connectionLost() }
            throw failure.diagnostic("could not prepare the sink's statement")
        case .transaction:
            guard let failure else {
                backoffMilliseconds = 50
                return retireFirst()
            }
            // Those behind a failed one fail at the fence: they are sent again after it.
            sentCount -= 1
            guard recovery == nil else { return }
            if failure.isFence {
                recovery = .resynchronize
                return
            }
            switch failure.kind {
            case .data: recovery = .isolate
            case .transient, .connection:
                log(.warning, "PostgreSQL refused a transaction for now", ["cause": failure.sanitized])
                connectionLost()
            case .permanent: throw failure.diagnostic("PostgreSQL refused a transaction")
            }
        case .housekeeping:
            guard let failure else { return }
            deletedFromOutbox = outboxes.map { _ in -1 }
            if failure.kind == .transient || failure.kind == .connection { return connectionLost() }
            throw failure.diagnostic("could not delete relayed messages from millrace.outbox")
        case .resynchronize:
            if let failure {
                if failure.kind == .permanent { throw failure.diagnostic("could not read the pipeline's state") }
                return connectionLost()
            }
            try applyResynchronization()
        }
    }

    /// Nothing is under way any more.
    private func recover(_ step: Recovery, _ now: Int64) throws(Diagnostic) {
        recovery = nil
        sentCount = 0
        switch step {
        case .resynchronize:
            resynchronizations += 1
            if resynchronizations > 5 {
                throw Diagnostic(
                    "the tickets of pipeline \"\(pipeline)\" do not follow one another", hint: "Please report this.",
                    fault: .bug)
            }
            try resynchronize()
        case .isolate: try isolateRefusedRows(now)
        }
    }

    /// Asks which ticket committed last, and whether the pipeline is still ours.
    func resynchronize() throws(Diagnostic) {
        guard let connection else { return }
        if !isPipelined {
            guard PQenterPipelineMode(connection.raw) == 1 else { return connectionLost() }
            isPipelined = true
        }
        resynchronized = nil
        let settings = connection.settings(commitsSynchronously: commitsSynchronously)
        let row = """
            SELECT epoch, commit_ticket FROM millrace.checkpoints WHERE pipeline = \(pipeline.quotedLiteral) AND \
            shard = \(shard) AND page = 0 FOR UPDATE
            """
        guard PQsendQueryParams(connection.raw, settings, 0, nil, nil, nil, nil, 0) == 1,
            PQsendQueryParams(connection.raw, row, 0, nil, nil, nil, nil, 0) == 1, PQpipelineSync(connection.raw) == 1
        else { return connectionLost() }
        units.append(.resynchronize)
        flush(connection)
    }

    private func applyResynchronization() throws(Diagnostic) {
        guard let resynchronized else {
            throw Diagnostic(
                "the state of pipeline \"\(pipeline)\" is no longer in the database",
                hint: "Start the pipeline again; it begins where its options say.", fault: .external)
        }
        guard resynchronized.epoch == epoch else { throw PostgresSession.fenced(pipeline) }
        if resynchronized.ticket < durable {
            throw Diagnostic(
                "the database lost transactions of pipeline \"\(pipeline)\" that it had confirmed",
                hint:
                    "Start the pipeline again: it continues from the stored positions. 'sink.commit' = 'sync' prevents"
                    + " this.", fault: .external)
        }
        while let first = transactions.first, first.ticket <= resynchronized.ticket { retireFirst() }
        sentCount = 0
        log(.info, "PostgreSQL session continues", ["transactions_to_send": String(transactions.count)])
    }

    static func fenced(_ pipeline: String) -> Diagnostic {
        Diagnostic(
            "another run of pipeline \"\(pipeline)\" has taken over",
            hint: "Stop one of them, or give it another name with SET 'pipeline.name' = '…'.", fault: .external)
    }
}

/// Text cells of the first row of a result that someone else frees.
private struct TupleReader {
    let raw: OpaquePointer
    init(_ raw: OpaquePointer) { self.raw = raw }
    func integer(_ column: Int32) -> Int64 { Int64(String(cString: PQgetvalue(raw, 0, column))) ?? .min }
}
