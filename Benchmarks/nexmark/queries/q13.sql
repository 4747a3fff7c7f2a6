-- Every bid with a value from a side table.
CREATE TABLE side_input (key BIGINT, `value` STRING)
WITH ('connector' = 'filesystem', 'path' = '${dir}/side_input.csv', 'format' = 'csv');
CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), `value` STRING)
WITH ('connector' = 'filesystem', 'path' = '${dir}/answer.json', 'format' = 'json');

INSERT INTO answer
SELECT b.auction, b.bidder, b.price, b.dateTime, s.`value`
FROM bid AS b JOIN side_input AS s ON MOD(b.auction, 10000) = s.key;
