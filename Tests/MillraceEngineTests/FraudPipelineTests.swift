import Foundation
import MillraceEngine
import Testing

/// `pipelines/fraud.sql` with files in place of Kafka and PostgreSQL.
@Suite struct FraudPipelineTests {
    static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    static let pipelines = tests.deletingLastPathComponent().appendingPathComponent("pipelines")
    /// Columns of the sample that are features, by the names that the pipeline gives them.
    static let features = [
        "tx_count_10m", "amount_sum_10m", "tx_count_1h", "amount_sum_1h", "tx_count_24h", "amount_avg_7d",
        "amount_ratio_7d", "country_changed", "distinct_countries_24h", "seconds_since_prev",
    ]

    /// Transactions with the features and the probability that a batch program found.
    static func sample() throws -> [[String: String]] {
        let file = tests.appendingPathComponent("MillraceModelsTests/Fixtures/fraud/events_sample.csv")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        let names = lines[0].split(separator: ",").map(String.init)
        return lines.dropFirst().map { line in
            let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            return Dictionary(uniqueKeysWithValues: zip(names, cells))
        }
    }

    static func json(_ row: [String: String]) -> String {
        """
        {"account":"\(row["account"]!)","event_ms":\(row["event_ms"]!),"amount":\(row["amount"]!),\
        "merchant_category":"\(row["merchant_category"]!)","country":"\(row["country"]!)",\
        "card_present":\(row["card_present"]!)}
        """
    }

    /// The file as it is, its tables in files.
    static func sql(_ directory: String) throws -> String {
        var text = try String(contentsOf: pipelines.appendingPathComponent("fraud.sql"), encoding: .utf8)
        for (column, constant) in [
            ("kafka_topic STRING METADATA FROM 'topic' VIRTUAL", "kafka_topic AS 'transactions'"),
            ("kafka_partition INT METADATA FROM 'partition' VIRTUAL", "kafka_partition AS 0"),
            ("kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL", "kafka_offset AS CAST(0 AS BIGINT)"),
        ] {
            #expect(text.contains(column))
            text = text.replacingOccurrences(of: column, with: constant)
        }
        return text.split(separator: ";").map { statement in
            guard statement.contains("'connector' ="), let with = statement.range(of: ") WITH (") else {
                return String(statement)
            }
            let name = statement.components(separatedBy: "CREATE TABLE ")[1].prefix { $0 != " " }
            return statement[..<with.lowerBound]
                + ") WITH ('connector' = 'filesystem', 'path' = '\(directory)/\(name).json', 'format' = 'json')"
        }.joined(separator: ";")
    }

    @Test func everyFeatureAndProbabilityIsTheSamples() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let sample = try Self.sample()
        #expect(sample.count > 1000)
        try sample.map(Self.json).joined(separator: "\n").write(
            to: directory.appendingPathComponent("transactions.json"), atomically: true, encoding: .utf8)

        let file = PipelineFile(
            path: Self.pipelines.appendingPathComponent("fraud.sql").path, text: try Self.sql(directory.path),
            variables: [:])
        let plan = try #require(file.plan, "\(file.rendered(file.diagnostics))")
        var options = PipelineOptions()
        options.baseDirectory = Self.pipelines.path
        let pipeline = Pipeline(plan: plan, options: options)
        try pipeline.start()
        try pipeline.wait()

        func rows(_ name: String) throws -> [[String: Any]] {
            try String(contentsOf: directory.appendingPathComponent(name + ".json"), encoding: .utf8)
                .split(separator: "\n").map {
                    try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
                }
        }
        let scores = try rows("fraud_scores")
        #expect(scores.count == sample.count)
        // Five seconds are waited for.
        var newest = Int64.min
        for (index, (score, row)) in zip(scores, sample).enumerated() {
            #expect(score["account"] as? String == row["account"])
            let time = try #require(Int64(row["event_ms"]!))
            #expect(score["is_late"] as? Bool == (newest > Int64.min && time <= newest - 5000), "row \(index)")
            newest = max(newest, time)
            for name in Self.features {
                let expected = Double(row[name]!)
                let actual = (score[name] as? NSNumber)?.doubleValue
                #expect((actual == nil) == (expected == nil), "\(name) of row \(index)")
                // The sample has twelve digits.
                if let actual, let expected {
                    #expect(abs(actual - expected) <= 1e-11 * max(1, abs(expected)), "\(name) of row \(index)")
                }
            }
            let probability = try #require((score["probability"] as? NSNumber)?.doubleValue)
            #expect(abs(probability - Double(row["xgb_probability"]!)!) < 1e-6, "row \(index)")
        }
        let isAlert = sample.map { Double($0["xgb_probability"]!)! >= 0.5 }
        #expect(isAlert.contains(true))
        for name in ["fraud_alerts", "alert_messages"] {
            #expect(
                try rows(name).map { $0["account"] as? String }
                    == zip(sample, isAlert).filter(\.1).map { $0.0["account"] })
        }
        let windows = try rows("fraud_by_country")
        #expect(windows.reduce(0) { $0 + ($1["transactions"] as? Int ?? 0) } == sample.count)
        #expect(windows.reduce(0) { $0 + ($1["alerts"] as? Int ?? 0) } == isAlert.count { $0 })
        let volume = windows.reduce(0.0) { $0 + (($1["volume"] as? NSNumber)?.doubleValue ?? 0) }
        #expect(abs(volume - sample.reduce(0) { $0 + Double($1["amount"]!)! }) < 1e-6)
    }
}
