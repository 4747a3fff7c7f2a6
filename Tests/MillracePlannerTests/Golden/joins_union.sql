CREATE TABLE a (k INT, v STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 'a', 'properties.bootstrap.servers' = 'b', 'format' = 'json');
CREATE TABLE b (LIKE_ME INT, k BIGINT, v STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 'b', 'properties.bootstrap.servers' = 'b', 'format' = 'json');
CREATE TABLE dim (k BIGINT, name STRING, grade INT) WITH ('connector' = 'filesystem', 'path' = 'd', 'format' = 'csv');
CREATE TABLE out (k BIGINT, name STRING, n BIGINT, s TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO out
WITH both_sides AS (SELECT k, v, ts FROM a UNION ALL SELECT k, v, ts FROM b)
SELECT d.k, COALESCE(d.name, 'none'), COUNT(v), TUMBLE_START(ts, INTERVAL '1' MINUTE)
FROM both_sides AS s JOIN (SELECT k, UPPER(name) AS name FROM dim WHERE grade BETWEEN 1 AND 3) AS d ON s.k = d.k AND s.v <> d.name
GROUP BY d.k, COALESCE(d.name, 'none'), TUMBLE(ts, INTERVAL '1' MINUTE);
INSERT INTO out SELECT dim.k, name, 1, ts FROM dim JOIN a ON a.k = dim.k;
INSERT INTO out SELECT x.k, x.name, COUNT(*), CAST(NULL AS TIMESTAMP(3)) FROM dim AS x JOIN dim AS y USING (k) GROUP BY x.k, x.name;
