import CLibpq
public import MillraceCore
import MillraceRuntime

/// Messages for other systems that commit with the rows: `millrace.outbox`.
extension PostgresSession {
    /// Messages that an earlier run has stored for one sink and shard and not relayed, as far as the database knows.
    public struct StoredMessages: Sendable {
        public var sink: String
        public var shard: Int
        /// Ascending.
        public var messages: [(sequence: Int64, bytes: [UInt8])]
    }

    /// Ascends with the tickets, and from run to run: 2^40 tickets a run are some ten years of 3,000 a second.
    func outboxSequence(_ ticket: Int64) -> Int64 { epoch << 40 | ticket }

    /// Puts what the outboxes have gathered into the transaction.
    func fillOutbox(_ transaction: SinkTransaction) {
        let sequence = outboxSequence(transaction.ticket)
        for outbox in outboxes {
            guard let entry = outbox.take(sequence: sequence) else { continue }
            let block = transaction.outbox
            block.append(0, outbox.sink)
            block.append(1, sequence)
            block.append(2, Int64(entry.messages))
            block.append(3, bytes: entry.bytes)
            block.rows += 1
        }
    }

    func releaseOutbox(_ ticket: Int64) {
        for outbox in outboxes { outbox.release(through: outboxSequence(ticket)) }
    }

    func outboxParameters(_ block: RowBlock) {
        parameters.clear()
        parameters.append(pipelineBytes.bytes)
        parameters.append(int4: shard)
        parameters.append(block)
    }

    /// Deletes what has been relayed, now and then and apart from the rows' transactions, which need not wait for it.
    func deleteRelayed(_ now: Int64, force: Bool = false) {
        guard !outboxes.isEmpty, force || now >= nextOutboxDeletion, case .ready = state, isPipelined, let connection,
            units.allSatisfy({ if case .transaction = $0 { true } else { false } })
        else { return }
        nextOutboxDeletion = now + 500_000
        let moved = outboxes.indices.filter { outboxes[$0].relayed > deletedFromOutbox[$0] }
        guard !moved.isEmpty else { return }
        let block = RowBlock(StateSchema.relayedTypes)
        for i in moved {
            deletedFromOutbox[i] = outboxes[i].relayed
            block.append(0, outboxes[i].sink)
            block.append(1, deletedFromOutbox[i])
            block.rows += 1
        }
        outboxParameters(block)
        let raw = connection.raw
        guard prepareOnce(.relayed, raw), sendPrepared(raw, .relayed), PQpipelineSync(raw) == 1 else {
            return connectionLost()
        }
        units.append(.housekeeping)
        flush(connection)
    }

    /// What earlier runs have left for their sinks, by sink and shard. After `open`, before the first row. Waits.
    public func storedMessages() throws(Diagnostic) -> [StoredMessages] {
        do {
            let rows = try idleConnection().query(
                """
                SELECT sink, shard, sequence, body FROM millrace.outbox WHERE pipeline = $1 ORDER BY sink, shard, sequence
                """, [pipeline], isBinary: true)
            var result: [StoredMessages] = []
            for row in 0..<rows.rows {
                let sink = rows.bytes(row, 0).text
                let shard = Int(rows.bytes(row, 1).bigEndian)
                if result.last?.sink != sink || result.last?.shard != shard {
                    result.append(StoredMessages(sink: sink, shard: shard, messages: []))
                }
                result[result.count - 1].messages.append((rows.bytes(row, 2).bigEndian, rows.bytes(row, 3).array))
            }
            return result
        } catch let error as ServerError {
            throw error.diagnostic("could not read millrace.outbox")
        } catch let error as Diagnostic {
            throw error
        } catch {
            throw Diagnostic("unexpected error: \(error)", fault: .bug)
        }
    }

    /// Deletes what `storedMessages` gave. Waits.
    public func forgetStoredMessages() throws(Diagnostic) {
        do {
            try idleConnection().query("DELETE FROM millrace.outbox WHERE pipeline = $1", [pipeline])
        } catch let error as ServerError {
            throw error.diagnostic("could not empty millrace.outbox")
        } catch let error as Diagnostic {
            throw error
        } catch {
            throw Diagnostic("unexpected error: \(error)", fault: .bug)
        }
    }
}

extension ByteRef {
    fileprivate var bigEndian: Int64 { buffer.reduce(0) { $0 << 8 | Int64($1) } }
}

extension StateSchema {
    /// $1 pipeline, $2 shard, then the columns of `outboxTypes`.
    static let outbox = """
        INSERT INTO millrace.outbox (pipeline, shard, sink, sequence, messages, body)
        SELECT $1::text, $2::int4, u.* FROM unnest($3::text[], $4::int8[], $5::int4[], $6::bytea[]) AS u
        """
    static let outboxTypes = [TypeOID.text, TypeOID.int8, TypeOID.int4, TypeOID.bytea]

    /// $1 pipeline, $2 shard, then the columns of `relayedTypes`: everything up to there has arrived.
    static let relayed = """
        DELETE FROM millrace.outbox AS o USING unnest($3::text[], $4::int8[]) AS u(sink, sequence)
        WHERE o.pipeline = $1::text AND o.shard = $2::int4 AND o.sink = u.sink AND o.sequence <= u.sequence
        """
    static let relayedTypes = [TypeOID.text, TypeOID.int8]
}
