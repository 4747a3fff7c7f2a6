import CLibpq
package import MillraceCore
import MillraceRuntime

/// State of operators: written with the transactions it belongs to, read at the start of a run.
extension PostgresSession: StateSession {
    package var openChanges: ByteBuffer { current.changes }

    package func addSnapshot(operator index: Int, group: Int, _ snapshot: ByteRef) {
        let block = current.snapshots
        block.append(0, Int64(index))
        block.append(1, Int64(group))
        block.append(2, bytes: snapshot)
        block.rows += 1
    }

    package func dropLog(_ sequences: ClosedRange<Int64>) { current.dropped = sequences }

    /// The run's epoch, then the ticket: a later run's sequences are above all earlier ones.
    package func sequence(of ticket: Int64) -> Int64 { epoch << PostgresSession.ticketBits | ticket }
    private static let ticketBits: Int64 = 40

    // MARK: Writing

    func sendState(_ transaction: SinkTransaction, _ raw: OpaquePointer) -> Bool {
        if transaction.changes.count > 0 {
            stateLogParameters(transaction)
            guard sendPrepared(raw, .stateLog) else { return false }
        }
        if transaction.snapshots.rows > 0 {
            snapshotParameters(transaction)
            guard sendPrepared(raw, .snapshots) else { return false }
        }
        if let dropped = transaction.dropped {
            dropLogParameters(dropped)
            guard sendPrepared(raw, .dropLog) else { return false }
        }
        return true
    }

    /// The same while refused rows are looked for: whichever rows are left out, the state goes with the positions.
    func writeState(_ transaction: SinkTransaction, _ connection: Connection) throws(ServerError) {
        if transaction.changes.count > 0 {
            stateLogParameters(transaction)
            try execute(StateSchema.stateLog, connection)
        }
        if transaction.snapshots.rows > 0 {
            snapshotParameters(transaction)
            try execute(StateSchema.snapshots, connection)
        }
        if let dropped = transaction.dropped {
            dropLogParameters(dropped)
            try execute(StateSchema.dropLog, connection)
        }
    }

    private func stateLogParameters(_ transaction: SinkTransaction) {
        parameters.clear()
        parameters.append(pipelineBytes.bytes)
        parameters.append(sequence(of: transaction.ticket))
        parameters.append(transaction.changes.bytes)
    }

    private func snapshotParameters(_ transaction: SinkTransaction) {
        parameters.clear()
        parameters.append(pipelineBytes.bytes)
        parameters.append(sequence(of: transaction.ticket))
        parameters.append(transaction.snapshots)
    }

    private func dropLogParameters(_ dropped: ClosedRange<Int64>) {
        parameters.clear()
        parameters.append(pipelineBytes.bytes)
        parameters.append(dropped.lowerBound)
        parameters.append(dropped.upperBound)
    }

    // MARK: Reading

    /// COPY gives row after row as it comes, without a result object for each.
    package func readState(
        snapshot: (_ operator: Int, _ group: Int, _ sequence: Int64, ByteRef) throws(Diagnostic) -> Void,
        changes: (_ sequence: Int64, ByteRef) throws(Diagnostic) -> Void
    ) throws(Diagnostic) {
        let connection = try idleConnection()
        let owner = pipeline.quotedLiteral
        var copied = CopiedRows()
        try copied.read(
            "SELECT operator, key_group, sequence, snapshot FROM millrace.state WHERE pipeline = \(owner)", connection
        ) { (fields) throws(Diagnostic) in
            try snapshot(Int(fields.int4()), Int(fields.int4()), fields.int8(), fields.bytes())
        }
        try copied.read(
            "SELECT sequence, changes FROM millrace.state_log WHERE pipeline = \(owner) ORDER BY sequence", connection
        ) { (fields) throws(Diagnostic) in try changes(fields.int8(), fields.bytes()) }
    }

    // MARK: Whose state

    /// What must be the same for stored state to be taken over: the layout of its bytes, and the operators by number.
    var stateSignature: String {
        guard !stateOperators.isEmpty else { return "" }
        let operators = stateOperators.enumerated().map { "\($0): \($1)" }
        return (["format \(StateFormat.version)"] + operators).joined(separator: "\n")
    }

    func checkState(stored: String, _ pipeline: String) throws(Diagnostic) {
        guard stored != stateSignature else { return }
        let reset =
            "Start once with --reset-state to forget the stored positions and state, or give the pipeline another name with SET"
            + " 'pipeline.name'."
        let formats = [stored, stateSignature].map { $0.prefix { $0 != "\n" } }
        guard stored.isEmpty || stateOperators.isEmpty || formats[0] == formats[1] else {
            throw Diagnostic(
                "the state of pipeline \"\(pipeline)\" was stored by another version of Millrace (\(formats[0]), not \(formats[1]))",
                hint: reset)
        }
        throw Diagnostic(
            "pipeline \"\(pipeline)\" has stored the state of other operators",
            hint: PlanDifference.text(stored: stored, new: stateSignature) + "\n" + reset)
    }
}

/// Rows of COPY … TO STDOUT (FORMAT binary): 11 bytes, flags and an extension, then rows of a field count and, for each field,
/// its length and bytes; all big-endian.
struct CopiedRows {
    /// The fields of one row, in their order.
    struct Fields {
        fileprivate var cursor: UnsafeRawPointer

        mutating func int4() -> Int32 {
            defer { cursor += 8 }
            return Int32(bigEndian: cursor.loadUnaligned(fromByteOffset: 4, as: Int32.self))
        }
        mutating func int8() -> Int64 {
            defer { cursor += 12 }
            return Int64(bigEndian: cursor.loadUnaligned(fromByteOffset: 4, as: Int64.self))
        }
        /// Valid during the call.
        mutating func bytes() -> ByteRef {
            let count = Int(Int32(bigEndian: cursor.loadUnaligned(as: Int32.self)))
            defer { cursor += 4 + max(0, count) }
            return ByteRef(start: (cursor + 4).assumingMemoryBound(to: UInt8.self), count: max(0, count))
        }
    }

    private static let headerBytes = 19

    /// Waits for the server. `row` is called for each row; none of the fields is NULL.
    mutating func read(
        _ query: String, _ connection: Connection, row: (inout Fields) throws(Diagnostic) -> Void
    ) throws(Diagnostic) {
        let raw = connection.raw
        do {
            let result = PQexec(raw, "COPY (\(query)) TO STDOUT (FORMAT binary)")
            if PQresultStatus(result) == PGRES_COPY_OUT { PQclear(result) } else { _ = try connection.check(result) }
        } catch {
            throw error.diagnostic("could not read the stored state")
        }
        var isFirst = true
        var failure: Diagnostic?
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let count = PQgetCopyData(raw, &buffer, 0)
            guard count > 0, let buffer else { break }
            defer { PQfreemem(buffer) }
            var cursor = UnsafeRawPointer(buffer)
            if isFirst {
                // The header comes with the first row or alone.
                isFirst = false
                cursor += CopiedRows.headerBytes
                if count <= CopiedRows.headerBytes { continue }
            }
            // -1 ends the rows.
            guard failure == nil, Int16(bigEndian: cursor.loadUnaligned(as: Int16.self)) > 0 else { continue }
            var fields = Fields(cursor: cursor + 2)
            do throws(Diagnostic) { try row(&fields) } catch { failure = error }
        }
        while let result = PQgetResult(raw) {
            do { _ = try connection.check(result) } catch {
                failure = failure ?? error.diagnostic("could not read the stored state")
            }
        }
        if let failure { throw failure }
    }
}
