CREATE TABLE raw (id BIGINT, body ROW<a INT, b ROW<c STRING>>, tags MAP<STRING, STRING>, list ARRAY<ROW<x INT>>, at TIMESTAMP(3) METADATA FROM 'timestamp', part INT METADATA FROM 'partition' VIRTUAL,
  half AS id / 2, label AS CONCAT('p', CAST(part AS STRING))) WITH ('connector' = 'kafka', 'topic' = 'raw', 'properties.bootstrap.servers' = 'b', 'format' = 'json', 'key.fields' = 'id');
CREATE TABLE copy WITH ('topic' = 'copy') LIKE raw (EXCLUDING GENERATED);
CREATE TABLE IF NOT EXISTS raw (x INT) WITH ('connector' = 'print');
CREATE TABLE pairs (id BIGINT NOT NULL, b ROW<c VARCHAR(5)>, tag STRING, x INT, n DECIMAL(12, 3), label STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'postgres', 'url' = 'u', 'table-name' = 't');
CREATE TABLE dim (id INT, name STRING) WITH ('connector' = 'postgres', 'url' = 'u', 'table-name' = 'dim');
CREATE TABLE bounded LIKE raw;
INSERT INTO pairs SELECT id, body.b, tags['k'], list[1].x, half, label FROM raw;
INSERT INTO copy (at, id) SELECT at, id FROM raw /*+ OPTIONS('scan.startup.mode'='EARLIEST-OFFSET') */;
INSERT INTO pairs (id, label) SELECT COALESCE(r.id, 0), d.name FROM raw AS r LEFT JOIN dim /*+ OPTIONS('lookup.cache'='full') */ FOR SYSTEM_TIME AS OF r.at AS d ON d.id = r.id;
INSERT INTO pairs (id, n) SELECT r.id, SUM(r.half) FROM raw /*+ OPTIONS('scan.bounded.mode'='latest-offset') */ AS r GROUP BY r.id;
INSERT INTO pairs (id, tag) SELECT raw.id, name FROM dim RIGHT JOIN raw ON dim.id = raw.body.a;
