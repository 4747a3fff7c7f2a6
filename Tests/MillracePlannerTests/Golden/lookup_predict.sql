CREATE TABLE trips (id BIGINT, miles FLOAT, hour_of_day INT, driver INT, ts TIMESTAMP(3), proc AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '0.5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'trips', 'properties.bootstrap.servers' = 'b', 'format' = 'json');
CREATE TABLE drivers (id BIGINT, rating DOUBLE, name STRING, PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'postgres', 'url' = 'postgresql://h/db', 'table-name' = 'drivers');
CREATE MODEL fare INPUT (miles DOUBLE, hour_of_day BIGINT, rating DOUBLE) OUTPUT (prediction DOUBLE) WITH ('provider' = 'xgboost', 'path' = 'fare.ubj');
CREATE VIEW features AS
SELECT t.id, t.miles, t.hour_of_day, d.rating, t.ts, CAST(0 AS DOUBLE) AS prediction
FROM trips AS t LEFT JOIN drivers FOR SYSTEM_TIME AS OF t.proc AS d ON t.driver = d.id AND d.rating > 1 WHERE t.miles > 0.5;
CREATE TABLE out (id BIGINT, fare DOUBLE, version STRING) WITH ('connector' = 'print');
CREATE TABLE mean (starts TIMESTAMP(3), fare DOUBLE) WITH ('connector' = 'print');
INSERT INTO out SELECT id, prediction0 * 1.2, v FROM ML_PREDICT(TABLE features, MODEL fare, DESCRIPTOR(miles, hour_of_day, rating), MAP['version-column', 'v']);
INSERT INTO mean
SELECT window_start, AVG(prediction0)
FROM TUMBLE(TABLE (SELECT * FROM ML_PREDICT(INPUT => TABLE features, MODEL => MODEL fare, ARGS => DESCRIPTOR(miles, hour_of_day, rating))), DESCRIPTOR(ts), INTERVAL '5' SECOND)
GROUP BY window_start, window_end;
