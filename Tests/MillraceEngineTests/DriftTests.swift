import Foundation
import MillraceEngine
import Testing

/// Windows of a model's rows compared with a baseline, against the measures computed from the rows here.
struct DriftTests {
    typealias Row = [String: Any]
    static let fixtures = FraudPipelineTests.tests.appendingPathComponent("MillraceModelsTests/Fixtures")
    static let features = [
        "is_male", "mother_age", "plurality", "gestation_weeks", "cigarette_use", "weight_gain_pounds", "ever_born",
        "mother_married",
    ]

    /// Training rows by column; the first column as a text.
    static func training() throws -> [String: [String]] {
        let text = try String(
            contentsOf: fixtures.appendingPathComponent("natality/golden_inputs.csv"), encoding: .utf8)
        let lines = text.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        var columns: [String: [String]] = [:]
        for line in lines.dropFirst() {
            for (name, cell) in zip(lines[0], line) {
                columns[name, default: []].append(
                    name == "is_male" && !cell.isEmpty ? (Double(cell) == 1 ? "true" : "false") : cell)
            }
        }
        return columns
    }

    private func run(_ options: String, sinks: String, _ rows: [String], in directory: URL) throws -> PipelineFile {
        try rows.joined(separator: "\n").write(
            to: directory.appendingPathComponent("in.json"), atomically: true, encoding: .utf8)
        let sql = """
            CREATE TABLE births (id INT, ts TIMESTAMP(3), is_male BOOLEAN, mother_age INT, plurality INT,
                gestation_weeks INT, cigarette_use INT, weight_gain_pounds DOUBLE, ever_born INT, mother_married INT,
                WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
            WITH ('connector' = 'filesystem', 'path' = '\(directory.path)/in.json', 'format' = 'json');
            CREATE MODEL m INPUT (is_male BOOLEAN, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use INT,
                weight_gain_pounds DOUBLE, ever_born INT, mother_married INT) OUTPUT (weight_pounds DOUBLE)
            WITH ('provider' = 'xgboost', 'path' = '\(Self.fixtures.path)/natality/natality_xgb.ubj'\(options));
            CREATE TABLE o (id INT, weight_pounds DOUBLE)
            WITH ('connector' = 'filesystem', 'path' = '\(directory.path)/out.json', 'format' = 'json');
            \(sinks)
            INSERT INTO o SELECT id, weight_pounds FROM ML_PREDICT(TABLE births, MODEL m, DESCRIPTOR(is_male, mother_age,
                plurality, gestation_weeks, cigarette_use, weight_gain_pounds, ever_born, mother_married));
            """
        let file = PipelineFile(path: directory.path + "/drift.sql", text: sql, variables: [:])
        if let plan = file.plan {
            var settings = PipelineOptions()
            settings.baseDirectory = directory.path
            let pipeline = Pipeline(plan: plan, options: settings)
            try pipeline.start()
            try pipeline.wait()
        }
        return file
    }

    private func folder() throws -> URL {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        return directory
    }

    private func read(_ name: String, _ directory: URL) throws -> [Row] {
        try String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8).split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? Row)
        }
    }

    private let driftTable = """
        CREATE TABLE compared (pipeline STRING, model STRING, column_name STRING, window_start TIMESTAMP(3),
            window_end TIMESTAMP(3), window_rows BIGINT, missing_share DOUBLE, baseline_missing_share DOUBLE,
            l_infinity DOUBLE, jensen_shannon DOUBLE, out_of_domain_share DOUBLE, is_alert BOOLEAN)
        WITH ('connector' = 'filesystem', 'path' = '${path}/drift.json', 'format' = 'json');
        """

    @Test func windowsAreComparedWithTheTrainingRows() throws {
        let directory = try folder()
        defer { try? FileManager.default.removeItem(at: directory) }
        let training = try Self.training()
        let names = Self.features + ["weight_pounds"]
        let csv =
            [names.joined(separator: ",")]
            + (0..<200).map { row in names.map { training[$0]![row] }.joined(separator: ",") }
        let csvPath = directory.appendingPathComponent("training.csv").path
        try csv.joined(separator: "\r\n").write(toFile: csvPath, atomically: true, encoding: .utf8)
        let report = try ModelReport.baseline(csv: csvPath, output: nil, buckets: 5)
        #expect(report.contains("training.baseline.json: 200 rows"))
        #expect(report.contains("is_male: 2 values"))

        // The first hour is the training's rows; in the second mothers are older, and weeks are missing.
        var live: [String: [String]] = [:]
        for name in Self.features {
            live[name] =
                training[name]!
                + (0..<200).map { row in
                    let cell = training[name]![row]
                    switch name {
                    case "mother_age": return cell.isEmpty ? "" : "\(Int(Double(cell)!) + 15)"
                    case "gestation_weeks": return row % 2 == 0 ? "" : cell
                    case "is_male": return row % 4 == 0 ? cell : "true"
                    default: return cell
                    }
                }
        }
        let rows = (0..<400).map { row in
            let minute = row % 200 / 4
            let cells = Self.features.map { name in
                let cell = live[name]![row]
                let value = cell.isEmpty ? "null" : name == "is_male" ? cell : "\(Double(cell)!)"
                let isWhole = name != "weight_gain_pounds" && name != "is_male" && !cell.isEmpty
                return "\"\(name)\":" + (isWhole ? "\(Int(Double(cell)!))" : value)
            }
            return "{\"id\":\(row),\"ts\":\"2024-01-01 0\(row / 200):\(minute < 10 ? "0" : "")\(minute):00\","
                + cells.joined(separator: ",") + "}"
        }
        let file = try run(
            """
            , 'baseline' = 'training.baseline.json', 'drift.table' = 'compared', 'drift.window' = '1 h',
            'drift.threshold.jensen-shannon' = '0.1', 'drift.threshold.missing' = '0.3'
            """, sinks: driftTable.replacingOccurrences(of: "${path}", with: directory.path), rows, in: directory)
        #expect(file.plan != nil, "\(file.rendered(file.diagnostics))")
        let predicted = try read("out.json", directory)
        #expect(predicted.count == 400)
        live["weight_pounds"] = (0..<400).map { id in
            "\((predicted.first { $0["id"] as? Int == id }!)["weight_pounds"] as! Double)"
        }
        let compared = try read("drift.json", directory)
        #expect(compared.count == 18)
        for hour in 0..<2 {
            for name in names {
                let row = try #require(
                    compared.first {
                        $0["column_name"] as? String == name
                            && ($0["window_start"] as? String)?.hasPrefix("2024-01-01 0\(hour):00") == true
                    })
                let expected = Measures(
                    reference: training[name]!, live: Array(live[name]![hour * 200..<hour * 200 + 200]), buckets: 5)
                #expect(row["window_rows"] as? Int == 200)
                #expect(row["model"] as? String == "m" && row["pipeline"] as? String == "drift")
                for (key, value) in [
                    ("missing_share", expected.missing), ("baseline_missing_share", expected.referenceMissing),
                    ("l_infinity", expected.infinity), ("jensen_shannon", expected.divergence),
                    ("out_of_domain_share", expected.outside),
                ] {
                    let got = row[key] as? Double ?? .nan
                    #expect(abs(got - value) < 1e-12, "\(hour) \(name) \(key): \(got), \(value)")
                }
                #expect(row["is_alert"] as? Bool == (expected.divergence > 0.1 || expected.missing > 0.3))
            }
        }
        // The shift shows, and its absence.
        func value(_ name: String, _ hour: Int) -> Double {
            Measures(
                reference: training[name]!, live: Array(live[name]![hour * 200..<hour * 200 + 200]), buckets: 5
            ).divergence
        }
        #expect(value("mother_age", 0) < 1e-12 && value("mother_age", 1) > 0.3)
    }

    /// Straight from the definitions.
    struct Measures {
        var missing: Double
        var referenceMissing: Double
        var infinity: Double
        var divergence: Double
        var outside: Double

        init(reference: [String], live: [String], buckets: Int) {
            let known = reference.filter { !$0.isEmpty }
            let values = live.filter { !$0.isEmpty }
            referenceMissing = Double(reference.count - known.count) / Double(reference.count)
            missing = Double(live.count - values.count) / Double(live.count)
            var bucket: (String) -> Int = { _ in 0 }
            var count = 0
            if Double(known[0]) != nil {
                let sorted = known.map { Double($0)! }.sorted()
                var splits: [Double] = []
                for index in 1..<buckets {
                    let split = sorted[index * sorted.count / buckets]
                    if split > sorted[0], split > splits.last ?? -.infinity { splits.append(split) }
                }
                bucket = { cell in splits.filter { $0 <= Double(cell)! }.count }
                count = splits.count + 1
                outside =
                    Double(values.filter { Double($0)! < sorted[0] || Double($0)! > sorted.last! }.count)
                    / Double(values.count)
            } else {
                let texts = Array(Set(known)).sorted()
                bucket = { cell in texts.firstIndex(of: cell) ?? texts.count }
                count = texts.count + 1
                outside = Double(values.filter { !texts.contains($0) }.count) / Double(values.count)
            }
            func shares(_ cells: [String], of total: Int) -> [Double] {
                (0..<count).map { index in Double(cells.filter { bucket($0) == index }.count) / Double(total) }
            }
            infinity = zip(shares(known, of: known.count), shares(values, of: values.count)).map { abs($0 - $1) }.max()!
            let p = shares(values, of: live.count) + [missing]
            let q = shares(known, of: reference.count) + [referenceMissing]
            divergence = 0
            for (p, q) in zip(p, q) {
                let middle = (p + q) / 2
                if p > 0 { divergence += p * log2(p / middle) / 2 }
                if q > 0 { divergence += q * log2(q / middle) / 2 }
            }
        }
    }

    private let small = """
        {"millrace-baseline": 1, "rows": 10, "columns": [{"name": "mother_age", "missing": 0, "minimum": 1, "maximum": 9,
        "splits": [5], "shares": [0.5, 0.5]}]}
        """

    @Test(arguments: [
        (", 'drift.window' = '1 h'", "", "has \"drift.window\" and no \"baseline\""),
        (", 'baseline' = 'none.json'", "", "cannot read \"none.json\""),
        (", 'baseline' = 'b.json'", "", "the pipeline writes to no PostgreSQL"),
        (", 'baseline' = 'b.json', 'drift.table' = 'nowhere'", "", "unknown table \"nowhere\""),
        (", 'baseline' = 'b.json', 'drift.threshold.missing' = '2'", "", "takes a number from 0 to 1"),
        (", 'baseline' = 'bad.json', 'drift.table' = 'o'", "", "the buckets of column \"mother_age\" do not ascend"),
        (", 'baseline' = 'other.json', 'drift.table' = 'o'", "", "the baseline has none of its columns"),
        (", 'baseline' = 'texts.json', 'drift.table' = 'o'", "", "is INT, its baseline is of texts"),
    ])
    func refuses(_ options: String, _ sinks: String, _ message: String) throws {
        let directory = try folder()
        defer { try? FileManager.default.removeItem(at: directory) }
        for (name, text) in [
            ("b", small), ("bad", small.replacingOccurrences(of: "\"splits\": [5]", with: "\"splits\": [5, 5]")),
            ("other", small.replacingOccurrences(of: "mother_age", with: "father_age")),
            (
                "texts",
                "{\"millrace-baseline\": 1, \"rows\": 1, \"columns\": [{\"name\": \"mother_age\", \"missing\": 0, \"values\": [\"a\"], \"shares\": [1], \"complete\": true}]}"
            ),
        ] {
            try text.write(
                to: directory.appendingPathComponent(name + ".json"), atomically: true, encoding: .utf8)
        }
        let file = try run(options, sinks: sinks, [], in: directory)
        #expect(file.plan == nil)
        #expect(file.rendered(file.diagnostics).contains(message), "\(file.rendered(file.diagnostics))")
    }
}
