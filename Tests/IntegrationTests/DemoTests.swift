import Foundation
import Testing

extension IntegrationTests {
    /// `millrace demo` as a newcomer starts it.
    @Suite struct DemoTests {
        /// The directory of the demo's PostgreSQL, once it says where that listens.
        private func directory(_ process: MillraceProcess) throws -> (directory: String, port: String) {
            var port: Substring?
            try eventually("the demo runs") {
                port = process.standardOutput.split(separator: "\n").first { $0.hasPrefix("look around: psql ") }?
                    .split(separator: ":").last?.prefix(while: \.isNumber)
                return port != nil || !process.isRunning
            }
            let number = String(try #require(port, "\(process.standardError)"))
            let folders = try FileManager.default.contentsOfDirectory(atPath: "/tmp").filter {
                $0.hasPrefix("millrace-pg-")
            }
            let own = try #require(
                folders.first { folder in
                    (try? String(contentsOfFile: "/tmp/\(folder)/data/postgresql.conf", encoding: .utf8))?
                        .contains("port = \(number)\n") ?? false
                })
            return ("/tmp/" + own, number)
        }

        private func listens(_ port: String) -> Bool {
            let table = (try? String(contentsOfFile: "/proc/net/tcp", encoding: .utf8)) ?? ""
            let place = "0100007F:" + String(format: "%04X", Int(port) ?? 0)
            // State 0A: listening.
            return table.split(separator: "\n").contains { line in
                let cells = line.split(separator: " ")
                return cells.count > 3 && cells[1] == place && cells[3] == "0A"
            }
        }

        @Test func fraudIsTheDefault() throws {
            let process = try MillraceProcess(["demo", "--duration", "6", "--rate", "500"])
            let (directory, _) = try directory(process)
            #expect(try process.wait() == 0, "\(process.standardError)")
            let output = process.standardOutput
            #expect(output.contains("/pipelines/fraud.sql at 500 events/s"), "\(output)")
            for table in ["fraud_scores", "fraud_alerts", "fraud_by_country"] {
                let rows = output.split(separator: "\n").first { $0.hasPrefix("  \(table): ") }?.split(separator: " ")
                #expect(rows.flatMap { Int($0[1]) } ?? 0 > 0, "\(table): \(output)")
            }
            #expect(!FileManager.default.fileExists(atPath: directory))
            #expect(try MillraceProcess(["demo", "nonsense"]).wait() == 64)
        }

        /// SIGKILL leaves neither a server nor its directory.
        @Test func databaseGoesWithTheDemo() throws {
            let process = try MillraceProcess(["demo", "sales_by_region", "--rate", "100"])
            let (directory, port) = try directory(process)
            #expect(listens(port))
            process.kill()
            try eventually("the directory goes away", seconds: 20) {
                !FileManager.default.fileExists(atPath: directory)
            }
            #expect(!listens(port))
        }
    }
}
