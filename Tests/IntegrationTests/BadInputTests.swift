import Foundation
import Testing

extension IntegrationTests {
    /// Good rows arrive, each bad one has its dead letter; or the run fails, or the row is skipped, as 'errors' says.
    @Suite struct BadInputTests {
        private static func sql(errors: String? = nil) -> String {
            let option = errors.map { ", 'errors' = '\($0)'" } ?? ""
            return """
                CREATE TABLE events (
                    id BIGINT, event_time TIMESTAMP_LTZ(3), amount STRING, kind STRING,
                    WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
                ) WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                        'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'scan.bounded.mode' = 'latest-offset'
                        \(option));
                CREATE TABLE good (id BIGINT, amount DECIMAL(10, 2), kind STRING)
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'good');
                CREATE TABLE per_second (second TIMESTAMP(3), n BIGINT)
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'per_second', 'create-table' = 'true');
                INSERT INTO good SELECT id, CAST(amount AS DECIMAL(10, 2)), kind FROM events;
                INSERT INTO per_second SELECT window_start, COUNT(*)
                FROM TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' SECOND) GROUP BY window_start, window_end;
                """
        }

        private func event(_ id: Int, second: Int, amount: String = "1.50", kind: String? = "a") -> String {
            let kind = kind.map { "\"\($0)\"" } ?? "null"
            return """
                {"id":\(id),"event_time":"2024-01-01 00:00:\(second < 10 ? "0" : "")\(second)Z","amount":"\(amount)",\
                "kind":\(kind)}
                """
        }

        private func prepared() throws -> Workbench {
            let bench = try Workbench(partitions: 1)
            try bench.sql(
                "CREATE TABLE good (id bigint, amount numeric(10, 2) CHECK (amount < 1000), kind text NOT NULL)")
            return bench
        }

        /// Offset, key, what the record is, the objects that refuse it with their reasons.
        private static let bad: [(offset: Int, reasons: [String])] = [
            (1, ["events|undecodable message"]),
            (2, ["events|undecodable message"]),
            (3, ["good|cast failed"]),
            (5, ["late row"]),
            (6, ["events|event time is null"]),
            (7, ["good|rejected by the sink"]),
            (8, ["good|null in a NOT NULL column"]),
        ]

        private func produceBad(_ producer: TestProducer) throws {
            let values: [[UInt8]] = [
                Array(event(0, second: 1).utf8), [0xFF, 0x00, 0xFE], Array("{\"id\":".utf8),
                Array(event(3, second: 2, amount: "abc").utf8), Array(event(4, second: 20).utf8),
                Array(event(5, second: 2).utf8),
                Array("{\"id\":6,\"event_time\":null,\"amount\":\"1\",\"kind\":\"a\"}".utf8),
                Array(event(7, second: 21, amount: "5000").utf8), Array(event(8, second: 21, kind: nil).utf8),
                Array(event(9, second: 22).utf8),
            ]
            for (offset, value) in values.enumerated() {
                try producer.send(
                    value, key: Array("key \(offset)".utf8), partition: 0,
                    headers: [("trace", "t\(offset)"), ("trace", "again")])
            }
            try producer.flush()
        }

        @Test func deadLetters() throws {
            let bench = try prepared()
            try produceBad(try bench.producer())
            let run = try bench.run(try bench.pipeline(Self.sql()))
            #expect(try run.wait() == 0, "\(run.standardError)")
            // The late row is late for the window only.
            #expect(try bench.sql("SELECT id FROM good ORDER BY id").map { $0[0] } == ["0", "4", "5", "9"])
            // Rows 3, 7 and 8 fail at the other sink, and are counted here.
            #expect(
                try bench.sql("SELECT to_char(second, 'SS'), n FROM per_second ORDER BY second").map { $0.map { $0! } }
                    == [["01", "1"], ["02", "1"], ["20", "1"], ["21", "2"], ["22", "1"]])
            let letters = try bench.sql(
                """
                SELECT "offset", object || '|' || reason, encode(value, 'hex'), convert_from(key, 'UTF8'), headers::text,
                  topic, partition, source, abs(extract(epoch FROM now() - at)) < 60, detail
                FROM millrace.dead_letter ORDER BY "offset"
                """)
            #expect(letters.map { $0[0] } == Self.bad.map { String($0.offset) })
            for (letter, bad) in zip(letters, Self.bad) {
                #expect(bad.reasons.contains { letter[1]!.hasSuffix($0) }, "\(letter)")
                #expect(letter[3] == "key \(bad.offset)")
                #expect(
                    letter[4]
                        == "[{\"name\": \"trace\", \"value\": \"t\(bad.offset)\"}, {\"name\": \"trace\", \"value\": \"again\"}]",
                    "\(letter)")
                #expect(letter[5] == bench.topic && letter[6] == "0" && letter[7] == "events" && letter[8] == "t")
                #expect(letter[2]?.isEmpty == false, "\(letter)")
            }
            #expect(letters.first?[2] == "ff00fe")
        }

        @Test func skipped() throws {
            let bench = try prepared()
            try produceBad(try bench.producer())
            let run = try bench.run(try bench.pipeline(Self.sql(errors: "skip")))
            #expect(try run.wait() == 0, "\(run.standardError)")
            #expect(try bench.sql("SELECT id FROM good ORDER BY id").map { $0[0] } == ["0", "4", "5", "9"])
            #expect(bench.count("millrace.dead_letter") == 0)
        }

        /// Undecodable, refused by an expression, refused by the table: one readable error; the same again at the next start.
        @Test(arguments: [
            ("{\"id\":", "undecodable message"),
            ("{\"id\":2,\"event_time\":\"2024-01-01 00:00:03Z\",\"amount\":\"abc\",\"kind\":\"a\"}", "cast failed"),
            (
                "{\"id\":2,\"event_time\":\"2024-01-01 00:00:03Z\",\"amount\":\"5000\",\"kind\":\"a\"}",
                "rejected by the sink"
            ),
        ])
        func fails(value: String, reason: String) throws {
            let bench = try prepared()
            let producer = try bench.producer()
            try producer.send(event(0, second: 1))
            try producer.flush()
            // The first row commits in a run of its own.
            let file = try bench.pipeline(Self.sql(errors: "fail"))
            #expect(try bench.run(file).wait() == 0)
            #expect(bench.count("good") == 1)
            try producer.send(event(1, second: 2))
            try producer.send(value)
            try producer.flush()
            for _ in 0..<2 {
                let run = try bench.run(file)
                #expect(try run.wait() == 1, "\(run.standardError)")
                let errors = run.standardError.split(separator: "\n").filter { $0.contains("error: ") }
                #expect(errors.count == 1 && errors[0].contains(reason), "\(run.standardError)")
                #expect(!run.standardError.contains("5000") && !run.standardError.contains("abc"))
                #expect(bench.count("good") == 1)
                #expect(bench.count("millrace.dead_letter") == 0)
            }
        }

        @Test func modelErrors() throws {
            let bench = try Workbench(partitions: 1)
            let producer = try bench.producer()
            let births = Births(count: 6, millisecondsBetween: 10, seed: 1)
            // A feature that is missing, with 'nulls' = 'error'.
            for birth in births.all {
                let json =
                    birth.id == 3
                    ? birth.json.replacingOccurrences(of: "\"mother_age\":\(birth.age),", with: "") : birth.json
                try producer.send(json)
            }
            try producer.flush()
            let run = try bench.run(
                try bench.pipeline(
                    """
                    CREATE TABLE births (birth_id BIGINT, is_male BOOLEAN, mother_age INT, plurality INT,
                        gestation_weeks INT, weight_gain_pounds INT, ever_born INT, mother_married BOOLEAN)
                    WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                          'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'scan.bounded.mode' = 'latest-offset');
                    CREATE MODEL natality
                    INPUT (is_male BOOLEAN, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use BOOLEAN,
                           weight_gain_pounds INT, ever_born INT, mother_married BOOLEAN)
                    OUTPUT (weight_pounds DOUBLE)
                    WITH ('provider' = 'xgboost', 'path' = '$MODELS/natality_xgb.ubj', 'nulls' = 'error');
                    CREATE VIEW complete AS SELECT *, FALSE AS cigarette_use FROM births;
                    CREATE TABLE scores (birth_id BIGINT, weight_pounds DOUBLE)
                    WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'scores', 'create-table' = 'true');
                    INSERT INTO scores SELECT birth_id, weight_pounds FROM ML_PREDICT(TABLE complete, MODEL natality,
                        DESCRIPTOR(is_male, mother_age, plurality, gestation_weeks, cigarette_use, weight_gain_pounds,
                                   ever_born, mother_married));
                    """))
            #expect(try run.wait() == 0, "\(run.standardError)")
            #expect(try bench.sql("SELECT birth_id FROM scores ORDER BY 1").map { $0[0] } == ["0", "1", "2", "4", "5"])
            let raw = births.all[3].json.replacingOccurrences(of: "\"mother_age\":\(births.all[3].age),", with: "")
            let letters = try bench.sql(
                """
                SELECT "offset", reason, value = convert_to($$\(raw)$$, 'UTF8') FROM millrace.dead_letter
                """)
            #expect(letters == [["3", "model error", "t"]])
        }
    }
}
