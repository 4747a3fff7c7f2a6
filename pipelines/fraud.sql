-- Fraud: every card transaction scored when it arrives, from the recent history of its account.
--
--   millrace run pipelines/fraud.sql --set bootstrap=localhost:9092 --set database=postgresql://localhost/millrace
--
-- Topic `transactions`: one JSON object a transaction, all of one account in one partition, for example
--   {"account":"acct-0113","event_ms":1735689984949,"amount":46.96,"merchant_category":"restaurant","country":"KR",
--    "card_present":1}
-- Alerts go to the topic `fraud_alerts`, too, which must exist; each once for consumers with isolation.level read_committed.
-- A broker without transactions takes --set delivery=at-least-once.

-- A row is answered at once, with what has come before it; the watermark only says which history is old enough to forget.
SET 'over.emit' = 'on-arrival';
-- What LAG may look back to.
SET 'table.exec.state.ttl' = '7 d';

CREATE TABLE transactions (
    account STRING,
    -- Milliseconds since 1970, UTC.
    event_ms BIGINT,
    amount DOUBLE,
    merchant_category STRING,
    country STRING,
    card_present INT,
    event_time AS TO_TIMESTAMP_LTZ(event_ms, 3),
    kafka_topic STRING METADATA FROM 'topic' VIRTUAL,
    kafka_partition INT METADATA FROM 'partition' VIRTUAL,
    kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL,
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'transactions',
    'properties.bootstrap.servers' = '${bootstrap:-localhost:9092}',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

-- Gradient-boosted trees, evaluated in the process. Inputs bind by position; NULL is a missing value.
CREATE MODEL fraud
INPUT (
    amount DOUBLE, card_present INT, hour_of_day BIGINT, merchant_category INT,
    tx_count_10m BIGINT, amount_sum_10m DOUBLE, tx_count_1h BIGINT, amount_sum_1h DOUBLE,
    tx_count_24h BIGINT, amount_avg_7d DOUBLE, amount_ratio_7d DOUBLE, country_changed INT,
    distinct_countries_24h BIGINT, seconds_since_prev DOUBLE
)
OUTPUT (probability DOUBLE)
WITH ('provider' = 'xgboost', 'path' = 'models/fraud_xgb.ubj');

-- Frames are (t - w, t], so they begin a millisecond later than t - w.
CREATE VIEW histories AS
SELECT
    account, event_ms, event_time, amount, merchant_category, country, card_present,
    kafka_topic, kafka_partition, kafka_offset,
    COUNT(*) OVER ten_minutes AS tx_count_10m,
    SUM(amount) OVER ten_minutes AS amount_sum_10m,
    COUNT(*) OVER one_hour AS tx_count_1h,
    SUM(amount) OVER one_hour AS amount_sum_1h,
    COUNT(*) OVER one_day AS tx_count_24h,
    COUNT(DISTINCT country) OVER one_day AS distinct_countries_24h,
    COUNT(amount) OVER seven_days AS tx_count_7d,
    SUM(amount) OVER seven_days AS amount_sum_7d,
    LAG(country) OVER (PARTITION BY account ORDER BY event_time) AS previous_country,
    LAG(event_ms) OVER (PARTITION BY account ORDER BY event_time) AS previous_ms
FROM transactions
WINDOW
    ten_minutes AS (
        PARTITION BY account ORDER BY event_time
        RANGE BETWEEN INTERVAL '9:59.999' MINUTE TO SECOND PRECEDING AND CURRENT ROW),
    one_hour AS (
        PARTITION BY account ORDER BY event_time
        RANGE BETWEEN INTERVAL '59:59.999' MINUTE TO SECOND PRECEDING AND CURRENT ROW),
    one_day AS (
        PARTITION BY account ORDER BY event_time
        RANGE BETWEEN INTERVAL '23:59:59.999' HOUR TO SECOND PRECEDING AND CURRENT ROW),
    seven_days AS (
        PARTITION BY account ORDER BY event_time
        RANGE BETWEEN INTERVAL '6 23:59:59.999' DAY TO SECOND PRECEDING AND CURRENT ROW);

-- The average of seven days is that of the rows before this one; NULL where there are none.
CREATE VIEW averaged AS
SELECT *, (amount_sum_7d - amount) / NULLIF(tx_count_7d - 1, 0) AS amount_avg_7d
FROM histories;

CREATE VIEW features AS
SELECT
    account, event_time, amount, merchant_category, country, card_present,
    kafka_topic, kafka_partition, kafka_offset,
    -- UTC. The numbers are those the model was trained with.
    MOD(event_ms, 86400000) / 3600000 AS hour_of_day,
    CASE merchant_category
        WHEN 'grocery' THEN 0 WHEN 'restaurant' THEN 1 WHEN 'fuel' THEN 2 WHEN 'online_retail' THEN 3
        WHEN 'electronics' THEN 4 WHEN 'travel' THEN 5 WHEN 'gift_card' THEN 6 WHEN 'cash_advance' THEN 7
    END AS category_code,
    tx_count_10m, amount_sum_10m, tx_count_1h, amount_sum_1h, tx_count_24h, amount_avg_7d,
    amount / amount_avg_7d AS amount_ratio_7d,
    CASE WHEN country <> previous_country THEN 1 WHEN country = previous_country THEN 0 END AS country_changed,
    distinct_countries_24h,
    CAST(event_ms - previous_ms AS DOUBLE) / 1000 AS seconds_since_prev,
    -- Scored like any other, and too late for its window below.
    COALESCE(event_time <= CURRENT_WATERMARK(event_time), FALSE) AS is_late
FROM averaged;

-- The threshold of an alert is a matter of what a false one costs.
CREATE VIEW scored AS
SELECT *, CASE WHEN probability >= 0.5 THEN 1 ELSE 0 END AS is_alert
FROM ML_PREDICT(
    TABLE features,
    MODEL fraud,
    DESCRIPTOR(amount, card_present, hour_of_day, category_code, tx_count_10m, amount_sum_10m, tx_count_1h,
               amount_sum_1h, tx_count_24h, amount_avg_7d, amount_ratio_7d, country_changed, distinct_countries_24h,
               seconds_since_prev),
    MAP['version-column', 'model_version']);

CREATE TABLE fraud_scores (
    account STRING,
    event_time TIMESTAMP_LTZ(3),
    probability DOUBLE,
    model_version STRING,
    kafka_topic STRING,
    kafka_partition INT,
    kafka_offset BIGINT,
    amount DOUBLE,
    card_present INT,
    hour_of_day BIGINT,
    merchant_category STRING,
    country STRING,
    tx_count_10m BIGINT,
    amount_sum_10m DOUBLE,
    tx_count_1h BIGINT,
    amount_sum_1h DOUBLE,
    tx_count_24h BIGINT,
    amount_avg_7d DOUBLE,
    amount_ratio_7d DOUBLE,
    country_changed INT,
    distinct_countries_24h BIGINT,
    seconds_since_prev DOUBLE,
    is_late BOOLEAN
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'fraud_scores',
    'create-table' = 'true'
);

CREATE TABLE fraud_alerts (
    account STRING,
    event_time TIMESTAMP_LTZ(3),
    amount DOUBLE,
    merchant_category STRING,
    country STRING,
    probability DOUBLE,
    -- What it stands out by: purchases in ten minutes, countries in a day, the amount by the average of a week.
    tx_count_10m BIGINT,
    distinct_countries_24h BIGINT,
    amount_ratio_7d DOUBLE,
    model_version STRING,
    kafka_topic STRING,
    kafka_partition INT,
    kafka_offset BIGINT
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'fraud_alerts',
    'create-table' = 'true'
);

CREATE TABLE alert_messages (
    account STRING,
    event_time TIMESTAMP_LTZ(3),
    amount DOUBLE,
    merchant_category STRING,
    country STRING,
    probability DOUBLE,
    -- What it stands out by: purchases in ten minutes, countries in a day, the amount by the average of a week.
    tx_count_10m BIGINT,
    distinct_countries_24h BIGINT,
    amount_ratio_7d DOUBLE,
    model_version STRING,
    kafka_topic STRING,
    kafka_partition INT,
    kafka_offset BIGINT
) WITH (
    'connector' = 'kafka',
    'topic' = 'fraud_alerts',
    'properties.bootstrap.servers' = '${bootstrap:-localhost:9092}',
    'sink.delivery-guarantee' = '${delivery:-exactly-once}',
    'format' = 'json'
);

CREATE TABLE fraud_by_country (
    period_start TIMESTAMP(3),
    country STRING,
    transactions BIGINT,
    volume DOUBLE,
    alerts BIGINT,
    mean_probability DOUBLE
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'fraud_by_country',
    'create-table' = 'true'
);

INSERT INTO fraud_scores
SELECT
    account, event_time, probability, model_version, kafka_topic, kafka_partition, kafka_offset,
    amount, card_present, hour_of_day, merchant_category, country, tx_count_10m, amount_sum_10m, tx_count_1h,
    amount_sum_1h, tx_count_24h, amount_avg_7d, amount_ratio_7d, country_changed, distinct_countries_24h,
    seconds_since_prev, is_late
FROM scored;

INSERT INTO fraud_alerts
SELECT
    account, event_time, amount, merchant_category, country, probability, tx_count_10m, distinct_countries_24h,
    amount_ratio_7d, model_version, kafka_topic, kafka_partition, kafka_offset
FROM scored
WHERE is_alert = 1;

INSERT INTO alert_messages
SELECT
    account, event_time, amount, merchant_category, country, probability, tx_count_10m, distinct_countries_24h,
    amount_ratio_7d, model_version, kafka_topic, kafka_partition, kafka_offset
FROM scored
WHERE is_alert = 1;

INSERT INTO fraud_by_country
SELECT window_start, country, COUNT(*), SUM(amount), SUM(is_alert), AVG(probability)
FROM TUMBLE(TABLE scored, DESCRIPTOR(event_time), INTERVAL '5' SECOND)
GROUP BY window_start, window_end, country;
