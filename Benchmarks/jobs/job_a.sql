-- Job A: score one JSON event with the 100-tree model, one row out.
-- Names in braces are filled in by `bench`.
SET 'pipeline.name' = '{TABLE}';
CREATE TABLE events (
    event_id BIGINT, ts BIGINT, account STRING, amount DOUBLE, country STRING,
    f1 DOUBLE, f2 DOUBLE, f3 DOUBLE, f4 DOUBLE, f5 DOUBLE, f6 DOUBLE, f7 DOUBLE, f8 DOUBLE
) WITH (
    'connector' = 'kafka', 'topic' = '{TOPIC}', 'properties.bootstrap.servers' = '{BOOTSTRAP}',
    'scan.startup.mode' = 'earliest-offset', 'format' = 'json'
);
CREATE MODEL fraud
INPUT (
    amount DOUBLE, country DOUBLE, f1 DOUBLE, f2 DOUBLE, f3 DOUBLE, f4 DOUBLE, f5 DOUBLE, f6 DOUBLE, f7 DOUBLE, f8 DOUBLE
)
OUTPUT (score DOUBLE)
WITH ('provider' = 'lightgbm', 'path' = '{MODEL}');
CREATE VIEW features AS
SELECT *,
    CASE country
        WHEN 'US' THEN 0E0 WHEN 'GB' THEN 1E0 WHEN 'DE' THEN 2E0 WHEN 'FR' THEN 3E0 WHEN 'KR' THEN 4E0
        WHEN 'JP' THEN 5E0 WHEN 'BR' THEN 6E0 WHEN 'IN' THEN 7E0 WHEN 'NG' THEN 8E0 WHEN 'CA' THEN 9E0
        ELSE -1E0
    END AS country_code
FROM events;
CREATE TABLE scored (
    event_id BIGINT, ts BIGINT, account STRING, amount DOUBLE, country STRING, score DOUBLE
) WITH ('connector' = 'postgres', 'url' = '{PGURL}', 'table-name' = '{TABLE}');
INSERT INTO scored
SELECT event_id, ts, account, amount, country, score
FROM ML_PREDICT(
    TABLE features, MODEL fraud, DESCRIPTOR(amount, country_code, f1, f2, f3, f4, f5, f6, f7, f8));
