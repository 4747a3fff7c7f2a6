import MillraceCore

/// The `millrace` schema: where pipelines keep positions, dead letters and who owns them.
enum StateSchema {
    /// Serialises concurrent first starts; any fixed number (here "millrace" in ASCII).
    private static let lock = 0x6D69_6C6C_7261_6365

    private static let statements = """
        CREATE SCHEMA IF NOT EXISTS millrace;
        CREATE TABLE IF NOT EXISTS millrace.pipelines (
            pipeline text PRIMARY KEY,
            epoch bigint NOT NULL,
            fingerprint text NOT NULL,
            plan text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now());
        CREATE TABLE IF NOT EXISTS millrace.sessions (
            pipeline text NOT NULL,
            shard integer NOT NULL,
            epoch bigint NOT NULL,
            commit_ticket bigint NOT NULL,
            PRIMARY KEY (pipeline, shard)) WITH (fillfactor = 50);
        CREATE TABLE IF NOT EXISTS millrace.offsets (
            pipeline text NOT NULL,
            source text NOT NULL,
            topic text NOT NULL,
            partition integer NOT NULL,
            next_offset bigint NOT NULL,
            replay_offset bigint NOT NULL,
            watermark bigint,
            emitted_watermark bigint,
            epoch bigint NOT NULL,
            commit_ticket bigint NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (pipeline, source, topic, partition)) WITH (fillfactor = 50);
        CREATE TABLE IF NOT EXISTS millrace.state (
            pipeline text NOT NULL,
            operator text NOT NULL,
            key_group integer NOT NULL,
            epoch bigint NOT NULL,
            snapshot bytea NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (pipeline, operator, key_group));
        CREATE TABLE IF NOT EXISTS millrace.dead_letter (
            id bigserial PRIMARY KEY,
            pipeline text NOT NULL,
            source text,
            topic text,
            partition integer,
            "offset" bigint,
            key bytea,
            value bytea,
            headers jsonb,
            object text NOT NULL,
            reason text NOT NULL,
            detail text NOT NULL,
            at timestamptz NOT NULL);
        CREATE TABLE IF NOT EXISTS millrace.runs (
            run_id bigserial PRIMARY KEY,
            pipeline text NOT NULL,
            epoch bigint NOT NULL,
            started_at timestamptz NOT NULL DEFAULT now(),
            host text,
            version text);
        """

    private static let tables = ["pipelines", "sessions", "offsets", "state", "dead_letter", "runs"]

    /// Creates what is missing. Safe when several processes start at once; needs no CREATE privilege when all is there.
    static func create(_ connection: Connection) throws(Diagnostic) {
        do {
            let list = tables.map { "'millrace.\($0)'" }.joined(separator: ", ")
            let missing = try connection.query(
                "SELECT count(*) FROM unnest(ARRAY[\(list)]) AS t(name) WHERE pg_catalog.to_regclass(name) IS NULL")
            if missing.integer(0, 0) == 0 { return }
            // One simple query is one transaction; the lock goes with it.
            try connection.run("SELECT pg_catalog.pg_advisory_xact_lock(\(lock)); " + statements)
        } catch {
            var diagnostic = error.diagnostic("could not create schema \"millrace\"")
            if error.state == "42501" {
                diagnostic.hint =
                    "Grant CREATE on the database to the pipeline's user, or create the schema once as another user."
            }
            throw diagnostic
        }
    }

    /// $1 pipeline, $2 shard, $3 epoch, $4 previous ticket, $5 this ticket.
    ///
    /// Fails on NOT NULL when another run owns the pipeline or when the ticket before did not commit: so tickets commit in
    /// order without gaps, and a transaction resent after a lost connection cannot commit twice.
    static let fence = """
        INSERT INTO millrace.sessions AS s (pipeline, shard, epoch, commit_ticket)
        VALUES ($1::text, $2::int4, $3::int8, $5::int8) ON CONFLICT (pipeline, shard) DO UPDATE
        SET commit_ticket = excluded.commit_ticket,
            epoch = CASE WHEN s.epoch = excluded.epoch AND s.commit_ticket = $4::int8 THEN s.epoch END
        """

    /// $1 pipeline, $2 epoch, $3 ticket, then the columns of `offsetTypes`.
    static let offsets = """
        INSERT INTO millrace.offsets AS o (pipeline, source, topic, partition, next_offset, replay_offset, watermark,
            emitted_watermark, epoch, commit_ticket)
        SELECT $1::text, u.*, $2::int8, $3::int8 FROM unnest($4::text[], $5::text[], $6::int4[], $7::int8[],
            $8::int8[], $9::int8[], $10::int8[]) AS u
        ON CONFLICT (pipeline, source, topic, partition) DO UPDATE SET next_offset = excluded.next_offset,
            replay_offset = excluded.replay_offset, watermark = excluded.watermark,
            emitted_watermark = excluded.emitted_watermark, commit_ticket = excluded.commit_ticket, updated_at = now(),
            epoch = CASE WHEN o.epoch <= excluded.epoch THEN excluded.epoch END
        """
    static let offsetTypes = [
        TypeOID.text, TypeOID.text, TypeOID.int4, TypeOID.int8, TypeOID.int8, TypeOID.int8, TypeOID.int8,
    ]

    /// $1 pipeline, then the columns of `deadLetterTypes`.
    static let deadLetters = """
        INSERT INTO millrace.dead_letter (pipeline, source, topic, partition, "offset", key, value, headers, object, reason,
            detail, at)
        SELECT $1::text, s, t, p, o, k, v, h::jsonb, b, r, d,
            TIMESTAMPTZ 'epoch' + (a / 1000000) * INTERVAL '1 second' + (a % 1000000) * INTERVAL '1 microsecond'
        FROM unnest($2::text[], $3::text[], $4::int4[], $5::int8[], $6::bytea[], $7::bytea[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::int8[]) AS u(s, t, p, o, k, v, h, b, r, d, a)
        """
    static let deadLetterTypes = [
        TypeOID.text, TypeOID.text, TypeOID.int4, TypeOID.int8, TypeOID.bytea, TypeOID.bytea, TypeOID.text,
        TypeOID.text,
        TypeOID.text, TypeOID.text, TypeOID.int8,
    ]
}
