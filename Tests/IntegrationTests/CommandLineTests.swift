import Foundation
import MillracePostgres
import Testing

extension IntegrationTests {
    /// What a user at the terminal meets: texts, places, exit codes.
    @Suite struct CommandLineTests {
        private struct Ended {
            var status: Int32
            var output: String
            var errors: String
        }

        private func millrace(_ arguments: String...) throws -> Ended {
            let process = try MillraceProcess(arguments)
            let status = try process.wait(seconds: 30)
            return Ended(status: status, output: process.standardOutput, errors: process.standardError)
        }

        private static let valid = """
            CREATE TABLE numbers (n BIGINT, name STRING)
            WITH ('connector' = 'kafka', 'topic' = '${topic:-$TOPIC}', 'properties.bootstrap.servers' = '$BROKER',
                  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
            CREATE TABLE results (n BIGINT, name STRING)
            WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'results');
            INSERT INTO results SELECT n, name FROM numbers WHERE n > 10;
            """

        @Test func versionAndUsage() throws {
            let version = try millrace("--version")
            #expect(version.status == 0 && version.output.hasPrefix("millrace "), "\(version)")
            let help = try millrace("--help")
            for command in ["run", "check", "explain", "model", "demo"] { #expect(help.output.contains(command)) }
            #expect(try millrace("runn").status == 64)
            #expect(try millrace("run").status == 64)
            let missing = try millrace("run", "/nowhere/none.sql")
            #expect(missing.status == 2 && missing.errors.contains("/nowhere/none.sql"), "\(missing)")
        }

        @Test func checkReportsEveryError() throws {
            let bench = try Workbench()
            let file = try bench.pipeline(
                Self.valid.replacingOccurrences(of: "'table-name'", with: "'tabel-name'")
                    .replacingOccurrences(of: "n, name FROM", with: "n, nmae FROM"))
            for command in ["check", "run", "explain"] {
                let ended = try millrace(command, file)
                #expect(ended.status == 2, "\(ended)")
                #expect(ended.output.isEmpty)
                #expect(ended.errors.contains("\(file):5:"), "\(ended)")
                #expect(ended.errors.contains("Did you mean \"table-name\"?"), "\(ended)")
                #expect(
                    ended.errors.contains("\(file):6:31: error: column \"nmae\" is not in table \"numbers\""),
                    "\(ended)")
                #expect(ended.errors.contains("Did you mean \"name\"?"), "\(ended)")
                #expect(ended.errors.contains("^^^^") && ended.errors.contains("2 errors in"), "\(ended)")
            }
        }

        @Test func checkAndExplainConnectToNothing() throws {
            let bench = try Workbench()
            let file = try bench.pipeline(Self.valid)
            let check = try millrace("check", file)
            #expect(check.status == 0 && check.output.contains("no errors"), "\(check)")
            let explain = try millrace("explain", file)
            #expect(
                explain.status == 0 && explain.output.contains("numbers") && explain.output.contains("results"),
                "\(explain)")
            #expect(explain.output.contains("n > 10"), "\(explain)")
            #expect(try millrace("check", file, "--set", "nonsense").status == 64)
            #expect(try millrace("run", file, "--shards", "0").status == 64)
        }

        @Test func checkConnectComparesWithTheWorld() throws {
            let bench = try Workbench()
            let file = try bench.pipeline(Self.valid)
            let noTable = try millrace("check", "--connect", file)
            #expect(noTable.status == 2 && noTable.errors.contains("\"results\""), "\(noTable)")
            try bench.sql("CREATE TABLE results (n bigint)")
            let noColumn = try millrace("check", "--connect", file)
            #expect(noColumn.status == 2 && noColumn.errors.contains("\"name\""), "\(noColumn)")
            try bench.sql("ALTER TABLE results ADD name integer")
            let wrongType = try millrace("check", "--connect", file)
            #expect(
                wrongType.status == 2 && wrongType.errors.contains("\"name\"") && wrongType.errors.contains("integer"),
                "\(wrongType)")
            try bench.sql("ALTER TABLE results ALTER name TYPE text")
            let right = try millrace("check", "--connect", file)
            #expect(right.status == 0, "\(right)")
            let noTopic = try millrace("check", "--connect", file, "--set", "topic=\(bench.topic)x")
            #expect(noTopic.status == 2, "\(noTopic)")
            #expect(noTopic.errors.contains("unknown Kafka topic \"\(bench.topic)x\""), "\(noTopic)")
            #expect(noTopic.errors.contains("Did you mean \"\(bench.topic)\"?"), "\(noTopic)")
            // The same faults end a run with 1: the file itself is right.
            let run = try millrace("run", file, "--set", "topic=\(bench.topic)x")
            #expect(run.status == 1 && run.errors.contains("error: unknown Kafka topic"), "\(run)")
        }

        @Test func waitsAtTheStart() throws {
            let bench = try Workbench()
            let file = try bench.pipeline(Self.valid)
            try bench.sql("CREATE TABLE results (n integer, name text)")
            bench.server.stop()
            let impatient = try millrace("run", file)
            #expect(
                impatient.status == 1 && impatient.errors.contains("could not connect to PostgreSQL"), "\(impatient)")
            let patient = try bench.run(file, "--wait", "60")
            let stopped = try bench.run(file, "--wait", "60")
            sleep(2)
            #expect(patient.isRunning && patient.standardError.contains("trying again"), "\(patient.standardError)")
            stopped.terminate()
            #expect(try stopped.wait() == 0)
            try bench.server.start()
            let producer = try bench.producer()
            try producer.send(#"{"n": 11, "name": "a"}"#)
            try producer.flush()
            try eventually("a row") { bench.count("results") == 1 }
            patient.terminate()
            #expect(try patient.wait() == 0, "\(patient.standardError)")
        }

        @Test func modelInspect() throws {
            let path = MillraceProcess.repository.path + "/pipelines/models/natality_xgb.ubj"
            let ended = try millrace("model", "inspect", path)
            #expect(ended.status == 0, "\(ended)")
            #expect(
                ended.output.contains("CREATE MODEL") && ended.output.contains("'provider' = 'xgboost'"), "\(ended)")
            #expect(ended.output.contains("mother_age"), "\(ended)")
            let none = try millrace("model", "inspect", "/nowhere/none.ubj")
            #expect(none.status == 1 && none.errors.contains("error: "), "\(none)")
        }
    }
}
