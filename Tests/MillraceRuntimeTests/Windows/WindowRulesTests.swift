import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// k STRING, ts TIMESTAMP(3), v INT
let bids = Schema(("k", .string), ("ts", .timestamp(precision: 3)), ("v", .integer))

let countAndSum = [
    AggregateCall(.countAll, argument: nil, type: .bigInt), AggregateCall(.sum, argument: 2, type: .integer),
]

/// Watermark `ts - delay`, then the window.
func windowPipeline(
    _ window: WindowKind, keys: [Int] = [0], aggregates: [AggregateCall] = countAndSum, delay: Int64 = 0,
    lateness: Int64 = 0, partitions: Int = 1, limits: Limits = Limits(), input: Schema = bids
) throws -> OperatorHarness {
    // `ts - delay` without the expression kernels: a second column would do, but the rules need only the value.
    let watermark = try WatermarkOperator(
        WatermarkPlan(rowtimeColumn: 1, expression: .column(input.count, .timestamp(precision: 3))),
        partitions: partitions, isBounded: true, object: "bids")
    let delayed = DelayedTime(delay: delay, fields: input.count)
    let operators = try WindowAggregateOperator(
        WindowAggregatePlan(
            window: window, timeColumn: 1, keys: keys, aggregates: aggregates, allowedLatenessMilliseconds: lateness),
        input: Schema(input.fields + [Field("wm", .timestamp(precision: 3))]), object: "totals", limits: limits)
    delayed.connect(to: watermark)
    watermark.connect(to: operators)
    return OperatorHarness(delayed, last: operators, input: input, limits: limits)
}

/// Appends the column `ts - delay`.
final class DelayedTime: Operator {
    let delay: Int64
    let column = Column(.timestamp(precision: 3))
    let output = ColumnBatch(columns: [])
    init(delay: Int64, fields: Int) {
        self.delay = delay
        super.init(object: "delay")
    }
    override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        column.clear()
        for row in 0..<batch.count {
            if batch.columns[1].isValid(row) {
                column.append(int: batch.columns[1].ints[row] - delay * 1000)
            } else {
                column.appendNull()
            }
        }
        output.columns = batch.columns + [column]
        output.count = batch.count
        output.metadata = batch.metadata
        try emit(output, context: context)
    }
}

func bid(_ key: String?, _ milliseconds: Int64?, _ value: Int64? = 1, partition: Int = 0) -> ScriptedRow {
    ScriptedRow(
        [
            key.map { .string($0) } ?? .null, milliseconds.map { .milliseconds($0) } ?? .null,
            value.map { .integer($0) } ?? .null,
        ], partition: partition)
}

/// key, count, sum, start ms, end ms
func total(_ key: String?, _ count: Int64, _ sum: Int64?, _ start: Int64, _ end: Int64) -> [Value] {
    [
        key.map { .string($0) } ?? .null, .integer(count), sum.map { .integer($0) } ?? .null, .milliseconds(start),
        .milliseconds(end), .milliseconds(end - 1),
    ]
}

struct Rule: Sendable, CustomTestStringConvertible {
    var name: String
    var window: WindowKind
    var delay: Int64 = 0
    var lateness: Int64 = 0
    var rows: [ScriptedRow]
    var expected: [[Value]]
    /// Of the rejected rows, the value column.
    var late: [Int64] = []
    var testDescription: String { name }
}

let tumble5 = WindowKind.tumble(sizeMilliseconds: 5000, offsetMilliseconds: 0)
let hop = WindowKind.hop(slideMilliseconds: 2000, sizeMilliseconds: 4000, offsetMilliseconds: 0)
let cumulate = WindowKind.cumulate(stepMilliseconds: 2000, sizeMilliseconds: 10000, offsetMilliseconds: 0)
let session4 = WindowKind.session(gapMilliseconds: 4000)

@Suite struct WindowRulesTests {
    static let rules: [Rule] = [
        Rule(
            name: "a row before the firing watermark counts although behind it", window: tumble5, delay: 2000,
            rows: [bid("a", 6998, 1), bid("a", 4999, 2), bid("a", 12000, 4)],
            expected: [total("a", 1, 2, 0, 5000), total("a", 1, 1, 5000, 10000), total("a", 1, 4, 10000, 15000)]),
        Rule(
            name: "watermark at end - 1 closes the window", window: tumble5, delay: 2000,
            rows: [bid("a", 4000, 1), bid("a", 6999, 2), bid("a", 4500, 4)],
            expected: [total("a", 1, 1, 0, 5000), total("a", 1, 2, 5000, 10000)], late: [4]),
        Rule(
            name: "zero delay: a second row at end - 1 is late", window: tumble5,
            rows: [bid("a", 4999, 1), bid("a", 4999, 2)], expected: [total("a", 1, 1, 0, 5000)], late: [2]),
        Rule(
            name: "zero delay: a row is never late against itself", window: tumble5,
            rows: [bid("a", 4999, 1), bid("a", 9999, 2)],
            expected: [total("a", 1, 1, 0, 5000), total("a", 1, 2, 5000, 10000)]),
        Rule(
            name: "windows align to the epoch, gaps give no rows",
            window: .tumble(sizeMilliseconds: 7000, offsetMilliseconds: 0),
            rows: [bid("a", 8000, 1), bid("a", 50000, 2)],
            expected: [total("a", 1, 1, 7000, 14000), total("a", 1, 2, 49000, 56000)]),
        Rule(
            name: "offset", window: .tumble(sizeMilliseconds: 5000, offsetMilliseconds: 2000),
            rows: [bid("a", 1999, 1), bid("a", 2000, 2)],
            expected: [total("a", 1, 1, -3000, 2000), total("a", 1, 2, 2000, 7000)]),
        Rule(
            name: "negative offset", window: .tumble(sizeMilliseconds: 5000, offsetMilliseconds: -2000),
            rows: [bid("a", 2999, 1), bid("a", 3000, 2)],
            expected: [total("a", 1, 1, -2000, 3000), total("a", 1, 2, 3000, 8000)]),
        Rule(
            name: "before 1970", window: tumble5, rows: [bid("a", -1, 1), bid("a", -5000, 2)],
            expected: [total("a", 1, 1, -5000, 0)], late: [2]),
        Rule(
            name: "NULL and '' are groups of their own, SUM skips NULL", window: tumble5, delay: 5000,
            rows: [bid(nil, 0, 1), bid("", 1, 2), bid(nil, 2, nil), bid("b", 3, nil)],
            expected: [total(nil, 2, 1, 0, 5000), total("", 1, 2, 0, 5000), total("b", 1, nil, 0, 5000)]),
        Rule(
            name: "windows by end, keys by first arrival", window: tumble5, delay: 20000,
            rows: [bid("z", 6000, 1), bid("b", 1, 2), bid("a", 2, 3), bid("b", 3, 4)],
            expected: [total("b", 2, 6, 0, 5000), total("a", 1, 3, 0, 5000), total("z", 1, 1, 5000, 10000)]),
        Rule(
            name: "hop: a row is in size/slide windows, also before the first record", window: hop,
            rows: [bid("a", 2500, 1)], expected: [total("a", 1, 1, 0, 4000), total("a", 1, 1, 2000, 6000)]),
        Rule(
            name: "hop: late for a fired window, counted in the open one", window: hop,
            rows: [bid("a", 3000, 1), bid("a", 4000, 2), bid("a", 2100, 4), bid("a", 6000, 8), bid("a", 2200, 16)],
            expected: [
                total("a", 1, 1, 0, 4000), total("a", 3, 7, 2000, 6000), total("a", 2, 10, 4000, 8000),
                total("a", 1, 8, 6000, 10000),
            ], late: [16]),
        Rule(
            name: "cumulate emits every step from the first with data", window: cumulate, rows: [bid("a", 1000, 1)],
            expected: [2000, 4000, 6000, 8000, 10000].map { total("a", 1, 1, 0, $0) }),
        Rule(
            name: "cumulate: no step before the first datum", window: cumulate, rows: [bid("a", 5000, 1)],
            expected: [6000, 8000, 10000].map { total("a", 1, 1, 0, $0) }),
        Rule(
            name: "session: exactly the gap apart is one", window: session4, delay: 10000,
            rows: [bid("a", 0, 1), bid("a", 4000, 2)], expected: [total("a", 2, 3, 0, 8000)]),
        Rule(
            name: "session: a millisecond more is two", window: session4, delay: 10000,
            rows: [bid("a", 0, 1), bid("a", 4001, 2)],
            expected: [total("a", 1, 1, 0, 4000), total("a", 1, 2, 4001, 8001)]),
        Rule(
            name: "session: a row joins two", window: session4, delay: 10000,
            rows: [bid("a", 0, 1), bid("a", 8000, 2), bid("b", 4000, 8), bid("a", 4000, 4)],
            expected: [total("b", 1, 8, 4000, 8000), total("a", 3, 7, 0, 12000)]),
        Rule(
            name: "session: an old row that reaches an open session is kept", window: session4,
            rows: [bid("a", 7500, 1), bid("a", 10000, 2), bid("a", 4000, 4), bid("a", 30000, 8)],
            expected: [total("a", 3, 7, 4000, 14000), total("a", 1, 8, 30000, 34000)]),
        Rule(
            name: "session: a row whose merged window has ended is late", window: session4,
            rows: [bid("a", 20000, 1), bid("a", 1000, 2)], expected: [total("a", 1, 1, 20000, 24000)], late: [2]),
    ]

    @Test(arguments: rules) func rule(_ rule: Rule) throws {
        for (batching, outcome) in try outcomes(
            rule.rows, make: { try windowPipeline(rule.window, delay: rule.delay, lateness: rule.lateness) })
        {
            #expect(outcome.rows == rule.expected, "\(batching)")
            #expect(outcome.rejected.map { $0.row[2] } == rule.late.map { .integer($0) }, "\(batching)")
            #expect(outcome.rejected.allSatisfy { $0.reason == .lateRow })
        }
    }

    @Test func noRowsNoWindows() throws {
        for keys in [[0], []] {
            let harness = try windowPipeline(tumble5, keys: keys)
            try harness.end()
            #expect(harness.collected.rows.isEmpty)
            #expect(harness.collected.watermarks == [EventTime.end])
        }
    }

    @Test func nullEventTimeIsRejected() throws {
        for (batching, outcome) in try outcomes(
            [bid("a", 1000, 1), bid("a", nil, 2), bid("a", 2000, 4)], make: { try windowPipeline(tumble5) })
        {
            #expect(outcome.rows == [total("a", 2, 5, 0, 5000)], "\(batching)")
            #expect(outcome.rejected.map(\.reason) == [.nullEventTime])
        }
    }

    @Test func lateDetailNamesWindowWatermarkAndLateness() throws {
        let harness = try windowPipeline(tumble5)
        try harness.feed([bid("a", 7000), bid("a", 1000)])
        #expect(
            harness.rejected.map(\.detail) == [
                #"{"window_start":"1970-01-01 00:00:00.000","window_end":"1970-01-01 00:00:05.000","#
                    + #""watermark":"1970-01-01 00:00:07.000","lateness_ms":2002}"#
            ])
        #expect(harness.rejected[0].object == "totals")
    }

    @Test func emittedRowsCarryTheWatermarkBeforeTheFiring() throws {
        let harness = try windowPipeline(tumble5)
        try harness.feed([bid("a", 1000), bid("a", 3000), bid("a", 6000)])
        // The third row's own watermark fires the window; nothing has fired before the batch's announcement.
        #expect(harness.collected.rowWatermarks == [3000])
        #expect(harness.collected.origins == [-1])
        #expect(harness.collected.watermarks == [6000])
    }

    @Test func allowedLatenessEmitsCorrectedRows() throws {
        let rows = [
            bid("a", 1000, 1), bid("b", 6000, 2), bid("a", 2000, 4), bid("c", 3000, 8), bid("b", 9999, 0),
            bid("a", 1, 16),
        ]
        for batching in Batching.usual {
            let harness = try windowPipeline(tumble5, lateness: 3000)
            try harness.feed(rows, batching)
            try harness.end()
            var last: [[Value]: [Value]] = [:]
            for row in harness.collected.rows { last[[row[0], row[3]]] = row }
            #expect(
                Set(last.values) == [
                    total("a", 2, 5, 0, 5000), total("c", 1, 8, 0, 5000), total("b", 2, 2, 5000, 10000),
                ], "\(batching)")
            // 9999 is past end - 1 + 3000.
            #expect(harness.rejected.map { $0.row[2] } == [.integer(16)], "\(batching)")
        }
    }

    @Test func groupLimitRejectsFurtherGroups() throws {
        var limits = Limits()
        limits.windowGroups = 2
        for (batching, outcome) in try outcomes(
            [bid("a", 0, 1), bid("b", 1, 2), bid("c", 2, 4), bid("a", 6000, 8), bid("c", 6000, 16)],
            make: { try windowPipeline(tumble5, limits: limits) })
        {
            // The fourth row is the third open group; then its watermark fires both others and makes room.
            #expect(
                outcome.rows == [total("a", 1, 1, 0, 5000), total("b", 1, 2, 0, 5000), total("c", 1, 16, 5000, 10000)],
                "\(batching)")
            #expect(outcome.rejected.map { $0.row[2] } == [.integer(4), .integer(8)], "\(batching)")
            #expect(outcome.rejected.allSatisfy { $0.reason == .limitExceeded })
        }
    }

    @Test func oneFiringLeavesInBatchesWithinTheLimit() throws {
        var limits = Limits()
        limits.batchRows = 16
        let harness = try windowPipeline(tumble5, limits: limits)
        try harness.feed((0..<100).map { bid("k\($0)", 1000 + Int64($0)) }, .random(seed: 3))
        try harness.end()
        #expect(harness.collected.rows.count == 100)
        #expect(harness.collected.largestBatch == 16)
    }

    @Test func sessionsRefuseAllowedLateness() {
        #expect(throws: Diagnostic.self) { try windowPipeline(session4, lateness: 1000) }
    }

    @Test func stateIsGivenBackWhenWindowsFire() throws {
        let harness = try windowPipeline(
            tumble5,
            aggregates: [
                AggregateCall(.maximum, argument: 0, type: .string),
                AggregateCall(.count, argument: 0, isDistinct: true, type: .bigInt),
            ])
        let window = harness.first.outputs[0].target.outputs[0].target as! WindowAggregateOperator
        for round in 0..<50 {
            try harness.feed((0..<40).map { bid("key number \(round) \($0)", Int64(round) * 5000) })
        }
        try harness.feed([bid("last", 1_000_000)])
        #expect(window.groupCount == 1)
        #expect(window.stateBytes < 200)
        try harness.end()
        #expect(window.groupCount == 0)
        #expect(window.stateBytes == 0)
    }
}
