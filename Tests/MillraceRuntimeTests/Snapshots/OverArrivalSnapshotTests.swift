import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// An OVER on arrival that is stopped anywhere and goes on from what is stored gives what one that went on does, to the last bit.
@Suite struct OverArrivalSnapshotTests {
    private typealias Base = OverArrivalPropertyTests

    /// Three runs, each stopped in its midst.
    private func run(
        _ rows: [ScriptedRow], stops: [Int], seed: UInt64, make: () throws -> OperatorHarness
    ) throws -> (rows: [[Value]], state: StoredState) {
        var harness = try make()
        var over = try #require(Base.over(harness))
        var state = StoredState(over, seed: seed)
        var random = SeededGenerator(seed: seed)
        var collected: [[Value]] = []
        var next = 0
        for stop in stops + [rows.count] {
            while next < stop {
                let size = min(stop - next, Int.random(in: 1...9, using: &random))
                try harness.feed(
                    rows[next..<next + size].enumerated().map { i, row in
                        ScriptedRow(row.values, offset: Int64(next + i))
                    })
                next += size
                if Int.random(in: 0..<3, using: &random) > 0 || next == stop { state.commit() }
            }
            collected += harness.collected.rows
            #expect(harness.replayOffsets() == [Int64(next)], "no row is asked for again")
            let old = try #require(harness.first.outputs[0].target as? WatermarkOperator)
            harness = try make()
            over = try #require(Base.over(harness))
            state = try state.restored(into: over)
            let new = try #require(harness.first.outputs[0].target as? WatermarkOperator)
            // Others have rows read again: they are left alone.
            let replay = max(0, next - 30)
            new.restore(
                partitionWatermarks: old.partitionWatermarks, combined: old.combinedWatermark,
                replaying: [replay < next])
            harness.context.appliedOffsets = [Int64(next)]
            for offset in replay..<next {
                try harness.feed([ScriptedRow(rows[offset].values, offset: Int64(offset))])
            }
            #expect(harness.collected.rows.isEmpty)
            harness.context.appliedOffsets = []
        }
        return (collected, state)
    }

    @Test(arguments: 0..<6, [Int64?.none, 900, 5000]) func restartsGiveTheSameRows(_ select: Int, _ ttl: Int64?) throws
    {
        var dropped = 0
        for seed in UInt64(1)...6 {
            let rows = Base.randomRows(seed, count: 400, spread: 1500)
            let plan = Base.plan(select, ttl: ttl)
            func make() throws -> OperatorHarness { try Base.harness(plan, delay: 1500) }
            let whole = try make()
            try whole.feed(rows, .rowByRow)
            let (parts, state) = try run(rows, stops: [3, 130, 131, 290], seed: seed, make: make)
            #expect(parts.count == rows.count)
            let wrong = Array(zip(parts, whole.collected.rows)).firstIndex { !isClose($0.0, $0.1, tolerance: 0) }
            #expect(wrong == nil, "seed \(seed)")
            if let wrong {
                let (a, b) = (parts[wrong], whole.collected.rows[wrong])
                Issue.record("row \(wrong): \(a.indices.filter { a[$0] != b[$0] }.map { ($0, a[$0], b[$0]) })")
                return
            }
            #expect(state.snapshotCount > 0)
            dropped += state.droppedCount
        }
        #expect(dropped > 0)
    }

    @Test func forgottenKeysStayForgotten() throws {
        let plan = Base.plan(0)
        func row(_ key: String, _ time: Int64) -> ScriptedRow {
            ScriptedRow([.string(key), .milliseconds(time), .integer(1), .double(1)])
        }
        let harness = try Base.harness(plan, delay: 0)
        let over = try #require(Base.over(harness))
        let state = StoredState(over, seed: 1)
        try harness.feed((0..<100).map { row("key \($0)", Int64($0) * 100) })
        state.commit()
        try harness.feed([row("late", 1_000_000)])
        state.commit()
        let restored = try Base.harness(plan, delay: 0)
        let next = try #require(Base.over(restored))
        _ = try state.restored(into: next)
        // Event time goes on from what is stored with the positions.
        try next.advance(to: 1_000_000, port: 0, context: restored.context)
        #expect(next.keptKeys == 1)
        #expect(next.keptRows == 1)
        #expect(next.stateSize.keys == 1 && next.stateSize.bytes > 0)
    }

    @Test func damagedStateIsRefused() throws {
        let harness = try Base.harness(Base.plan(5), delay: 0)
        let over = try #require(Base.over(harness))
        over.keepChanges()
        try harness.feed(Base.randomRows(1, count: 50, spread: 100))
        let buffer = ByteBuffer()
        over.writeChanges(to: buffer)
        let group = try #require((0..<StateFormat.keyGroups).first { over.hasChanged(group: $0) })
        let snapshot = ByteBuffer()
        over.writeGroup(group, to: snapshot)
        #expect(!over.hasChanged(group: group))
        for cut in [1, 7, snapshot.count / 2, snapshot.count - 1] {
            let target = try #require(Base.over(try Base.harness(Base.plan(5), delay: 0)))
            target.keepChanges()
            #expect(throws: Diagnostic.self) {
                try target.restore(group: group, from: ByteRef(start: snapshot.bytes.start, count: cut))
            }
        }
        let target = try #require(Base.over(try Base.harness(Base.plan(5), delay: 0)))
        target.keepChanges()
        #expect(throws: Diagnostic.self) {
            try target.restore(
                changes: ByteRef(start: buffer.bytes.start, count: buffer.count - 3), isInSnapshot: { _ in false })
        }
    }
}
