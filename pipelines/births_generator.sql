-- Random birth records into the topic `births`, for trying pipelines/baby_weight.sql against a Kafka of one's own.
--
--   millrace run pipelines/births_generator.sql --set bootstrap=localhost:9092 --set rate=1000

CREATE TABLE random_births (
    birth_id BIGINT,
    male DOUBLE,
    age INT,
    twins DOUBLE,
    weeks INT,
    smoker DOUBLE,
    gain INT,
    born INT,
    married DOUBLE
) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '${rate:-1000}',
    'fields.birth_id.kind' = 'sequence',
    'fields.birth_id.start' = '1',
    'fields.birth_id.end' = '1000000000',
    'fields.male.min' = '0', 'fields.male.max' = '1',
    'fields.age.min' = '15', 'fields.age.max' = '44',
    'fields.twins.min' = '0', 'fields.twins.max' = '1',
    'fields.weeks.min' = '35', 'fields.weeks.max' = '42',
    'fields.smoker.min' = '0', 'fields.smoker.max' = '1',
    'fields.gain.min' = '5', 'fields.gain.max' = '60',
    'fields.born.min' = '1', 'fields.born.max' = '4',
    'fields.married.min' = '0', 'fields.married.max' = '1'
);

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
    mother_married BOOLEAN
) WITH (
    'connector' = 'kafka',
    'topic' = 'births',
    'properties.bootstrap.servers' = '${bootstrap:-localhost:9092}',
    'format' = 'json'
);

INSERT INTO births
SELECT
    birth_id,
    CURRENT_TIMESTAMP,
    male < 0.512,
    age,
    CASE WHEN twins < 0.032 THEN 2 ELSE 1 END,
    weeks,
    CASE WHEN smoker < 0.1 THEN TRUE WHEN smoker < 0.8 THEN FALSE END,
    gain,
    born,
    married < 0.62
FROM random_births;
