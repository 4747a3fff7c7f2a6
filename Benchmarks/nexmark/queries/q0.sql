-- Bids as they come: the cost of reading and writing.
CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra STRING)
WITH ('connector' = 'filesystem', 'path' = '${dir}/answer.json', 'format' = 'json');

INSERT INTO answer SELECT auction, bidder, price, dateTime, extra FROM bid;
