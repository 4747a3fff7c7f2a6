-- Sales by region, every five seconds: the Dataflow SQL demo query, word for word.
--
--   millrace run pipelines/sales_by_region.sql --set bootstrap=localhost:9092 --set database=postgresql://localhost/millrace
--
-- Topic `transactions`: one JSON object a sale; the Kafka record timestamp is the event time.

CREATE TABLE `pubsub.dataflow-sql.transactions` (
    event_timestamp TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    payload ROW<
        tr_time_str STRING,
        first_name STRING,
        last_name STRING,
        city STRING,
        state STRING,
        product STRING,
        amount DECIMAL(10, 2)
    >,
    WATERMARK FOR event_timestamp AS event_timestamp - INTERVAL '1' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'transactions',
    'properties.bootstrap.servers' = '${bootstrap:-localhost:9092}',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    -- The message itself is the payload, as in Pub/Sub.
    'value.column' = 'payload'
);

-- Static: read once before the stream, then probed for every sale. A PostgreSQL table works the same way.
CREATE TABLE `bigquery.dataflow-sql.opsdb.us_state_salesregions` (
    state_code STRING,
    sales_region STRING
) WITH (
    'connector' = 'filesystem',
    'path' = 'data/us_state_salesregions.csv',
    'format' = 'csv'
);

CREATE TABLE sales_by_region (
    sales_region STRING,
    period_start TIMESTAMP(3),
    amount DECIMAL(38, 2),
    PRIMARY KEY (sales_region, period_start) NOT ENFORCED
) WITH (
    'connector' = 'postgres',
    'url' = '${database:-postgresql://localhost/millrace}',
    'table-name' = 'sales_by_region',
    'create-table' = 'true'
);

INSERT INTO sales_by_region
SELECT sr.sales_region, TUMBLE_START("INTERVAL 5 SECOND") AS period_start, SUM(tr.payload.amount) as amount
FROM `pubsub.dataflow-sql.transactions` as tr
	INNER JOIN `bigquery.dataflow-sql.opsdb.us_state_salesregions` AS sr
	ON tr.payload.state = sr.state_code
GROUP BY sr.sales_region, TUMBLE(tr.event_timestamp, "INTERVAL 5 SECOND");
