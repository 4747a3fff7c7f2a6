import Foundation
import FoundationNetworking
import Testing

extension IntegrationTests {
    /// `--metrics-address`: what a scraper finds while a pipeline runs.
    @Suite struct MetricsTests {
        @Test func stateIsToldByOperator() throws {
            let bench = try Workbench()
            let file = try bench.pipeline(
                """
                CREATE TABLE payments (account STRING, amount DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
                WITH ('connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                      'scan.startup.mode' = 'earliest-offset', 'scan.watermark.idle-advance' = 'false', 'format' = 'json');
                CREATE TABLE sums (account STRING, total DOUBLE, ts TIMESTAMP(3))
                WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'sums', 'create-table' = 'true');
                CREATE VIEW histories AS
                SELECT account, ts, SUM(amount) OVER (
                    PARTITION BY account ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW) AS total
                FROM payments;
                INSERT INTO sums SELECT account, total, ts FROM histories;
                """)
            let producer = try bench.producer()
            for number in 0..<30 {
                try producer.send(
                    #"{"account":"a\#(number % 7)","amount":1,"ts":"2026-01-01 00:00:\#(10 + number)"}"#, partition: 0)
            }
            try producer.flush()
            let process = try bench.run(file, "--metrics-address", "127.0.0.1:0")
            try eventually("rows are written") { bench.count("sums") >= 30 }
            var address: Substring?
            try eventually("the address is told") {
                address =
                    process.standardError.split(separator: "\n").first { $0.contains("metrics are served") }?
                    .split(separator: "=").last
                return address != nil
            }
            let found = String(try #require(address))
            let url = try #require(URL(string: found))
            var text = ""
            func value(_ name: String) -> Double? {
                text.split(separator: "\n").first {
                    $0.hasPrefix(name + "{") && ($0.contains("\"Over\"") || !name.contains("state"))
                }.flatMap { Double($0.split(separator: " ").last ?? "") }
            }
            // Looked at once a second.
            try eventually("the state is told") {
                text = (try? String(contentsOf: url, encoding: .utf8)) ?? ""
                return value("millrace_state_rows") == 30
            }
            #expect(value("millrace_source_records_total") == 30, "\(text)")
            #expect(value("millrace_state_keys") == 7, "\(text)")
            #expect(value("millrace_state_bytes") ?? 0 > 1000, "\(text)")
            process.terminate()
            #expect(try process.wait() == 0, "\(process.standardError)")
            let refused = try MillraceProcess(["run", file, "--metrics-address", "nowhere"])
            #expect(try refused.wait() == 1)
            #expect(refused.standardError.contains("is not host:port"))
        }
    }
}
