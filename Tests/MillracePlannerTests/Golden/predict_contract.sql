CREATE TABLE payments (id BIGINT, account STRING, amount DOUBLE, hour_of_day INT, note ROW<a INT>)
WITH ('connector' = 'kafka', 'topic' = 'payments', 'properties.bootstrap.servers' = 'b', 'format' = 'json');
CREATE MODEL fraud INPUT (amount DOUBLE, hour_of_day INT) OUTPUT (score DOUBLE, label STRING)
WITH ('provider' = 'xgboost', 'path' = 'fraud.ubj', 'swap' = 'signal', 'shadow.path' = 'next.ubj', 'shadow.threshold' = '0.5',
  'canary.path' = 'canary.ubj', 'canary.percent' = '2.5', 'canary.key' = 'account');
CREATE MODEL price INPUT (amount DOUBLE) OUTPUT (price DECIMAL(10, 2)) WITH ('provider' = 'xgboost', 'path' = 'price.ubj');
CREATE TABLE out (id BIGINT, score DOUBLE, v STRING, h STRING, us BIGINT, late BOOLEAN, other DOUBLE) WITH ('connector' = 'print');
CREATE TABLE prices (id BIGINT, price DECIMAL(10, 2)) WITH ('connector' = 'print');
INSERT INTO out SELECT id, score, v, h, us, late, other
FROM ML_PREDICT(TABLE payments, MODEL fraud, DESCRIPTOR(amount, hour_of_day), MAP[
  'deadline', '5 ms', 'on-timeout', 'default', 'default-value.score', '0.5', 'batch-size', '16', 'version-column', 'v',
  'hash-column', 'h', 'latency-column', 'us', 'timeout-column', 'late', 'shadow-column', 'other']);
INSERT INTO prices SELECT id, price
FROM ML_PREDICT(TABLE payments, MODEL price, DESCRIPTOR(amount), MAP['deadline', '200 us', 'on-timeout', 'default', 'default-value', '9.5']);
INSERT INTO prices SELECT id, price FROM ML_PREDICT(TABLE payments, MODEL price, DESCRIPTOR(amount), MAP['deadline', '1 s', 'model-column', 'm']);
