-- Job B: join with 50 rows, TUMBLE SUM and COUNT by region.
-- Names in braces are filled in by `bench`.
SET 'pipeline.name' = '{TABLE}';
CREATE TABLE events (
    ts BIGINT, state STRING, amount DOUBLE,
    event_time AS TO_TIMESTAMP_LTZ(ts / 1000, 3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0.001' SECOND
) WITH (
    'connector' = 'kafka', 'topic' = '{TOPIC}', 'properties.bootstrap.servers' = '{BOOTSTRAP}',
    'scan.startup.mode' = 'earliest-offset', 'format' = 'json'
);
CREATE TABLE regions (state STRING, region STRING)
WITH ('connector' = 'filesystem', 'path' = '{REGIONS}', 'format' = 'csv');
CREATE VIEW joined AS
SELECT e.event_time, r.region, e.amount FROM events AS e JOIN regions AS r ON e.state = r.state;
CREATE TABLE totals (window_start BIGINT, region STRING, total DOUBLE, cnt BIGINT)
WITH ('connector' = 'postgres', 'url' = '{PGURL}', 'table-name' = '{TABLE}');
INSERT INTO totals
SELECT EXTRACT(EPOCH FROM window_start) * 1000000, region, SUM(amount), COUNT(*)
FROM TUMBLE(
    TABLE joined, DESCRIPTOR(event_time), INTERVAL '{WINDOW_S}' SECOND)
GROUP BY window_start, window_end, region;
