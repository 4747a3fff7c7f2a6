import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// Joins whose results change, against the slow model over the rows that are there.
@Suite struct UpdatingJoinTests {
    /// A row for an id: the same id is the same row, so rows may be there more than once.
    static func row(_ id: Int64) -> [Value] {
        JoinEvent(port: 0, id: id, key: ["a", "b", "c", nil][Int(id % 4)], time: 0).values
    }

    static func join(_ plan: StreamJoinPlan) throws -> OperatorHarness {
        var plan = plan
        plan.isUpdating = true
        return OperatorHarness(
            try UpdatingJoinOperator(plan, left: joinSide, right: joinSide, object: "join", limits: Limits()),
            input: joinSide)
    }

    @Test(arguments: JoinKind.allCases) func addsUpToTheModel(_ kind: JoinKind) throws {
        for seed in UInt64(1)...30 {
            for hasResidual in [false, true] {
                var plan = JoinPropertyTests.plan(.regular, kind)
                var model = JoinModel(plan: plan)
                if hasResidual {
                    plan.residual = JoinPropertyTests.residual
                    model.condition = { $0 < $1 }
                }
                let harness = try UpdatingJoinTests.join(plan)
                var generator = SeededGenerator(seed: seed)
                var sides = [0, 1].map { side in
                    RandomChanges(seed: seed * 2 + UInt64(side)) {
                        UpdatingJoinTests.row(Int64.random(in: 0..<10, using: &$0))
                    }
                }
                for step in 0..<60 {
                    let port = Int.random(in: 0...1, using: &generator)
                    var batch: [ScriptedRow] = []
                    for _ in 0..<Int.random(in: 1...4, using: &generator) { batch += sides[port].next() }
                    try harness.feed(batch, port: port)
                    guard step.isMultiple(of: 10) || step == 59 else { continue }
                    let live = [0, 1].flatMap { port in sides[port].live.map { UpdatingJoinTests.event($0, port) } }
                    let expected = model.result(live)
                    let result = harness.collected.materialized
                    #expect(result.fault == nil, "seed \(seed), step \(step), residual \(hasResidual)")
                    let (missing, extra) = rowDifference(expected, result.rows)
                    #expect(
                        missing.isEmpty && extra.isEmpty,
                        "seed \(seed), step \(step), residual \(hasResidual): missing \(missing), extra \(extra)")
                }
                #expect(harness.rejected.isEmpty)
            }
        }
    }

    private static func event(_ row: [Value], _ port: Int) -> JoinEvent {
        guard case .integer(let id) = row[0] else { preconditionFailure("a row has an id") }
        return JoinEvent(port: port, id: id, key: ["a", "b", "c", nil][Int(id % 4)], time: 0)
    }

    /// The changes of one row that finds and loses its partner, as Flink gives them.
    @Test func aLeftJoinTakesTheLoneRowBack() throws {
        let harness = try UpdatingJoinTests.join(JoinPropertyTests.plan(.regular, .left))
        let row = UpdatingJoinTests.row(0)
        let null = [Value](repeating: .null, count: joinSide.count)
        try harness.feed([ScriptedRow(row)], port: 0)
        try harness.feed([ScriptedRow(row)], port: 1)
        try harness.feed([ScriptedRow(row, kind: .delete)], port: 1)
        try harness.feed([ScriptedRow(row, kind: .delete)], port: 0)
        #expect(harness.collected.kinds == [.insert, .delete, .insert, .delete, .insert, .delete])
        #expect(harness.collected.rows == [row + null, row + null, row + row, row + row, row + null, row + null])
    }

    @Test func anInnerJoinPassesUpdatesOn() throws {
        let harness = try UpdatingJoinTests.join(JoinPropertyTests.plan(.regular, .inner))
        let (old, new) = (UpdatingJoinTests.row(0), UpdatingJoinTests.row(4))
        try harness.feed([ScriptedRow(old)], port: 0)
        try harness.feed([ScriptedRow(old)], port: 1)
        try harness.feed([ScriptedRow(old, kind: .updateBefore), ScriptedRow(new, kind: .updateAfter)], port: 1)
        #expect(harness.collected.kinds == [.insert, .updateBefore, .updateAfter])
        #expect(harness.collected.rows == [old + old, old + old, old + new])
    }

    /// Everything that was taken back is given back.
    @Test func forgetsWhatIsGone() throws {
        let harness = try UpdatingJoinTests.join(JoinPropertyTests.plan(.regular, .full))
        for port in [0, 1] { try harness.feed((0..<8).map { ScriptedRow(UpdatingJoinTests.row($0)) }, port: port) }
        for port in [0, 1] {
            try harness.feed((0..<8).map { ScriptedRow(UpdatingJoinTests.row($0), kind: .delete) }, port: port)
        }
        #expect((harness.first as? UpdatingJoinOperator)?.rowCount == 0)
        #expect(harness.collected.materialized.rows.isEmpty)
    }

    @Test func rowsBeyondTheLimitAreRejected() throws {
        var limits = Limits()
        limits.joinRows = 1
        var plan = JoinPropertyTests.plan(.regular, .left)
        plan.isUpdating = true
        let join = try UpdatingJoinOperator(plan, left: joinSide, right: joinSide, object: "join", limits: limits)
        let harness = OperatorHarness(join, input: joinSide, limits: limits)
        try harness.feed([ScriptedRow(UpdatingJoinTests.row(0)), ScriptedRow(UpdatingJoinTests.row(1))])
        #expect(harness.rejected.map(\.reason) == [.limitExceeded])
    }

    @Test func finalRowsComeAtTheEnd() throws {
        let harness = OperatorHarness(
            FinalRowsOperator(joinSide, object: "rows", limits: Limits()), input: joinSide)
        let (a, b) = (UpdatingJoinTests.row(0), UpdatingJoinTests.row(1))
        try harness.feed([
            ScriptedRow(a), ScriptedRow(b), ScriptedRow(a), ScriptedRow(a, kind: .updateBefore),
            ScriptedRow(b, kind: .updateAfter), ScriptedRow(UpdatingJoinTests.row(2), kind: .delete),
        ])
        #expect(harness.collected.rows.isEmpty)
        try harness.end()
        #expect(harness.collected.rows == [a, b, b])
        #expect(harness.collected.kinds == [.insert, .insert, .insert])
        #expect(harness.collected.watermarks == [EventTime.end])
    }
}
