-- Approach (a): the model in the process. Benchmarks/approaches.py measures it beside http.sql and batch.sql.

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
WITH ('provider' = 'xgboost', 'path' = '../../../pipelines/models/natality_xgb.ubj');

CREATE TABLE predictions (birth_id BIGINT, event_time TIMESTAMP_LTZ(3), weight_pounds DOUBLE)
WITH ('connector' = 'postgres', 'url' = '${database:-postgresql://localhost/millrace}', 'table-name' = 'predictions');

INSERT INTO predictions
SELECT birth_id, event_time, weight_pounds
FROM ML_PREDICT(
    TABLE births, MODEL natality,
    DESCRIPTOR(is_male, mother_age, plurality, gestation_weeks, cigarette_use, weight_gain_pounds, ever_born, mother_married));
