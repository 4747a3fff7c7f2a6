import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// `table.exec.state.ttl`: as Flink's state with `OnCreateAndWrite` and `NeverReturnExpired`, in virtual time.
@Suite struct StateTTLTests {
    static let input = Schema(("k", .string), ("v", .integer))
    private func row(_ key: String, _ value: Int64, _ kind: RowKind = .insert) -> ScriptedRow {
        ScriptedRow([.string(key), .integer(value)], kind: kind)
    }

    private func aggregate(_ calls: [AggregateCall], retracts: Bool = false) throws -> OperatorHarness {
        let plan = UpdatingAggregatePlan(
            keys: [0], aggregates: calls, inputRetracts: retracts, stateTTLMilliseconds: 100)
        return OperatorHarness(
            try UpdatingAggregateOperator(plan, input: Self.input, object: "totals", limits: Limits()),
            input: Self.input)
    }

    private func result(_ harness: OperatorHarness) -> [String] {
        defer { harness.collected.clear() }
        return zip(harness.collected.kinds, harness.collected.rows).map { kind, row in
            "\(kind.text) "
                + row.map { value in
                    switch value {
                    case .string(let text): text
                    case .integer(let number): "\(number)"
                    default: "-"
                    }
                }.joined(separator: " ")
        }
    }

    private func keptRows(_ harness: OperatorHarness) -> Int {
        (harness.first as? any StatefulOperator)?.stateSize.rows ?? -1
    }

    @Test func aGroupLivesSoLongAfterItsLastRow() throws {
        let harness = try aggregate([AggregateCall(.maximum, argument: 1, type: .integer)])
        try harness.feed([row("a", 5)])
        harness.clock.advance(milliseconds: 99)
        // The same maximum again: its readers may forget theirs, so it is given again.
        try harness.feed([row("a", 1), row("b", 1)])
        #expect(result(harness) == ["+I a 5", "-U a 5", "+U a 5", "+I b 1"])
        harness.clock.advance(milliseconds: 100)
        try harness.feed([row("a", 2)])
        #expect(result(harness) == ["+I a 2"])
        #expect(keptRows(harness) == 1)
    }

    @Test func aForgottenGroupHasNothingToTakeBack() throws {
        let harness = try aggregate([AggregateCall(.countAll, argument: nil, type: .bigInt)], retracts: true)
        try harness.feed([row("a", 1), row("a", 2)])
        harness.clock.advance(milliseconds: 100)
        try harness.feed([row("a", 1, .delete)])
        try harness.feed([row("a", 3)])
        #expect(result(harness) == ["+I a 1", "-U a 1", "+U a 2", "+I a 1"])
    }

    @Test func distinctRowsAreGivenAgain() throws {
        let harness = try aggregate([])
        try harness.feed([row("a", 1), row("a", 1)])
        harness.clock.advance(milliseconds: 100)
        try harness.feed([row("a", 1)])
        #expect(result(harness) == ["+I a", "-U a", "+U a", "+I a"])
    }

    /// Where the clock goes back, what was forgotten stays so, and nothing lives longer.
    @Test func theClockNeverGoesBack() throws {
        let harness = try aggregate([AggregateCall(.countAll, argument: nil, type: .bigInt)])
        harness.clock.setWall(microseconds: 1_000_000)
        try harness.feed([row("a", 1)])
        harness.clock.setWall(microseconds: 500_000)
        try harness.feed([row("a", 1)])
        harness.clock.setWall(microseconds: 1_100_000)
        try harness.feed([row("a", 1)])
        #expect(result(harness) == ["+I a 1", "-U a 1", "+U a 2", "+I a 1"])
    }

    private func topN(prefersNewest: Bool) -> OperatorHarness {
        let plan = TopNPlan(
            keys: [0], order: [], prefersNewest: prefersNewest, last: 1, emitsRank: false, stateTTLMilliseconds: 100)
        return OperatorHarness(
            TopNOperator(plan, input: Self.input, object: "first", limits: Limits()), input: Self.input)
    }

    @Test func theFirstRowOfAKeyIsForgottenWhateverComesBehindIt() throws {
        let harness = topN(prefersNewest: false)
        try harness.feed([row("a", 1)])
        harness.clock.advance(milliseconds: 60)
        try harness.feed([row("a", 2)])
        harness.clock.advance(milliseconds: 40)
        try harness.feed([row("a", 3)])
        #expect(result(harness) == ["+I a 1", "+I a 3"])
    }

    @Test func theLastRowOfAKeyIsGivenAgainAndAgain() throws {
        let harness = topN(prefersNewest: true)
        try harness.feed([row("a", 1)])
        harness.clock.advance(milliseconds: 60)
        try harness.feed([row("a", 1)])
        harness.clock.advance(milliseconds: 60)
        try harness.feed([row("a", 2)])
        harness.clock.advance(milliseconds: 100)
        try harness.feed([row("b", 7)])
        #expect(result(harness) == ["+I a 1", "-U a 1", "+U a 1", "-U a 1", "+U a 2", "+I b 7"])
        #expect(keptRows(harness) == 1)
    }

    private func join(_ kind: JoinKind) throws -> OperatorHarness {
        var plan = StreamJoinPlan(form: .regular, kind: kind, leftKeys: [0], rightKeys: [0])
        plan.stateTTLMilliseconds = 100
        plan.isUpdating = kind != .inner && kind != .semi
        let made: Operator =
            plan.isUpdating
            ? try UpdatingJoinOperator(plan, left: Self.input, right: Self.input, object: "join", limits: Limits())
            : try StreamJoinOperator(plan, left: Self.input, right: Self.input, object: "join", limits: Limits())
        return OperatorHarness(made, input: Self.input)
    }

    @Test func aRowOfAnInnerJoinLivesSoLongAfterItCame() throws {
        let harness = try join(.inner)
        try harness.feed([row("a", 1)], port: 0)
        harness.clock.advance(milliseconds: 99)
        try harness.feed([row("a", 2)], port: 1)
        harness.clock.advance(milliseconds: 1)
        try harness.feed([row("a", 3)], port: 1)
        #expect(result(harness) == ["+I a 1 a 2"])
        #expect(keptRows(harness) == 2)
    }

    @Test func aPartnerKeepsTheRowOfAnOuterSideAlive() throws {
        let harness = try join(.left)
        try harness.feed([row("a", 1)], port: 0)
        harness.clock.advance(milliseconds: 60)
        try harness.feed([row("a", 2)], port: 1)
        harness.clock.advance(milliseconds: 60)
        try harness.feed([row("a", 3)], port: 1)
        #expect(result(harness) == ["+I a 1 - -", "-D a 1 - -", "+I a 1 a 2", "+I a 1 a 3"])
        // Of the partners one is gone, which nobody is told; the other one can still be taken back.
        harness.clock.advance(milliseconds: 60)
        try harness.feed([row("a", 3, .delete)], port: 1)
        #expect(result(harness) == ["-D a 1 a 3"])
        harness.clock.advance(milliseconds: 1000)
        try harness.feed([row("b", 4)], port: 1)
        #expect(result(harness) == [])
        #expect(keptRows(harness) == 1)
    }

    @Test func aForgottenRowIsTakenBackFromItsPartners() throws {
        let harness = try join(.left)
        try harness.feed([row("a", 2)], port: 1)
        harness.clock.advance(milliseconds: 60)
        try harness.feed([row("a", 1)], port: 0)
        harness.clock.advance(milliseconds: 60)
        try harness.feed([row("a", 2, .delete)], port: 1)
        #expect(result(harness) == ["+I a 1 a 2", "-D a 1 a 2", "+I a 1 - -"])
    }
}
