import MillraceCore
import MillraceRuntime
import MillraceTestSupport
import Testing

/// Slow and obvious: a list of rows by (key, window), looked through for every row.
struct WindowModel {
    struct Group {
        var key: Value
        var start: Int64
        var end: Int64
        var values: [Int64]
    }
    var groups: [Group] = []
    var watermark = EventTime.none
    var emitted: [[Value]] = []
    var late = 0

    mutating func add(_ row: ScriptedRow, _ window: WindowKind, delay: Int64) {
        guard case .integer(let micros) = row.values[1], case .integer(let value) = row.values[2] else { return }
        let (key, time) = (row.values[0], micros / 1000)
        var kept = false
        if case .session(let gap) = window {
            let touching = groups.indices.filter {
                groups[$0].key == key && groups[$0].start <= time + gap && groups[$0].end >= time
            }
            var merged = Group(key: key, start: time, end: time + gap, values: [value])
            for index in touching {
                merged.start = min(merged.start, groups[index].start)
                merged.end = max(merged.end, groups[index].end)
                merged.values += groups[index].values
            }
            if merged.end - 1 > watermark {
                for index in touching.reversed() { groups.remove(at: index) }
                groups.append(merged)
                kept = true
            }
        } else {
            for start in stride(from: time / 1000 * 1000 - 10_000, through: time, by: 1000) {
                for end in ends(start, window) where start <= time && time < end && end - 1 > watermark {
                    kept = true
                    if let index = groups.firstIndex(where: { $0.key == key && $0.start == start && $0.end == end }) {
                        groups[index].values.append(value)
                    } else {
                        groups.append(Group(key: key, start: start, end: end, values: [value]))
                    }
                }
            }
        }
        if !kept { late += 1 }
        advance(max(watermark, time - delay))
    }

    func ends(_ start: Int64, _ window: WindowKind) -> [Int64] {
        switch window {
        case .tumble(let size, _): start % size == 0 ? [start + size] : []
        case .hop(let slide, let size, _): start % slide == 0 ? [start + size] : []
        case .cumulate(let step, let size, _):
            start % size == 0 ? Array(stride(from: start + step, through: start + size, by: Int(step))) : []
        case .session, .attached: []
        }
    }

    mutating func advance(_ new: Int64) {
        watermark = new
        for group in groups where group.end - 1 <= new {
            emitted.append([
                group.key, .integer(Int64(group.values.count)), .integer(group.values.reduce(0, +)),
                .milliseconds(group.start), .milliseconds(group.end), .milliseconds(group.end - 1),
            ])
        }
        groups.removeAll { $0.end - 1 <= new }
    }
}

@Suite struct WindowPropertyTests {
    static let kinds: [WindowKind] = [
        .tumble(sizeMilliseconds: 5000, offsetMilliseconds: 0),
        .hop(slideMilliseconds: 2000, sizeMilliseconds: 6000, offsetMilliseconds: 0),
        .cumulate(stepMilliseconds: 3000, sizeMilliseconds: 9000, offsetMilliseconds: 0),
        .session(gapMilliseconds: 1500),
    ]

    static func rows(_ generator: inout SeededGenerator, count: Int) -> [ScriptedRow] {
        (0..<count).map { i in
            let key = Int.random(in: 0...6, using: &generator)
            let time = max(0, Int64(i) * 300 + Int64.random(in: -6000...2000, using: &generator))
            return bid(key == 0 ? nil : "k\(key)", time, Int64.random(in: -5...50, using: &generator))
        }
    }

    @Test(arguments: kinds) func sameAsTheSlowModel(_ window: WindowKind) throws {
        for seed in UInt64(1)...40 {
            var generator = SeededGenerator(seed: seed)
            let rows = WindowPropertyTests.rows(&generator, count: 120)
            let delay = Int64.random(in: 0...4, using: &generator) * 700
            var model = WindowModel()
            for row in rows { model.add(row, window, delay: delay) }
            model.advance(EventTime.end)
            let harness = try windowPipeline(window, delay: delay)
            try harness.feed(rows, .random(seed: seed))
            try harness.end()
            #expect(sortedRows(harness.collected.rows) == sortedRows(model.emitted), "seed \(seed)")
            #expect(harness.rejected.count == model.late, "seed \(seed)")
        }
    }

    /// Stop anywhere, start a new operator from the replay offsets: together they emit what one run does, nothing twice.
    @Test(arguments: kinds) func restartEmitsTheRestOnce(_ window: WindowKind) throws {
        for seed in UInt64(1)...40 {
            var generator = SeededGenerator(seed: seed)
            var rows = WindowPropertyTests.rows(&generator, count: 100)
            // The replay of a session cannot know which rows were late when its offsets start in their midst.
            let delay: Int64 = if case .session = window { 8000 } else { 1400 }
            for i in rows.indices { rows[i].offset = Int64(i) }
            let cut = Int.random(in: 1..<100, using: &generator)

            let whole = try windowPipeline(window, delay: delay)
            try whole.feed(rows, .allAtOnce)
            try whole.end()

            let before = try windowPipeline(window, delay: delay)
            try before.feed(Array(rows[..<cut]), .random(seed: seed))
            let watermark = before.first.outputs[0].target as! WatermarkOperator
            let replay = Int(before.replayOffsets()[0])
            #expect(replay <= cut)

            let after = try windowPipeline(window, delay: delay)
            after.context.appliedOffsets = [Int64(cut)]
            (after.first.outputs[0].target as! WatermarkOperator).restore(
                partitionWatermarks: watermark.partitionWatermarks, combined: watermark.combinedWatermark,
                replaying: [replay < cut])
            try after.feed(Array(rows[replay...]), .random(seed: seed + 1))
            try after.end()
            let both = before.collected.rows + after.collected.rows
            #expect(sortedRows(both) == sortedRows(whole.collected.rows), "seed \(seed), cut \(cut), replay \(replay)")
            #expect(
                before.rejected.count + after.rejected.count == whole.rejected.count, "seed \(seed), cut \(cut)")
        }
    }
}
