import MillraceCore

/// Divides the rows of a batch between the model and its canary, by key.
final class CanarySplit {
    let lane: ScorerLane
    private let share: KeyShare
    private let key: Int
    /// Of the batch: 1 for the canary's rows.
    private(set) var isCanary: [UInt8] = []
    private(set) var canaryRows = 0
    private let parts: (inputs: [Column], results: [Column])
    private let joined: [Column]
    private var own: [Int32] = []
    private var others: [Int32] = []
    private var order: [Int32] = []

    init(_ lane: ScorerLane, percent: Double, key: Int, model: String, inputs: [DataType], outputs: [DataType]) {
        self.lane = lane
        self.key = key
        share = KeyShare(percent: percent, model: model)
        parts = (inputs.map { Column($0) }, outputs.map { Column($0) })
        joined = outputs.map { Column($0) }
    }

    /// Says for each row of a batch who scores it.
    func decide(_ columns: [Column], rows: Int) {
        isCanary.removeAll(keepingCapacity: true)
        canaryRows = 0
        let key = columns[key]
        for row in 0..<rows {
            let isIn = share.contains(key, row: row)
            if isIn { canaryRows += 1 }
            isCanary.append(isIn ? 1 : 0)
        }
    }

    /// Scores rows `start ..< start + rows` of the batch, which are all rows of `inputs`; `results` are empty.
    func score(
        _ inputs: [Column], start: Int, rows: Int, live: any Scorer, into results: [Column], arena: BatchArena
    ) {
        own.removeAll(keepingCapacity: true)
        others.removeAll(keepingCapacity: true)
        for row in 0..<rows {
            if isCanary[start + row] == 1 { others.append(Int32(row)) } else { own.append(Int32(row)) }
        }
        if others.isEmpty { return live.score(inputs, rows: rows, into: results, arena: arena) }
        if own.isEmpty { return lane.current.scorer.score(inputs, rows: rows, into: results, arena: arena) }
        for column in joined { column.clear() }
        part(own, of: inputs, by: live, arena: arena)
        part(others, of: inputs, by: lane.current.scorer, arena: arena)
        // Row r stands where its part put it.
        order.removeAll(keepingCapacity: true)
        order.append(contentsOf: repeatElement(0, count: rows))
        for (place, row) in own.enumerated() { order[Int(row)] = Int32(place) }
        for (place, row) in others.enumerated() { order[Int(row)] = Int32(own.count + place) }
        for (result, column) in zip(results, joined) {
            result.gather(from: column, indices: order, count: rows)
        }
    }

    private func part(_ rows: [Int32], of inputs: [Column], by scorer: any Scorer, arena: BatchArena) {
        for (part, column) in zip(parts.inputs, inputs) { part.gather(from: column, indices: rows, count: rows.count) }
        for column in parts.results { column.clear() }
        scorer.score(parts.inputs, rows: rows.count, into: parts.results, arena: arena)
        for (all, part) in zip(joined, parts.results) { all.appendRange(from: part, start: 0, count: part.count) }
    }
}
