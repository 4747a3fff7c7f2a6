import MillraceCore
import MillraceRuntime

/// The ways one case is run; each must give what the others give.
///
/// Operators finish every batch they are given and cannot be refused: a full sink makes the shard stop polling. What that
/// does to them is `heldBack`: rows come in bursts, and time is announced in between although nothing came.
public enum OperatorMode: Sendable, CustomStringConvertible {
    case batches(Batching)
    case heldBack(seed: UInt64)
    /// The process dies somewhere. A new operator reads again from the replay offsets of the old one; rows that were applied
    /// before rebuild its state and are not written again.
    case restarted(seed: UInt64)

    public static let all: [OperatorMode] =
        Batching.usual.map { .batches($0) } + (1...3).map { .heldBack(seed: $0) } + (1...6).map { .restarted(seed: $0) }

    public var description: String {
        switch self {
        case .batches(let batching): "\(batching)"
        case .heldBack(let seed): "held back, seed \(seed)"
        case .restarted(let seed): "restarted, seed \(seed)"
        }
    }
}

/// Runs a case to its end in one mode. Offsets of the rows are given here, by partition.
///
/// - Parameter make: new operators without state; a static side is read again, as after a real restart.
public func outcome(
    _ rows: [ScriptedRow], _ mode: OperatorMode, make: () throws -> OperatorHarness
) throws -> OperatorHarness.Outcome {
    let rows = numbered(rows)
    switch mode {
    case .batches(let batching):
        let harness = try make()
        try harness.feed(rows, batching)
        try harness.end()
        return harness.outcome
    case .heldBack(let seed):
        let harness = try make()
        var generator = SeededGenerator(seed: seed)
        var start = 0
        while start < rows.count {
            let size = min(rows.count - start, Int.random(in: 1...12, using: &generator))
            try harness.feed(Array(rows[start..<start + size]))
            start += size
            // Announcing what was announced changes nothing.
            if let watermark = harness.combinedWatermark, Bool.random(using: &generator) {
                try harness.first.emit(watermark: watermark, context: harness.context)
            }
        }
        try harness.end()
        return harness.outcome
    case .restarted(let seed):
        var generator = SeededGenerator(seed: seed)
        let cut = rows.isEmpty ? 0 : Int.random(in: 0...rows.count, using: &generator)
        let before = try make()
        try before.feed(Array(rows[..<cut]), .random(seed: seed))
        let replay = before.replayOffsets()
        let after = try make()
        after.continueFrom(before, replay: replay)
        let rest = rows.enumerated().filter { index, row in
            index >= cut || row.offset >= replay[row.partition]
        }
        try after.feed(rest.map(\.element), .random(seed: seed + 100))
        try after.end()
        return OperatorHarness.Outcome(
            rows: before.outcome.rows + after.outcome.rows, rejected: before.outcome.rejected + after.outcome.rejected)
    }
}

private func numbered(_ rows: [ScriptedRow]) -> [ScriptedRow] {
    var next: [Int: Int64] = [:]
    return rows.map { row in
        var row = row
        row.offset = next[row.partition, default: 0]
        next[row.partition] = row.offset + 1
        return row
    }
}

extension OperatorHarness {
    /// The operators from the first on.
    var operators: [Operator] {
        var found: [Operator] = []
        var queue: [Operator] = [first]
        while !queue.isEmpty {
            let next = queue.removeFirst()
            guard !found.contains(where: { $0 === next }) else { continue }
            found.append(next)
            queue += next.outputs.map(\.target)
        }
        return found
    }

    /// nil without a watermark operator, and before it has seen a row.
    fileprivate var combinedWatermark: Int64? {
        operators.lazy.compactMap { ($0 as? WatermarkOperator)?.combinedWatermark }.first.flatMap {
            $0 == EventTime.none ? nil : $0
        }
    }

    /// What the shard does with the stored positions.
    fileprivate func continueFrom(_ old: OperatorHarness, replay: [Int64]) {
        context.appliedOffsets = old.nextOffsets
        let watermarks = (
            operators.compactMap { $0 as? WatermarkOperator }, old.operators.compactMap { $0 as? WatermarkOperator }
        )
        for (new, old) in zip(watermarks.0, watermarks.1) {
            new.restore(
                partitionWatermarks: old.partitionWatermarks, combined: old.combinedWatermark,
                replaying: zip(replay, context.appliedOffsets).map { $0 < $1 })
        }
    }
}
