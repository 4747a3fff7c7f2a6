import MillraceCore

/// Scores rows a second time with another model and compares; nothing it does reaches the row, except the column that shows
/// its first output.
final class ShadowComparison {
    let lane: ScorerLane
    private let threshold: Double?
    let results: [Column]
    /// The first output where it is one, else NULL.
    let shown: Column

    init(_ lane: ScorerLane, threshold: Double?, outputs: [DataType]) {
        self.lane = lane
        self.threshold = threshold
        results = outputs.map { Column($0) }
        shown = Column(outputs[0])
    }

    /// What `results` came to beside the live model's `answers`.
    ///
    /// - Parameters:
    ///   - leftOut: the rows that another model than the live one answered have 1; empty: none.
    ///   - isReplayed: rows that were counted before a restart.
    func compare(with answers: [Column], rows: Int, leftOut: [UInt8], isReplayed: (Int) -> Bool) -> ShadowCounts {
        var counts = ShadowCounts()
        guard !results.contains(where: { $0.count != rows }) else {
            // A model that does not answer each row is broken; the live rows go on.
            counts.failedRows = rows
            for column in results { column.clear() }
            for column in results { for _ in 0..<rows { column.appendNull() } }
            return counts
        }
        for row in 0..<rows {
            if !leftOut.isEmpty, leftOut[row] == 1 { continue }
            if answers.contains(where: { $0.states[row] > CellState.valid }) || isReplayed(row) { continue }
            if results.contains(where: { $0.states[row] > CellState.valid }) {
                counts.failedRows += 1
                continue
            }
            counts.comparedRows += 1
            var disagrees = false
            for (mine, theirs) in zip(results, answers) where compare(mine, theirs, row, &counts) { disagrees = true }
            if disagrees { counts.disagreedRows += 1 }
        }
        return counts
    }

    /// True when the two disagree.
    private func compare(_ mine: Column, _ theirs: Column, _ row: Int, _ counts: inout ShadowCounts) -> Bool {
        guard mine.isValid(row), theirs.isValid(row) else { return mine.states[row] != theirs.states[row] }
        switch mine.layout {
        case .double: break
        case .int64: return mine.ints[row] != theirs.ints[row]
        case .bytes: return !mine.refs[row].equals(theirs.refs[row])
        case .decimal, .row, .list: return mine.value(at: row) != theirs.value(at: row)
        }
        let (a, b) = (mine.doubles[row], theirs.doubles[row])
        let difference = abs(a - b)
        if difference.isFinite {
            counts.numbers += 1
            counts.absoluteDifferenceSum += difference
            counts.absoluteDifferenceMax = max(counts.absoluteDifferenceMax, difference)
        }
        guard let threshold else { return false }
        return (a >= threshold) != (b >= threshold)
    }

    /// Fills `shown`.
    func show(rows: Int) {
        shown.clear()
        let first = results[0]
        shown.appendRange(from: first, start: 0, count: rows)
        guard !first.allValid else { return }
        for row in 0..<rows where shown.states[row] > CellState.valid { shown.states[row] = CellState.null }
    }

    /// Nothing was asked.
    func showNothing(rows: Int) {
        shown.clear()
        for _ in 0..<rows { shown.appendNull() }
    }
}
