-- Approach (c): a job over a file that ends, once an hour or a night.

CREATE TABLE births (
    birth_id BIGINT, event_time TIMESTAMP_LTZ(3),
    is_male INT, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use INT, weight_gain_pounds INT, ever_born INT,
    mother_married INT
) WITH (
    'connector' = 'filesystem', 'path' = '${input:-births.json}', 'format' = 'json'
);

CREATE MODEL natality
INPUT (
    is_male INT, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use INT, weight_gain_pounds INT, ever_born INT,
    mother_married INT
)
OUTPUT (weight_pounds DOUBLE)
WITH ('provider' = 'xgboost', 'path' = '../../../pipelines/models/natality_xgb.ubj');

CREATE TABLE predictions (birth_id BIGINT, event_time TIMESTAMP_LTZ(3), weight_pounds DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output:-predictions.json}', 'format' = 'json');

INSERT INTO predictions
SELECT birth_id, event_time, weight_pounds
FROM ML_PREDICT(
    TABLE births, MODEL natality,
    DESCRIPTOR(is_male, mother_age, plurality, gestation_weeks, cigarette_use, weight_gain_pounds, ever_born, mother_married));
