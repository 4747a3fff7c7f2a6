import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceRuntime

/// Rows that wait for a model server, in virtual time.
struct RemotePredictOperatorTests {
    private let schema = Schema(("id", .bigInt), ("name", .string))

    private final class Bench {
        let model = ScriptedModel()
        var client: ScriptedClient { model.client }
        let stage: RemotePredictOperator
        let harness: OperatorHarness
        private var next: Int64 = 0

        init(
            _ schema: Schema, limits: Limits = Limits(), contract: PredictContract = PredictContract(),
            receipts: [PredictReceipt] = [],
            _ change: (inout RemoteSettings) -> Void
        )
            throws
        {
            change(&model.settings)
            let clock = ManualClock()
            stage = try model.makeOperator(schema, clock: clock, limits: limits, contract: contract, receipts: receipts)
            harness = OperatorHarness(stage, input: schema, clock: clock)
        }

        /// Rows numbered on; the next ones must not find the bytes of these.
        func feed(_ count: Int, watermark: Int64 = EventTime.none) throws {
            try harness.feed(
                (0..<count).map { _ in
                    defer { next += 1 }
                    return ScriptedRow([.integer(next), .string("row \(next)")], watermark: watermark)
                })
        }

        func turn(afterMilliseconds: Int64 = 0) throws {
            harness.clock.advance(milliseconds: afterMilliseconds)
            stage.drive(now: harness.clock.monotonicMicroseconds())
            while try stage.release(harness.context) {}
        }

        var ids: [Value] { harness.collected.rows.map { $0[0] } }
    }

    private func integers(_ range: Range<Int64>) -> [Value] { range.map(Value.integer) }

    @Test func keepsOrderWhenAnswersComeInAnother() throws {
        let bench = try Bench(schema, receipts: [PredictReceipt(.version, name: "version")]) { $0.rowsPerCall = 2 }
        try bench.feed(5, watermark: 100)
        try bench.harness.advance(to: 200)
        #expect(bench.client.attempts == [[0, 1], [2, 3], [4]])
        bench.client.end(2)
        bench.client.end(1)
        try bench.turn()
        #expect(bench.ids.isEmpty)
        #expect(bench.harness.collected.watermarks.isEmpty, "a watermark must not overtake rows that wait")
        bench.client.end(0)
        try bench.turn()
        #expect(
            bench.harness.collected.rows
                == (0..<5).map { id in
                    [
                        .integer(id), .string("row \(id)"), .integer(id * 2), .string("v\(id)"), .string("7"),
                    ]
                })
        #expect(bench.harness.collected.rowWatermarks == Array(repeating: 100, count: 5))
        #expect(bench.harness.collected.watermarks == [200])
        #expect(!bench.stage.isBusy)
        // With nothing to wait for it passes at once.
        try bench.harness.advance(to: 300)
        #expect(bench.harness.collected.watermarks == [200, 300])
    }

    @Test func aWatermarkLeavesBehindTheRowsBeforeIt() throws {
        let bench = try Bench(schema) { $0.rowsPerCall = 10 }
        try bench.feed(2)
        try bench.harness.advance(to: 10)
        try bench.harness.advance(to: 20)
        try bench.feed(2)
        try bench.harness.advance(to: 30)
        bench.client.end(0)
        try bench.turn()
        #expect(bench.harness.collected.watermarks == [20])
        bench.client.end(0)
        try bench.turn()
        #expect(bench.harness.collected.watermarks == [20, 30])
    }

    @Test func aCallTakesWhatWaitsAndNoMore() throws {
        let bench = try Bench(schema) {
            $0.rowsPerCall = 3
            $0.callsInFlight = 2
        }
        try bench.feed(1)
        try bench.feed(8)
        #expect(bench.client.attempts == [[0], [1, 2, 3]])
        bench.client.end(0)
        try bench.turn()
        #expect(bench.client.attempts.last == [4, 5, 6])
        bench.client.policy = { _ in .answered }
        for _ in 0..<4 { try bench.turn() }
        #expect(bench.ids == integers(0..<9))
        #expect(bench.client.mostRunning == 2)
        #expect(bench.stage.takeCounts().rows == 9)
    }

    @Test func isFullAtTheLimit() throws {
        var limits = Limits()
        limits.remoteRows = 4
        let bench = try Bench(schema, limits: limits) { $0.rowsPerCall = 2 }
        try bench.feed(3)
        #expect(!bench.stage.isFull)
        try bench.feed(1)
        #expect(bench.stage.isFull)
        bench.client.policy = { _ in .answered }
        try bench.turn()
        #expect(!bench.stage.isFull)
    }

    private let busy = RemoteOutcome.failed(RemoteFailure("HTTP 503", isRetryable: true, isServerFault: true))
    private let refused = RemoteOutcome.failed(
        RemoteFailure("HTTP 400", isRetryable: false, isServerFault: false, mayBeOneRow: true))

    @Test func triesAgainAfterAPauseAndInOrder() throws {
        let bench = try Bench(schema) {
            $0.retries = 2
            $0.backoff = RetryBackoff(baseMicroseconds: 100_000, maximumMicroseconds: 1_000_000)
        }
        try bench.feed(1)
        try bench.feed(1)
        bench.client.end(0, busy)
        bench.client.end(0)
        try bench.turn()
        #expect(bench.ids.isEmpty)
        try bench.turn(afterMilliseconds: 49)
        #expect(bench.client.attempts.count == 2, "not before half the pause")
        let deadline = try #require(bench.stage.deadline)
        #expect((50_000...100_000).contains(deadline))
        try bench.turn(afterMilliseconds: 51)
        #expect(bench.client.attempts.count == 3)
        bench.client.end(0)
        try bench.turn()
        #expect(bench.ids == integers(0..<2))
        #expect(bench.stage.takeCounts().retries == 1)
    }

    @Test func givesUpAfterTheLastAttempt() throws {
        let bench = try Bench(schema) {
            $0.retries = 1
            $0.breakerFailures = 0
        }
        try bench.feed(2)
        for _ in 0..<2 {
            bench.client.end(0, busy)
            try bench.turn()
            try bench.turn(afterMilliseconds: 3000)
        }
        #expect(bench.client.attempts == [[0, 1], [0, 1]])
        #expect(bench.harness.rejected.map(\.reason) == [.modelError, .modelError])
        #expect(bench.harness.rejected.allSatisfy { $0.detail == "HTTP 503, after 2 attempts" && $0.object == "m" })
        #expect(!bench.stage.isBusy)
        #expect(bench.stage.takeCounts().failures == 1)
    }

    @Test func whileTheBreakerIsOpenRowsWait() throws {
        let bench = try Bench(schema) {
            $0.rowsPerCall = 1
            $0.callsInFlight = 3
            $0.retries = 5
            $0.breakerFailures = 2
            $0.breakerPauseMicroseconds = 1_000_000
            $0.backoff = RetryBackoff(baseMicroseconds: 1000, maximumMicroseconds: 1000)
        }
        try bench.feed(6)
        for _ in 0..<3 { bench.client.end(0, busy) }
        try bench.turn()
        for _ in 0..<9 { try bench.turn(afterMilliseconds: 100) }
        #expect(bench.client.attempts.count == 3, "nothing leaves while it is open")
        #expect(bench.stage.takeCounts().breakerOpenings == 1)
        try bench.turn(afterMilliseconds: 101)
        #expect(bench.client.attempts.count == 4, "one call tries")
        #expect(bench.client.attempts.last == [0], "the oldest")
        bench.client.end(0, busy)
        try bench.turn()
        try bench.turn(afterMilliseconds: 999)
        #expect(bench.client.attempts.count == 4)
        try bench.turn(afterMilliseconds: 1)
        bench.client.policy = { _ in .answered }
        for _ in 0..<4 { try bench.turn(afterMilliseconds: 2) }
        #expect(bench.ids == integers(0..<6))
        #expect(bench.harness.rejected.isEmpty)
    }

    @Test func oneRowThatTheServerRefusesIsFoundAmongMany() throws {
        let bench = try Bench(schema) { $0.rowsPerCall = 16 }
        try bench.feed(16)
        let refused = refused
        bench.client.policy = { ScriptedClient.rows($0).contains(11) ? refused : .answered }
        for _ in 0..<12 { try bench.turn() }
        #expect(bench.ids == integers(0..<11) + integers(12..<16))
        #expect(bench.harness.rejected.count == 1)
        #expect(bench.harness.rejected.first?.detail == "HTTP 400")
        #expect(bench.client.attempts.count == 9, "halved each time: \(bench.client.attempts)")
    }

    @Test func whatJSONCannotHoldIsRefusedAtOnce() throws {
        let input = Schema(("x", .double), ("name", .string))
        let model = ScriptedModel()
        let stage = try RemotePredictOperator(
            PredictPlan(model: 0, arguments: [0, 1]), input: input, model: model,
            inputs: Schema(("x", .double), ("name", .string)), outputs: ScriptedModel.outputs, skipsReplayed: true,
            storesPositions: true, index: 0, monitor: ModelMonitor(), object: "m", limits: Limits(),
            clock: ManualClock(), log: .silent)
        let harness = OperatorHarness(stage, input: input)
        try harness.feed([
            ScriptedRow([.double(.nan), .string("a")]), ScriptedRow([.double(1), .null]),
            ScriptedRow([.error(.divisionByZero), .string("b")]), ScriptedRow([.double(1), .string("c")]),
        ])
        #expect(harness.rejected.map(\.reason) == [.modelError, .modelError, .divisionByZero])
        #expect(harness.rejected[0].detail == "input \"x\" is no finite number, which JSON cannot hold")
        #expect(harness.rejected[1].detail == "input \"name\" is NULL")
        #expect(model.client.attempts.count == 1)
        #expect(model.client.running.first?.rows == 1)
    }

    @Test func rowsOfOneRecordAreNotParted() throws {
        let bench = try Bench(schema) { $0.rowsPerCall = 2 }
        let offsets: [Int64] = [1, 2, 2, 2, 3]
        try bench.harness.feed(
            offsets.enumerated().map { index, offset in
                ScriptedRow([.integer(Int64(index)), .string("")], offset: offset)
            })
        #expect(bench.client.attempts == [[0, 1, 2, 3], [4]])
        #expect(!bench.stage.holdsCommit)
        bench.client.end(0)
        try bench.turn()
        #expect(!bench.stage.holdsCommit)
        #expect(bench.harness.replayOffsets() == [3])
    }

    @Test func theDeadlineBreaksCallsOffAndDefaultsGoOn() throws {
        let contract = PredictContract(
            deadlineMicroseconds: 20_000, onTimeout: .values([.integer(-1), .string("late")]), batchRows: 2)
        let bench = try Bench(
            schema, contract: contract,
            receipts: [
                PredictReceipt(.version, name: "v"), PredictReceipt(.latency, name: "l"),
                PredictReceipt(.timeout, name: "t"),
            ]
        ) {
            $0.callsInFlight = 1
            $0.breakerFailures = 0
        }
        try bench.feed(2)
        try bench.turn(afterMilliseconds: 5)
        bench.client.end(0)
        try bench.turn()
        // The next four come together: two of them leave.
        try bench.feed(4)
        #expect(bench.stage.deadline == 25_000)
        try bench.turn(afterMilliseconds: 19)
        #expect(bench.client.running.count == 1)
        try bench.turn(afterMilliseconds: 1)
        #expect(bench.client.cancelled == 1)
        #expect(bench.client.attempts.count == 2, "rows whose time is up are not sent")
        #expect(bench.ids == integers(0..<6))
        #expect(
            bench.harness.collected.rows[1][2...] == [
                .integer(2), .string("v1"), .string("7"), .integer(5000), .integer(0),
            ])
        for row in 2..<6 {
            #expect(
                bench.harness.collected.rows[row][2...] == [.integer(-1), .string("late"), .null, .null, .integer(1)])
        }
        #expect(!bench.stage.isBusy)
        #expect(bench.stage.takeCounts().timeouts == 2)
    }

    @Test func withoutADefaultRowsPastTheDeadlineAreDeadLetters() throws {
        let bench = try Bench(schema, contract: PredictContract(deadlineMicroseconds: 20_000)) { _ in }
        try bench.feed(3)
        try bench.turn(afterMilliseconds: 20)
        #expect(bench.harness.rejected.map(\.reason) == Array(repeating: .deadlineExceeded, count: 3))
        #expect(bench.harness.rejected.first?.detail == "deadline of 20000 us")
    }
}
