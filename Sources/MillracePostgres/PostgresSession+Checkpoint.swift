import Glibc
public import MillraceCore
public import MillraceRuntime

extension PostgresSession {
    /// Takes over the pipeline; see `CheckpointStore`. For the first session of a run; the others `join` its `epoch`.
    public func open(pipeline: String, fingerprint: String, planText: String, resetState: Bool) throws(Diagnostic)
        -> [SourceName: [SourcePosition]]
    {
        let connection = try idleConnection()
        do {
            let positions = try takeOver(pipeline, fingerprint, planText, resetState, connection)
            adopt(pipeline)
            try prepareAll(connection)
            return positions
        } catch let error as ServerError {
            _ = try? connection.run("ROLLBACK")
            throw error.diagnostic("could not take over pipeline \"\(pipeline)\"")
        } catch let error as Diagnostic {
            _ = try? connection.run("ROLLBACK")
            throw error
        } catch {
            throw Diagnostic("unexpected error: \(error)", fault: .bug)
        }
    }

    /// Makes this session one of the run that owns `epoch`: the run's other shards, or its other databases' shards.
    ///
    /// - Throws: `.external` when another run has taken over in between.
    public func join(pipeline: String, epoch: Int64) throws(Diagnostic) {
        let connection = try idleConnection()
        do {
            try connection.run("BEGIN")
            let stored = try connection.query(
                "SELECT epoch FROM millrace.pipelines WHERE pipeline = $1 FOR SHARE", [pipeline])
            guard stored.rows == 1, stored.integer(0, 0) == epoch else {
                try connection.run("ROLLBACK")
                throw PostgresSession.fenced(pipeline)
            }
            _ = try connection.pipeline([enrolment(pipeline, epoch), ("COMMIT", [])])
            self.epoch = epoch
            adopt(pipeline)
            try prepareAll(connection)
        } catch let error as ServerError {
            _ = try? connection.run("ROLLBACK")
            throw error.diagnostic("could not join pipeline \"\(pipeline)\"")
        } catch let error as Diagnostic {
            throw error
        } catch {
            throw Diagnostic("unexpected error: \(error)", fault: .bug)
        }
    }

    private func adopt(_ pipeline: String) {
        self.pipeline = pipeline
        pipelineBytes.clear()
        pipelineBytes.append(pipeline)
        lastSubmitted = -1
        durable = -1
        pages = PositionPages()
    }

    private typealias Query = (sql: String, parameters: [String?])

    /// The session's fence, as it stands before the first ticket.
    private func enrolment(_ pipeline: String, _ epoch: Int64) -> Query {
        (
            """
            INSERT INTO millrace.checkpoints (pipeline, shard, page, epoch, commit_ticket)
            VALUES ($1, $2::int4, 0, $3::int8, -1)
            ON CONFLICT (pipeline, shard, page) DO UPDATE SET epoch = excluded.epoch, commit_ticket = -1
            """, [pipeline, String(shard), String(epoch)]
        )
    }

    /// Two round trips: who owned the pipeline and what it was, then everything else.
    private func takeOver(
        _ pipeline: String, _ fingerprint: String, _ planText: String, _ resetState: Bool, _ connection: Connection
    ) throws -> [SourceName: [SourcePosition]] {
        let plan = planText.unicodeScalars.contains { $0.value == 0 } ? "" : planText
        let stored = try connection.pipeline([
            ("BEGIN", []),
            (
                """
                INSERT INTO millrace.pipelines (pipeline, epoch, fingerprint, plan) VALUES ($1, 0, $2, $3)
                ON CONFLICT DO NOTHING
                """, [pipeline, fingerprint, plan]
            ),
            (
                """
                SELECT epoch, fingerprint, plan,
                    EXISTS (SELECT FROM millrace.partitions o WHERE o.pipeline = p.pipeline), state,
                    (extract(epoch FROM created_at) * 1000000)::int8
                FROM millrace.pipelines p WHERE pipeline = $1 FOR UPDATE
                """, [pipeline]
            ),
        ])[2]
        if stored.text(0, 1) != fingerprint, stored.flag(0, 3), !resetState {
            throw Diagnostic(
                "pipeline \"\(pipeline)\" has stored positions of a different query",
                hint: PlanDifference.text(stored: stored.text(0, 2) ?? "", new: planText)
                    + "\nRestore the query, give the new one another name with SET 'pipeline.name', or start once with"
                    + " --reset-state to forget the stored positions.")
        }
        let forgets = resetState || !stored.flag(0, 3)
        if !forgets { try checkState(stored: stored.text(0, 4) ?? "", pipeline) }
        let next = (stored.integer(0, 0) ?? 0) + 1
        incarnation = stored.text(0, 5) ?? ""
        let results = try connection.pipeline(takeOverQueries(pipeline, next, fingerprint, plan, forgets))
        let rows = results[results.count - 2]
        epoch = next
        var positions: [SourceName: [SourcePosition]] = [:]
        for row in 0..<rows.rows {
            positions[rows.text(row, 0)!, default: []].append(
                SourcePosition(
                    partition: SourcePartition(
                        topic: rows.text(row, 1)!, partition: Int32(rows.integer(row, 2) ?? 0)),
                    nextOffset: rows.integer(row, 3) ?? 0, replayOffset: rows.integer(row, 4) ?? 0,
                    watermark: rows.integer(row, 5) ?? EventTime.none,
                    emittedWatermark: rows.integer(row, 6) ?? EventTime.none))
        }
        return positions
    }

    /// The last but one gives the stored positions, the last commits.
    private func takeOverQueries(
        _ pipeline: String, _ epoch: Int64, _ fingerprint: String, _ plan: String, _ resetState: Bool
    ) -> [Query] {
        let owner = [pipeline, String(epoch)]
        var queries: [Query] = [
            (
                """
                UPDATE millrace.pipelines SET epoch = $2::int8, fingerprint = $3, plan = $4, state = $5, updated_at = now()
                WHERE pipeline = $1
                """, [pipeline, String(epoch), fingerprint, plan, stateSignature]
            ),
            // Every transaction locks its session's fence first. So once these are stamped, all that earlier runs committed
            // can be seen below, and nothing of theirs commits any more. The fences stay through a reset for this reason.
            (
                """
                UPDATE millrace.checkpoints SET epoch = $2::int8, commit_ticket = -1 WHERE pipeline = $1 AND page = 0
                """, owner
            ),
        ]
        if resetState {
            queries.append(("DELETE FROM millrace.state WHERE pipeline = $1", [pipeline]))
            queries.append(("DELETE FROM millrace.state_log WHERE pipeline = $1", [pipeline]))
        } else {
            queries.append((PostgresSession.keepPositions, owner))
        }
        queries += [
            ("DELETE FROM millrace.partitions WHERE pipeline = $1 AND epoch < $2::int8", owner),
            ("DELETE FROM millrace.checkpoints WHERE pipeline = $1 AND page > 0", [pipeline]),
            enrolment(pipeline, epoch),
            (
                "INSERT INTO millrace.runs (pipeline, epoch, host, version) VALUES ($1, $2::int8, $3, $4)",
                [pipeline, String(epoch), PostgresSession.hostName, PostgresSession.version]
            ),
            (
                """
                SELECT source, topic, partition, next_offset, replay_offset, watermark, emitted_watermark
                FROM millrace.offsets WHERE pipeline = $1
                """, [pipeline]
            ),
            ("COMMIT", []),
        ]
        return queries
    }

    /// $1 pipeline, $2 the new epoch. Copies what earlier runs had reached to a page of shard -1: the new run's shards may
    /// divide the partitions otherwise, and until they have committed something of their own this is what counts.
    private static let keepPositions = """
        WITH stored AS MATERIALIZED (
            SELECT (row_number() OVER (ORDER BY source, topic, partition))::int4 AS slot, *
            FROM millrace.offsets WHERE pipeline = $1),
        layout AS (
            INSERT INTO millrace.partitions (pipeline, epoch, shard, page, slot, source, topic, partition)
            SELECT $1, $2::int8, -1, 0, slot, source, topic, partition FROM stored)
        INSERT INTO millrace.checkpoints (pipeline, shard, page, epoch, commit_ticket, next_offset, replay_offset,
            watermark, emitted_watermark)
        SELECT $1, -1, 0, $2::int8, -1, array_agg(next_offset ORDER BY slot), array_agg(replay_offset ORDER BY slot),
            array_agg(watermark ORDER BY slot), array_agg(emitted_watermark ORDER BY slot)
        FROM stored HAVING count(*) > 0
        ON CONFLICT (pipeline, shard, page) DO UPDATE SET epoch = excluded.epoch, next_offset = excluded.next_offset,
            replay_offset = excluded.replay_offset, watermark = excluded.watermark,
            emitted_watermark = excluded.emitted_watermark, updated_at = now()
        """

    /// Written to `millrace.runs`.
    static let version = "0.1"

    private static var hostName: String? {
        var name = [UInt8](repeating: 0, count: 256)
        let failed = name.withUnsafeMutableBytes {
            gethostname($0.baseAddress!.assumingMemoryBound(to: CChar.self), 255)
        }
        return failed == 0 ? String(decoding: name.prefix { $0 != 0 }, as: UTF8.self) : nil
    }
}

/// What a reader needs to see how two plans differ.
enum PlanDifference {
    /// The lines between the common beginning and end, at most six of each plan: `- ` stored, `+ ` new.
    static func text(stored: String, new: String) -> String {
        let old = stored.split(separator: "\n", omittingEmptySubsequences: false)
        let now = new.split(separator: "\n", omittingEmptySubsequences: false)
        var head = 0
        while head < min(old.count, now.count), old[head] == now[head] { head += 1 }
        var tail = 0
        while tail < min(old.count, now.count) - head, old[old.count - 1 - tail] == now[now.count - 1 - tail] {
            tail += 1
        }
        func part(_ lines: [Substring], _ mark: String) -> [String] {
            let changed = lines[head..<(lines.count - tail)]
            let shown = changed.prefix(6).map { mark + $0 }
            return changed.count > 6 ? shown + [mark + "… \(changed.count - 6) more lines"] : shown
        }
        let lines = part(old, "- ") + part(now, "+ ")
        if lines.isEmpty { return "The plans read alike, but their settings differ." }
        return "The stored plan (-) and this one (+) differ from line \(head + 1):\n" + lines.joined(separator: "\n")
    }
}
