import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// `deadline`, `on-timeout`, `default-value`, `batch-size`, with a scorer that takes time of a clock moved by hand.
struct PredictContractTests {
    private func run(_ contract: PredictContract, rows: Int, microseconds: Int64) throws -> (
        harness: OperatorHarness, scorer: ScriptedScorer, counts: ModelCounts
    ) {
        var test = PredictCase()
        test.contract = contract
        test.receipts = [
            PredictReceipt(.version, name: "v"), PredictReceipt(.latency, name: "us"),
            PredictReceipt(.timeout, name: "late"),
        ]
        let scorer = ScriptedScorer(2, microseconds: microseconds, clock: test.clock)
        let harness = test.harness(PredictLanes(live: ScorerLane(scorer.ready("v1"))))
        try harness.feed((0..<Int64(rows)).map { PredictCase.row($0) })
        return (harness, scorer, test.monitor.counts)
    }

    @Test func rowsBehindTheDeadlineGetTheDefault() throws {
        let (harness, scorer, counts) = try run(
            PredictContract(deadlineMicroseconds: 5000, onTimeout: .values([.double(0.5)]), batchRows: 2), rows: 10,
            microseconds: 2000)
        // Calls begin at 0, 2 and 4 ms; at 6 ms the time is up.
        #expect(scorer.calls == [2, 2, 2])
        let scored = (0..<6).map { id -> [Value] in
            [.double(Double(id) * 2), .string("v1"), .integer(2000), .boolean(false)]
        }
        let late = Array(repeating: [Value.double(0.5), .null, .null, .boolean(true)], count: 4)
        #expect(harness.collected.rows.map { Array($0[2...]) } == scored + late)
        #expect(harness.collected.rows.map { $0[0] } == (0..<10).map { .integer($0) })
        #expect(counts.timedOutRows == 4)
        #expect(counts.overrunRows == 2)
        #expect(harness.rejected.isEmpty)
    }

    @Test func rowsBehindTheDeadlineAreRejected() throws {
        let (harness, scorer, counts) = try run(
            PredictContract(deadlineMicroseconds: 3000, batchRows: 1), rows: 5, microseconds: 1500)
        #expect(scorer.calls == [1, 1])
        #expect(harness.collected.rows.map { $0[2] } == [.double(0), .double(2)])
        #expect(harness.rejected.map(\.reason) == [.deadlineExceeded, .deadlineExceeded, .deadlineExceeded])
        #expect(harness.rejected.map { $0.row[0] } == [.integer(2), .integer(3), .integer(4)])
        #expect(harness.rejected[0].detail == "deadline of 3000 us")
        #expect(counts.timedOutRows == 3 && counts.overrunRows == 0)
    }

    @Test func oneCallIsNeverCutShort() throws {
        let (harness, _, counts) = try run(
            PredictContract(deadlineMicroseconds: 1000), rows: 64, microseconds: 9000)
        #expect(harness.collected.rows.count == 64)
        #expect(counts.timedOutRows == 0 && counts.overrunRows == 64)
    }

    @Test func aDeadlineAloneLooksAtTheClockEvery64Rows() throws {
        let (harness, scorer, counts) = try run(
            PredictContract(deadlineMicroseconds: 1000), rows: 200, microseconds: 600)
        #expect(scorer.calls == [64, 64])
        #expect(harness.collected.rows.count == 128)
        #expect(counts.timedOutRows == 72)
    }

    @Test func batchSizeAloneOnlyCuts() throws {
        let (harness, scorer, _) = try run(PredictContract(batchRows: 3), rows: 7, microseconds: 100)
        #expect(scorer.calls == [3, 3, 1])
        #expect(harness.collected.rows.map { $0[4] } == Array(repeating: .integer(100), count: 7))
    }
}
