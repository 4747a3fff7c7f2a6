CREATE TABLE a (x INT, o BIGINT METADATA FROM 'ofset', y INTT, z AS x + q) WITH ('connector' = 'kafka', 'topik' = 'a', 'properties.bootstrap.servers' = '${broker}', 'format' = 'jsn', 'scan.startup.mode' = 'earliest-ofset');
CREATE TABLE b (x INT) WITH ('connector' = 'kafak', 'topic' = 'b');
CREATE TABLE c (x INT, PRIMARY KEY (xx) NOT ENFORCED) WITH ('connector' = 'postgres', 'url' = '${host:-localhost}', 'table-name' = 't', 'sink.buffer-flush.interval' = 'soon', 'sink.buffer-flush.max-rows' = 'many', 'sink.memory' = 'big', 'pasword' = 'x');
CREATE TABLE d (x INT, ts STRING, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'p', 'format' = 'json', 'json.ignore-parse-error' = 'true', 'errors' = 'skp');
CREATE TABLE e (x INT) WITH ('topic' = 'e');
CREATE MODEL m INPUT (a INT) OUTPUT (p DOUBLE) WITH ('provider' = 'xgbost', 'path' = 'x');
CREATE MODEL n INPUT (a INT) OUTPUT (p DOUBLE) WITH ('provider' = 'xgboost', 'pth' = 'x');
INSERT INTO b SELECT x FROM a;
