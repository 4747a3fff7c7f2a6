-- How many bids a person made in each time of activity; ten quiet seconds end it.
CREATE TABLE answer (bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${dir}/answer.json', 'format' = 'json');

INSERT INTO answer
SELECT bidder, COUNT(*), SESSION_START(dateTime, INTERVAL '10' SECOND), SESSION_END(dateTime, INTERVAL '10' SECOND)
FROM bid
GROUP BY bidder, SESSION(dateTime, INTERVAL '10' SECOND);
