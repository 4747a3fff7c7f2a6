-- Flights: the departures from New York City in 2013, delays per carrier and origin, every arrival delay predicted.
--
--   Scripts/fetch-flights
--   millrace run pipelines/flights.sql --set bootstrap=localhost:9092 --set database=postgresql://localhost/millrace
--
-- Topic `flights`: one JSON object a flight, sent when it leaves the gate, as flights/prepare_flights.py writes them. The
-- event time is the scheduled departure, so a delayed flight comes late by its delay. A flight that comes more than two
-- hours behind the newest, after its window has been written, goes to millrace.dead_letter with the reason late row.

CREATE TABLE flights (
    flight_id STRING,
    carrier STRING,
    flight INT,
    origin STRING,
    dest STRING,
    sched_dep TIMESTAMP(3),
    -- Minutes; NULL: cancelled.
    dep_delay INT,
    distance INT,
    sched_minutes INT,
    -- Local, as the timetable has them.
    sched_hour INT,
    day_of_week INT,
    weather_hour AS FLOOR(sched_dep TO HOUR),
    kafka_partition INT METADATA FROM 'partition' VIRTUAL,
    kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL,
    WATERMARK FOR sched_dep AS sched_dep - INTERVAL '2' HOUR
) WITH (
    'connector' = 'kafka',
    'topic' = 'flights',
    'properties.bootstrap.servers' = '${bootstrap:-localhost:9092}',
    'scan.startup.mode' = 'earliest-offset',
    -- In a pause of the stream the time of 2013 stands still.
    'scan.watermark.idle-advance' = 'false',
    'format' = 'json'
);

-- Both are read once before the stream.
CREATE TABLE airlines (
    carrier STRING,
    name STRING,
    -- The number that the model knows the carrier by.
    code INT
) WITH (
    'connector' = 'filesystem',
    'path' = '${flights:-../.deps/flights}/airlines.csv',
    'format' = 'csv'
);

CREATE TABLE weather (
    origin STRING,
    time_hour TIMESTAMP(3),
    temp DOUBLE,
    wind_speed DOUBLE,
    precip DOUBLE,
    visib DOUBLE
) WITH (
    'connector' = 'filesystem',
    'path' = '${flights:-../.deps/flights}/weather.csv',
    'format' = 'csv',
    'csv.null-literal' = ''
);

-- The minutes lost (or, below zero, made up) between the gates: see flights/README.md for how good it is.
CREATE MODEL delay
INPUT (
    dep_delay INT, sched_hour INT, day_of_week INT, distance INT, carrier_code INT, origin_code INT,
    wind_speed DOUBLE, precip DOUBLE, visib DOUBLE, sched_minutes INT
)
OUTPUT (minutes_lost DOUBLE)
WITH ('provider' = 'xgboost', 'path' = 'flights/delay_xgb.json');

CREATE VIEW departures AS
SELECT
    f.flight_id, f.carrier, f.flight, f.origin, f.dest, f.sched_dep, f.dep_delay, f.distance, f.sched_minutes,
    f.sched_hour, f.day_of_week, f.kafka_partition, f.kafka_offset,
    a.name AS carrier_name,
    a.code AS carrier_code,
    CASE f.origin WHEN 'EWR' THEN 0 WHEN 'JFK' THEN 1 WHEN 'LGA' THEN 2 END AS origin_code,
    w.temp, w.wind_speed, w.precip, w.visib
FROM flights AS f
LEFT JOIN airlines AS a ON f.carrier = a.carrier
-- An hour without an observation is NULL, which the model knows as a missing value.
LEFT JOIN weather AS w ON f.origin = w.origin AND f.weather_hour = w.time_hour;

CREATE TABLE flight_predictions (
    flight_id STRING,
    flight STRING,
    carrier_name STRING,
    origin STRING,
    dest STRING,
    sched_dep TIMESTAMP(3),
    dep_delay INT,
    temp DOUBLE,
    wind_speed DOUBLE,
    precip DOUBLE,
    visib DOUBLE,
    predicted_arr_delay DOUBLE,
    model_version STRING,
    kafka_partition INT,
    kafka_offset BIGINT
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'flight_predictions',
    'create-table' = 'true'
);

CREATE TABLE delays_hourly (
    period_start TIMESTAMP(3),
    carrier_name STRING,
    origin STRING,
    departures BIGINT,
    cancelled BIGINT,
    mean_dep_delay DOUBLE,
    max_dep_delay INT
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'delays_hourly',
    'create-table' = 'true'
);

CREATE TABLE delays_5min (
    period_start TIMESTAMP(3),
    carrier_name STRING,
    origin STRING,
    departures BIGINT,
    cancelled BIGINT,
    mean_dep_delay DOUBLE,
    max_dep_delay INT
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'delays_5min',
    'create-table' = 'true'
);

INSERT INTO flight_predictions
SELECT
    flight_id, carrier || CAST(flight AS STRING), carrier_name, origin, dest, sched_dep, dep_delay,
    temp, wind_speed, precip, visib, dep_delay + minutes_lost, model_version, kafka_partition, kafka_offset
FROM ML_PREDICT(
    TABLE departures,
    MODEL delay,
    DESCRIPTOR(dep_delay, sched_hour, day_of_week, distance, carrier_code, origin_code, wind_speed, precip, visib,
               sched_minutes),
    MAP['version-column', 'model_version'])
WHERE dep_delay IS NOT NULL;

INSERT INTO delays_hourly
SELECT
    window_start, carrier_name, origin, COUNT(dep_delay), COUNT(*) - COUNT(dep_delay),
    AVG(CAST(dep_delay AS DOUBLE)), MAX(dep_delay)
FROM TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR)
GROUP BY window_start, window_end, carrier_name, origin;

INSERT INTO delays_5min
SELECT
    window_start, carrier_name, origin, COUNT(dep_delay), COUNT(*) - COUNT(dep_delay),
    AVG(CAST(dep_delay AS DOUBLE)), MAX(dep_delay)
FROM TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '5' MINUTE)
GROUP BY window_start, window_end, carrier_name, origin;
