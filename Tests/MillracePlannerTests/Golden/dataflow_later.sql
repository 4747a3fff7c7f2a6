CREATE TABLE `pubsub.dataflow-sql.transactions` (
    event_timestamp TIMESTAMP(3), attributes MAP<VARCHAR, VARCHAR>, payload ROW<state STRING, amount FLOAT64>
) WITH ('connector' = 'kafka', 'topic' = 'transactions', 'properties.bootstrap.servers' = '${brokers}', 'format' = 'json');
CREATE TABLE out (state STRING, window_start TIMESTAMP(3), amount DOUBLE) WITH ('connector' = 'print');
INSERT INTO out
SELECT tr.state, window_start, SUM(tr.amount) AS amount
FROM TUMBLE((SELECT * FROM `pubsub.dataflow-sql.transactions`), DESCRIPTOR(event_timestamp), "INTERVAL 1 SECOND") AS tr
GROUP BY tr.state, window_start, window_end;
