-- A person's last bid for each auction.
CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime TIMESTAMP(3), extra STRING)
WITH ('connector' = 'filesystem', 'path' = '${dir}/answer.json', 'format' = 'json');

INSERT INTO answer
SELECT auction, bidder, price, channel, url, dateTime, extra
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC) AS rank_number FROM bid)
WHERE rank_number <= 1;
