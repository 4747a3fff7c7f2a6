import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceRuntime

/// Canary, shadow, and a model that is swapped between batches.
struct ModelVariantTests {
    private static let receipts = [PredictReceipt(.version, name: "v"), PredictReceipt(.hash, name: "h")]

    private func accounts(_ count: Int) -> [ScriptedRow] {
        (0..<count).map { PredictCase.row(Int64($0), "account-\($0 % 97)") }
    }

    @Test(arguments: Batching.usual) func aKeyStaysWithItsModel(_ batching: Batching) throws {
        var test = PredictCase()
        test.receipts = Self.receipts
        test.canary = CanaryPlan(path: "c", percent: 30, key: "account")
        var limits = Limits()
        limits.modelRows = 50
        let harness = test.harness(
            PredictLanes(
                live: ScorerLane(ScriptedScorer(2).ready("old")), canary: ScorerLane(ScriptedScorer(3).ready("new"))),
            limits: limits)
        try harness.feed(accounts(970), batching)
        #expect(harness.collected.rows.count == 970)
        var models: [Value: Set<Value>] = [:]
        for (id, row) in harness.collected.rows.enumerated() {
            #expect(row[0] == .integer(Int64(id)))
            models[row[1], default: []].insert(row[3])
            let isCanary = row[3] == .string("new")
            #expect(row[2] == .double(Double(id) * (isCanary ? 3 : 2)))
            #expect(row[4] == .string(isCanary ? "new-hash" : "old-hash"))
        }
        #expect(models.values.allSatisfy { $0.count == 1 })
        let canaries = models.values.count { $0 == [.string("new")] }
        #expect((15...45).contains(canaries), "\(canaries) of 97 accounts")
        #expect(test.monitor.counts.canaryRows == canaries * 10)
    }

    @Test func sharesGrowByAddingKeys() {
        let keys = Column(.string)
        let arena = BatchArena()
        for i in 0..<20_000 { keys.append(bytes: arena.copy("k\(i)")) }
        var smaller: Set<Int> = []
        for percent in [0, 0.5, 5, 20, 99.5, 100] {
            let share = KeyShare(percent: percent, model: "m")
            let kept = Set((0..<keys.count).filter { share.contains(keys, row: $0) })
            #expect(kept.isSuperset(of: smaller))
            #expect(abs(Double(kept.count) / 200 - percent) < 1, "\(kept.count) keys are \(percent) %")
            smaller = kept
        }
        // Other models have other canaries.
        let other = KeyShare(percent: 20, model: "n")
        let both = (0..<keys.count).count {
            other.contains(keys, row: $0) && KeyShare(percent: 20, model: "m").contains(keys, row: $0)
        }
        #expect((600...1000).contains(both))
    }

    /// What was decided for a key must hold for ever: these were computed apart from this code.
    @Test func theHashIsFixed() {
        let ints = Column(.bigInt)
        for i in 0..<1000 { ints.append(int: Int64(i)) }
        let share = KeyShare(percent: 5, model: "fraud")
        #expect((0..<1000).filter { share.contains(ints, row: $0) }.prefix(6) == [1, 17, 55, 94, 96, 140])
    }

    @Test func aShadowOnlyCounts() throws {
        var test = PredictCase()
        test.shadow = ShadowPlan(path: "s", threshold: 10)
        test.receipts = [PredictReceipt(.shadow, name: "other")]
        let shadow = ScriptedScorer(2.5, failsOn: [7])
        let harness = test.harness(
            PredictLanes(
                live: ScorerLane(ScriptedScorer(2, failsOn: [8]).ready("v1")), shadow: ScorerLane(shadow.ready("v2"))))
        try harness.feed((0..<10).map { PredictCase.row($0) })
        // The live model's failure is the row's; the shadow's is not.
        #expect(harness.rejected.map { $0.row[0] } == [.integer(8)])
        #expect(harness.collected.rows.count == 9)
        #expect(harness.collected.rows.map { $0[3] }.contains(.null))
        #expect(harness.collected.rows[9 - 1] == [.integer(9), .string("a"), .double(18), .double(22.5)])
        let counts = test.monitor.counts.shadow
        #expect(counts.comparedRows == 8 && counts.failedRows == 1 && counts.skippedRows == 0)
        // 4 gives 8 and 10.
        #expect(counts.disagreedRows == 1)
        #expect(counts.absoluteDifferenceMax == 4.5)
        #expect(counts.absoluteDifferenceSum == 0.5 * Double(0 + 1 + 2 + 3 + 4 + 5 + 6 + 9))
    }

    @Test func aShadowIsNotAskedWhenTheTimeIsUp() throws {
        var test = PredictCase()
        test.shadow = ShadowPlan(path: "s")
        test.contract = PredictContract(deadlineMicroseconds: 1000, onTimeout: .values([.null]), batchRows: 1)
        let shadow = ScriptedScorer(2)
        let harness = test.harness(
            PredictLanes(
                live: ScorerLane(ScriptedScorer(2, microseconds: 600, clock: test.clock).ready("v1")),
                shadow: ScorerLane(shadow.ready("v2"))))
        try harness.feed((0..<3).map { PredictCase.row($0) })
        #expect(shadow.calls.isEmpty)
        #expect(test.monitor.counts.shadow.skippedRows == 3)
        #expect(harness.collected.rows.map { $0[2] } == [.double(0), .double(2), .null])
    }

    @Test func aModelIsSwappedBetweenBatches() throws {
        var test = PredictCase()
        test.receipts = Self.receipts
        var limits = Limits()
        limits.modelRows = 2
        let slot = ScorerSlot()
        let old = ScriptedScorer(2)
        let harness = test.harness(PredictLanes(live: ScorerLane(old.ready("v1"), slot: slot)), limits: limits)
        try harness.feed((0..<5).map { PredictCase.row($0) })
        slot.offer(ScriptedScorer(3).ready("v2"))
        slot.offer(ScriptedScorer(5).ready("v3"))
        #expect(slot.takeRetired().isEmpty)
        try harness.feed((5..<10).map { PredictCase.row($0) })
        #expect(
            harness.collected.rows.map { $0[2] }
                == (0..<10).map { .double(Double($0) * ($0 < 5 ? 2 : 5)) })
        #expect(harness.collected.rows.map { $0[3] } == (0..<10).map { .string($0 < 5 ? "v1" : "v3") })
        // The loader frees the old one, not the shard.
        #expect(slot.takeRetired().map(\.version) == ["v1"])
    }
}
