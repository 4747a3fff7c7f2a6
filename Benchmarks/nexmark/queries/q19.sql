-- The ten highest bids for each auction.
CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime TIMESTAMP(3), extra STRING,
    rank_number BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${dir}/answer.json', 'format' = 'json');

INSERT INTO answer
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number FROM bid)
WHERE rank_number <= 10;
