import Foundation
import Testing

extension IntegrationTests {
    /// OVER by the message key: a partition that stays behind holds nobody else's rows back, also over a kill -9.
    @Suite struct SlowPartitionTests {
        @Test func eachPartitionByItsOwnWatermark() throws {
            let bench = try Workbench(partitions: 2)
            let file = try bench.pipeline(
                """
                CREATE TABLE payments (
                    account STRING, amount BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
                ) WITH (
                    'connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                    'scan.startup.mode' = 'earliest-offset', 'scan.watermark.idle-timeout' = '0',
                    'key.format' = 'json', 'key.fields' = 'account', 'value.format' = 'json');
                CREATE TABLE sums (account STRING, total BIGINT, ts TIMESTAMP(3))
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'sums', 'create-table' = 'true');
                INSERT INTO sums
                SELECT account, SUM(amount) OVER (
                    PARTITION BY account ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW), ts
                FROM payments;
                """)
            let producer = try bench.producer()
            func send(_ account: String, _ second: Int, partition: Int32) throws {
                let time = String(format: "2026-01-01 00:00:%02d", second)
                try producer.send(
                    Array(#"{"account":"\#(account)","amount":1,"ts":"\#(time)"}"#.utf8),
                    key: Array(#"{"account":"\#(account)"}"#.utf8), partition: partition)
            }
            try send("slow", 1, partition: 1)
            for second in 10..<40 { try send("a\(second % 7)", second, partition: 0) }
            try producer.flush()
            let first = try bench.run(file)
            // All that partition 0's own watermark has passed.
            try eventually("partition 0 goes on") { bench.count("sums") >= 29 }
            first.kill()
            let second = try bench.run(file)
            for second in 40..<50 { try send("a\(second % 7)", second, partition: 0) }
            for second in 2..<4 { try send("slow", second, partition: 1) }
            try send("a5", 5, partition: 0)
            try producer.flush()
            try eventually("both go on") { bench.count("sums") >= 41 && bench.count("millrace.dead_letter") >= 1 }
            second.terminate()
            #expect(try second.wait() == 0, "\(second.standardError)")
            #expect(bench.count("sums") == 41)
            #expect(bench.value("SELECT count(DISTINCT (account, ts)) FROM sums") == "41")
            // The n-th row of an account has the sum n, before the kill and after it.
            #expect(
                bench.value(
                    """
                    SELECT count(*) FROM (SELECT total, row_number() OVER (PARTITION BY account ORDER BY ts) AS n FROM sums) AS s
                    WHERE total <> n
                    """) == "0")
            #expect(bench.value("SELECT count(*) FROM sums WHERE account = 'slow'") == "2")
            let letters = try bench.sql(
                "SELECT reason, partition, convert_from(value, 'UTF8') FROM millrace.dead_letter")
            #expect(letters.count == 1)
            #expect(letters.first?[0] == "late row" && letters.first?[2]?.contains("00:00:05") == true, "\(letters)")
        }
    }
}
