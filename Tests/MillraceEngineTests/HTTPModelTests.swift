import Foundation
import MillraceCore
import MillraceEngine
import MillraceObservability
import MillraceRuntime
import Synchronization
import Testing

/// `'provider' = 'http'` from files to files, against a server process.
@Suite struct HTTPModelTests {
    private final class Outcome {
        var rows: [[String: Any]] = []
        var letters: [[String: Any]] = []
        var log = ""
        var counts = RemoteCounts()
        var seconds = 0.0
        func column(_ name: String) -> [Double?] { rows.map { ($0[name] as? NSNumber)?.doubleValue } }
    }

    private final class LogText: Sendable {
        let text = Mutex("")
        func add(_ line: String) { text.withLock { $0 += line + "\n" } }
    }

    /// Scores `{"id": 0}` … by the model whose WITH options are given.
    private func run(
        rows: Int = 10, inputs: String = "x DOUBLE", outputs: String = "doubled DOUBLE", url: String,
        options: String = "", query: String? = nil, columns: String = "id BIGINT, doubled DOUBLE", config: String = ""
    ) throws -> Outcome {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try (0..<rows).map { #"{"id":\#($0),"ts":"2026-01-01 00:00:\#(String(format: "%02d", $0 / 10)).\#($0 % 10)"}"# }
            .joined(separator: "\n").appending("\n").write(
                to: directory.appendingPathComponent("in.json"), atomically: true, encoding: .utf8)
        let sql = """
            SET 'dead-letter.path' = '\(directory.path)/dead.json';
            CREATE TABLE t (id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
            WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');
            CREATE MODEL m INPUT (\(inputs)) OUTPUT (\(outputs))
            WITH ('provider' = 'http', 'url' = '\(url)', 'retry-backoff' = '5 ms' \(options));
            CREATE TABLE o (\(columns)) WITH ('connector' = 'filesystem', 'path' = '\(directory.path)/out.json', 'format' = 'json');
            \(query ?? "INSERT INTO o SELECT id, doubled FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(id)\(config));")
            """
        let file = PipelineFile(path: directory.path + "/p.sql", text: sql, variables: [:])
        let plan = try #require(file.plan, "\(file.rendered(file.diagnostics))")
        let text = LogText()
        var settings = PipelineOptions()
        settings.baseDirectory = directory.path
        settings.log = Log { level, message, facts in
            text.add("\(level) \(message) " + facts.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
        }
        let outcome = Outcome()
        let began = Date()
        let pipeline = Pipeline(plan: plan, options: settings)
        try pipeline.start()
        try pipeline.wait()
        outcome.seconds = Date().timeIntervalSince(began)
        func read(_ name: String) throws -> [[String: Any]] {
            guard let text = try? String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8) else {
                return []
            }
            return try text.split(separator: "\n").map {
                try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
        }
        outcome.rows = try read("out.json")
        outcome.letters = try read("dead.json")
        outcome.log = text.text.withLock { $0 }
        outcome.counts = pipeline.metrics.snapshot().remoteCalls["m"] ?? RemoteCounts()
        return outcome
    }

    private func doubles(_ range: Range<Int>) -> [Double?] { range.map { Double($0) * 2 } }
    private func server() throws -> PredictServer { try #require(PredictServer.shared) }

    @Test(arguments: ["instances", "instance-lists", "inputs", "input-lists"], ["false", "true"])
    func everyFormIsUnderstood(form: String, wraps: String) throws {
        let id = "form-\(form)-\(wraps)"
        let outcome = try run(
            url: try server().url("echo", id: id), options: ", 'request-format' = '\(form)', 'wrap-values' = '\(wraps)'"
        )
        #expect(outcome.column("doubled") == doubles(0..<10))
        #expect(outcome.letters.isEmpty)
        let bodies = try server().requests(id).map(\.body)
        let value = wraps == "true" ? "[0.0]" : "0.0"
        let expected =
            switch form {
            case "instances": #"{"instances":[{"x":\#(value)}"#
            case "instance-lists": #"{"instances":[\#(value)"#
            case "inputs": #"{"inputs":{"x":[\#(value)"#
            default: #"{"inputs":[\#(value)"#
            }
        #expect(bodies.first?.hasPrefix(expected) == true, "\(bodies)")
    }

    @Test func outputsOfAllKinds() throws {
        let outcome = try run(
            rows: 3, outputs: "text STRING, probabilities_1 DOUBLE, doubled BIGINT",
            url: try server().url("echo", id: "kinds"),
            query: """
                INSERT INTO o SELECT id, text, probabilities_1, doubled, v
                FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(id), MAP['version-column', 'v']);
                """, columns: "id BIGINT, text STRING, p DOUBLE, doubled BIGINT, v STRING")
        #expect(outcome.rows.map { $0["text"] as? String } == ["v0.0", "v1.0", "v2.0"])
        #expect(outcome.column("p") == [0, 1, 2])
        #expect(outcome.column("doubled") == [0, 2, 4])
        #expect(outcome.rows.allSatisfy { $0["v"] as? String == "echo" })
    }

    @Test func rowsKeepTheirOrderWhateverAnswersFirst() throws {
        let outcome = try run(
            rows: 60,
            url: try server().url("scalar", id: "order", script: "delay:60,delay:40,503,ok,delay:20,close,ok"),
            options: ", 'batch-size' = '5', 'max-in-flight' = '4'")
        #expect(outcome.column("doubled") == doubles(0..<60))
        let requests = try server().requests("order")
        #expect(requests.map(\.active).max() ?? 0 <= 4)
        #expect(requests.map(\.active).max() ?? 0 > 1)
        // Connections are kept: one more than at once at most, for the one that was closed.
        #expect(Set(requests.map(\.connection)).count <= 6, "\(requests.count) requests")
        // libcurl itself asks again when a connection that was kept turns out to be closed.
        #expect((1...2).contains(outcome.counts.retries))
        #expect(outcome.counts.rows == 60)
    }

    @Test func aBatchHoldsWhatIsThereAtMost() throws {
        let outcome = try run(
            rows: 25, url: try server().url("scalar", id: "batch"),
            options: ", 'batch-size' = '10', 'max-in-flight' = '1'"
        )
        #expect(outcome.column("doubled") == doubles(0..<25))
        let sizes = try server().requests("batch").map { $0.body.split(separator: "x").count - 1 }
        #expect(sizes == [10, 10, 5])
    }

    @Test(arguments: [
        ("503,503,ok", 2), ("500,502,504,ok", 3), ("close,ok", 1), ("half,ok", 1), ("429:0,ok", 1), ("408,ok", 1),
    ])
    func whatPassesIsTriedAgain(script: String, retries: Int) throws {
        let id = "again-\(script.replacingOccurrences(of: ",", with: "-"))"
        let outcome = try run(rows: 3, url: try server().url("scalar", id: id, script: script))
        #expect(outcome.column("doubled") == doubles(0..<3))
        #expect(outcome.counts.retries == retries)
        #expect(try server().requests(id).count == retries + 1)
        // The same bytes each time.
        #expect(Set(try server().requests(id).map(\.body)).count == 1)
    }

    @Test func retryAfterIsWaitedOut() throws {
        let outcome = try run(rows: 1, url: try server().url("scalar", id: "after", script: "429:1,ok"))
        #expect(outcome.column("doubled") == [0])
        #expect(outcome.seconds > 1)
    }

    @Test(arguments: [
        ("503", "HTTP 503, after 2 attempts"), ("404", "HTTP 404: as the test wants it"),
        ("garbage", "the answer is no JSON"), ("fewer", "the answer has 2 predictions for 3 rows"),
        ("half", "transferred a partial file, after 2 attempts"), ("delay:2000", "timed out, after 2 attempts"),
    ])
    func whatDoesNotPassBecomesDeadLetters(script: String, detail: String) throws {
        let outcome = try run(
            rows: 3, url: try server().url("scalar", id: "dead-\(script)", script: script),
            options: ", 'retries' = '1', 'timeout' = '150 ms'")
        #expect(outcome.rows.isEmpty)
        #expect(outcome.letters.count == 3)
        for letter in outcome.letters {
            #expect(letter["reason"] as? String == "model error")
            #expect(letter["detail"] as? String == detail)
            #expect(letter["object"] as? String == "m")
            #expect((letter["value"] as? String)?.contains("\"id\"") == true, "the record itself is kept")
        }
    }

    @Test func oneBadRowDoesNotTakeTheOthersAlong() throws {
        let outcome = try run(
            rows: 20, url: try server().url("scalar", id: "refuse", script: "refuse:13"),
            options: ", 'batch-size' = '20'")
        #expect(outcome.column("doubled") == doubles(0..<13) + doubles(14..<20))
        #expect(outcome.letters.map { $0["detail"] as? String } == ["HTTP 400"])
        #expect((outcome.letters.first?["value"] as? String)?.contains("\"id\":13") == true)
    }

    @Test func aNaNIsAnErrorOfItsRow() throws {
        let outcome = try run(
            rows: 5, outputs: "doubled DOUBLE", url: try server().url("nan", id: "nan"))
        #expect(outcome.column("doubled") == [0, 1, 2, 4])
        #expect(outcome.letters.map { $0["reason"] as? String } == ["model returned NaN"])
    }

    @Test func aDeadServerStopsRowsInsteadOfLosingThem() throws {
        // Nothing listens there at first.
        let port = PredictServer.freePort()
        let late = Mutex<PredictServer?>(nil)
        Thread {
            usleep(700_000)
            let server = try? PredictServer(["--port", "\(port)"])
            late.withLock { $0 = server }
        }.start()
        let outcome = try run(
            rows: 50, url: "http://127.0.0.1:\(port)/v1/models/scalar:predict",
            options: ", 'batch-size' = '1', 'retries' = '20', 'breaker-failures' = '3', 'breaker-pause' = '100 ms'")
        #expect(outcome.column("doubled") == doubles(0..<50))
        #expect(outcome.letters.isEmpty)
        #expect(outcome.counts.breakerOpenings >= 1)
        #expect(outcome.log.contains("warning model server fails; rows wait until it is tried again model=m"))
        #expect(outcome.log.contains("info model server is back model=m"))
        late.withLock { $0?.close() }
    }

    @Test func windowsBehindItCountEveryRow() throws {
        let outcome = try run(
            rows: 40, url: try server().url("scalar", id: "window", script: "delay:30,ok,503,ok"),
            options: ", 'batch-size' = '3'",
            query: """
                INSERT INTO o SELECT COUNT(*), SUM(doubled) FROM TABLE(TUMBLE(
                    TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
                """.replacingOccurrences(
                    of: "TABLE s", with: "(SELECT ts, doubled FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(id)))"))
        #expect(outcome.column("id") == [10, 10, 10, 10])
        #expect(outcome.column("doubled") == [90, 290, 490, 690])
        #expect(outcome.letters.isEmpty, "none is late")
    }

    @Test(arguments: ["token", "token-env", "token-file"])
    func tokensTravelInTheHeaderAndNowhereElse(option: String) throws {
        let secret = "s3cr3t-\(option)"
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("token-\(UUID().uuidString)")
        try "\(secret)\n".write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        setenv("MILLRACE_TEST_TOKEN", "s3cr3t-token-env", 1)
        let value = ["token": secret, "token-env": "MILLRACE_TEST_TOKEN", "token-file": file.path][option]!
        let id = "auth-\(option)"
        let outcome = try run(
            rows: 4, url: try server().url("scalar", id: id, script: "503,401"),
            options: ", '\(option)' = '\(value)', 'retries' = '1'")
        #expect(try server().requests(id).allSatisfy { $0.authorization == "Bearer \(secret)" })
        #expect(outcome.letters.count == 4)
        #expect(!outcome.log.contains("s3cr3t"))
        #expect(!"\(outcome.letters)".contains("s3cr3t"))
    }

    @Test func treesBehindTheServerAgreeWithTheGoldenRows() throws {
        let folder = PredictServer.repository.appendingPathComponent("Tests/MillraceModelsTests/Fixtures/natality")
        func table(_ name: String) throws -> [[String]] {
            try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8).split(separator: "\n").map {
                $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            }
        }
        let inputs = try table("golden_inputs.csv")
        let expected = try table("golden_expected.csv")
        let names = inputs[0]
        let place = try #require(expected[0].firstIndex { $0.contains("xgb") })
        let golden = FileManager.default.temporaryDirectory.appendingPathComponent("golden-\(UUID().uuidString).json")
        try inputs.dropFirst().map { row in
            "{" + zip(names, row).map { "\"\($0)\":\($1.isEmpty ? "null" : $1)" }.joined(separator: ",") + "}"
        }.joined(separator: "\n").write(to: golden, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: golden) }
        let features = Array(names.prefix(8))
        let outcome = try run(
            rows: 1, inputs: features.map { "\($0) DOUBLE" }.joined(separator: ", "), outputs: "doubled DOUBLE",
            url: try server().url("trees", id: "golden"), options: ", 'nulls' = 'null'",
            query: """
                CREATE TABLE g (\(names.map { "\($0) DOUBLE" }.joined(separator: ", ")))
                WITH ('connector' = 'filesystem', 'path' = '\(golden.path)', 'format' = 'json');
                INSERT INTO o SELECT CAST(0 AS BIGINT), doubled
                FROM ML_PREDICT(TABLE g, MODEL m, DESCRIPTOR(\(features.joined(separator: ", "))));
                """)
        #expect(outcome.rows.count == expected.count - 1)
        for (index, (found, row)) in zip(outcome.column("doubled"), expected.dropFirst()).enumerated() {
            let wanted = try #require(Double(row[place]))
            #expect(abs((found ?? .nan) - wanted) <= 1e-6 * max(1, abs(wanted)), "row \(index)")
        }
    }

    @Test(arguments: [
        ("'url' = 'localhost:8501'", "is no address of the form"),
        ("'url' = 'http://me:pw@h/x'", "option \"url\" holds credentials"),
        ("'url' = 'http://h/x', 'token' = 'abc'", "a bearer token would travel over http unencrypted"),
        ("'url' = 'https://h/x', 'token' = 'a', 'token-env' = 'B'", "exclude each other"),
        (
            "'url' = 'https://h/x', 'token-env' = 'MILLRACE_NO_SUCH'",
            "environment variable \"MILLRACE_NO_SUCH\" is not set"
        ),
        ("'url' = 'http://h/x', 'batch-size' = '0'", "option \"batch-size\" must be from 1 to 10000"),
        ("'url' = 'http://h/x', 'outputs' = 'a,b'", "option \"outputs\" names 2 outputs, OUTPUT has 1 columns"),
    ])
    func mistakesAreFoundBeforeAnythingConnects(options: String, message: String) throws {
        let sql = """
            CREATE TABLE t (x DOUBLE) WITH ('connector' = 'datagen');
            CREATE MODEL m INPUT (x DOUBLE) OUTPUT (y DOUBLE) WITH ('provider' = 'http', \(options));
            CREATE TABLE o (y DOUBLE) WITH ('connector' = 'blackhole');
            INSERT INTO o SELECT y FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(x));
            """
        let file = PipelineFile(path: "p.sql", text: sql, variables: [:])
        let plan = try #require(file.plan)
        let found = PipelineCheck.models(plan, baseDirectory: "")
        #expect(found.count == 1)
        #expect(found.first?.message.contains(message) == true, "\(found)")
        #expect(found.first?.range.isNone == false)
        #expect(!"\(found)".contains("pw"))
    }

    @Test func optionsHaveCarets() {
        let sql = """
            CREATE MODEL m INPUT (x DOUBLE) OUTPUT (y DOUBLE)
            WITH ('provider' = 'http', 'url' = 'http://h/x', 'time-out' = '5 s', 'max-in-flight' = 'many');
            """
        let file = PipelineFile(path: "p.sql", text: sql, variables: [:])
        let text = file.rendered(file.diagnostics)
        #expect(text.contains("p.sql:2:50: error: unknown option \"time-out\" of model provider \"http\""), "\(text)")
        #expect(text.contains("Did you mean \"timeout\"?"), "\(text)")
        #expect(text.contains("option \"max-in-flight\" takes a whole number"), "\(text)")
    }
}
