-- Bids on some auctions.
CREATE TABLE answer (auction BIGINT, price BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${dir}/answer.json', 'format' = 'json');

INSERT INTO answer SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0;
