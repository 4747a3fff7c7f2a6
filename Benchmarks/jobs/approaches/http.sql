-- Approach (b): the same pipeline, its model behind a server; `batch` = 1 asks row by row.

CREATE TABLE births (
    birth_id BIGINT, event_time TIMESTAMP_LTZ(3),
    is_male INT, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use INT, weight_gain_pounds INT, ever_born INT,
    mother_married INT
) WITH (
    'connector' = 'kafka', 'topic' = '${topic:-births}', 'properties.bootstrap.servers' = '${bootstrap:-localhost:9092}',
    'scan.startup.mode' = 'earliest-offset', 'format' = 'json'
);

CREATE MODEL natality
INPUT (
    is_male INT, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use INT, weight_gain_pounds INT, ever_born INT,
    mother_married INT
)
OUTPUT (weight_pounds DOUBLE)
WITH (
    'provider' = 'http', 'url' = '${url:-http://localhost:8501/v1/models/natality:predict}', 'request-format' = 'instance-lists',
    'batch-size' = '${batch:-64}', 'max-in-flight' = '${inflight:-8}', 'nulls' = 'null'
);

CREATE TABLE predictions (birth_id BIGINT, event_time TIMESTAMP_LTZ(3), weight_pounds DOUBLE)
WITH ('connector' = 'postgres', 'url' = '${database:-postgresql://localhost/millrace}', 'table-name' = 'predictions');

INSERT INTO predictions
SELECT birth_id, event_time, weight_pounds
FROM ML_PREDICT(
    TABLE births, MODEL natality,
    DESCRIPTOR(is_male, mother_age, plurality, gestation_weeks, cigarette_use, weight_gain_pounds, ever_born, mother_married));
