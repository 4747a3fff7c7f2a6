import MillraceCore
import MillraceEngine
import Testing

/// Which OVERs go by the watermark of each partition: those whose PARTITION BY contains the message key.
@Suite struct PartitionLocalityTests {
    private func explanation(
        _ from: String, _ partition: String, key: String = "'key.format' = 'json', 'key.fields' = 'a;b',"
    )
        -> String
    {
        let file = PipelineFile(
            path: "p.sql",
            text: """
                CREATE TABLE t (a STRING, b INT, c INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
                WITH ('connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'b', \(key)
                      'value.format' = 'json');
                CREATE VIEW v AS SELECT c AS x, b AS y, a AS z, ts FROM t WHERE c > 1;
                CREATE VIEW w AS SELECT UPPER(a) AS a, b, c, ts FROM t;
                CREATE VIEW u AS SELECT a, b, c, ts FROM t UNION ALL SELECT a, b, c, ts FROM t;
                CREATE TABLE s (n BIGINT) WITH ('connector' = 'print');
                INSERT INTO s SELECT COUNT(*) OVER (
                    PARTITION BY \(partition) ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW)
                FROM \(from);
                """, variables: [:])
        #expect(file.plan != nil, "\(file.rendered(file.diagnostics))")
        return file.explanation
    }

    @Test(arguments: [
        ("t", "a, b", true), ("t", "c, b, a", true), ("v", "y, z", true), ("v", "x, y, z", true),
        ("t", "a", false), ("t", "a, c", false), ("w", "a, b", false), ("u", "a, b", false), ("v", "x, y", false),
    ]) func byTheMessageKey(_ from: String, _ partition: String, _ isLocal: Bool) {
        let text = explanation(from, partition)
        #expect(text.contains("each partition goes by its own watermark") == isLocal, "\(text)")
        #expect(text.contains("state: rows until the watermark has passed them by 1 h; at most 10,000,000 rows"))
    }

    @Test func withoutADeclaredKeyByTheSource() {
        #expect(!explanation("t", "a, b", key: "").contains("its own watermark"))
    }
}
