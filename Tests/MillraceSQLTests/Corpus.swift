/// Texts that parse, used by the round-trip and fuzz tests.
enum Corpus {
    static let dataflow = """
        SELECT sr.sales_region, TUMBLE_START("INTERVAL 5 SECOND") AS period_start, SUM(tr.payload.amount) as amount
        FROM `pubsub.dataflow-sql.transactions` as tr
        INNER JOIN `bigquery.dataflow-sql.opsdb.us_state_salesregions` AS sr ON tr.payload.state = sr.state_code
        GROUP BY sr.sales_region, TUMBLE(tr.event_timestamp, "INTERVAL 5 SECOND")
        """

    static let queries = [
        dataflow,
        "SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid WHERE MOD(auction, 123) = 0",
        "SELECT * FROM (SELECT * FROM a UNION ALL SELECT * FROM b INTERSECT SELECT * FROM c) AS t (x, y) ORDER BY x DESC NULLS LAST LIMIT 5",
        "((SELECT 1) UNION (SELECT 2)) EXCEPT ALL (SELECT 3 ORDER BY 1 LIMIT 2) FETCH FIRST 3 ROWS ONLY",
        "SELECT window_start, COUNT(*) FROM TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND) GROUP BY window_start, window_end",
        "SELECT * FROM TABLE(SESSION(DATA => TABLE bid PARTITION BY (a, b), TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '5' MINUTES))",
        "SELECT * FROM TUMBLE((SELECT * FROM t), DESCRIPTOR(ts), \"INTERVAL 1 SECOND\") w",
        "SELECT * FROM TABLE(HOP(TABLE (SELECT 1 AS a), DESCRIPTOR(a), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) x",
        "SELECT bidder, SESSION_START(ts, INTERVAL '10' SECOND) FROM bid GROUP BY bidder, SESSION(ts, INTERVAL '10' SECOND)",
        "SELECT b.*, s.value FROM bid b LEFT JOIN side FOR SYSTEM_TIME AS OF b.p_time AS s ON MOD(b.auction, 1000) = s.key",
        "SELECT * FROM a NATURAL JOIN b, c CROSS JOIN (d RIGHT OUTER JOIN e USING (k, l)), UNNEST(arr) WITH ORDINALITY AS u (x, n)",
        "SELECT * FROM t /*+ OPTIONS('scan.startup.mode'='earliest-offset') */ AS x, LATERAL TABLE(split(x.a)) AS s(w)",
        "SELECT JSON_OBJECTAGG(k VALUE v || 'x' ABSENT ON NULL), JSON_ARRAYAGG(a OR b NULL ON NULL), JSON_ARRAYAGG(a) FROM t",
        "SELECT COUNT(DISTINCT a) FILTER (WHERE p < 10), SUM(x) OVER w, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC) FROM t WINDOW w AS (PARTITION BY c ORDER BY d ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) QUALIFY ROW_NUMBER() OVER (ORDER BY b) = 1",
        "SELECT a FROM t GROUP BY GROUPING SETS ((a, b), a, ()), ROLLUP (a, (b, c)), CUBE (d) HAVING COUNT(*) > 1",
        "WITH v (a) AS (VALUES (1), (2)), w AS (SELECT * FROM v) SELECT * FROM w WHERE a IN (SELECT a FROM v) AND EXISTS (SELECT 1)",
        "SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(f1, f2), MAP['async', 'true'])",
        "SELECT * FROM ML.PREDICT(MODEL `p.d.m`, (SELECT * FROM t), STRUCT(0.55 AS threshold))",
        "SELECT year, value, t.date, offset, partition, model, size, data, timestamp FROM t",
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (id, name)",
        "SELECT é, `na``me` AS \u{4e2d} FROM t -- comment\n WHERE /* x */ s = 'it''s'",
    ]

    static let expressions = [
        "a OR b AND NOT c = d", "(a OR b) AND c", "a - (b - c) - d", "- -a * +b", "NOT (NOT a) IS NULL",
        "a = b IS NOT TRUE",
        "a IS NOT DISTINCT FROM b", "x NOT BETWEEN SYMMETRIC 1 AND 2 + 3 AND y", "a NOT IN (1, 2)", "a IN ((SELECT 1))",
        "s LIKE '%!%' ESCAPE '!' OR s NOT SIMILAR TO 'a|b'", "'a' || b || 1 + 2", "CASE x WHEN 1 THEN 'a' ELSE 'b' END",
        "CASE WHEN a > 1 THEN 2 WHEN b THEN 3 END", "CAST(a AS DECIMAL(10, 2))", "SAFE_CAST(a AS INT64)",
        "TRY_CAST(x AS ROW<a INT NOT NULL, b ARRAY<MAP<STRING, TIMESTAMP(3) WITH LOCAL TIME ZONE>>>)",
        "EXTRACT(YEAR FROM ts)", "POSITION('a' IN s)", "SUBSTRING(s FROM 2 FOR 3)", "TRIM(BOTH 'x' FROM s)", "TRIM(s)",
        "TRIM(LEADING FROM s)", "OVERLAY(a PLACING b FROM 1 FOR 2)", "FLOOR(ts TO HOUR)", "CEIL(x)",
        "TIMESTAMPDIFF(SQL_TSI_DAY, a, b)", "INTERVAL '1-2' YEAR TO MONTH", "INTERVAL '1 2' DAY(3) TO SECOND(3)",
        "INTERVAL -'5' MINUTES", "INTERVAL '1 minute'", "DATE '2020-01-01'", "TIMESTAMP '2020-01-01 00:00:00'",
        "(a, b)",
        "ROW(1, 'x').f[2].g", "(r).a", "t.a[1].b", "ARRAY[1, 2][1]", "MAP['a', 1]['a']",
        "IF(a, LEFT(b, 1), RIGHT(c, 2))",
        "COUNT(*)", "CURRENT_TIMESTAMP", "@p + ?", "X'0aFF'", "U&'caf\\00e9'", "\"say \\\"x\\\"\"", "1e3 + .5 + 2.",
        "a <> b", "a != b", "[1, [2]][1]", "STRUCT(a, 1 AS b).b", "f(x => 1, y => 'z')", "STRUCT(1 AS a, 2)",
        "(SELECT MAX(a) FROM t) + 1", "TRUE AND NULL",
    ]

    static let statements = [
        """
        CREATE TABLE IF NOT EXISTS bid (
          auction BIGINT NOT NULL COMMENT 'id', price DECIMAL(10, 2), ts_ms BIGINT PRIMARY KEY NOT ENFORCED,
          part INT METADATA FROM 'partition' VIRTUAL, `timestamp` TIMESTAMP_LTZ(3) METADATA,
          payload ROW<a INT, b STRING>, ts AS TO_TIMESTAMP_LTZ(ts_ms, 3), p AS PROCTIME(),
          WATERMARK FOR ts AS ts - INTERVAL '4' SECOND, CONSTRAINT pk PRIMARY KEY (auction, price) NOT ENFORCED
        ) COMMENT 'bids' WITH ('connector' = 'kafka', 'topic'='bid') LIKE other (INCLUDING ALL OVERWRITING OPTIONS);
        """,
        "CREATE VIEW v (a, b) AS SELECT 1, 2 FROM t;",
        "CREATE TABLE p (a INT, b STRING) PARTITIONED BY (a, b) WITH ('k' = 'v'); DROP TABLE IF EXISTS p; DROP TEMPORARY VIEW v;",
        "INSERT INTO p PARTITION (a = 1 + 2, b) (c) SELECT 1 FROM t;",
        "CREATE MODEL m INPUT (a INT, b STRING) OUTPUT (p DOUBLE) WITH ('provider' = 'onnx');",
        "CREATE OR REPLACE MODEL m OPTIONS(MODEL_TYPE='ONNX', MODEL_PATH=\"gs://x\");",
        "CREATE MODEL m TRANSFORM (a + 1 AS b, *, ML.FEATURE_CROSS(STRUCT(c, d)) AS e) OPTIONS(INPUT_LABEL_COLS=['y']);",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b (x) VALUES (1), (2); END;",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT * FROM t; END;",
        "SET 'a' = 'b'; EXECUTE INSERT INTO t SELECT 1; INSERT OVERWRITE t /*+ OPTIONS('k'='v') */ (a) (SELECT 1);",
        "CREATE TEMPORARY VIEW v AS SELECT 1; CREATE TABLE c WITH ('connector' = 'print') AS SELECT a FROM t;",
        "DROP TABLE a.b; DROP TEMPORARY VIEW IF EXISTS v; DROP MODEL m; DROP DATABASE d CASCADE; CREATE DATABASE IF NOT EXISTS d;",
        "USE d; USE CATALOG c; RESET; RESET 'a'; DESC t; DESCRIBE EXTENDED t; SHOW TABLES LIKE 'a%'; SHOW COLUMNS FROM t;",
        "SHOW CREATE TABLE t; SHOW CREATE VIEW v; SHOW VIEWS NOT LIKE 'x'; SHOW CURRENT DATABASE; SHOW MODELS;",
        "EXPLAIN PLAN FOR SELECT 1; EXPLAIN ESTIMATED_COST, CHANGELOG_MODE INSERT INTO t SELECT 1;",
        "EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
        "ALTER TABLE t RENAME TO u; ALTER TABLE t RENAME a TO b; ALTER TABLE IF EXISTS t SET ('a' = 'b'); ALTER TABLE t RESET ('a');",
        "ALTER TABLE t ADD a INT; ALTER TABLE t ADD (a AS b + 1 FIRST, c INT METADATA AFTER d, WATERMARK FOR ts AS ts);",
        "ALTER TABLE t MODIFY a STRING; ALTER TABLE t DROP (a, b); ALTER TABLE t DROP a; ALTER TABLE t DROP PRIMARY KEY;",
        "ALTER TABLE t DROP WATERMARK;",
    ]
}
