CREATE TABLE bids (auction BIGINT, price DECIMAL(10, 2), item ROW<name STRING>, ts TIMESTAMP(3)) WITH (
    'connector' = 'kafka', 'topic' = 'bids', 'properties.bootstrap.servers' = 'b', 'format' = 'json');
CREATE TABLE out (a BIGINT, b STRING) WITH ('connector' = 'print');
INSERT INTO out SELECT auktion, item.nam FROM bids AS t WHERE t.pricee > 1;
INSERT INTO out SELECT auction, uper(item.name) FROM bidz;
INSERT INTO outt SELECT auction, item.name FROM bids;
INSERT INTO out SELECT auction + 'x', uper(item.name) FROM bids;
INSERT INTO out SELECT auction FROM bids;
INSERT INTO out SELECT price, auction FROM bids;
INSERT INTO out (a, c) SELECT auction, item.name FROM bids;
INSERT INTO out SELECT auction, item.name FROM bids WHERE price = 'x' AND auction;
INSERT INTO out SELECT x.auction, ts FROM bids AS x, bids AS y;
INSERT INTO out SELECT auction, SUBSTRING(auction, 1) FROM bids;
INSERT INTO out SELECT auction, CAST(ts AS INT) || 'a' FROM bids WHERE SUM(price) > 3;
