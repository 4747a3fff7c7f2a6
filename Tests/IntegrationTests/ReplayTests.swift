import Foundation
import MillraceTestSupport
import Testing

extension IntegrationTests {
    /// `millrace replay`: what it confirms, what it finds, what it refuses.
    @Suite struct ReplayTests {
        private static let partitions = 2
        private static let rows = 300

        private static func source(_ columns: String, _ more: String = "") -> String {
            """
            CREATE TABLE events (
                id BIGINT, account STRING, x INT, ms BIGINT,
                \(columns)
            ) WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                    'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json');
            CREATE MODEL m INPUT (x INT) OUTPUT (y DOUBLE) WITH ('provider' = 'xgboost', 'path' = 'model.json');
            \(more)
            """
        }
        private static let place =
            "kafka_partition INT METADATA FROM 'partition' VIRTUAL, kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL"

        private static let plain =
            source(place)
                + """
                CREATE TABLE scores (id BIGINT, y DOUBLE, version STRING, us BIGINT, made_at TIMESTAMP_LTZ(3), kafka_partition INT,
                    kafka_offset BIGINT)
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'scores', 'create-table' = 'true');
                CREATE TABLE totals (account STRING, n BIGINT) WITH ('connector' = 'print');
                INSERT INTO scores SELECT id, y / 3, version, us, CURRENT_TIMESTAMP, kafka_partition, kafka_offset
                FROM ML_PREDICT(TABLE events, MODEL m, DESCRIPTOR(x), MAP['version-column', 'version', 'latency-column', 'us'])
                WHERE x <> 2;
                INSERT INTO totals SELECT account, x FROM events WHERE x = 3;
                """

        /// A pipeline that has run over 300 records of two partitions.
        private func ran(_ sql: String) throws -> (bench: Workbench, file: String) {
            let bench = try Workbench(partitions: Self.partitions)
            let file = try bench.pipeline(sql)
            try write(bench, base: 1)
            let producer = try bench.producer()
            for id in 0..<Self.rows {
                try producer.send(
                    #"{"id":\#(id),"account":"a\#(id % 6)","x":\#(id % 10 == 6 ? 2 : id % 2),"ms":\#(1_700_000_000_000 + id * 1000)}"#,
                    partition: Int32(id % Self.partitions))
            }
            try producer.flush()
            let run = try bench.run(file)
            #expect(try run.wait() == 0, "\(run.standardError)")
            return (bench, file)
        }

        private func write(_ bench: Workbench, base: Double) throws {
            try Data(StumpModel.json(base: base).utf8).write(to: bench.directory.appendingPathComponent("model.json"))
        }

        private func replay(_ file: String, _ arguments: String...) throws -> (
            status: Int32, output: String, errors: String
        ) {
            let process = try MillraceProcess(["replay", file] + arguments)
            return (try process.wait(), process.standardOutput, process.standardError)
        }

        @Test func everyRowThatDiffersIsTold() throws {
            let (bench, file) = try ran(Self.plain)
            #expect(bench.count("scores") == 270)
            var ended = try replay(file, "--from", "0:0", "--from", "1:0")
            #expect(ended.status == 0, "\(ended)")
            #expect(
                ended.output.hasPrefix("scores: 270 rows computed, 270 equal, 0 differ, 0 not stored\n"), "\(ended)")
            #expect(ended.output.contains("not compared: us (latency), made_at (another value each time)"), "\(ended)")
            #expect(ended.output.contains("totals was not compared: it is no PostgreSQL table"), "\(ended)")
            ended = try replay(file, "--from", "1:20", "--to", "1:40")
            #expect(ended.status == 0 && ended.output.hasPrefix("scores: 20 rows computed, 20 equal"), "\(ended)")

            // One last bit, one row away, one row of a record that gives none.
            try bench.sql("UPDATE scores SET y = y + 1e-16 WHERE id = 17")
            #expect(bench.value("SELECT y = \((1 + 0.375) / 3) FROM scores WHERE id = 17") == "f")
            try bench.sql("DELETE FROM scores WHERE id = 4")
            try bench.sql("INSERT INTO scores (id, kafka_partition, kafka_offset) VALUES (6, 0, 3)")
            ended = try replay(file, "--from", "0:0", "--from", "1:0")
            #expect(ended.status == 1, "\(ended)")
            let lines = ended.output.split(separator: "\n")
            #expect(
                lines.contains { $0.hasPrefix("scores kafka_partition=1 kafka_offset=8: y is 0.458333333333333") },
                "\(ended)")
            #expect(lines.contains("scores kafka_partition=0 kafka_offset=2: not stored"), "\(ended)")
            #expect(
                lines.contains(
                    "scores: 270 rows computed, 268 equal, 1 differ, 1 not stored, 1 stored of records that give no row"
                ),
                "\(ended)")
            ended = try replay(file, "--from", "1:0", "--tolerance", "1e-12")
            #expect(ended.status == 0, "\(ended)")
            ended = try replay(file, "--from", "1:0", "--ignore", "y")
            #expect(ended.status == 0 && ended.output.contains("y (--ignore)"), "\(ended)")

            // Another model says nothing about what the first one answered.
            try write(bench, base: 2)
            let version = bench.value("SELECT DISTINCT version FROM scores WHERE version IS NOT NULL") ?? ""
            ended = try replay(file, "--from", "1:0")
            #expect(ended.status == 1, "\(ended)")
            #expect(
                ended.output.contains("0 equal, 0 differ, 0 not stored, 150 scored by version \(version)"), "\(ended)")
        }

        @Test func whatIsNotThereIsRefused() throws {
            let (bench, file) = try ran(Self.plain)
            for (arguments, text) in [
                (["--from", "7:0"], "--from: topic \"\(bench.topic)\" has no partition 7"),
                (["--from", "0:9999"], "hint: Its records are 0 to 149."),
                (["--from", "0:10", "--to", "0:5"], "--to 0:5 is before --from 0:10"),
                (["--from", "0:0", "--table", "score"], "Did you mean \"scores\"?"),
                (
                    ["--from", "0:0", "--table", "totals"],
                    "table \"totals\" cannot be replayed: it is no PostgreSQL table"
                ),
                (["--from", "0:0", "--ignore", "z"], "no table of the pipeline has a column \"z\""),
            ] {
                let process = try MillraceProcess(["replay", file] + arguments)
                #expect(try process.wait() == 2)
                #expect(process.standardError.contains(text), "\(process.standardError)")
            }
            #expect(try replay(file).status == 64)
            #expect(try replay(file, "--from", "0").status == 64)
        }

        @Test func rowsAreFoundByPrimaryKeyOrNotAtAll() throws {
            let sink = """
                INSERT INTO scores SELECT id, y FROM ML_PREDICT(TABLE events, MODEL m, DESCRIPTOR(x));
                CREATE TABLE scores (id BIGINT, y DOUBLE, PRIMARY KEY (id) NOT ENFORCED)
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'scores', 'create-table' = 'true');
                """
            let parts = sink.components(separatedBy: "CREATE TABLE")
            let keyed = Self.source("note STRING") + "CREATE TABLE" + parts[1] + parts[0]
            let (bench, file) = try ran(keyed)
            var ended = try replay(file, "--from", "0:5", "--from", "1:0")
            #expect(ended.status == 0 && ended.output.hasPrefix("scores: 295 rows computed, 295 equal"), "\(ended)")
            try bench.sql("UPDATE scores SET y = NULL WHERE id = 12")
            ended = try replay(file, "--from", "0:5")
            #expect(ended.status == 1 && ended.output.contains("scores id=12: y is NULL, computed 1.125"), "\(ended)")
            let without = try bench.pipeline(
                keyed.replacingOccurrences(of: ", PRIMARY KEY (id) NOT ENFORCED", with: ""), name: "without")
            ended = try replay(without, "--from", "0:0")
            #expect(ended.status == 2, "\(ended)")
            #expect(ended.errors.contains("its rows cannot be matched with records"), "\(ended)")
        }

        /// Features from the history of a key: only with the rows before the first one do they come out the same.
        @Test(arguments: ["", "SET 'over.emit' = 'on-arrival';"]) func historyIsRebuilt(_ emission: String) throws {
            let sql =
                emission
                + Self.source(
                    "\(Self.place), ts AS TO_TIMESTAMP_LTZ(ms, 3), WATERMARK FOR ts AS ts",
                    """
                    CREATE VIEW counted AS SELECT *, COUNT(*) OVER (PARTITION BY account ORDER BY ts
                        RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) AS n FROM events;
                    """)
                    + """
                    CREATE TABLE scores (id BIGINT, n BIGINT, y DOUBLE, kafka_partition INT, kafka_offset BIGINT)
                    WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'scores', 'create-table' = 'true');
                    INSERT INTO scores SELECT id, n, y + n, kafka_partition, kafka_offset
                    FROM ML_PREDICT(TABLE counted, MODEL m, DESCRIPTOR(x));
                    """
            let (bench, file) = try ran(sql)
            #expect(bench.count("scores") == Self.rows)
            var ended = try replay(file, "--from", "0:100", "--from", "1:100")
            #expect(ended.status == 2, "\(ended)")
            #expect(ended.errors.contains("table \"scores\" is made with OVER"), "\(ended)")
            ended = try replay(file, "--from", "0:100", "--from", "1:100", "--history", "earliest")
            #expect(ended.status == 0, "\(ended)")
            #expect(
                ended.output.hasPrefix("scores: 100 rows computed, 100 equal, 0 differ, 0 not stored\n"), "\(ended)")
            ended = try replay(file, "--from", "0:100", "--from", "1:100", "--history", "0:50", "--history", "1:50")
            #expect(ended.status == 0, "\(ended)")
            // Two records are not a minute.
            ended = try replay(file, "--from", "0:100", "--from", "1:100", "--history", "0:98", "--history", "1:98")
            #expect(ended.status == 1 && ended.output.contains("n is 11, computed 1"), "\(ended)")
        }
    }
}
