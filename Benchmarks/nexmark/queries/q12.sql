-- How many bids a person made in each ten seconds of processing time.
CREATE VIEW timed AS SELECT *, PROCTIME() AS p_time FROM bid;
CREATE TABLE answer (bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${dir}/answer.json', 'format' = 'json');

INSERT INTO answer
SELECT bidder, COUNT(*), window_start, window_end
FROM TABLE(TUMBLE(TABLE timed, DESCRIPTOR(p_time), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
