import MillraceCore
import MillraceFiles
import MillraceFormats
import MillraceRuntime
import Testing

@Suite struct DatagenTests {
    private let columns: [(String, DataType)] = [
        ("id", .bigInt), ("x", .double), ("s", .string), ("t", .timestampLTZ(precision: 3)),
    ]
    private let options = [
        "fields.id.kind": "sequence", "fields.id.start": "5", "fields.id.end": "14", "fields.x.min": "2",
        "fields.x.max": "3",
        "fields.s.length": "7",
    ]

    @Test func sequenceEndsTheTableAndValuesKeepTheirBounds() throws {
        let clock = HandClock()
        let plan = sourcePlan("datagen", columns, options)
        let source = try FilesConnectors.makeSource(plan, formats: Formats(), limits: Limits(), clock: clock)!
        try source.start(from: [])
        clock.advance(1_000_000)
        let batch = SourceBatch(plan.schema, arena: BatchArena())
        #expect(try source.poll(into: batch) == .more)
        #expect((0..<batch.rows.count).map { batch.rows.row($0)[0] } == (5...14).map { .integer($0) })
        for row in 0..<batch.rows.count {
            #expect((2...3).contains(batch.rows.columns[1].doubles[row]))
            #expect(batch.rows.columns[2].refs[row].count == 7)
            #expect(batch.rows.columns[3].ints[row] == clock.wallMicroseconds())
        }
        #expect(try source.poll(into: batch) == .finished)
    }

    @Test func rateIsHonouredThroughTheDeadline() throws {
        let clock = HandClock()
        let plan = sourcePlan("datagen", columns, ["rows-per-second": "10", "number-of-rows": "100"])
        let source = try FilesConnectors.makeSource(plan, formats: Formats(), limits: Limits(), clock: clock)!
        try source.start(from: [])
        let batch = SourceBatch(plan.schema, arena: BatchArena())
        #expect(try source.poll(into: batch) == .more)
        #expect(batch.rows.count == 1)
        #expect(try source.poll(into: batch) == .drained)
        #expect(source.wakeDeadline == 100_000)
        clock.advance(99_999)
        #expect(try source.poll(into: batch) == .drained)
        clock.advance(1)
        #expect(try source.poll(into: batch) == .more)
        #expect(batch.rows.count == 1)
        clock.advance(1_000_000)
        #expect(try source.poll(into: batch) == .more)
        #expect(batch.rows.count == 10)
        #expect(source.nextOffset(partition: 0) == 12)
    }

    @Test func restartGoesOnWithTheSameRows() throws {
        func rows(from offset: Int64) throws -> [[Value]] {
            let clock = HandClock()
            let plan = sourcePlan("datagen", [("i", .integer), ("s", .string)], ["number-of-rows": "20"])
            let source = try FilesConnectors.makeSource(plan, formats: Formats(), limits: Limits(), clock: clock)!
            let position = SourcePosition(partition: source.partitions[0], nextOffset: offset, replayOffset: offset)
            try source.start(from: [position])
            clock.advance(1_000_000)
            let batch = SourceBatch(plan.schema, arena: BatchArena())
            _ = try source.poll(into: batch)
            return (0..<batch.rows.count).map { batch.rows.row($0) }
        }
        let all = try rows(from: 0)
        #expect(all.count == 20)
        #expect(Set(all).count == 20)
        #expect(try rows(from: 8) == Array(all[8...]))
    }

    @Test(arguments: [
        ["rows-per-second": "0"], ["rows-per-second": "x"], ["fields.id.kind": "odd"], ["fields.id.kind": "sequence"],
        ["fields.x.min": "5", "fields.x.max": "1"],
    ])
    func wrongOptions(_ options: [String: String]) {
        #expect(throws: Diagnostic.self) {
            try FilesConnectors.makeSource(
                sourcePlan("datagen", columns, options), formats: Formats(), limits: Limits(), clock: HandClock())
        }
    }

    @Test func nullRate() throws {
        let clock = HandClock()
        let plan = sourcePlan("datagen", [("i", .integer)], ["number-of-rows": "1000", "fields.i.null-rate": "0.3"])
        let source = try FilesConnectors.makeSource(plan, formats: Formats(), limits: Limits(), clock: clock)!
        try source.start(from: [])
        clock.advance(1_000_000)
        let batch = SourceBatch(plan.schema, arena: BatchArena())
        _ = try source.poll(into: batch)
        let nulls = (0..<batch.rows.count).filter { !batch.rows.columns[0].isValid($0) }.count
        #expect((250...350).contains(nulls))
    }
}
