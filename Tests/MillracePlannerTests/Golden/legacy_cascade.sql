CREATE TABLE bids (k STRING, price INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'kafka', 'topic' = 'bids', 'properties.bootstrap.servers' = 'b', 'format' = 'json', 'scan.watermark.idle-timeout' = '0');
CREATE VIEW small AS
SELECT k, TUMBLE_START(ts, INTERVAL '1' SECOND) AS s, TUMBLE_ROWTIME(ts, INTERVAL '1' SECOND) AS rt, SUM(price) AS total, MAX(price) + 1 AS top
FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' SECOND), k;
CREATE TABLE out (k STRING, s TIMESTAMP(3), e TIMESTAMP(3), total INT) WITH ('connector' = 'print');
CREATE TABLE fine (k STRING, s TIMESTAMP(3), total INT, top INT) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO out SELECT k, window_start, window_end, SUM(total) FROM TUMBLE(TABLE small, DESCRIPTOR(rt), INTERVAL '10' SECOND)
GROUP BY k, window_start, window_end;
INSERT INTO fine (k, total, s) SELECT k, total, s FROM small WHERE total > 3;
END;
