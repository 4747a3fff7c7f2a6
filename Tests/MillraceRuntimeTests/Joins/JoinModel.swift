import MillraceCore
import MillraceRuntime
import MillraceTestSupport

let joinSide = Schema(("id", .integer), ("k", .string), ("ts", .timestamp(precision: 3)))

/// A row of one side of a join. `time`: milliseconds.
struct JoinEvent {
    var port: Int
    var id: Int64
    var key: String?
    var time: Int64
    var offset: Int64 = 0

    var values: [Value] { [.integer(id), key.map { .string($0) } ?? .null, .integer(time * 1000)] }
}

/// The form's meaning, slowly: every left row against every right row.
struct JoinModel {
    let plan: StreamJoinPlan
    /// Over ids, in place of the residual condition.
    var condition: (Int64, Int64) -> Bool = { _, _ in true }

    func result(_ events: [JoinEvent]) -> [[Value]] {
        let left = events.filter { $0.port == 0 }
        let right = events.filter { $0.port == 1 }
        let null = [Value](repeating: .null, count: joinSide.count)
        var rows: [[Value]] = []
        var matched: Set<Int64> = []
        for a in left {
            let partners = self.partners(a, right).filter { condition(a.id, $0.id) }
            for b in partners { matched.insert(b.id) }
            switch plan.kind {
            case .semi: if !partners.isEmpty { rows.append(a.values) }
            case .anti: if partners.isEmpty { rows.append(a.values) }
            default:
                rows += partners.map { a.values + $0.values }
                if partners.isEmpty, plan.kind.keepsLeft { rows.append(a.values + null) }
            }
        }
        if plan.kind.keepsRight {
            rows += right.filter { !matched.contains($0.id) }.map { null + $0.values }
        }
        return sortedRows(rows)
    }

    private func partners(_ a: JoinEvent, _ right: [JoinEvent]) -> [JoinEvent] {
        guard let key = a.key else { return [] }
        let same = right.filter { $0.key == key }
        switch plan.form {
        case .regular: return same
        case .window: return same.filter { $0.time == a.time }
        case .interval(_, _, let lower, let upper):
            return same.filter { a.time - $0.time >= lower && a.time - $0.time <= upper }
        case .temporal:
            // Of versions of one time the one that came last.
            let newest = same.filter { $0.time <= a.time }.map(\.time).max()
            return same.last { $0.time == newest }.map { [$0] } ?? []
        }
    }
}

/// Feeds one join as a shard does, with watermarks that allow for rows out of order.
final class JoinRun {
    let harness: OperatorHarness
    private let delay: Int64
    /// Of each input, as it stands.
    private(set) var watermarks = [EventTime.none, EventTime.none]
    /// Per port: records below were applied before the restart.
    private var applied: [Int64] = []
    /// Per port: the next record, and where its watermark would be. Event time stands still while either side is read again.
    private var next: [Int64] = [0, 0]
    private var reached = [EventTime.none, EventTime.none]

    init(_ plan: StreamJoinPlan, delay: Int64) throws {
        self.delay = delay
        let join: Operator
        switch plan.form {
        case .regular, .interval:
            join = try StreamJoinOperator(plan, left: joinSide, right: joinSide, object: "join", limits: Limits())
        case .window:
            join = try WindowJoinOperator(plan, left: joinSide, right: joinSide, object: "join", limits: Limits())
        case .temporal:
            join = try TemporalJoinOperator(plan, left: joinSide, right: joinSide, object: "join", limits: Limits())
        }
        harness = OperatorHarness(join, input: joinSide)
    }

    /// - Parameter batchRows: as many rows of one side at once, if they follow each other.
    func feed(_ events: [JoinEvent], batchRows: Int) throws {
        var start = 0
        while start < events.count {
            let port = events[start].port
            var end = start
            var rows: [ScriptedRow] = []
            while end < events.count, events[end].port == port, end - start < batchRows {
                let event = events[end]
                rows.append(
                    ScriptedRow(event.values, partition: port, offset: event.offset, watermark: watermarks[port]))
                next[port] = event.offset + 1
                reached[port] = max(reached[port], event.time - delay)
                if !isReplaying { watermarks[port] = reached[port] }
                end += 1
            }
            try harness.feed(rows, port: port)
            if !isReplaying {
                watermarks = reached
                try harness.advance(to: watermarks[1 - port], port: 1 - port)
            }
            try harness.advance(to: watermarks[port], port: port)
            start = end
        }
    }

    private var isReplaying: Bool { zip(next, applied).contains { $0 < $1 } }

    func end() throws {
        for port in [0, 1] { try harness.advance(to: EventTime.end, port: port) }
    }

    /// The rest of what an earlier run left, read from where it says.
    func `continue`(from before: JoinRun, replay: [Int64], applied: [Int64]) {
        self.applied = applied
        harness.context.appliedOffsets = applied
        watermarks = before.watermarks
        reached = before.watermarks
        next = replay
        for port in [0, 1] { harness.first.restore(emittedWatermark: watermarks[port], port: port) }
    }
}

/// The rows of one side alone, as often as they are more there.
func rowDifference(_ expected: [[Value]], _ found: [[Value]]) -> (missing: [[Value]], extra: [[Value]]) {
    var counts: [[Value]: Int] = [:]
    for row in expected { counts[row, default: 0] += 1 }
    for row in found { counts[row, default: 0] -= 1 }
    func rows(_ sign: Int) -> [[Value]] {
        sortedRows(counts.flatMap { row, count in Array(repeating: row, count: max(0, count * sign)) })
    }
    return (rows(1), rows(-1))
}
