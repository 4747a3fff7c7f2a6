import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// Joins of streams against a slow model, in any interleaving of the two sides, and across a restart.
@Suite struct JoinPropertyTests {
    static let plans: [StreamJoinPlan] =
        JoinKind.allCases.map { plan(.window(leftEnd: 2, rightEnd: 2), $0) }
        + [JoinKind.inner, .left, .right, .full].flatMap { kind in
            [(-3000, 2000), (1000, 4000), (0, 0), (2000, -2000)].map { lower, upper in
                plan(
                    .interval(leftTime: 2, rightTime: 2, lowerMilliseconds: lower, upperMilliseconds: upper), kind)
            }
        } + [JoinKind.inner, .left].map { plan(.temporal(leftTime: 2, rightTime: 2), $0) }
        + [JoinKind.inner, .semi].map { plan(.regular, $0) }

    static func plan(_ form: StreamJoinPlan.Form, _ kind: JoinKind) -> StreamJoinPlan {
        StreamJoinPlan(form: form, kind: kind, leftKeys: [1], rightKeys: [1])
    }

    /// Left id below right id.
    static let residual = Expression.call(.less, [.column(0, .integer), .column(3, .integer)], .boolean)

    /// Rows of both sides, out of order by less than `delay` within each side.
    static func events(_ generator: inout SeededGenerator, _ plan: StreamJoinPlan, count: Int, delay: Int64)
        -> [JoinEvent]
    {
        let keys: [String?] = ["a", "b", "c", nil]
        var times: [Int64] = [0, 0]
        var offsets: [Int64] = [0, 0]
        return (0..<count).map { id in
            let port = Int.random(in: 0...1, using: &generator)
            times[port] += Int64.random(in: 0...1500, using: &generator)
            var time = times[port] - Int64.random(in: 0..<max(1, delay), using: &generator)
            if case .window = plan.form { time = (time / 5000 + 1) * 5000 + 100_000 } else { time += 100_000 }
            defer { offsets[port] += 1 }
            return JoinEvent(
                port: port, id: Int64(id), key: keys.randomElement(using: &generator)!, time: time,
                offset: offsets[port])
        }
    }

    @Test(arguments: plans) func matchesTheModel(_ plan: StreamJoinPlan) throws {
        for seed in UInt64(1)...15 {
            for hasResidual in [false, true] {
                var generator = SeededGenerator(seed: seed)
                let events = JoinPropertyTests.events(&generator, plan, count: 80, delay: 2000)
                var plan = plan
                var model = JoinModel(plan: plan)
                if hasResidual {
                    plan.residual = JoinPropertyTests.residual
                    model.condition = { $0 < $1 }
                }
                for batchRows in [1, 7, 100] {
                    // A window's last millisecond closes it: its rows are judged by time - 1.
                    let run = try JoinRun(plan, delay: JoinPropertyTests.delay(plan))
                    try run.feed(events, batchRows: batchRows)
                    try run.end()
                    #expect(
                        sortedRows(run.harness.collected.rows) == model.result(events),
                        "seed \(seed), batches of \(batchRows), residual \(hasResidual)")
                    #expect(run.harness.rejected.isEmpty)
                }
            }
        }
    }

    /// Large enough that no row is late.
    static func delay(_ plan: StreamJoinPlan) -> Int64 {
        if case .window = plan.form { 8000 } else { 2000 }
    }

    /// Everything that was kept is given back in the end, but for regular joins and the newest versions.
    @Test(arguments: plans) func forgetsWhatHasPassed(_ plan: StreamJoinPlan) throws {
        if plan.form == .regular { return }
        var generator = SeededGenerator(seed: 3)
        let events = JoinPropertyTests.events(&generator, plan, count: 400, delay: 2000)
        let run = try JoinRun(plan, delay: JoinPropertyTests.delay(plan))
        var most = 0
        for event in events {
            try run.feed([event], batchRows: 1)
            most = max(most, run.rowCount)
        }
        #expect(most < 120)
        try run.end()
        if case .temporal = plan.form {
            #expect(run.rowCount <= 3)
        } else {
            #expect(run.rowCount == 0)
            #expect(run.harness.replayOffsets() == run.harness.nextOffsets)
        }
    }

    /// Stop anywhere, start a new operator from the replay offsets, with the sides in another order: together they write
    /// what one run does, nothing twice.
    @Test(arguments: plans) func restartWritesTheRestOnce(_ plan: StreamJoinPlan) throws {
        for seed in UInt64(1)...40 {
            var generator = SeededGenerator(seed: seed)
            var plan = plan
            if seed.isMultiple(of: 3) { plan.residual = JoinPropertyTests.residual }
            // A regular semi join forgets which rows it has let pass: it is not restarted.
            if plan.kind == .semi, plan.form == .regular { return }
            let delay = JoinPropertyTests.delay(plan)
            let events = JoinPropertyTests.events(&generator, plan, count: 90, delay: 2000)
            let cut = Int.random(in: 1..<90, using: &generator)
            let whole = try JoinRun(plan, delay: delay)
            try whole.feed(events, batchRows: 5)
            try whole.end()

            let before = try JoinRun(plan, delay: delay)
            try before.feed(Array(events[..<cut]), batchRows: 4)
            let applied = [0, 1].map { port in Int64(events[..<cut].count { $0.port == port }) }
            var replay = before.harness.replayOffsets()
            while replay.count < 2 { replay.append(0) }

            let after = try JoinRun(plan, delay: delay)
            after.continue(from: before, replay: replay, applied: applied)
            // The two sides come in any order, each by itself in its own.
            var queues = [0, 1].map { port in events.filter { $0.port == port && $0.offset >= replay[port] } }
            var again: [JoinEvent] = []
            while !queues[0].isEmpty || !queues[1].isEmpty {
                let port = queues[0].isEmpty ? 1 : queues[1].isEmpty ? 0 : Int.random(in: 0...1, using: &generator)
                again.append(queues[port].removeFirst())
            }
            try after.feed(again, batchRows: 3)
            try after.end()
            let both = before.harness.collected.rows + after.harness.collected.freshRows
            let (missing, extra) = rowDifference(whole.harness.collected.rows, both)
            #expect(
                missing.isEmpty && extra.isEmpty,
                "seed \(seed), cut \(cut), replay \(replay) of \(applied): missing \(missing), extra \(extra)")
        }
    }

    @Test func rowsBeyondTheLimitAreRejected() throws {
        var limits = Limits()
        limits.joinRows = 2
        let join = try StreamJoinOperator(
            JoinPropertyTests.plan(.regular, .inner), left: joinSide, right: joinSide, object: "join", limits: limits)
        let harness = OperatorHarness(join, input: joinSide, limits: limits)
        try harness.feed(
            (0..<3).map { ScriptedRow(JoinEvent(port: 0, id: $0, key: "a", time: 0).values) })
        #expect(harness.rejected.map(\.reason) == [.limitExceeded])
        #expect(harness.rejected.map(\.detail) == ["the join keeps 2 rows already"])
    }

    /// A row of a closed window is late; a row behind an interval meets what is kept and is not kept itself.
    @Test func lateRows() throws {
        let window = try JoinRun(JoinPropertyTests.plan(.window(leftEnd: 2, rightEnd: 2), .left), delay: 0)
        for port in [0, 1] { try window.harness.advance(to: 4999, port: port) }
        try window.feed([JoinEvent(port: 0, id: 1, key: "a", time: 5000)], batchRows: 1)
        #expect(window.harness.rejected.map(\.reason) == [.lateRow])

        let interval = try JoinRun(
            JoinPropertyTests.plan(
                .interval(leftTime: 2, rightTime: 2, lowerMilliseconds: -1000, upperMilliseconds: 1000), .left),
            delay: 0)
        try interval.feed([JoinEvent(port: 1, id: 1, key: "a", time: 5000)], batchRows: 1)
        for port in [0, 1] { try interval.harness.advance(to: 5500, port: port) }
        let late = JoinEvent(port: 0, id: 2, key: "a", time: 4000)
        let alone = JoinEvent(port: 0, id: 3, key: "b", time: 4000)
        try interval.harness.feed([late, alone].map { ScriptedRow($0.values, watermark: 5500) })
        #expect(interval.harness.rejected.isEmpty)
        #expect(interval.harness.collected.rows.map { $0[0] } == [.integer(2), .integer(3)])
        #expect(interval.harness.collected.rows.map { $0[3] } == [.integer(1), .null])
        // Event time behind the join stays back by the wider bound.
        #expect(interval.harness.collected.watermarks.last == 4500)
    }
}

extension JoinRun {
    fileprivate var rowCount: Int {
        switch harness.first {
        case let join as StreamJoinOperator: join.rowCount
        case let join as WindowJoinOperator: join.rowCount
        case let join as TemporalJoinOperator: join.rowCount
        default: 0
        }
    }
}
