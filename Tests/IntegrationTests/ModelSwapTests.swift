import Foundation
import MillraceTestSupport
import Testing

extension IntegrationTests {
    /// A model that is replaced under load: every row is scored once, by one version, and versions follow one another in
    /// the order of the rows.
    @Suite struct ModelSwapTests {
        private static let partitions = 2

        private static let sql = """
            CREATE TABLE events (
                id BIGINT, x INT,
                kafka_partition INT METADATA FROM 'partition' VIRTUAL, kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL
            ) WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                    'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
            CREATE MODEL m INPUT (x INT) OUTPUT (y DOUBLE) WITH ('provider' = 'xgboost', 'path' = 'model.json');
            CREATE TABLE scores (id BIGINT, x INT, y DOUBLE, version STRING, kafka_partition INT, kafka_offset BIGINT)
            WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'scores', 'create-table' = 'true');
            INSERT INTO scores SELECT id, x, y, version, kafka_partition, kafka_offset
            FROM ML_PREDICT(TABLE events, MODEL m, DESCRIPTOR(x), MAP['version-column', 'version']);
            """

        /// Writes a file in two halves, as a slow copy does.
        private func copy(_ text: String, to path: String) throws {
            let file = try #require(fopen(path, "w"))
            fputs(String(text.prefix(text.count / 2)), file)
            fflush(file)
            usleep(300_000)
            fputs(String(text.dropFirst(text.count / 2)), file)
            fclose(file)
        }

        @Test(arguments: [1, 2]) func underLoad(_ shards: Int) throws {
            let bench = try Workbench(partitions: Self.partitions)
            let file = try bench.pipeline(Self.sql)
            let model = bench.directory.appendingPathComponent("model.json").path
            try copy(StumpModel.json(base: 1), to: model)
            let process = try bench.run(file, "--shards", String(shards))
            let producer = try bench.producer()
            var sent = 0
            func send(seconds: Double) throws {
                let end = Date().addingTimeInterval(seconds)
                while Date() < end {
                    for _ in 0..<50 {
                        try producer.send(
                            #"{"id":\#(sent),"x":\#(sent % 3 == 0 ? 1 : 0)}"#,
                            partition: Int32(sent % Self.partitions))
                        sent += 1
                    }
                    try producer.flush()
                    usleep(5000)
                }
            }
            func swaps() -> Int { process.standardError.split(separator: "\n").count { $0.contains("model swapped") } }
            try send(seconds: 0.5)
            try eventually("the first rows") { bench.count("scores") > 0 }
            for base in 2...6 {
                if base == 4 {
                    // Nothing that the rows could be scored with.
                    #expect(FileManager.default.createFile(atPath: model + ".new", contents: Data("no model".utf8)))
                    usleep(20_000)
                    #expect(rename(model + ".new", model) == 0)
                    try eventually("the refusal") { process.standardError.contains("model file is refused") }
                    try send(seconds: 0.2)
                }
                if base % 2 == 0 {
                    try copy(StumpModel.json(base: Double(base)), to: model + ".new")
                    #expect(rename(model + ".new", model) == 0)
                } else {
                    try copy(StumpModel.json(base: Double(base)), to: model)
                    if base == 5 { process.hangUp() }
                }
                let before = Date()
                while swaps() < base - 1, Date().timeIntervalSince(before) < 20 { try send(seconds: 0.1) }
                #expect(swaps() == base - 1, "\(process.standardError)")
                try send(seconds: 0.2)
            }
            try eventually("all rows") { bench.count("scores") >= sent }
            process.terminate()
            #expect(try process.wait() == 0, "\(process.standardError)")

            #expect(bench.count("scores") == sent)
            #expect(bench.value("SELECT count(DISTINCT id) FROM scores") == String(sent))
            #expect(bench.value("SELECT count(*) FROM millrace.dead_letter") == "0")
            // The score says which model it was: each row was scored by the one whose version stands beside it.
            #expect(
                bench.value("SELECT count(*) FROM scores WHERE y - floor(y) <> CASE x WHEN 0 THEN 0.125 ELSE 0.375 END")
                    == "0")
            #expect(
                try bench.sql("SELECT floor(y), count(DISTINCT version) FROM scores GROUP BY 1 ORDER BY 1")
                    == (1...6).map { [String($0), "1"] })
            #expect(bench.value("SELECT count(DISTINCT version) FROM scores") == "6")
            // In order: no row of an older model behind one of a newer, nothing missing in a partition.
            #expect(
                bench.value(
                    """
                    SELECT count(*) FROM (SELECT y, kafka_offset, lag(floor(y)) OVER w AS older,
                        lag(kafka_offset, 1, -1::bigint) OVER w AS previous FROM scores
                        WINDOW w AS (PARTITION BY kafka_partition ORDER BY kafka_offset)) AS t
                    WHERE floor(y) < older OR kafka_offset <> previous + 1
                    """) == "0")
        }
    }
}
