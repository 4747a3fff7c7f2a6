import Foundation
import Testing

extension IntegrationTests {
    /// GROUP BY, Top-N and joins that keep both streams, killed at random moments: what reading again cannot rebuild comes from
    /// the stored state, and the tables equal those of a run that nobody disturbed.
    @Suite struct UpdatingCrashTests {
        private static let partitions = 2
        private static let events = 16_000

        private func pipeline(_ bench: Workbench, prefix: String, options: String = "") throws -> String {
            func table(_ name: String, _ columns: String) -> String {
                "CREATE TABLE \(name) (\(columns)) WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = '\(prefix)_\(name)', 'create-table' = 'true');"
            }
            return try bench.pipeline(
                """
                CREATE TABLE events (kind STRING, id BIGINT, customer STRING, product STRING, amount DOUBLE) WITH (
                    'connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
                    'scan.startup.mode' = 'earliest-offset', 'format' = 'json'\(options));
                CREATE VIEW orders AS SELECT id, customer, product, amount FROM events WHERE kind = 'order';
                CREATE VIEW payments AS SELECT id, amount AS paid FROM events WHERE kind = 'payment';
                \(table("sums", "customer STRING, n BIGINT, total DOUBLE, spread DOUBLE, PRIMARY KEY (customer) NOT ENFORCED"))
                \(table("lists", "customer STRING, largest DOUBLE, products BIGINT, PRIMARY KEY (customer) NOT ENFORCED"))
                \(table("best", "customer STRING, place BIGINT, id BIGINT, amount DOUBLE, PRIMARY KEY (customer, place) NOT ENFORCED"))
                \(table("leaders", "place BIGINT, customer STRING, n BIGINT, PRIMARY KEY (place) NOT ENFORCED"))
                \(table("state", "id BIGINT, amount DOUBLE, paid DOUBLE, PRIMARY KEY (id) NOT ENFORCED"))
                \(table("pairs", "id BIGINT, paid DOUBLE"))

                EXECUTE STATEMENT SET BEGIN
                INSERT INTO sums SELECT customer, COUNT(*), SUM(amount), STDDEV_POP(amount) FROM orders GROUP BY customer;
                INSERT INTO lists SELECT customer, MAX(amount), COUNT(DISTINCT product) FROM orders GROUP BY customer;
                INSERT INTO best SELECT customer, place, id, amount FROM (
                    SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY amount DESC, id) AS place FROM orders)
                WHERE place <= 3;
                INSERT INTO leaders SELECT place, customer, n FROM (
                    SELECT *, ROW_NUMBER() OVER (ORDER BY n DESC, customer) AS place
                    FROM (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer)) WHERE place <= 5;
                INSERT INTO state SELECT o.id, o.amount, p.paid
                FROM (SELECT id, MAX(amount) AS amount FROM orders GROUP BY id) AS o
                LEFT JOIN (SELECT id, SUM(paid) AS paid FROM payments GROUP BY id) AS p ON o.id = p.id;
                INSERT INTO pairs SELECT o.id, p.paid FROM orders AS o JOIN payments AS p ON o.id = p.id;
                END;
                """, name: prefix)
        }

        /// Two hundred customers, each in one partition; a payment is for one of the last hundred orders of its partition.
        private func event(
            _ number: Int, _ orders: inout [[(id: Int, customer: Int)]], _ random: inout SeededGenerator
        ) -> (json: String, partition: Int32) {
            let cents = Int.random(in: 100...90_000, using: &random)
            let amount = "\(cents / 100).\(10 + cents % 90)"
            let partition = Int.random(in: 0..<Self.partitions, using: &random)
            if Int.random(in: 0..<3, using: &random) == 0, let order = orders[partition].randomElement(using: &random) {
                return (
                    #"{"kind":"payment","id":\#(order.id),"customer":"c\#(order.customer)","amount":\#(amount)}"#,
                    Int32(partition)
                )
            }
            let customer = Int.random(in: 0..<100, using: &random) * Self.partitions + partition
            orders[partition].append((number, customer))
            if orders[partition].count > 100 { orders[partition].removeFirst() }
            return (
                #"{"kind":"order","id":\#(number),"customer":"c\#(customer)","product":"p\#(cents % 40)","amount":\#(amount)}"#,
                Int32(partition)
            )
        }

        @Test func killedAgainAndAgain() throws {
            let seed = SeededGenerator.seed
            print("MILLRACE_SEED=\(seed)")
            var random = SeededGenerator(seed: seed)
            let bench = try Workbench(partitions: Self.partitions)
            let file = try pipeline(bench, prefix: "killed")
            let producer = try bench.producer()
            var orders = [[(id: Int, customer: Int)]](repeating: [], count: Self.partitions)
            var (sent, kills, stored) = (0, 0, 0)
            while sent < Self.events {
                let process = try bench.run(file)
                let end = Date().addingTimeInterval(Double.random(in: 0.1...1.5, using: &random))
                while Date() < end, sent < Self.events {
                    for _ in 0..<100 {
                        let (json, partition) = event(sent, &orders, &random)
                        try producer.send(json, partition: partition)
                        sent += 1
                    }
                    try producer.flush()
                    usleep(30_000)
                }
                process.kill()
                kills += 1
                stored = bench.count("killed_sums")
            }
            let process = try bench.run(file)
            let calm = try bench.run(
                try pipeline(bench, prefix: "calm", options: ", 'scan.bounded.mode' = 'latest-offset'"))
            #expect(try calm.wait() == 0, "\(calm.standardError)")
            func isEqual(_ table: String) -> Bool {
                let (a, b) = ("SELECT * FROM killed_\(table)", "SELECT * FROM calm_\(table)")
                return bench.value(
                    "SELECT count(*) FROM ((\(a) EXCEPT ALL \(b)) UNION ALL (\(b) EXCEPT ALL \(a))) AS d") == "0"
            }
            let tables = ["sums", "lists", "best", "leaders", "state", "pairs"]
            do {
                try eventually("the same tables") { tables.allSatisfy(isEqual) }
            } catch {
                Issue.record("different: \(tables.filter { !isEqual($0) })\n\(process.standardError)")
                throw error
            }
            process.terminate()
            #expect(try process.wait() == 0, "\(process.standardError)")
            print("\(kills) kills, \(bench.count("killed_pairs")) pairs")
            #expect(kills > 2)
            #expect(stored > 0)
            #expect(bench.count("killed_pairs") > Self.events / 10)
            // Nothing is read again: every partition goes on where it stood.
            #expect(
                bench.value(
                    "SELECT count(*) FROM millrace.offsets WHERE pipeline = 'killed' AND replay_offset < next_offset")
                    == "0")
            // The log was cut, and snapshots stand for what was cut off.
            #expect(
                (bench.value("SELECT min(sequence) FROM millrace.state_log WHERE pipeline = 'killed'").flatMap {
                    Int($0)
                } ?? 0) > 1)
            #expect(bench.count("millrace.state") > 0)
        }
    }
}
