import Foundation
import MillraceEngine
import Testing

/// RMSE, MAE, R2, LOG_LOSS, ACCURACY, PRECISION, RECALL and AUC against scikit-learn's values of the same rows
/// (`Functions/make_evaluation.py`).
struct EvaluationAggregateTests {
    typealias Row = [String: Any]

    private let facts: Row = {
        let file = FunctionFactsTests.folder.appendingPathComponent("evaluation.json")
        let data = FileManager.default.contents(atPath: file.path) ?? Data()
        return (try? JSONSerialization.jsonObject(with: data)) as? Row ?? [:]
    }()

    static let measures = """
        RMSE(predicted, actual) AS rmse, MAE(predicted, actual) AS mae, R2(predicted, actual) AS r2,
        LOG_LOSS(score, label) AS log_loss, ACCURACY(said, was) AS accuracy,
        PRECISION(score > 0.5, label) AS `precision`, RECALL(score > 0.5, label) AS recall,
        PRECISION(said, was, 'fraud') AS precision_fraud, RECALL(said, was, 'fraud') AS recall_fraud,
        AUC(score, label) AS auc
        """
    static let columns = """
        rmse DOUBLE, mae DOUBLE, r2 DOUBLE, log_loss DOUBLE, accuracy DOUBLE, `precision` DOUBLE, recall DOUBLE,
        precision_fraud DOUBLE, recall_fraud DOUBLE, auc DOUBLE
        """
    static let names = [
        "rmse", "mae", "r2", "log_loss", "accuracy", "precision", "recall", "precision_fraud", "recall_fraud", "auc",
    ]

    /// Runs a query over the rows; `prefix` columns stand before the measures in the result.
    private func run(_ query: String, prefix: String = "", settings: String = "", shards: Int = 1) throws -> [Row] {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let rows = try #require(facts["rows"] as? [Row])
        #expect(rows.count == 400)
        try rows.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
            .joined(separator: "\n").write(
                to: directory.appendingPathComponent("in.json"), atomically: true, encoding: .utf8)
        let sql = """
            \(settings)
            CREATE TABLE t (
                id INT, ts TIMESTAMP(3), country STRING, predicted DOUBLE, actual DOUBLE, score DOUBLE, label BOOLEAN,
                said STRING, was STRING, pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
            ) WITH ('connector' = 'filesystem', 'path' = '\(directory.path)/in.json', 'format' = 'json');
            CREATE TABLE o (\(prefix)\(Self.columns))
            WITH ('connector' = 'filesystem', 'path' = '\(directory.path)/out.json', 'format' = 'json');
            INSERT INTO o \(query);
            """
        let file = PipelineFile(path: "evaluation.sql", text: sql, variables: [:])
        let plan = try #require(file.plan, "\(file.rendered(file.diagnostics))")
        let pipeline = Pipeline(plan: plan, options: PipelineOptions())
        try pipeline.start()
        try pipeline.wait()
        return try String(contentsOf: directory.appendingPathComponent("out.json"), encoding: .utf8)
            .split(separator: "\n").map { try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? Row) }
    }

    private func expectEqual(_ row: Row, _ expected: Row, _ label: String) {
        for name in Self.names {
            let (got, wanted) = (row[name] as? Double, expected[name] as? Double)
            if let got, let wanted {
                #expect(abs(got - wanted) <= 1e-12 * max(1, abs(wanted)), "\(label) \(name): \(got), \(wanted)")
            } else {
                #expect(got == nil && wanted == nil, "\(label) \(name): \(got as Any), \(wanted as Any)")
            }
        }
    }

    @Test func windowsAndSlices() throws {
        let rows = try run(
            """
            SELECT window_start, country, \(Self.measures)
            FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)
            GROUP BY window_start, window_end, GROUPING SETS ((), (country))
            """, prefix: "st TIMESTAMP(3), country STRING, ")
        let slices = try #require(facts["slices"] as? [Row])
        #expect(rows.count == slices.count && slices.count == 12)
        for slice in slices {
            let start = try #require(slice["start"] as? String)
            let country = slice["country"] as? String
            let row = rows.first {
                ($0["st"] as? String)?.hasPrefix(start) == true && $0["country"] as? String == country
            }
            expectEqual(try #require(row, "\(start) \(country ?? "")"), slice, "\(start) \(country ?? "all")")
        }
    }

    @Test func allRows() throws {
        let rows = try run("SELECT \(Self.measures) FROM t")
        #expect(rows.count == 1)
        expectEqual(rows[0], try #require(facts["all"] as? Row), "all")
    }

    /// Every correction takes the row it replaces back.
    @Test func rowsThatAreReplaced() throws {
        let rows = try run(
            """
            SELECT \(Self.measures) FROM (
                SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY pt DESC) AS place FROM t
            ) WHERE place = 1
            """)
        #expect(rows.count == 1)
        expectEqual(rows[0], try #require(facts["newest"] as? Row), "newest")
    }

    /// The last row's frame is all rows.
    @Test func overAFrame() throws {
        let over = "OVER (ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        let calls = Self.measures.replacingOccurrences(of: ") AS", with: ") \(over) AS")
        let rows = try run("SELECT \(calls) FROM t")
        #expect(rows.count == 400)
        var last = try #require(rows.last)
        var expected = try #require(facts["all"] as? Row)
        // Variances with OVER are differences of sums, as Flink computes them: some digits less.
        let (r2, wanted) = (last["r2"] as? Double ?? 0, expected["r2"] as? Double ?? 1)
        #expect(abs(r2 - wanted) < 1e-9)
        last["r2"] = nil
        expected["r2"] = nil
        expectEqual(last, expected, "over")
    }

    @Test(arguments: [
        ("RMSE(predicted)", "RMSE takes 2 arguments, not 1"),
        ("RMSE(said, actual)", "RMSE takes a number, not STRING"),
        ("RMSE(DISTINCT predicted, actual)", "RMSE takes no DISTINCT"),
        ("LOG_LOSS(score, said)", "LOG_LOSS takes BOOLEAN or a number, not STRING"),
        ("RECALL(said, was)", "RECALL takes BOOLEAN or a number, not STRING"),
        ("AUC(score, said)", "the label of AUC is BOOLEAN or a number, not STRING"),
        ("AUC(DISTINCT score, label)", "AUC takes no DISTINCT"),
        ("RMSE(nothing, actual)", "column \"nothing\" is not in table \"t\""),
    ])
    func refuses(_ call: String, _ message: String) {
        let sql = """
            CREATE TABLE t (predicted DOUBLE, actual DOUBLE, score DOUBLE, label BOOLEAN, said STRING, was STRING)
            WITH ('connector' = 'datagen', 'number-of-rows' = '1');
            CREATE TABLE o (x DOUBLE) WITH ('connector' = 'print');
            INSERT INTO o SELECT \(call) FROM t;
            """
        let file = PipelineFile(path: "evaluation.sql", text: sql, variables: [:])
        #expect(file.plan == nil)
        #expect(file.diagnostics.count == 1, "\(file.rendered(file.diagnostics))")
        #expect(file.rendered(file.diagnostics).contains(message), "\(file.rendered(file.diagnostics))")
    }

    @Test func isNamedWhereItMayNotStand() {
        let sql = """
            CREATE TABLE t (a DOUBLE, b DOUBLE) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
            CREATE TABLE o (x DOUBLE) WITH ('connector' = 'print');
            INSERT INTO o SELECT a FROM t WHERE RMSE(a, b) > 1;
            """
        let file = PipelineFile(path: "evaluation.sql", text: sql, variables: [:])
        #expect(file.rendered(file.diagnostics).contains("aggregate RMSE is not allowed in WHERE"))
    }
}
