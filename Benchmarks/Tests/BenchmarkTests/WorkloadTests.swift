import Foundation
import MillraceCore
import MillraceModels
import MillraceRuntime
import Testing
import Workloads

struct WorkloadTests {
    /// The model's text means what the yardstick computes, as Millrace reads it.
    @Test func theModelTextScoresAsTheModelDoes() throws {
        let model = TreeModel()
        let variants = Payments().variants
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("model-\(UUID().uuidString).txt").path
        try model.lightGBMText.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (provider, loaded) = try ModelProviders.inspect(path: path)
        #expect(provider == "lightgbm")
        #expect(loaded.signature.inputs.map(\.name) == TreeModel.featureNames)
        let fields = TreeModel.featureNames.map { Field($0, .double) }
        let scorer = try loaded.makeScorer(
            inputs: Schema(fields), outputs: Schema([Field("score", .double)]), maxRows: 256)
        let columns = fields.map { Column($0.type) }
        for variant in variants {
            for (column, value) in zip(columns, variant.features) { column.append(double: value) }
        }
        let outputs = [Column(.double)]
        scorer.score(columns, rows: variants.count, into: outputs, arena: BatchArena())
        let scores = variants.map { model.score($0.features) }
        for (i, score) in scores.enumerated() { #expect(abs(outputs[0].doubles[i] - score) < 1e-12) }
        // A model that says the same of everybody would let any engine pass.
        #expect(Set(scores).count > 3500)
    }

    @Test func schedulesFindTheEventThatIsDue() {
        for rate in [1, 3, 1000, 7001, 20_000] {
            let schedule = EventSchedule(start: 1_700_000_000_250_000, eventsPerSecond: rate, count: 3 * rate)
            for step in 0..<500 {
                let time = schedule.start - 1000 + Int64(step) * 6007
                let slow = (0...4 * rate).first { schedule.due($0) >= time }
                #expect(schedule.first(atOrAfter: time) == slow, "rate \(rate), time \(time)")
            }
        }
    }

    @Test func totalsHoldEveryEventOnce() {
        let sales = Sales()
        let schedule = EventSchedule(start: 1_700_000_000_250_000, eventsPerSecond: 2000, count: 9000)
        let totals = WindowTotals(schedule, sales: sales, windowMicroseconds: 1_000_000)
        #expect(totals.expectedRows == 5 * Sales.regions.count)
        #expect(totals.groups.reduce(0) { $0 + $1.count } == 9000)
        #expect(totals.group(start: 1_700_000_001_000_000, region: "Pacific")?.count ?? 0 > 100)
        #expect(totals.group(start: 1_700_000_001_000_001, region: "Pacific") == nil)
        #expect(totals.group(start: 1_700_000_001_000_000, region: "Atlantis") == nil)
        #expect(totals.group(start: 1_699_999_999_000_000, region: "Pacific") == nil)
        var cents = 0
        for i in 0..<9000 { cents += sales.variants[i % Sales.variantCount].cents }
        #expect(totals.groups.reduce(0) { $0 + $1.cents } == cents)
        #expect(Sales.csv.split(separator: "\n").count == 50)
    }

    @Test func resultsSurviveTheirFile() throws {
        var record = FlatRecord()
        record.set("engine", "a \"quoted\" \\ name")
        record.set("rate", 20_000)
        record.set("p50_ms", 0.4375)
        record.set("small", 1.5e-7)
        record.set("absent", nil)
        record.set("infinite", .infinity)
        #expect(record.line == #"{"engine":"a \"quoted\" \\ name","rate":20000,"p50_ms":0.4375,"small":1.5e-07}"#)
        #expect(FlatRecord(line: record.line) == record)
        #expect(FlatRecord(line: "{}") == FlatRecord())
        for text in ["", "{", "{\"a\":1", "{\"a\" 1}", "{\"a\":x}", "{\"a\":1} 2", "[1]", "{\"a\":\"b}"] {
            #expect(FlatRecord(line: text) == nil, "\(text)")
        }
    }

    @Test(arguments: [
        (0.0, 2, "0.00"), (-0.005, 2, "-0.01"), (1234.567, 1, "1234.6"), (0.999, 2, "1.00"), (12, 0, "12"),
    ])
    func numbersAreRounded(value: Double, digits: Int, text: String) { #expect(decimal(value, digits) == text) }
}
