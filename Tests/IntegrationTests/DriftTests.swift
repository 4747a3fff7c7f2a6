import Foundation
import MillraceCore
import MillraceEngine
import Testing

/// Windows compared with a baseline, into `millrace.drift`.
@Suite(.enabled(if: PipelineHarness.hasServer, "PostgreSQL's programs are missing"))
struct DriftTests {
    private static let sql = """
        CREATE TABLE births (id INT, ts TIMESTAMP(3), is_male INT, mother_age INT, plurality INT, gestation_weeks INT,
            cigarette_use INT, weight_gain_pounds INT, ever_born INT, mother_married INT, WATERMARK FOR ts AS ts)
        WITH ('connector' = 'kafka', 'topic' = 'births', 'properties.bootstrap.servers' = '${bootstrap}',
            'format' = 'json', 'scan.startup.mode' = 'earliest-offset', 'scan.watermark.idle-advance' = 'false');
        CREATE MODEL m INPUT (is_male INT, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use INT,
            weight_gain_pounds INT, ever_born INT, mother_married INT) OUTPUT (weight DOUBLE)
        WITH ('provider' = 'xgboost', 'path' = '${models}/natality/natality_xgb.ubj', 'baseline' = '${folder}/b.json',
            'drift.window' = '10 s', 'drift.threshold.l-infinity' = '0.3');
        CREATE TABLE scores (id INT, weight DOUBLE, PRIMARY KEY (id) NOT ENFORCED)
        WITH ('connector' = 'postgres', 'url' = '${database}', 'table-name' = 'scores', 'create-table' = 'true');
        INSERT INTO scores SELECT id, weight FROM ML_PREDICT(TABLE births, MODEL m, DESCRIPTOR(is_male, mother_age,
            plurality, gestation_weeks, cigarette_use, weight_gain_pounds, ever_born, mother_married));
        """

    /// Stopped in the middle of a window and started again: each window is there once, with all its rows.
    @Test func windowsAreStoredOnceOverARestart() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try """
        {"millrace-baseline": 1, "rows": 100, "columns": [{"name": "mother_age", "missing": 0, "minimum": 15,
        "maximum": 45, "splits": [30], "shares": [0.5, 0.5]}]}
        """.write(toFile: folder + "/b.json", atomically: true, encoding: .utf8)
        let models = MillraceProcess.repository.appendingPathComponent("Tests/MillraceModelsTests/Fixtures").path
        let harness = try PipelineHarness(topics: [("births", 1)])
        func start() throws {
            try harness.start(path: folder + "/drift.sql", text: Self.sql, ["folder": folder, "models": models])
        }
        // Windows of ten seconds with a row a second; in the second one all are older than 30, half beyond 45.
        func send(_ seconds: Range<Int>) throws {
            let rows = seconds.map { second in
                let age = second < 10 || second >= 20 ? (second % 2 == 0 ? 20 : 40) : (second % 2 == 0 ? 35 : 50)
                return """
                    {"id":\(second),"ts":"2024-01-01 00:00:\(second < 10 ? "0" : "")\(second)","is_male":1,\
                    "mother_age":\(age),"plurality":1,"gestation_weeks":39,"cigarette_use":0,"weight_gain_pounds":30,\
                    "ever_born":1,"mother_married":1}
                    """
            }
            try harness.send(rows.map { ($0, nil) }, to: "births")
        }
        try start()
        try send(0..<15)
        try harness.wait(for: 15, from: "SELECT count(*) FROM scores")
        try harness.wait(for: 1, from: "SELECT count(*) FROM millrace.drift")
        try harness.stop()
        try send(15..<31)
        try start()
        try harness.wait(for: 31, from: "SELECT count(*) FROM scores")
        try harness.wait(for: 3, from: "SELECT count(*) FROM millrace.drift")
        try harness.stop()
        let rows = try harness.rows(
            """
            SELECT window_start, window_rows, model, column_name, missing_share, l_infinity,
                round(jensen_shannon::numeric, 12)::float8,
                out_of_domain_share, is_alert FROM millrace.drift WHERE pipeline = 'drift' ORDER BY window_start
            """)
        #expect(
            rows == [
                ["2024-01-01 00:00:00", "10", "m", "mother_age", "0", "0", "0", "0", "f"],
                ["2024-01-01 00:00:10", "10", "m", "mother_age", "0", "0.5", "0.311278124459", "0.5", "t"],
                ["2024-01-01 00:00:20", "10", "m", "mother_age", "0", "0", "0", "0", "f"],
            ])
    }
}
