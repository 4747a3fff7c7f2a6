import Foundation
import Testing

extension IntegrationTests {
    /// One owner at a time, one query at a time; drained stops; several shards.
    @Suite struct TakeoverTests {
        private static func sql(
            partitions: Int = 1, expression: String = "n + 1", options: String = "", windows: Bool = false
        ) -> String {
            let window = """
                CREATE TABLE windows (w TIMESTAMP(3), c BIGINT)
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'windows', 'create-table' = 'true');
                INSERT INTO windows SELECT window_start, COUNT(*)
                FROM TUMBLE(TABLE numbers, DESCRIPTOR(ts), INTERVAL '10' SECOND) GROUP BY window_start, window_end;
                """
            return """
                CREATE TABLE numbers (n BIGINT, ts AS TO_TIMESTAMP_LTZ(n, 3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
                WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                      'scan.startup.mode' = 'earliest-offset', 'format' = 'json' \(options));
                CREATE TABLE results (n BIGINT, m BIGINT)
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'results', 'create-table' = 'true');
                INSERT INTO results SELECT n, \(expression) FROM numbers;
                \(windows ? window : "")
                """
        }

        private func send(_ range: Range<Int>, _ producer: TestProducer, partitions: Int = 1) throws {
            for n in range { try producer.send("{\"n\":\(n)}", partition: Int32(n % partitions)) }
            try producer.flush()
        }

        private func expectOnce(_ bench: Workbench, _ range: Range<Int>) throws {
            #expect(
                try bench.sql("SELECT count(*), count(DISTINCT n), min(n), max(n), sum(m - n) FROM results") == [
                    [
                        String(range.count), String(range.count), String(range.lowerBound),
                        String(range.upperBound - 1),
                        String(range.count),
                    ]
                ])
        }

        @Test func secondRunTakesOver() throws {
            let bench = try Workbench()
            let producer = try bench.producer()
            let file = try bench.pipeline(Self.sql())
            try send(0..<100, producer)
            let first = try bench.run(file)
            try eventually("first rows") { bench.count("results") == 100 }
            let second = try bench.run(file)
            try eventually("second run") { bench.count("millrace.runs") == 2 }
            try send(100..<200, producer)
            #expect(try first.wait(seconds: 15) == 1)
            #expect(first.standardError.contains("error: another run of pipeline \"pipeline\" has taken over"))
            try eventually("rows of the second") { bench.count("results") >= 200 }
            #expect(second.isRunning)
            second.terminate()
            #expect(try second.wait(seconds: 15) == 0, "\(second.standardError)")
            try expectOnce(bench, 0..<200)
        }

        @Test func changedQueryIsRefused() throws {
            let bench = try Workbench()
            try send(0..<10, try bench.producer())
            let bounded = ", 'scan.bounded.mode' = 'latest-offset'"
            #expect(try bench.run(try bench.pipeline(Self.sql(options: bounded))).wait() == 0)
            let changed = try bench.pipeline(Self.sql(expression: "n + 2", options: bounded))
            let refused = try bench.run(changed)
            #expect(try refused.wait() == 1)
            let text = refused.standardError
            #expect(text.contains("error: pipeline \"pipeline\" has stored positions of a different query"), "\(text)")
            #expect(text.contains("\n- ") && text.contains("\n+ ") && text.contains("+ 2"), "\(text)")
            #expect(text.contains("--reset-state") && text.contains("SET 'pipeline.name'"), "\(text)")
            #expect(bench.count("results") == 10)
            let reset = try bench.run(changed, "--reset-state")
            #expect(try reset.wait() == 0, "\(reset.standardError)")
            #expect(try bench.sql("SELECT count(*), sum(m - n) FROM results") == [["20", "30"]])
            // And goes on from there.
            #expect(try bench.run(changed).wait() == 0)
            #expect(bench.count("results") == 20)
        }

        @Test(arguments: ["SIGTERM", "SIGINT"])
        func signalDrains(signal: String) throws {
            let bench = try Workbench(partitions: 2)
            let producer = try bench.producer()
            let file = try bench.pipeline(Self.sql(windows: true))
            try send(0..<3_000, producer, partitions: 2)
            let first = try bench.run(file)
            try eventually("some rows") { bench.count("results") > 0 }
            try send(3_000..<6_000, producer, partitions: 2)
            let begin = Date()
            if signal == "SIGINT" { first.interrupt() } else { first.terminate() }
            #expect(try first.wait(seconds: 15) == 0, "\(first.standardError)")
            let seconds = Date().timeIntervalSince(begin)
            print("\(signal): ended after \(seconds) s")
            #expect(seconds < 2)
            // What was read is committed: rows and positions tell the same.
            let read = bench.value("SELECT sum(next_offset) FROM millrace.offsets")
            #expect(bench.value("SELECT count(*) FROM results") == read)
            let second = try bench.run(file)
            try eventually("all rows") { bench.count("results") >= 6_000 }
            second.terminate()
            #expect(try second.wait(seconds: 15) == 0, "\(second.standardError)")
            try expectOnce(bench, 0..<6_000)
        }

        @Test func boundedSourceClosesItsWindows() throws {
            let bench = try Workbench(partitions: 2)
            try send(0..<35_000, try bench.producer(), partitions: 2)
            let file = try bench.pipeline(Self.sql(options: ", 'scan.bounded.mode' = 'latest-offset'", windows: true))
            let run = try bench.run(file)
            #expect(try run.wait() == 0, "\(run.standardError)")
            try expectOnce(bench, 0..<35_000)
            #expect(
                try bench.sql("SELECT c FROM windows ORDER BY w").map { $0[0] } == ["10000", "10000", "10000", "5000"])
            // Nothing new: nothing happens, and it ends again.
            #expect(try bench.run(file).wait() == 0)
            #expect(bench.count("windows") == 4 && bench.count("results") == 35_000)
        }

        @Test func shardsShareThePartitions() throws {
            let bench = try Workbench(partitions: 4)
            let producer = try bench.producer()
            let file = try bench.pipeline(Self.sql())
            try send(0..<10_000, producer, partitions: 4)
            let first = try bench.run(file, "--shards", "2")
            try eventually("some rows") { bench.count("results") > 0 }
            first.kill()
            let second = try bench.run(file, "--shards", "2")
            try send(10_000..<20_000, producer, partitions: 4)
            try eventually("all rows") { bench.count("results") >= 20_000 }
            #expect(bench.value("SELECT count(*) FROM millrace.checkpoints WHERE shard >= 0") == "2")
            second.terminate()
            #expect(try second.wait(seconds: 15) == 0, "\(second.standardError)")
            try expectOnce(bench, 0..<20_000)
        }
    }
}
