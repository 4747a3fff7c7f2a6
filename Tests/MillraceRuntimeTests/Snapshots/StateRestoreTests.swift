import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// An operator whose stored state is tried, and what happens to it.
struct StateCase: CustomTestStringConvertible, Sendable {
    var testDescription: String
    /// By port.
    var inputs: [Schema]
    var make: @Sendable () throws -> any StatefulOperator
    /// False: what leaves at one moment may be in another order.
    var isOrdered = true
    /// It has a time to live.
    var forgets = false
    var steps: @Sendable (inout SeededGenerator) -> [OperatorStep]

    func harness(_ state: any StatefulOperator) -> OperatorHarness { OperatorHarness(state, input: inputs[0]) }
}

/// Restored at any place, from any mixture of snapshots and log, an operator goes on as if nothing had happened: the same rows
/// in the same order, to the last bit.
@Suite struct StateRestoreTests {
    static let cases =
        AggregateStateCases.all + TopNStateCases.all + UpdatingJoinStateCases.all + StreamJoinStateCases.all
        + HeldRowsStateCases.all

    @Test(arguments: cases) func goesOnAsBefore(_ each: StateCase) throws {
        for seed in UInt64(1)...3 {
            var generator = SeededGenerator(seed: seed)
            let steps = each.steps(&generator)
            let whole = try each.make()
            let uninterrupted = each.harness(whole)

            var state = try each.make()
            var harness = each.harness(state)
            var stored = StoredState(state, seed: seed)
            for (number, step) in steps.enumerated() {
                uninterrupted.collected.clear()
                harness.collected.clear()
                try uninterrupted.take(step)
                try harness.take(step)
                let (expected, found) = (uninterrupted.collected, harness.collected)
                let isSame =
                    found.watermarks == expected.watermarks
                    && (each.isOrdered
                        ? found.rows == expected.rows && found.kinds == expected.kinds
                            && found.rowWatermarks == expected.rowWatermarks
                        : found.transcript.sorted() == expected.transcript.sorted())
                guard isSame else {
                    Issue.record(
                        "seed \(seed), step \(number): \(found.transcript), \(found.watermarks) in place of \(expected.transcript), \(expected.watermarks)"
                    )
                    return
                }
                guard Int.random(in: 0..<3, using: &generator) == 0 else { continue }
                stored.commit()
                guard Int.random(in: 0..<4, using: &generator) == 0 else { continue }
                // The process dies here, behind the transaction.
                state = try each.make()
                stored = try stored.restored(into: state)
                let clock = harness.clock
                harness = OperatorHarness(state, input: each.inputs[0], clock: clock)
                let (size, expectedSize) = (state.stateSize, whole.stateSize)
                // What is too old stays until the next row.
                #expect(size.rows >= expectedSize.rows, "seed \(seed), step \(number)")
                if !each.forgets { #expect(size.rows == expectedSize.rows, "seed \(seed), step \(number)") }
                #expect(size.rows == 0 || size.bytes > 0)
            }
        }
    }

    /// What is only read again for others changes nothing, gives nothing and holds no offset back.
    @Test(arguments: cases) func ignoresRowsThatAreReadAgain(_ each: StateCase) throws {
        var generator = SeededGenerator(seed: 7)
        let steps = each.steps(&generator)
        let state = try each.make()
        let harness = each.harness(state)
        let stored = StoredState(state, seed: 1)
        for step in steps.prefix(30) { try harness.take(step) }
        #expect(harness.replayOffsets() == harness.nextOffsets)
        stored.commit()
        let size = state.stateSize
        harness.collected.clear()
        harness.context.appliedOffsets = [Int64](repeating: .max, count: 4)
        for step in steps.prefix(30) {
            if case .rows = step { try harness.take(step) }
        }
        #expect(harness.collected.rows.isEmpty)
        #expect(state.stateSize.rows <= size.rows)
        if !each.forgets {
            #expect(state.stateSize.rows == size.rows)
            #expect(state.stateSize.keys == size.keys)
        }
    }

    /// Bytes that are not state are refused, or read as something; nothing is touched that is not the operator's.
    @Test(arguments: cases) func survivesDamage(_ each: StateCase) throws {
        var generator = SeededGenerator(seed: 3)
        let state = try each.make()
        state.keepChanges()
        let harness = each.harness(state)
        for step in each.steps(&generator).prefix(20) { try harness.take(step) }
        let log = ByteBuffer()
        state.writeChanges(to: log)
        guard log.count > 4 else { return }
        let other = try each.make()
        other.keepChanges()
        #expect(throws: Diagnostic.self) {
            try other.restore(changes: ByteRef(start: log.start, count: log.count - 3)) { _ in false }
        }
    }
}
