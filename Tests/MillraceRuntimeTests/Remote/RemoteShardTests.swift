import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceRuntime

/// A shard with a model server behind it, which dies again and again: each row is answered once, and written once everywhere.
struct RemoteShardTests {
    private let schema = Schema(("ts", .timestamp(precision: 3)), ("id", .bigInt))

    private func log(partitions: Int, rows: Int) -> [[[Value]]] {
        (0..<partitions).map { partition in
            (0..<rows).map { [.milliseconds(1_000_000 + Int64($0) * 100), .integer(Int64(partition * 10_000 + $0))] }
        }
    }

    enum Shape: CaseIterable {
        /// Every row to "rows" at once; scored ones to "scored".
        case branches
        /// The same, each row twice on its way: one record, two answers.
        case twice
        /// TUMBLE 5 s COUNT over the scored rows to "windows".
        case window
    }

    private func graph(
        _ shape: Shape, _ source: ScriptedSource, _ session: MemorySession, _ model: ScriptedModel
    ) throws -> ShardGraph {
        let plan = SourcePlan(
            name: "t", connector: "scripted", options: [:], physicalSchema: schema,
            fields: schema.fields.map {
                SourceField(name: $0.name, origin: .physical(path: [$0.name]), type: $0.type)
            })
        let head = Operator(object: "t")
        let watermark = try WatermarkOperator(
            WatermarkPlan(
                rowtimeColumn: 0, expression: .column(0, .timestamp(precision: 3)), idleTimeoutMicroseconds: 0),
            partitions: 0, object: "t")
        let stage = try model.makeOperator(
            schema, argument: 1, clock: SystemClock(), storesPositions: shape != .window,
            skipsReplayed: shape != .window)
        let rows = SinkOperator(sink: MemorySink("rows", session), object: "rows")
        let scored = SinkOperator(sink: MemorySink("scored", session), object: "scored")
        head.connect(to: watermark)
        watermark.connect(to: rows)
        watermark.connect(to: stage)
        if shape == .twice { watermark.connect(to: stage) }
        stage.connect(to: scored)
        var operators = [head, watermark, stage, rows, scored]
        if shape == .window {
            let window = try WindowAggregateOperator(
                WindowAggregatePlan(
                    window: .tumble(sizeMilliseconds: 5_000, offsetMilliseconds: 0), timeColumn: 0, keys: [],
                    aggregates: [
                        AggregateCall(.countAll, argument: nil, type: .bigInt),
                        AggregateCall(.sum, argument: 2, type: .bigInt),
                    ]),
                input: Schema(schema.fields + ScriptedModel.outputs.fields), object: "w", limits: Limits())
            stage.connect(to: window)
            let windows = SinkOperator(sink: MemorySink("windows", session), object: "windows")
            window.connect(to: windows)
            operators += [window, windows]
        }
        return ShardGraph(
            inputs: [.init(plan: plan, index: 0, source: source, head: head, watermark: watermark)],
            operators: operators, sessions: [session], checkpoint: session, lookups: [])
    }

    @Test(arguments: Shape.allCases, [1, 3])
    func nothingIsLostOrDoubledWhereverItDies(shape: Shape, partitions: Int) throws {
        var stayedBehind = 0
        for seed in UInt64(1)...15 {
            var random = SeededGenerator(seed: seed)
            let log = log(partitions: partitions, rows: 250)
            let database = MemoryDatabase()
            for run in 0...6 {
                let session = MemorySession(database, random: SeededGenerator(seed: random.next()))
                let polls = run == 6 ? nil : Int.random(in: 0...30, using: &random)
                let source = ScriptedSource(log, random: SeededGenerator(seed: random.next()), crashAfterPolls: polls)
                let model = ScriptedModel()
                model.client.isImpatient = true
                model.settings.rowsPerCall = 4
                model.settings.callsInFlight = 3
                model.settings.breakerFailures = 0
                model.settings.retries = 1000
                model.settings.backoff = RetryBackoff(baseMicroseconds: 0, maximumMicroseconds: 0)
                var luck = SeededGenerator(seed: random.next())
                // Every 50th row is refused for good.
                model.client.policy = { call in
                    switch Int.random(in: 0..<6, using: &luck) {
                    case 0..<3: return nil
                    case 3: return .failed(RemoteFailure("HTTP 503", isRetryable: true, isServerFault: true))
                    default:
                        if ScriptedClient.rows(call).contains(where: { $0 % 50 == 7 }) {
                            return .failed(
                                RemoteFailure("HTTP 400", isRetryable: false, isServerFault: false, mayBeOneRow: true))
                        }
                        return .answered
                    }
                }
                let shard = Shard(
                    graph: try graph(shape, source, session, model), context: ShardContext(clock: SystemClock()),
                    observer: SilentObserver())
                do {
                    try shard.run(from: database.positions.mapValues { Array($0.values) })
                } catch {
                    session.die()
                    if error != ScriptedSource.crash { throw error }
                    if (database.rows["rows"] ?? []).count > (database.rows["scored"] ?? []).count { stayedBehind += 1 }
                }
            }
            check(shape, log, database, seed: seed)
        }
        // In this shape the direct branch does not wait for the other.
        if shape == .branches { #expect(stayedBehind > 10) }
    }

    private func check(_ shape: Shape, _ log: [[[Value]]], _ database: MemoryDatabase, seed: UInt64) {
        let all = log.flatMap { $0 }
        func id(_ row: [Value]) -> Int64 { if case .integer(let id) = row[1] { id } else { -1 } }
        #expect(sortedRows(database.rows["rows"] ?? []) == sortedRows(all), "\(shape), seed \(seed)")
        let times = shape == .twice ? 2 : 1
        let good = all.filter { id($0) % 50 != 7 }
        let expected = good.map { $0 + [.integer(id($0) * 2), .string("v\(id($0))")] }
        #expect(
            sortedRows(database.rows["scored"] ?? [])
                == sortedRows(Array(repeating: expected, count: times).flatMap { $0 }),
            "\(shape), seed \(seed)")
        #expect(database.deadLetters.count == (all.count - good.count) * times, "\(shape), seed \(seed)")
        for letter in database.deadLetters {
            #expect(letter.offset.map { $0 % 50 == 7 } == true, "it names the record")
            #expect(letter.detail.hasPrefix("HTTP 400"))
        }
        guard shape == .window else { return }
        var windows: [Int64: (count: Int64, sum: Int64)] = [:]
        for row in good {
            guard case .integer(let time) = row[0] else { continue }
            let start = time / 5_000_000 * 5_000_000
            let before = windows[start] ?? (0, 0)
            windows[start] = (before.count + 1, before.sum + id(row) * 2)
        }
        let wanted: [[Value]] = windows.map { [.integer($0.value.count), .integer($0.value.sum), .integer($0.key)] }
        let actual = (database.rows["windows"] ?? []).map { Array($0[0..<3]) }
        #expect(sortedRows(actual) == sortedRows(wanted), "\(shape), seed \(seed)")
    }
}
