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
        ALTER TABLE millrace.pipelines ADD COLUMN IF NOT EXISTS state text NOT NULL DEFAULT '';
        CREATE TABLE IF NOT EXISTS millrace.checkpoints (
            pipeline text NOT NULL,
            shard integer NOT NULL,
            page integer NOT NULL,
            epoch bigint NOT NULL,
            commit_ticket bigint NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now(),
            next_offset bigint[] NOT NULL DEFAULT '{}',
            replay_offset bigint[] NOT NULL DEFAULT '{}',
            watermark bigint[] NOT NULL DEFAULT '{}',
            emitted_watermark bigint[] NOT NULL DEFAULT '{}',
            PRIMARY KEY (pipeline, shard, page)) WITH (fillfactor = 50);
        CREATE TABLE IF NOT EXISTS millrace.partitions (
            pipeline text NOT NULL,
            epoch bigint NOT NULL,
            shard integer NOT NULL,
            page integer NOT NULL,
            slot integer NOT NULL,
            source text NOT NULL,
            topic text NOT NULL,
            partition integer NOT NULL,
            PRIMARY KEY (pipeline, epoch, shard, page, slot));
        CREATE OR REPLACE VIEW millrace.offsets AS
            SELECT DISTINCT ON (p.pipeline, p.source, p.topic, p.partition) p.pipeline, p.source, p.topic, p.partition,
                c.next_offset[p.slot] AS next_offset, c.replay_offset[p.slot] AS replay_offset,
                c.watermark[p.slot] AS watermark, c.emitted_watermark[p.slot] AS emitted_watermark, p.epoch, p.shard,
                c.updated_at
            FROM millrace.partitions p JOIN millrace.checkpoints c USING (pipeline, shard, page)
            WHERE c.next_offset[p.slot] IS NOT NULL
            ORDER BY p.pipeline, p.source, p.topic, p.partition, p.epoch DESC, p.shard DESC;
        DO $$ BEGIN
            -- A layout that nothing was ever written to.
            IF EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass('millrace.state')
                AND attname = 'epoch' AND NOT attisdropped) THEN DROP TABLE millrace.state; END IF;
        END $$;
        CREATE TABLE IF NOT EXISTS millrace.state (
            pipeline text NOT NULL,
            operator integer NOT NULL,
            key_group integer NOT NULL,
            sequence bigint NOT NULL,
            snapshot bytea NOT NULL,
            PRIMARY KEY (pipeline, operator, key_group)) WITH (toast_tuple_target = 8160);
        ALTER TABLE millrace.state ALTER COLUMN snapshot SET STORAGE EXTERNAL;
        CREATE TABLE IF NOT EXISTS millrace.state_log (
            pipeline text NOT NULL,
            sequence bigint NOT NULL,
            changes bytea NOT NULL,
            PRIMARY KEY (pipeline, sequence)) WITH (toast_tuple_target = 8160);
        ALTER TABLE millrace.state_log ALTER COLUMN changes SET STORAGE EXTERNAL;
        CREATE TABLE IF NOT EXISTS millrace.outbox (
            pipeline text NOT NULL,
            shard integer NOT NULL,
            sink text NOT NULL,
            sequence bigint NOT NULL,
            messages integer NOT NULL,
            body bytea NOT NULL,
            PRIMARY KEY (pipeline, sink, shard, sequence));
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

    private static let tables = [
        "pipelines", "checkpoints", "partitions", "offsets", "state", "state_log", "outbox", "dead_letter", "runs",
    ]

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
            if error.state == "42809" {
                diagnostic.hint =
                    "It was made by a development version before 0.1; its positions cannot be taken over. Run: DROP SCHEMA"
                    + " millrace CASCADE."
            }
            if error.state == "42501" {
                diagnostic.hint =
                    "Grant CREATE on the database to the pipeline's user, or create the schema once as another user."
            }
            throw diagnostic
        }
    }

    /// $1 pipeline, $2 shard, $3 page, $4 epoch, $5 previous ticket (NULL for pages behind the first), $6 this ticket, then
    /// the columns of `pageTypes`.
    ///
    /// On the first page it is the fence: it fails on NOT NULL when another run owns the pipeline or when the ticket before
    /// did not commit: so tickets commit in order without gaps, and a transaction resent after a lost connection cannot
    /// commit twice.
    static let checkpoint = """
        INSERT INTO millrace.checkpoints AS c (pipeline, shard, page, epoch, commit_ticket, next_offset, replay_offset,
            watermark, emitted_watermark)
        VALUES ($1::text, $2::int4, $3::int4, $4::int8, $6::int8, $7::int8[], $8::int8[], $9::int8[], $10::int8[])
        ON CONFLICT (pipeline, shard, page) DO UPDATE SET commit_ticket = excluded.commit_ticket,
            next_offset = excluded.next_offset, replay_offset = excluded.replay_offset, watermark = excluded.watermark,
            emitted_watermark = excluded.emitted_watermark, updated_at = now(),
            epoch = CASE WHEN $5::int8 IS NULL OR c.epoch = excluded.epoch AND c.commit_ticket = $5 THEN excluded.epoch END
        """
    static let pageTypes = [TypeOID.int8, TypeOID.int8, TypeOID.int8, TypeOID.int8]

    /// $1 pipeline, $2 epoch, $3 shard, then the columns of `partitionTypes`: what the slots of the pages stand for.
    static let partitions = """
        INSERT INTO millrace.partitions (pipeline, epoch, shard, page, slot, source, topic, partition)
        SELECT $1::text, $2::int8, $3::int4, u.*
        FROM unnest($4::int4[], $5::int4[], $6::text[], $7::text[], $8::int4[]) AS u
        """
    static let partitionTypes = [TypeOID.int4, TypeOID.int4, TypeOID.text, TypeOID.text, TypeOID.int4]

    /// $1 pipeline, $2 sequence, $3 changes.
    static let stateLog =
        "INSERT INTO millrace.state_log (pipeline, sequence, changes) VALUES ($1::text, $2::int8, $3::bytea)"

    /// $1 pipeline, $2 sequence, then the columns of `snapshotTypes`.
    static let snapshots = """
        INSERT INTO millrace.state (pipeline, sequence, operator, key_group, snapshot)
        SELECT $1::text, $2::int8, u.* FROM unnest($3::int4[], $4::int4[], $5::bytea[]) AS u
        ON CONFLICT (pipeline, operator, key_group) DO UPDATE SET sequence = excluded.sequence, snapshot = excluded.snapshot
        """
    static let snapshotTypes = [TypeOID.int4, TypeOID.int4, TypeOID.bytea]

    /// $1 pipeline, $2 and $3 the first and last sequence.
    static let dropLog =
        "DELETE FROM millrace.state_log WHERE pipeline = $1::text AND sequence BETWEEN $2::int8 AND $3::int8"

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
