-- Baby weight: every birth record scored on arrival, and five-second means per sex.
--
--   millrace run pipelines/baby_weight.sql --set bootstrap=localhost:9092 --set database=postgresql://localhost/millrace
--
-- Topic `births`: one JSON object a birth, for example
--   {"birth_id":1,"event_time":"2026-11-21 09:30:00.125Z","is_male":true,"mother_age":29,"plurality":1,
--    "gestation_weeks":39,"cigarette_use":false,"weight_gain_pounds":31,"ever_born":2,"mother_married":true}
-- A missing field is NULL, which the model knows as a missing value.

CREATE TABLE births (
    birth_id BIGINT,
    event_time TIMESTAMP_LTZ(3),
    is_male BOOLEAN,
    mother_age INT,
    plurality INT,
    gestation_weeks INT,
    cigarette_use BOOLEAN,
    weight_gain_pounds INT,
    ever_born INT,
    mother_married BOOLEAN,
    kafka_topic STRING METADATA FROM 'topic' VIRTUAL,
    kafka_partition INT METADATA FROM 'partition' VIRTUAL,
    kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL,
    WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'births',
    'properties.bootstrap.servers' = '${bootstrap:-localhost:9092}',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

-- Gradient-boosted trees, evaluated in the process. Inputs bind by position.
CREATE MODEL natality
INPUT (
    is_male BOOLEAN, mother_age INT, plurality INT, gestation_weeks INT,
    cigarette_use BOOLEAN, weight_gain_pounds INT, ever_born INT, mother_married BOOLEAN
)
OUTPUT (weight_pounds DOUBLE)
WITH ('provider' = 'xgboost', 'path' = 'models/natality_xgb.ubj');

CREATE VIEW scored AS
SELECT *
FROM ML_PREDICT(
    TABLE births,
    MODEL natality,
    DESCRIPTOR(is_male, mother_age, plurality, gestation_weeks, cigarette_use, weight_gain_pounds, ever_born,
               mother_married),
    MAP['version-column', 'model_version']);

CREATE TABLE birth_predictions (
    birth_id BIGINT,
    event_time TIMESTAMP_LTZ(3),
    weight_pounds DOUBLE,
    model_version STRING,
    kafka_topic STRING,
    kafka_partition INT,
    kafka_offset BIGINT
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'birth_predictions',
    'create-table' = 'true'
);

CREATE TABLE weight_by_sex (
    period_start TIMESTAMP(3),
    is_male BOOLEAN,
    births BIGINT,
    mean_weight_pounds DOUBLE
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'weight_by_sex',
    'create-table' = 'true'
);

INSERT INTO birth_predictions
SELECT birth_id, event_time, weight_pounds, model_version, kafka_topic, kafka_partition, kafka_offset
FROM scored;

INSERT INTO weight_by_sex
SELECT window_start, is_male, COUNT(*), AVG(weight_pounds)
FROM TUMBLE(TABLE scored, DESCRIPTOR(event_time), INTERVAL '5' SECOND)
GROUP BY window_start, window_end, is_male;
