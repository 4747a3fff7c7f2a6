import CLibpq
import MillraceCore
import MillraceRuntime

/// The slow path: a transaction the server refused because of its rows.
extension PostgresSession {
    /// Sends the oldest transaction again, statement by statement, halving what fails until single rows remain; those go
    /// to the dead-letter table, everything else commits. Waits for the server: two statements a level and bad row.
    func isolateRefusedRows(_ now: Int64) throws(Diagnostic) {
        guard let connection, let transaction = transactions.first else { return }
        leavePipeline(connection)
        let letters = RowBlock(StateSchema.deadLetterTypes)
        fatalRefusal = nil
        refusals.removeAll()
        transaction.deadLetters.copy(to: letters) { _ in true }
        do {
            try connection.run("BEGIN")
            // Deferred constraints must speak while the row can still be told.
            try connection.run("SET CONSTRAINTS ALL IMMEDIATE")
            for page in 0..<transaction.pageCount {
                checkpointParameters(transaction, page)
                try execute(StateSchema.checkpoint, connection)
            }
            for case (let i, let block?) in transaction.deletions.enumerated() where block.rows > 0 {
                try write(block, with: sinks[i].deletion, of: sinks[i], letters, connection)
            }
            for (i, block) in transaction.blocks.enumerated() where block.rows > 0 {
                try write(block, with: sinks[i].statement, of: sinks[i], letters, connection)
            }
            if letters.rows > 0 {
                deadLetterParameters(letters)
                try execute(StateSchema.deadLetters, connection)
            }
            if transaction.outbox.rows > 0 {
                outboxParameters(transaction.outbox)
                try execute(StateSchema.outbox, connection)
            }
            if transaction.partitions.rows > 0 {
                partitionParameters(transaction.partitions)
                try execute(StateSchema.partitions, connection)
            }
            try writeState(transaction, connection)
            try connection.run(fatalRefusal == nil ? "COMMIT" : "ROLLBACK")
        } catch {
            if connection.isBroken { return connectionLost() }
            _ = try? connection.run("ROLLBACK")
            if error.isFence {
                try resynchronize()
                return
            }
            switch error.kind {
            case .connection, .transient: return connectionLost()
            case .data, .permanent: throw error.diagnostic("PostgreSQL refused a transaction")
            }
        }
        if let fatalRefusal { try stop(for: fatalRefusal) }
        retireFirst()
        sentCount = 0
        refusedRows += refusals.count
        for letter in refusals { onRefusal?(letter) }
        if !refusals.isEmpty, lastRefusalLog == .min || now - lastRefusalLog > 10_000_000 {
            lastRefusalLog = now
            log(
                .warning, "PostgreSQL refused rows",
                ["pipeline": pipeline, "rows_since_start": String(refusedRows)])
        }
    }

    private func write(
        _ block: RowBlock, with statement: String, of sink: PostgresSink, _ letters: RowBlock, _ connection: Connection
    ) throws(ServerError) {
        try connection.run("SAVEPOINT millrace_rows")
        let failure: ServerError
        do {
            parameters.clear()
            parameters.append(block)
            try execute(statement, connection)
            try connection.run("RELEASE SAVEPOINT millrace_rows")
            return
        } catch {
            guard error.kind == .data, !connection.isBroken else { throw error }
            failure = error
        }
        try connection.run("ROLLBACK TO SAVEPOINT millrace_rows; RELEASE SAVEPOINT millrace_rows")
        if block.rows == 1 {
            let letter = deadLetter(block, sink, failure)
            refusals.append(letter)
            switch errorPolicy(block.origins.first ?? .none) {
            case .deadLetter: SinkTransaction.append(letter, to: letters)
            case .skip: break
            case .fail: fatalRefusal = fatalRefusal ?? letter
            }
            return
        }
        let middle = block.rows / 2
        let (low, high) = (RowBlock(block.elementTypes), RowBlock(block.elementTypes))
        block.copy(to: low) { $0 < middle }
        block.copy(to: high) { $0 >= middle }
        try write(low, with: statement, of: sink, letters, connection)
        try write(high, with: statement, of: sink, letters, connection)
    }

    /// 'errors' of the row's source; of rows that no record stands behind (aggregates), that of the only source.
    private func errorPolicy(_ origin: RowOrigin) -> ErrorPolicy {
        let source = Int(origin.source)
        if errorPolicies.indices.contains(source) { return errorPolicies[source] }
        return errorPolicies.count == 1 ? errorPolicies[0] : .deadLetter
    }

    private func stop(for letter: DeadLetter) throws(Diagnostic) {
        var place = ""
        if let partition = letter.partition, let offset = letter.offset {
            place = "It is record \(offset) of partition \(partition.partition) of topic \"\(partition.topic)\". "
        }
        throw Diagnostic(
            "\(letter.reason.reason) in \"\(letter.object)\": \(letter.detail)",
            hint: place + "The source has 'errors' = 'fail'; with 'dead-letter' the run leaves such rows out.")
    }

    /// For the one row of `block`.
    private func deadLetter(_ block: RowBlock, _ sink: PostgresSink, _ failure: ServerError) -> DeadLetter {
        let origin = block.origins.first ?? .none
        let (key, value) = (block.key(of: origin), block.value(of: origin))
        let source = Int(origin.source)
        return DeadLetter(
            source: source >= 0 && source < sourceNames.count ? sourceNames[source] : "",
            partition: source >= 0 ? partition?(source, Int(origin.partition)) : nil,
            offset: source >= 0 ? origin.offset : nil, key: key.isAbsent ? nil : key.array,
            value: value.isAbsent ? nil : value.array, headers: block.headers(of: origin), object: sink.plan.name,
            reason: .rejectedBySink, detail: failure.sanitized, time: clock.wallMicroseconds())
    }

    func execute(_ sql: String, _ connection: Connection) throws(ServerError) {
        _ = try connection.check(
            PQexecParams(
                connection.raw, sql, parameters.count, nil, parameters.values, parameters.lengths, parameters.formats, 1
            ))
    }
}
