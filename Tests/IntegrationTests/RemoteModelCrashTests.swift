import Foundation
import Testing

extension IntegrationTests {
    /// A model server that is slow, fails and closes connections, behind a pipeline that is killed: every row is scored and
    /// written once, beside a branch that does not wait for it.
    @Suite struct RemoteModelCrashTests {
        private final class ModelServer {
            let port: Int
            private let process = Process()

            init() throws {
                process.executableURL = MillraceProcess.repository.appendingPathComponent("Scripts/predict-server")
                process.arguments = ["--with-parent"]
                let output = Pipe()
                process.standardOutput = output
                try process.run()
                var text = ""
                while !text.hasSuffix("\n") {
                    let data = output.fileHandleForReading.availableData
                    guard !data.isEmpty else { throw TimedOut() }
                    text += String(decoding: data, as: UTF8.self)
                }
                port = try #require(Int(text.dropFirst("port=".count).dropLast()))
            }

            deinit { process.terminate() }
        }

        @Test(arguments: [1, 2])
        func killedAgainAndAgain(shards: Int) throws {
            let rows = 6_000
            let seed = SeededGenerator.seed
            print("MILLRACE_SEED=\(seed)")
            var random = SeededGenerator(seed: seed)
            let server = try ModelServer()
            let bench = try Workbench(partitions: 3)
            let file = try bench.pipeline(
                """
                CREATE TABLE events (id BIGINT, kafka_partition INT METADATA FROM 'partition' VIRTUAL)
                WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                      'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
                CREATE MODEL m INPUT (x DOUBLE) OUTPUT (doubled DOUBLE)
                WITH ('provider' = 'http', 'batch-size' = '8', 'max-in-flight' = '4', 'retry-backoff' = '1 ms', 'retries' = '50',
                      'breaker-pause' = '20 ms',
                      'url' = 'http://127.0.0.1:\(server.port)/v1/models/scalar:predict?script=ok,delay:30,503,ok,close,delay:5,ok,half,again');
                CREATE TABLE direct (id BIGINT) WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'direct');
                CREATE TABLE scored (id BIGINT, doubled DOUBLE)
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'scored');
                INSERT INTO direct SELECT id FROM events;
                INSERT INTO scored SELECT id, doubled FROM ML_PREDICT(TABLE events, MODEL m, DESCRIPTOR(id));
                """)
            try bench.sql("CREATE TABLE direct (id bigint); CREATE TABLE scored (id bigint, doubled float8)")
            let producer = try bench.producer()
            for id in 0..<rows { try producer.send("{\"id\":\(id)}", partition: Int32(id % 3)) }
            try producer.flush()
            var kills = 0
            var torn = 0
            var lastWords = ""
            while kills < 6 || torn == 0 && kills < 30 {
                let process = try bench.run(file, "--shards", "\(shards)")
                usleep(UInt32.random(in: 150_000...600_000, using: &random))
                process.kill()
                kills += 1
                lastWords = process.standardError
                let (direct, scored) = (bench.count("direct"), bench.count("scored"))
                // Rows were on their way to the server when it died.
                if direct > scored, scored > 0 { torn += 1 }
            }
            print("\(kills) kills, \(torn) of them with rows at the model server")
            #expect(torn > 0, "\(lastWords)")
            let process = try bench.run(file, "--shards", "\(shards)")
            try eventually("all rows", seconds: 60) {
                bench.count("scored") >= rows && bench.count("direct") >= rows
            }
            usleep(300_000)
            process.terminate()
            #expect(try process.wait() == 0, "\(process.standardError)")
            for table in ["direct", "scored"] {
                #expect(bench.value("SELECT count(*) || ' ' || count(DISTINCT id) FROM \(table)") == "\(rows) \(rows)")
            }
            #expect(bench.count("scored WHERE doubled <> 2 * id") == 0)
            #expect(bench.count("millrace.dead_letter") == 0)
        }
    }
}
