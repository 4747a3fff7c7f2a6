SET 'pipeline.name' = 'bids';
CREATE TABLE bids (
    auction BIGINT NOT NULL, price DECIMAL(10, 2), item ROW<name STRING, size ROW<w INT, h INT>>, ts TIMESTAMP(3),
    seen TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL,
    cents AS price * 100,
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'bids', 'properties.bootstrap.servers' = 'b:9092', 'value.format' = 'json',
    'value.json.ignore-parse-errors' = 'true', 'errors' = 'skip', 'late.lateness' = '10 s');
CREATE TABLE totals (
    auction BIGINT, w INT, starts TIMESTAMP(3), ends TIMESTAMP(3), n BIGINT, total DECIMAL(38, 2), mean DECIMAL(38, 6),
    big BIGINT, PRIMARY KEY (auction, starts) NOT ENFORCED
) WITH ('connector' = 'jdbc', 'url' = 'postgresql://u:pw@h/db?password=x', 'table-name' = 'totals', 'username' = 'u', 'password' = 'geheim');
INSERT INTO totals
SELECT auction, item.size.w, window_start, window_end, COUNT(*), SUM(price), AVG(price), COUNT(DISTINCT item.name) FILTER (WHERE cents > 100)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE seen IS NOT NULL
GROUP BY auction, item.size.w, window_start, window_end
HAVING COUNT(*) > 1 AND SUM(price) / 2 > 3;
