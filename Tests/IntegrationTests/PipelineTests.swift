import Foundation
import MillraceEngine
import MillraceKafka
import Testing

/// Every pipeline of `pipelines/` runs, and its results are those of a plain recomputation.
@Suite(.serialized, .enabled(if: PipelineHarness.hasServer, "PostgreSQL's server programs are not installed"))
struct PipelineTests {
    /// 2026-01-01 00:00:00 UTC, milliseconds.
    private let start: Int64 = 1_767_225_600_000

    // MARK: baby_weight

    /// The golden rows of the natality model, 100 ms apart: predictions to the last bit of a FLOAT, five-second means.
    /// On three shards one has no partition, and the windows' keys belong to others than those that read them.
    @Test(arguments: [1, 3])
    func babyWeight(shards: Int) throws {
        let fixtures = MillraceProcess.repository.appendingPathComponent("Tests/MillraceModelsTests/Fixtures/natality")
        let inputs = try table(fixtures.appendingPathComponent("golden_inputs.csv"))
        let expected = try table(fixtures.appendingPathComponent("golden_expected.csv")).map { Float($0["xgb"]!)! }
        let harness = try PipelineHarness(topics: [("births", 2)])
        let records = inputs.enumerated().map { index, row in
            (birth(id: index + 1, row, millisecond: start + Int64(index) * 100), Int64?.none)
        }
        try harness.send(records, to: "births")
        try harness.start("baby_weight", shards: shards)
        try harness.wait(for: Double(inputs.count), from: "SELECT sum(births) FROM weight_by_sex")
        let running = "SELECT count(DISTINCT shard) FROM millrace.checkpoints WHERE shard >= 0"
        #expect(try harness.number(running) == Double(shards))

        let predictions = try harness.rows(
            """
            SELECT birth_id, weight_pounds, kafka_topic, (extract(epoch FROM event_time) * 1000)::bigint, model_version \
            FROM birth_predictions ORDER BY birth_id
            """)
        #expect(predictions.map { Int($0[0]) } == Array(1...inputs.count))
        #expect(predictions.map { Float($0[1]) } == expected)
        #expect(predictions.map { Int64($0[3]) } == inputs.indices.map { start + Int64($0) * 100 })
        #expect(Set(predictions.map { $0[2] }) == ["births"] && Set(predictions.map { $0[4] }).count == 1)
        // Each record once: no Kafka position twice.
        let positions = "SELECT count(DISTINCT (kafka_partition, kafka_offset)) FROM birth_predictions"
        #expect(try harness.number(positions) == Double(inputs.count))

        var groups: [String: [Double]] = [:]
        for (index, row) in inputs.enumerated() {
            let window = start + Int64(index / 50) * 5000
            groups["\(window) \(row["is_male"] == "1" ? "t" : "f")", default: []].append(Double(expected[index]))
        }
        let windows = try harness.rows(
            """
            SELECT (extract(epoch FROM period_start) * 1000)::bigint || ' ' || left(is_male::text, 1), births, \
            mean_weight_pounds FROM weight_by_sex
            """)
        #expect(windows.count == groups.count)
        for window in windows {
            let weights = try #require(groups[window[0]], "window \(window[0])")
            #expect(Int(window[1]) == weights.count)
            let mean = try #require(Double(window[2]))
            #expect(abs(mean - weights.reduce(0, +) / Double(weights.count)) < 1e-9)
        }

        // One birth more, of the first window, which has been written: predicted, and in no window. And no birth at all.
        try harness.send(
            [(birth(id: 1000, inputs[0], millisecond: start), nil), ("born yesterday", nil)], to: "births")
        try harness.wait(for: 1, from: "SELECT count(*) FROM birth_predictions WHERE birth_id = 1000")
        try harness.wait(for: 2, from: "SELECT count(*) FROM millrace.dead_letter")
        #expect(
            try harness.rows("SELECT reason FROM millrace.dead_letter ORDER BY reason")
                == [["late row"], ["undecodable message"]])
        #expect(try harness.number("SELECT sum(births) FROM weight_by_sex") == Double(inputs.count))
        try harness.stop()
    }

    private func birth(id: Int, _ row: [String: String], millisecond: Int64) -> String {
        var fields = ["\"birth_id\":\(id)", "\"event_time\":\"\(utc(millisecond))Z\""]
        for (name, cell) in row where !cell.isEmpty && name != "weight_pounds" {
            let isFlag = ["is_male", "cigarette_use", "mother_married"].contains(name)
            fields.append("\"\(name)\":\(isFlag ? (cell == "1" ? "true" : "false") : cell)")
        }
        return "{" + fields.joined(separator: ",") + "}"
    }

    // MARK: sales_by_region

    /// 600 sales over 20 seconds: sums to the cent, sales of no region left out, a torn message set aside.
    @Test func salesByRegion() throws {
        let file = MillraceProcess.repository.appendingPathComponent("pipelines/data/us_state_salesregions.csv")
        let regions = Dictionary(
            uniqueKeysWithValues: try lines(file).map { line in
                let cells = line.split(separator: ",").map(String.init)
                return (cells[0], cells[1])
            })
        let states = regions.keys.sorted() + ["ZZ"]
        var sums: [String: Int] = [:]
        var records: [(value: String, timestamp: Int64?)] = []
        for index in 0..<600 {
            let state = states[index * 7 % states.count]
            let cents = 101 + index * 7919 % 9999
            let time = start + Int64(index) * 33
            let amount = String(format: "%d.%02d", cents / 100, cents % 100)
            records.append(("{\"city\":\"Salem\",\"state\":\"\(state)\",\"amount\":\(amount)}", time))
            if let region = regions[state] {
                sums["\(region) \(start + (time - start) / 5000 * 5000)", default: 0] += cents
            }
        }
        records.append(("{\"state\":\"CA\",\"amount\":", start + 19_900))
        let harness = try PipelineHarness(topics: [("transactions", 2)])
        try harness.send(records, to: "transactions")
        try harness.start("sales_by_region")
        try harness.wait(for: Double(sums.count), from: "SELECT count(*) FROM sales_by_region")
        let rows = try harness.rows(
            """
            SELECT sales_region || ' ' || (extract(epoch FROM period_start) * 1000)::bigint, (amount * 100)::bigint \
            FROM sales_by_region
            """)
        #expect(Dictionary(uniqueKeysWithValues: rows.map { ($0[0], Int($0[1])!) }) == sums)
        #expect(try harness.rows("SELECT reason FROM millrace.dead_letter") == [["undecodable message"]])
        try harness.stop()
    }

    // MARK: births_generator

    /// Generated births come at the rate asked for, each once, and baby_weight reads and scores them.
    @Test func birthsGenerator() throws {
        let harness = try PipelineHarness(topics: [("births", 2)])
        try harness.start("baby_weight")
        let began = Date()
        try harness.start("births_generator", ["rate": "200"])
        try eventually("300 births are predicted") {
            ((try? harness.number("SELECT count(*) FROM birth_predictions")) ?? 0) >= 300
        }
        let seconds = Date().timeIntervalSince(began)
        let row = try harness.rows(
            """
            SELECT count(*), count(DISTINCT birth_id), max(birth_id), \
            count(*) FILTER (WHERE weight_pounds BETWEEN 1 AND 14), \
            count(*) FILTER (WHERE abs(extract(epoch FROM now() - event_time)) < 600) FROM birth_predictions
            """)[0].map { Double($0)! }
        #expect(row.allSatisfy { $0 == row[0] }, "\(row)")
        // Not faster than asked for, whatever the machine is busy with; a batch may be ahead.
        #expect(row[0] / seconds < 200 * 1.5, "\(row[0]) in \(seconds) s")
        try harness.stop()
    }

    // MARK: fraud

    /// The sample in its order through Kafka, with a restart in the middle: features and probabilities of the rows behind it
    /// come from histories that were read again; alerts and windows are there once.
    @Test func fraud() throws {
        let fixture = MillraceProcess.repository.appendingPathComponent(
            "Tests/MillraceModelsTests/Fixtures/fraud/events_sample.csv")
        let sample = try table(fixture)
        let accounts = Array(Set(sample.map { $0["account"]! })).sorted()
        let harness = try PipelineHarness(topics: [("transactions", 3), ("fraud_alerts", 1)])
        func send(_ range: Range<Int>) throws {
            for row in sample[range] {
                let text = """
                    {"account":"\(row["account"]!)","event_ms":\(row["event_ms"]!),"amount":\(row["amount"]!),\
                    "merchant_category":"\(row["merchant_category"]!)","country":"\(row["country"]!)",\
                    "card_present":\(row["card_present"]!)}
                    """
                try harness.broker.produce(
                    topic: "transactions", key: Array(row["account"]!.utf8), value: Array(text.utf8),
                    partition: Int32(accounts.firstIndex(of: row["account"]!)! % 3))
            }
            #expect(harness.broker.flush())
        }
        let half = sample.count / 2
        try send(0..<half)
        try harness.start("fraud")
        try harness.wait(for: Double(half), from: "SELECT count(*) FROM fraud_scores")
        try harness.stop()
        try send(half..<sample.count)
        try harness.start("fraud")
        try harness.wait(for: Double(sample.count), from: "SELECT count(*) FROM fraud_scores")

        let names = [
            "tx_count_10m", "amount_sum_10m", "tx_count_1h", "amount_sum_1h", "tx_count_24h", "amount_avg_7d",
            "amount_ratio_7d", "country_changed", "distinct_countries_24h", "seconds_since_prev",
        ]
        let rows = try harness.rows(
            """
            SELECT account, (extract(epoch FROM event_time) * 1000)::bigint, probability, \
            \(names.joined(separator: ", ")) FROM fraud_scores
            """)
        var scores: [String: [String]] = [:]
        for row in rows { scores["\(row[0]) \(row[1])"] = row }
        #expect(scores.count == sample.count)
        for expected in sample {
            let key = "\(expected["account"]!) \(expected["event_ms"]!)"
            let row = try #require(scores[key], "\(key)")
            #expect(abs(Double(row[2])! - Double(expected["xgb_probability"]!)!) < 1e-6, "\(key)")
            for (cell, name) in zip(row[3...], names) {
                let value = Double(expected[name]!)
                #expect((value == nil) == (cell == "NULL"), "\(name) of \(key)")
                if let value { #expect(abs(Double(cell)! - value) <= 1e-11 * max(1, abs(value)), "\(name) of \(key)") }
            }
        }
        let alerts = sample.filter { Double($0["xgb_probability"]!)! >= 0.5 }.map {
            "\($0["account"]!) \($0["event_ms"]!)"
        }
        #expect(
            try harness.rows(
                "SELECT account || ' ' || (extract(epoch FROM event_time) * 1000)::bigint FROM fraud_alerts ORDER BY 1")
                == alerts.sorted().map { [$0] })
        let positions = "SELECT count(DISTINCT (kafka_partition, kafka_offset)) FROM fraud_scores"
        #expect(try harness.number(positions) == Double(sample.count))
        #expect(try harness.number("SELECT count(*) FROM millrace.dead_letter WHERE reason <> 'late row'") == 0)
        try harness.stop()
    }

    // MARK: flights

    private static let flights = MillraceProcess.repository.appendingPathComponent(".deps/flights/flights.jsonl")
    private static let hasFlights: Bool = {
        let isThere = FileManager.default.fileExists(atPath: flights.path)
        if !isThere { print("skipped: pipelines/flights.sql, \(flights.path) is missing; run Scripts/fetch-flights 3") }
        return isThere
    }()

    /// Three real days: windows, late flights and joins recomputed here; predictions against those of xgboost.
    @Test(.enabled(if: hasFlights, "no flights: see the line that starts with skipped:")) func flights() throws {
        let replay = try lines(PipelineTests.flights).filter { line in
            ["-20130101-", "-20130102-", "-20130103-"].contains { line.contains($0) }
        }
        #expect(replay.count == 2699)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let flights = try replay.map { try decoder.decode(Flight.self, from: Data($0.utf8)) }
        let harness = try PipelineHarness(topics: [("flights", 1)])
        try harness.send(replay.map { ($0, nil) }, to: "flights")
        try harness.start("flights")
        let departed = flights.filter { $0.depDelay != nil }
        try harness.wait(for: Double(departed.count), from: "SELECT count(*) FROM flight_predictions")
        try harness.stop()

        for (table, minutes) in [("delays_hourly", 60), ("delays_5min", 5)] {
            let expected = windows(flights, minutes: Int64(minutes), airlines: try airlines())
            let rows = try harness.rows(
                """
                SELECT (extract(epoch FROM period_start) / 60)::bigint || ' ' || carrier_name || ' ' || origin, \
                departures, cancelled, mean_dep_delay, max_dep_delay FROM \(table)
                """)
            #expect(rows.count == expected.groups.count, "\(table)")
            for row in rows {
                let delays = try #require(expected.groups[row[0]], "\(table) \(row[0])")
                let known = delays.compactMap { $0 }
                #expect(Int(row[1]) == known.count && Int(row[2]) == delays.count - known.count, "\(table) \(row)")
                #expect(Int(row[4]) == known.max(), "\(table) \(row)")
                let mean = known.isEmpty ? nil : Double(known.reduce(0, +)) / Double(known.count)
                #expect(abs((Double(row[3]) ?? -1) - (mean ?? -1)) < 1e-9, "\(table) \(row)")
            }
            // Late flights, by their offset in the topic's only partition.
            let late = try harness.rows(
                """
                SELECT "offset" FROM millrace.dead_letter WHERE reason = 'late row' AND object LIKE '%\(table)%' ORDER BY 1
                """)
            #expect(late.map { Int($0[0]) } == expected.late, "\(table)")
            #expect(!expected.late.isEmpty)
        }

        // `train_delay_model.py` prints this mean, from xgboost itself.
        #expect(abs(try harness.number("SELECT avg(predicted_arr_delay) FROM flight_predictions") - 5.967732) < 1e-4)
        let weather = try weather()
        let names = try airlines()
        let rows = try harness.rows(
            """
            SELECT kafka_offset, flight_id, carrier_name, temp, wind_speed, dep_delay FROM flight_predictions \
            ORDER BY kafka_offset
            """)
        for (row, (offset, flight)) in zip(rows, flights.enumerated().filter { $0.element.depDelay != nil }) {
            #expect(Int(row[0]) == offset && row[1] == flight.flightId && row[2] == names[flight.carrier])
            #expect(Int(row[5]) == flight.depDelay)
            let observation = weather["\(flight.origin) \(flight.schedDep.prefix(13))"]
            #expect(Double(row[3]) == observation?.temp && Double(row[4]) == observation?.wind, "\(row)")
        }
    }

    private struct Flight: Decodable {
        var flightId: String
        var carrier: String
        var origin: String
        var schedDep: String
        var depDelay: Int?
    }

    /// The delays of each window that the watermark has passed (nil: cancelled), and the rows that came after that.
    private func windows(
        _ flights: [Flight], minutes: Int64, airlines: [String: String]
    ) -> (groups: [String: [Int?]], late: [Int]) {
        var groups: [String: [Int?]] = [:]
        var ends: [String: Int64] = [:]
        var late: [Int] = []
        // Milliseconds: two hours behind the newest scheduled departure.
        var watermark = Int64.min
        for (index, flight) in flights.enumerated() {
            let time = milliseconds(flight.schedDep)
            let size = minutes * 60_000
            let windowStart = time / size * size
            if watermark >= windowStart + size - 1 {
                late.append(index)
            } else {
                let key = "\(windowStart / 60_000) \(airlines[flight.carrier] ?? "NULL") \(flight.origin)"
                groups[key, default: []].append(flight.depDelay)
                ends[key] = windowStart + size
            }
            watermark = max(watermark, time - 7_200_000)
        }
        return (groups.filter { watermark >= ends[$0.key]! - 1 }, late)
    }

    private func airlines() throws -> [String: String] {
        let file = PipelineTests.flights.deletingLastPathComponent().appendingPathComponent("airlines.csv")
        return Dictionary(
            uniqueKeysWithValues: try lines(file).map { line in
                let cells = line.split(separator: ",").map(String.init)
                return (cells[0], cells[1])
            })
    }

    /// By origin and `yyyy-MM-dd HH`.
    private func weather() throws -> [String: (temp: Double?, wind: Double?)] {
        let file = PipelineTests.flights.deletingLastPathComponent().appendingPathComponent("weather.csv")
        return Dictionary(
            uniqueKeysWithValues: try lines(file).map { line in
                let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
                return ("\(cells[0]) \(cells[1].prefix(13))", (Double(cells[2]), Double(cells[3])))
            })
    }

    // MARK: Text

    private func lines(_ file: URL) throws -> [String] {
        String(decoding: try Data(contentsOf: file), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Rows of a CSV file with a header, by column.
    private func table(_ file: URL) throws -> [[String: String]] {
        let lines = try lines(file).map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
    }

    /// `yyyy-MM-dd HH:mm:ss.SSS`.
    private func utc(_ milliseconds: Int64) -> String {
        let date = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
        let parts = Self.calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        return String(
            format: "%04d-%02d-%02d %02d:%02d:%02d.%03d", parts.year!, parts.month!, parts.day!, parts.hour!,
            parts.minute!,
            parts.second!, Int(milliseconds % 1000))
    }

    /// Of `yyyy-MM-dd HH:mm:ss`, UTC.
    private func milliseconds(_ text: String) -> Int64 {
        let parts = text.split { !$0.isNumber }.map { Int($0)! }
        let date = DateComponents(
            calendar: Self.calendar, year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4],
            second: parts[5]
        ).date!
        return Int64(date.timeIntervalSince1970) * 1000
    }

    private static let calendar: Calendar = {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: 0)!
        return calendar
    }()
}
