CREATE TABLE `pubsub.dataflow-sql.transactions` (
    event_timestamp TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
    payload ROW<tr_time_str STRING, first_name STRING, city STRING, state STRING, product STRING, amount FLOAT64>
) WITH ('connector' = 'kafka', 'topic' = 'transactions', 'properties.bootstrap.servers' = '${brokers}', 'format' = 'json');
CREATE TABLE `bigquery.dataflow-sql.opsdb.us_state_salesregions` (
    state_id INT64, state_code STRING, state_name STRING, sales_region STRING
) WITH ('connector' = 'filesystem', 'path' = 'regions.csv', 'format' = 'csv', 'csv.field-delimiter' = ';');
CREATE TABLE out (sales_region STRING, period_start TIMESTAMP(3), amount DOUBLE) WITH ('connector' = 'print');
INSERT INTO out
SELECT sr.sales_region, TUMBLE_START("INTERVAL 5 SECOND") AS period_start, SUM(tr.payload.amount) as amount
FROM `pubsub.dataflow-sql.transactions` as tr
INNER JOIN `bigquery.dataflow-sql.opsdb.us_state_salesregions` AS sr ON tr.payload.state = sr.state_code
GROUP BY sr.sales_region, TUMBLE(tr.event_timestamp, "INTERVAL 5 SECOND");
