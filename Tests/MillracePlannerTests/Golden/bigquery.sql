CREATE TABLE births (is_male BOOL, mother_age INT64, weight FLOAT64, year INT64, month INT64, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'kafka', 'topic' = 'births', 'properties.bootstrap.servers' = 'b', 'format' = 'json');
CREATE TABLE codes (year BIGINT, month BIGINT, label STRING) WITH ('connector' = 'filesystem', 'path' = 'd', 'format' = 'csv');
CREATE MODEL weights INPUT (mother_age FLOAT64, year INT64) OUTPUT (predicted_weight FLOAT64, weight FLOAT64) WITH ('provider' = 'xgboost', 'path' = 'w.json', 'version' = '1');
CREATE TABLE out (part STRING, w DOUBLE, w0 DOUBLE) WITH ('connector' = 'print');
CREATE TABLE counts (label STRING, n BIGINT, pay ROW<a BIGINT, b STRING>) WITH ('connector' = 'print');
INSERT INTO out SELECT IF(MOD(ABS(FARM_FINGERPRINT(CONCAT(CAST(year AS STRING), CAST(month AS STRING)))), 4) < 3, 'train', 'eval'), predicted_weight, weight0
FROM ML.PREDICT(MODEL weights, (SELECT *, mother_age * 2 AS twice FROM births WHERE mother_age IS NOT NULL AND is_male IS TRUE));
INSERT INTO counts SELECT label, COUNT(*), CAST(NULL AS ROW<a BIGINT, b STRING>) FROM births NATURAL JOIN codes GROUP BY label, TUMBLE(at, INTERVAL '1' HOUR);
INSERT INTO counts SELECT c.label, b.mother_age, ROW(1, c.label) FROM births AS b LEFT JOIN (SELECT year, MAX(label) AS label FROM codes GROUP BY year) AS c USING (year);
