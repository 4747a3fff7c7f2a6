-- The auctions with the most bids in the last ten seconds, every two seconds.
CREATE TABLE answer (auction BIGINT, num BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${dir}/answer.json', 'format' = 'json');

INSERT INTO answer
SELECT counted.auction, counted.num
FROM (
    SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
    FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end
) AS counted
JOIN (
    SELECT MAX(num) AS maxn, starttime, endtime
    FROM (
        SELECT COUNT(*) AS num, window_start AS starttime, window_end AS endtime
        FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
        GROUP BY auction, window_start, window_end
    )
    GROUP BY starttime, endtime
) AS most
ON counted.starttime = most.starttime AND counted.endtime = most.endtime AND counted.num >= most.maxn;
