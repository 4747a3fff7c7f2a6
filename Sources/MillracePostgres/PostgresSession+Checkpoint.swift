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
            try connection.run("BEGIN")
            let positions = try takeOver(pipeline, fingerprint, planText, resetState, connection)
            try connection.run("COMMIT")
            adopt(pipeline)
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
            try enrol(pipeline, epoch, connection)
            try connection.run("COMMIT")
            self.epoch = epoch
            adopt(pipeline)
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
    }

    private func enrol(_ pipeline: String, _ epoch: Int64, _ connection: Connection) throws(ServerError) {
        try connection.query(
            """
            INSERT INTO millrace.sessions (pipeline, shard, epoch, commit_ticket) VALUES ($1, $2::int4, $3::int8, -1)
            ON CONFLICT (pipeline, shard) DO UPDATE SET epoch = excluded.epoch, commit_ticket = -1
            """, [pipeline, String(shard), String(epoch)])
    }

    private func takeOver(
        _ pipeline: String, _ fingerprint: String, _ planText: String, _ resetState: Bool, _ connection: Connection
    ) throws -> [SourceName: [SourcePosition]] {
        let plan = planText.unicodeScalars.contains { $0.value == 0 } ? "" : planText
        try connection.query(
            """
            INSERT INTO millrace.pipelines (pipeline, epoch, fingerprint, plan) VALUES ($1, 0, $2, $3)
            ON CONFLICT DO NOTHING
            """, [pipeline, fingerprint, plan])
        let stored = try connection.query(
            """
            SELECT epoch, fingerprint, plan, EXISTS (SELECT FROM millrace.offsets o WHERE o.pipeline = p.pipeline)
            FROM millrace.pipelines p WHERE pipeline = $1 FOR UPDATE
            """, [pipeline])
        if stored.text(0, 1) != fingerprint, stored.flag(0, 3), !resetState {
            throw Diagnostic(
                "pipeline \"\(pipeline)\" has stored positions of a different query",
                hint: PlanDifference.text(stored: stored.text(0, 2) ?? "", new: planText)
                    + "\nRestore the query, give the new one another name with SET 'pipeline.name', or start once with"
                    + " --reset-state to forget the stored positions.")
        }
        let next = (stored.integer(0, 0) ?? 0) + 1
        try connection.query(
            """
            UPDATE millrace.pipelines SET epoch = $2::int8, fingerprint = $3, plan = $4, updated_at = now()
            WHERE pipeline = $1
            """, [pipeline, String(next), fingerprint, plan])
        // Every transaction locks its session's row first. So once these are stamped, all that earlier runs committed can
        // be seen below, and nothing of theirs commits any more. The rows stay through a reset for the same reason.
        try connection.query(
            "UPDATE millrace.sessions SET epoch = $2::int8, commit_ticket = -1 WHERE pipeline = $1",
            [pipeline, String(next)])
        try enrol(pipeline, next, connection)
        if resetState { try connection.query("DELETE FROM millrace.offsets WHERE pipeline = $1", [pipeline]) }
        let rows = try connection.query(
            """
            UPDATE millrace.offsets SET epoch = $2::int8, commit_ticket = -1 WHERE pipeline = $1
            RETURNING source, topic, partition, next_offset, replay_offset, watermark, emitted_watermark
            """, [pipeline, String(next)])
        try connection.query(
            "INSERT INTO millrace.runs (pipeline, epoch, host, version) VALUES ($1, $2::int8, $3, $4)",
            [pipeline, String(next), PostgresSession.hostName, PostgresSession.version])
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
