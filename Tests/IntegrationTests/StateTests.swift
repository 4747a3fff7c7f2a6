import Foundation
import Testing

extension IntegrationTests {
    /// State that reading again could not rebuild: histories without an end, windows over results.
    @Suite struct StateTests {
        private static let partitions = 2
        private static let keys = 300

        private static func sql(_ settings: String = "", function: String = "SUM(n)") -> String {
            """
            SET 'over.emit' = 'on-arrival';
            \(settings)
            CREATE TABLE numbers (k BIGINT, n BIGINT, ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3),
                WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
            WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
            CREATE VIEW histories AS SELECT k, n, ts, COUNT(*) OVER w AS c, \(function) OVER w AS s, LAG(n, 3) OVER w AS earlier
            FROM numbers WINDOW w AS (PARTITION BY k ORDER BY ts);
            CREATE TABLE results (k BIGINT, n BIGINT, c BIGINT, s BIGINT, earlier BIGINT)
            WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'results', 'create-table' = 'true');
            CREATE TABLE windows (w TIMESTAMP(3), k BIGINT, c BIGINT, newest BIGINT)
            WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'windows', 'create-table' = 'true');
            INSERT INTO results SELECT k, n, c, s, earlier FROM histories;
            INSERT INTO windows SELECT window_start, k, COUNT(*), MAX(c)
            FROM TUMBLE(TABLE histories, DESCRIPTOR(ts), INTERVAL '20' MINUTE) GROUP BY window_start, window_end, k;
            """
        }

        /// A second of event time a row; a key's rows are all in one partition.
        private func send(_ range: Range<Int>, _ producer: TestProducer) throws {
            for n in range {
                let key = n * 7919 % Self.keys
                try producer.send(
                    "{\"k\":\(key),\"n\":\(n),\"ms\":\(n * 1000)}", partition: Int32(key % Self.partitions))
            }
            try producer.flush()
        }

        private func expectWhole(_ bench: Workbench, rows: Int) {
            #expect(bench.count("results") == rows)
            #expect(
                bench.value(
                    """
                    SELECT count(*) FROM (SELECT c, s, earlier, row_number() OVER w AS count, sum(n) OVER w AS sum,
                        lag(n, 3) OVER w AS lag FROM results WINDOW w AS (PARTITION BY k ORDER BY n)) AS r
                    WHERE c <> count OR s <> sum OR earlier IS DISTINCT FROM lag
                    """) == "0")
            // Of the windows that have closed, each row once.
            #expect(
                bench.value(
                    """
                    SELECT count(*) FROM (
                        SELECT w, k, c, newest FROM windows EXCEPT ALL
                        SELECT timestamp 'epoch' + n / 1200 * interval '20 min', k, count(*), max(c) FROM results
                        GROUP BY 1, 2) AS d
                    """) == "0")
            #expect(
                bench.value("SELECT count(DISTINCT w) * \(Self.keys) - count(*) FROM windows") == "0",
                "no key is missing")
            #expect(bench.count("windows") > 0)
        }

        @Test func killedAgainAndAgain() throws {
            let seed = SeededGenerator.seed
            print("MILLRACE_SEED=\(seed)")
            var random = SeededGenerator(seed: seed)
            let bench = try Workbench(partitions: Self.partitions)
            let file = try bench.pipeline(Self.sql())
            let producer = try bench.producer()
            let rows = 15_000
            var sent = 0
            var kills = 0
            while sent < rows {
                let process = try bench.run(file)
                let end = Date().addingTimeInterval(Double.random(in: 0.2...1.5, using: &random))
                while Date() < end, sent < rows {
                    let next = min(rows, sent + 100)
                    try send(sent..<next, producer)
                    sent = next
                    usleep(25_000)
                }
                process.kill()
                kills += 1
                // No record is asked for again: what a run knows comes from the database.
                #expect(
                    bench.value("SELECT count(*) FROM millrace.offsets WHERE replay_offset < next_offset") ?? "0" == "0"
                )
            }
            let last = try bench.run(file)
            try eventually("all rows") { bench.count("results") >= rows }
            try eventually("windows") { bench.count("windows") >= 11 * Self.keys }
            last.terminate()
            #expect(try last.wait(seconds: 15) == 0, "\(last.standardError)")
            print(
                "\(kills) kills, \(bench.count("millrace.state_log")) entries, \(bench.count("millrace.state")) snapshots"
            )
            #expect(kills > 2)
            #expect(bench.count("millrace.state") > 0)
            expectWhole(bench, rows: rows)
        }

        @Test func stateIsRefusedOrForgotten() throws {
            let bench = try Workbench(partitions: Self.partitions)
            let producer = try bench.producer()
            try send(0..<600, producer)
            func run(_ sql: String, rows: Int, _ more: String...) throws -> String {
                let process = try MillraceProcess(["run", try bench.pipeline(sql)] + more)
                try eventually("rows or end") { bench.count("results") >= rows || !process.isRunning }
                if process.isRunning { process.terminate() }
                _ = try process.wait(seconds: 15)
                return process.standardError
            }
            _ = try run(Self.sql(), rows: 600)
            #expect(bench.count("millrace.state_log") > 0)
            let refused = try run(Self.sql(function: "MAX(n)"), rows: 601)
            #expect(refused.contains("has stored positions of a different query"), "\(refused)")
            let off = try run(
                Self.sql("SET 'state.snapshots' = 'off'; SET 'table.exec.state.ttl' = '7 d';"), rows: 601)
            #expect(off.contains("--reset-state"), "\(off)")
            try bench.sql("DELETE FROM results; DELETE FROM windows")
            _ = try run(Self.sql(), rows: 600, "--reset-state")
            #expect(bench.value("SELECT max(c) FROM results") == "2", "counted from the beginning")
            try send(600..<1200, producer)
            _ = try run(Self.sql(), rows: 1200)
            #expect(bench.value("SELECT max(c) FROM results") == "4")
        }
    }
}
