import Foundation
import Testing

extension IntegrationTests {
    /// `pipelines/fraud.sql`, killed at random moments: every score, with its history of up to seven days, and every alert
    /// equal those of a run that nobody disturbed.
    @Suite struct FraudCrashTests {
        private static let partitions = 3
        private static let events = 12_000

        /// The pipeline with this test's names, writing to tables that begin with `prefix`.
        private func pipeline(_ bench: Workbench, prefix: String, options: String = "") throws -> String {
            let file = MillraceProcess.repository.appendingPathComponent("pipelines/fraud.sql")
            var text = try String(contentsOf: file, encoding: .utf8)
            for (old, new) in [
                ("'topic' = 'transactions'", "'topic' = '$TOPIC'\(options)"),
                ("'topic' = 'fraud_alerts'", "'topic' = '$TOPIC\(prefix == "calm" ? "-calm" : "")-alerts'"),
                ("${bootstrap:-localhost:9092}", "$BROKER"),
                ("${database:-postgresql://localhost/millrace}", "$DATABASE"),
                ("'path' = 'models/", "'path' = '$MODELS/"), ("'table-name' = 'fraud_", "'table-name' = '\(prefix)_"),
            ] {
                #expect(text.contains(old), "\(old)")
                text = text.replacingOccurrences(of: old, with: new)
            }
            return try bench.pipeline(text, name: prefix)
        }

        /// Three hundred accounts over four hours, in the order of time: what is late would depend on which partition is read
        /// first.
        private func transaction(_ number: Int, _ random: inout SeededGenerator) -> (json: String, partition: Int32) {
            let account = Int.random(in: 0..<300, using: &random)
            let category = ["grocery", "fuel", "gift_card", "electronics"].randomElement(using: &random)!
            let country = ["KR", "US", "JP"].randomElement(using: &random)!
            let cents = Int.random(in: 100...90_000, using: &random)
            let json =
                #"{"account":"a\#(account)","event_ms":\#(1_735_689_600_000 + number * 1200),"amount":\#(cents / 100).\#(10 + cents % 90),"#
                + #""merchant_category":"\#(category)","country":"\#(country)","card_present":\#(number % 2)}"#
            return (json, Int32(account % Self.partitions))
        }

        @Test func killedAgainAndAgain() throws {
            let seed = SeededGenerator.seed
            print("MILLRACE_SEED=\(seed)")
            var random = SeededGenerator(seed: seed)
            let bench = try Workbench(partitions: Self.partitions)
            for name in ["-alerts", "-calm-alerts"] { try bench.broker.createTopic(bench.topic + name, partitions: 1) }
            let file = try pipeline(bench, prefix: "killed")
            let producer = try bench.producer()
            var sent = 0
            var kills = 0
            while sent < Self.events {
                let process = try bench.run(file)
                let end = Date().addingTimeInterval(Double.random(in: 0.1...1.5, using: &random))
                while Date() < end, sent < Self.events {
                    for _ in 0..<100 {
                        let (json, partition) = transaction(sent, &random)
                        try producer.send(json, partition: partition)
                        sent += 1
                    }
                    try producer.flush()
                    usleep(40_000)
                }
                process.kill()
                kills += 1
                // Histories come from the database: no record is asked for again.
                #expect(
                    bench.value("SELECT count(*) FROM millrace.offsets WHERE replay_offset < next_offset") ?? "0" == "0"
                )
            }
            let process = try bench.run(file)
            try eventually("all scores") { bench.count("killed_scores") >= Self.events }
            let calm = try bench.run(
                try pipeline(bench, prefix: "calm", options: ", 'scan.bounded.mode' = 'latest-offset'"))
            #expect(try calm.wait() == 0, "\(calm.standardError)")
            // The last windows close by the idle rule.
            try eventually("all windows", seconds: 40) {
                bench.count("calm_by_country") > 0 && bench.count("killed_by_country") >= bench.count("calm_by_country")
            }
            process.terminate()
            #expect(try process.wait() == 0, "\(process.standardError)")
            print("\(kills) kills")
            #expect(kills > 2)
            // Sums of a window's DOUBLEs depend on the order in which partitions are read.
            let windows =
                "period_start, country, transactions, alerts, round(volume::numeric, 6), round(mean_probability::numeric, 9)"
            for (table, columns) in [("scores", "*"), ("alerts", "*"), ("by_country", windows)] {
                let (a, b) = ("SELECT \(columns) FROM killed_\(table)", "SELECT \(columns) FROM calm_\(table)")
                for difference in ["\(a) EXCEPT ALL \(b)", "\(b) EXCEPT ALL \(a)"] {
                    #expect(bench.value("SELECT count(*) FROM (\(difference)) AS d") == "0", "\(difference)")
                }
            }
            // The topic has what the table has, each alert once, and of one partition in its order.
            let messages = try TestConsumer.read(bench.topic + "-alerts", of: bench.broker.bootstrap).map {
                try JSONSerialization.jsonObject(with: Data($0.value.utf8)) as? [String: Any] ?? [:]
            }
            for partition in 0..<Self.partitions {
                let sent = messages.filter { $0["kafka_partition"] as? Int == partition }
                    .map { "\($0["kafka_offset"] as? Int ?? -1) \($0["account"] as? String ?? "")" }
                let stored = try bench.sql(
                    "SELECT kafka_offset, account FROM killed_alerts WHERE kafka_partition = \(partition) ORDER BY 1"
                ).map { "\($0[0] ?? "") \($0[1] ?? "")" }
                #expect(sent == stored)
            }
            #expect(bench.count("killed_scores") == Self.events)
            #expect(bench.count("killed_alerts") > 0)
        }
    }
}
