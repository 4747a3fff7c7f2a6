import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

let orders = Schema(("id", .integer), ("k", .string), ("ok", .boolean))
let items = Schema(("k", .string), ("price", .integer))

func order(_ id: Int64, _ key: String?, _ ok: Value = .boolean(true)) -> ScriptedRow {
    ScriptedRow([.integer(id), key.map { .string($0) } ?? .null, ok])
}

@Suite struct RowOperatorTests {
    @Test func projectPassesReferencesAndRejectsErrors() throws {
        let project = try ProjectOperator(
            [.column(1, .string), .column(0, .integer)], schema: Schema(("name", .string), ("id", .integer)),
            object: "view")
        let harness = OperatorHarness(project, input: orders)
        try harness.feed([
            order(1, "a"), ScriptedRow([.error(.divisionByZero), .string("b"), .null]), order(3, nil),
        ])
        #expect(harness.collected.rows == [[.string("a"), .integer(1)], [.null, .integer(3)]])
        #expect(harness.collected.origins == [0, 2])
        #expect(harness.rejected.map(\.reason) == [.divisionByZero])
        #expect(harness.rejected.map(\.detail) == ["column \"id\""])
        #expect(harness.rejected.map(\.object) == ["view"])
    }

    @Test func filterKeepsTrueRejectsErrors() throws {
        for batching in Batching.usual {
            let harness = OperatorHarness(try FilterOperator(.column(2, .boolean), object: "view"), input: orders)
            try harness.feed(
                [
                    order(1, "a"), order(2, "b", .boolean(false)), order(3, "c", .null), order(4, nil),
                    order(5, "e", .error(.castFailed)),
                ], batching)
            #expect(harness.collected.rows.map { $0[0] } == [.integer(1), .integer(4)], "\(batching)")
            #expect(harness.rejected.map(\.reason) == [.castFailed])
        }
    }

    func joined(_ kind: JoinKind, residual: Expression? = nil, _ batching: Batching, limits: Limits = Limits()) throws
        -> OperatorHarness
    {
        let join = try StaticJoinOperator(
            JoinPlan(kind: kind, probeKeys: [1], buildKeys: [0], residual: residual), probe: orders, build: items,
            object: "join", limits: limits)
        let harness = OperatorHarness(join, input: orders, limits: limits)
        // The table's strings are gone after the call: the join owns its rows.
        let arena = BatchArena(chunkBytes: 64)
        let table: [[Value]] = [
            [.string("a"), .integer(10)], [.string("b"), .integer(20)], [.string("a"), .integer(11)],
            [.null, .integer(99)],
        ]
        for row in table {
            try join.process(ColumnBatch(items, rows: [row], arena: arena), port: 1, context: harness.context)
            arena.reset()
        }
        try join.advance(to: EventTime.end, port: 1, context: harness.context)
        try harness.feed([order(1, "a"), order(2, "x"), order(3, nil), order(4, "b"), order(5, "a")], batching)
        try harness.advance(to: 7)
        return harness
    }

    @Test func staticJoin() throws {
        for batching in Batching.usual {
            let inner = try joined(.inner, batching)
            #expect(
                inner.collected.rows.map { [$0[0], $0[4]] } == [
                    [.integer(1), .integer(10)], [.integer(1), .integer(11)], [.integer(4), .integer(20)],
                    [.integer(5), .integer(10)], [.integer(5), .integer(11)],
                ], "\(batching)")
            #expect(inner.collected.rows[0] == [.integer(1), .string("a"), .boolean(true), .string("a"), .integer(10)])
            #expect(inner.collected.watermarks == [7])
            let left = try joined(.left, batching)
            #expect(
                left.collected.rows.map { [$0[0], $0[4]] } == [
                    [.integer(1), .integer(10)], [.integer(1), .integer(11)], [.integer(2), .null],
                    [.integer(3), .null],
                    [.integer(4), .integer(20)], [.integer(5), .integer(10)], [.integer(5), .integer(11)],
                ], "\(batching)")
            #expect(left.collected.rows[2] == [.integer(2), .string("x"), .boolean(true), .null, .null])
        }
    }

    @Test func leftJoinWithFailingResidualIsUnmatched() throws {
        let residual = Expression.call(
            .greater, [.column(4, .integer), .literal(.integer(10), .integer)], .boolean)
        for batching in Batching.usual {
            let left = try joined(.left, residual: residual, batching)
            #expect(
                left.collected.rows.map { [$0[0], $0[4]] } == [
                    [.integer(1), .integer(11)], [.integer(2), .null], [.integer(3), .null],
                    [.integer(4), .integer(20)],
                    [.integer(5), .integer(11)],
                ], "\(batching)")
        }
    }

    @Test func fanOutLeavesInBoundedBatches() throws {
        var limits = Limits()
        limits.batchRows = 2
        let inner = try joined(.inner, .allAtOnce, limits: limits)
        #expect(inner.collected.rows.count == 5)
        #expect(inner.collected.largestBatch <= 3)
    }

    @Test func staticTableHasALimit() throws {
        var limits = Limits()
        limits.staticRows = 2
        #expect(throws: Diagnostic.self) { try joined(.inner, .allAtOnce, limits: limits) }
    }

    @Test func unionTakesTheMinimum() throws {
        let union = UnionOperator(inputs: 2, object: "both")
        let harness = OperatorHarness(union, input: orders)
        try harness.feed([ScriptedRow(order(1, "a").values, watermark: 5)], port: 0)
        try harness.advance(to: 9, port: 0)
        try harness.feed([ScriptedRow(order(2, "b").values, watermark: 3)], port: 1)
        try harness.advance(to: 4, port: 1)
        try harness.advance(to: 20, port: 1)
        #expect(harness.collected.rowWatermarks == [EventTime.none, 3])
        #expect(harness.collected.watermarks == [4, 9])
    }

    final class CollectingSink: Sink {
        var rows: [[Value]] = []
        func write(_ batch: ColumnBatch, reject: (Int, RowErrorCode, String) -> Void) throws(Diagnostic) {
            rows += batch.rows
        }
    }

    @Test func sinkDropsAppliedRows() throws {
        let sink = CollectingSink()
        let harness = OperatorHarness(SinkOperator(sink: sink, object: "sink"), input: orders)
        harness.context.appliedOffsets = [2]
        try harness.feed([order(1, "a"), order(2, "b"), order(3, "c")])
        #expect(sink.rows.map { $0[0] } == [.integer(3)])
    }

    @Test func windowFunctionKeepsLateRows() throws {
        let assign = try WindowAssignOperator(timeColumn: 1, hop, input: bids, object: "windows")
        let harness = OperatorHarness(assign, input: bids)
        try harness.feed([
            ScriptedRow(bid("a", 2500, 1).values, watermark: 90_000), ScriptedRow(bid("a", nil, 2).values),
        ])
        #expect(
            harness.collected.rows.map { Array($0[2...]) } == [
                [.integer(1), .milliseconds(0), .milliseconds(4000), .milliseconds(3999)],
                [.integer(1), .milliseconds(2000), .milliseconds(6000), .milliseconds(5999)],
            ])
        #expect(harness.rejected.map(\.reason) == [.nullEventTime])
    }

    final class Doubler: Scorer {
        var largest = 0
        func score(_ inputs: [Column], rows: Int, into outputs: [Column], arena: BatchArena) {
            largest = max(largest, rows)
            for row in 0..<rows {
                if inputs[0].ints[row] == 3 {
                    outputs[0].append(state: RowErrorCode.modelNotANumber.rawValue)
                } else {
                    outputs[0].append(double: Double(inputs[0].ints[row]) * 2)
                }
            }
        }
    }

    @Test func predictSlicesAndRejects() throws {
        var limits = Limits()
        limits.modelRows = 2
        for batching in Batching.usual {
            let scorer = Doubler()
            let predict = PredictOperator(
                PredictPlan(model: 0, arguments: [0], receipts: [PredictReceipt(.version, name: "v")]), input: orders,
                outputs: Schema(("y", .double)), scorer: scorer, version: "abc", object: "m", limits: limits)
            let harness = OperatorHarness(predict, input: orders)
            try harness.feed((1...5).map { order($0, "a") }, batching)
            #expect(
                harness.collected.rows.map { [$0[0], $0[3], $0[4]] }
                    == [1, 2, 4, 5].map {
                        [.integer($0), .double(Double($0) * 2), .string("abc")]
                    }, "\(batching)")
            #expect(harness.rejected.map(\.reason) == [.modelNotANumber])
            #expect(scorer.largest <= 2)
        }
    }
}
