import Foundation
import Testing

extension IntegrationTests {
    /// Kafka sinks with 'exactly-once': alone, where Kafka keeps the positions, and beside PostgreSQL, which then does.
    @Suite struct ExactlyOnceTests {
        private static let partitions = 3

        /// Every event to a topic and, `withDatabase`, to a table; and its windows to another topic.
        private func sql(withDatabase: Bool, options: String = "") -> String {
            let kafka = "'connector' = 'kafka', 'properties.bootstrap.servers' = '$BROKER', 'format' = 'json'"
            let once = "\(kafka), 'sink.delivery-guarantee' = 'exactly-once'"
            var text = """
                CREATE TABLE events (id BIGINT, ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
                WITH (\(kafka), 'topic' = '$TOPIC', 'scan.startup.mode' = 'earliest-offset'\(options));
                CREATE TABLE copies (id BIGINT, double_id BIGINT)
                WITH (\(once), 'topic' = '$TOPIC-copies');
                CREATE TABLE counts (w TIMESTAMP_LTZ(3), n BIGINT, total BIGINT) WITH (\(once), 'topic' = '$TOPIC-counts');

                """
            if withDatabase {
                text += """
                    CREATE TABLE kept (id BIGINT) WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'kept',
                        'create-table' = 'true');
                    INSERT INTO kept SELECT id FROM events;

                    """
            }
            return text + """
                INSERT INTO copies SELECT id, id * 2 FROM events;
                INSERT INTO counts SELECT window_start, COUNT(*), SUM(id)
                FROM TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY window_start, window_end;
                """
        }

        private func makeBench() throws -> Workbench {
            let bench = try Workbench(partitions: Self.partitions)
            try bench.broker.createTopic(bench.topic + "-copies", partitions: 2)
            try bench.broker.createTopic(bench.topic + "-counts", partitions: 1)
            return bench
        }

        /// Ten milliseconds of event time each, in turn to the partitions.
        private func send(_ range: Range<Int>, _ producer: TestProducer) throws {
            for id in range {
                try producer.send(
                    #"{"id":\#(id),"ms":\#(1_700_000_000_000 + 10 * id)}"#, partition: Int32(id % Self.partitions))
            }
            try producer.flush()
        }

        private func copies(_ bench: Workbench, isCommitted: Bool = true) throws -> [Int] {
            try TestConsumer.read(
                bench.topic + "-copies", of: bench.broker.bootstrap, partitions: 2, isCommitted: isCommitted
            ).map { message in
                let object = try JSONSerialization.jsonObject(with: Data(message.value.utf8)) as? [String: Int]
                #expect(object?["double_id"] == object?["id"].map { $0 * 2 })
                return object?["id"] ?? -1
            }
        }

        /// By window start.
        private func counts(_ bench: Workbench) throws -> [(start: String, n: Int, total: Int)] {
            try TestConsumer.read(bench.topic + "-counts", of: bench.broker.bootstrap).map { message in
                let object = try JSONSerialization.jsonObject(with: Data(message.value.utf8)) as? [String: Any]
                return (object?["w"] as? String ?? "", object?["n"] as? Int ?? -1, object?["total"] as? Int ?? -1)
            }.sorted { $0.start < $1.start }
        }

        /// Waits until all of `count` events are everywhere, and compares with what they must have become.
        private func expect(_ count: Int, _ bench: Workbench, withDatabase: Bool, _ process: MillraceProcess) throws {
            do {
                try eventually("\(count) copies") { try copies(bench).count >= count }
                let seconds = (count + 99) / 100
                try eventually("\(seconds) windows") { try counts(bench).count >= seconds }
                if withDatabase { try eventually("\(count) rows") { bench.count("kept") >= count } }
            } catch {
                Issue.record("standard error:\n\(process.standardError)")
                throw error
            }
            #expect(try copies(bench).sorted() == Array(0..<count))
            let windows = try counts(bench)
            #expect(Set(windows.map(\.start)).count == windows.count)
            for (i, window) in windows.enumerated() {
                let ids = i * 100..<min(count, i * 100 + 100)
                #expect(window.n == ids.count && window.total == ids.reduce(0, +), "\(window)")
            }
            if withDatabase {
                #expect(
                    try bench.sql("SELECT count(*), count(DISTINCT id), min(id), max(id) FROM kept")
                        == [[String(count), String(count), "0", String(count - 1)]])
            }
        }

        private func stop(_ process: MillraceProcess) throws {
            process.terminate()
            #expect(try process.wait() == 0, "\(process.standardError)")
        }

        /// The process ends as by kill -9 at each step of a transaction; `visit`: of the step.
        @Test(
            arguments: [true, false],
            [("kafka-begun", 3), ("kafka-produced", 6), ("kafka-committed", 6)])
        func diesAtEachStep(withDatabase: Bool, step: (name: String, visit: Int)) throws {
            let bench = try makeBench()
            let file = try bench.pipeline(sql(withDatabase: withDatabase))
            let producer = try bench.producer()
            let dying = try MillraceProcess(
                ["run", file], environment: ["MILLRACE_FAILPOINT": "\(step.name):\(step.visit)"])
            var sent = 0
            while dying.isRunning, sent < 4_000 {
                try send(sent..<sent + 50, producer)
                sent += 50
                usleep(20_000)
            }
            #expect(try dying.wait() == 128 + SIGKILL, "\(dying.standardError)")
            if step.name == "kafka-produced" {
                // Else this would not test anything: there is something that must not be seen.
                func count(isCommitted: Bool) throws -> Int {
                    try ["-copies": 2, "-counts": 1].reduce(0) { sum, topic in
                        try sum
                            + TestConsumer.read(
                                bench.topic + topic.key, of: bench.broker.bootstrap, partitions: topic.value,
                                isCommitted: isCommitted
                            ).count
                    }
                }
                #expect(try count(isCommitted: false) > count(isCommitted: true))
            }
            let process = try bench.run(file)
            try send(sent..<sent + 150, producer)
            try expect(sent + 150, bench, withDatabase: withDatabase, process)
            try stop(process)
            if withDatabase { #expect(bench.count("millrace.outbox") == 0) }
        }

        @Test(arguments: [true, false])
        func killedAgainAndAgain(withDatabase: Bool) throws {
            let seed = SeededGenerator.seed
            print("MILLRACE_SEED=\(seed)")
            var random = SeededGenerator(seed: seed)
            let bench = try makeBench()
            let file = try bench.pipeline(sql(withDatabase: withDatabase))
            let producer = try bench.producer()
            var sent = 0
            var kills = 0
            while kills < 6 {
                let process = try bench.run(file, "--shards", String(Int.random(in: 1...3, using: &random)))
                let end = Date().addingTimeInterval(Double.random(in: 0.1...1.0, using: &random))
                while Date() < end {
                    try send(sent..<sent + 50, producer)
                    sent += 50
                    usleep(20_000)
                }
                #expect(process.isRunning, "\(process.standardError)")
                process.kill()
                kills += 1
            }
            let process = try bench.run(file)
            try expect(sent, bench, withDatabase: withDatabase, process)
            try stop(process)
        }

        /// A run that was asleep while another took over must not write when it wakes.
        @Test(arguments: [true, false])
        func aSleeperIsFenced(withDatabase: Bool) throws {
            let bench = try makeBench()
            let file = try bench.pipeline(sql(withDatabase: withDatabase))
            let producer = try bench.producer()
            let sleeper = try bench.run(file)
            try send(0..<200, producer)
            try eventually("first copies") { try copies(bench).count == 200 }
            sleeper.pause()
            try send(200..<400, producer)
            let process = try bench.run(file)
            try eventually("copies of the second run") { try copies(bench).count == 400 }
            sleeper.resume()
            try send(400..<600, producer)
            #expect(try sleeper.wait() == 1)
            #expect(sleeper.standardError.contains("has taken over"), "\(sleeper.standardError)")
            try expect(600, bench, withDatabase: withDatabase, process)
            try stop(process)
        }

        /// The database goes on without Kafka, and Kafka has everything later.
        @Test func sinkBrokerAway() throws {
            let broker = try TestBroker()
            defer { broker.close() }
            let bench = try makeBench()
            try broker.createTopic(bench.topic + "-copies", partitions: 2)
            let text = """
                CREATE TABLE events (id BIGINT) WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'format' = 'json',
                    'properties.bootstrap.servers' = '$BROKER', 'scan.startup.mode' = 'earliest-offset');
                CREATE TABLE copies (id BIGINT, double_id BIGINT) WITH ('connector' = 'kafka', 'topic' = '$TOPIC-copies',
                    'format' = 'json', 'properties.bootstrap.servers' = '\(broker.bootstrap)',
                    'sink.delivery-guarantee' = 'exactly-once', 'properties.transaction.timeout.ms' = '10000');
                CREATE TABLE kept (id BIGINT) WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'kept',
                    'create-table' = 'true');
                INSERT INTO kept SELECT id FROM events;
                INSERT INTO copies SELECT id, id * 2 FROM events;
                """
            func arrived() throws -> [Int] {
                try TestConsumer.read(bench.topic + "-copies", of: broker.bootstrap, partitions: 2).map {
                    (try JSONSerialization.jsonObject(with: Data($0.value.utf8)) as? [String: Int])?["id"] ?? -1
                }
            }
            let file = try bench.pipeline(text)
            let producer = try bench.producer()
            let process = try bench.run(file)
            try send(0..<100, producer)
            try eventually("first copies") { try arrived().count == 100 }
            try broker.stop()
            try send(100..<600, producer)
            try eventually("rows without Kafka") { bench.count("kept") == 600 }
            #expect(bench.value("SELECT sum(messages) FROM millrace.outbox").flatMap { Int($0) } ?? 0 >= 500)
            #expect(process.isRunning, "\(process.standardError)")
            try broker.start()
            try eventually("all copies: \(process.standardError)", seconds: 60) { try arrived().count >= 600 }
            #expect(try arrived().sorted() == Array(0..<600))
            try eventually("an empty outbox") { bench.count("millrace.outbox") == 0 }
            try stop(process)
        }

        @Test func anotherQueryDoesNotTakeTheOffsets() throws {
            let bench = try makeBench()
            let text = sql(withDatabase: false)
            let producer = try bench.producer()
            try send(0..<50, producer)
            let process = try bench.run(try bench.pipeline(text))
            try eventually("copies") { try copies(bench).count == 50 }
            try stop(process)
            let other = try bench.pipeline(text.replacingOccurrences(of: "id * 2", with: "id + id"))
            let refused = try bench.run(other)
            #expect(try refused.wait() == 1)
            #expect(refused.standardError.contains("positions of a different query"), "\(refused.standardError)")
            let reset = try bench.run(other, "--reset-state")
            try eventually("copies again") { try copies(bench).count == 100 }
            try stop(reset)
        }
    }
}
