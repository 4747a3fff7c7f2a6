import MillraceCore
import MillraceRuntime

/// Scores batches with a forest of one layout: one row-major buffer of features, one of sums, both allocated once.
///
/// Not a `Scorer` itself: called as one, a generic class runs its unspecialised code (see `ForestScorer`).
final class ForestRun<Node: ForestNode, Sum: ForestSum> {
    private let forest: Forest<Node, Sum>
    private let sources: [NumericSource]
    /// Index of the sum behind each output column, and whether the column is FLOAT.
    private let outputs: [(sum: Int, isFloat: Bool)]
    private let transform: OutputTransform
    private let nullFails: Bool
    /// Features are rounded to float32 although the buffer holds doubles (XGBoost in the wide layout).
    private let roundsToFloat: Bool
    private let width: Int
    private let chunkRows: Int
    private let features: UnsafeMutablePointer<Node.Number>
    private let sums: UnsafeMutablePointer<Sum>
    private let rowStates: UnsafeMutablePointer<UInt8>

    init(
        forest: Forest<Node, Sum>, sources: [NumericSource], outputs: [(sum: Int, isFloat: Bool)],
        transform: OutputTransform, nullFails: Bool, roundsToFloat: Bool, maxRows: Int
    ) {
        self.forest = forest
        self.sources = sources
        self.outputs = outputs
        self.transform = transform
        self.nullFails = nullFails
        self.roundsToFloat = roundsToFloat && Node.Number.self == Double.self
        width = max(sources.count, 1)
        chunkRows = min(max(maxRows, 1), 256)
        features = .allocate(capacity: width * chunkRows)
        features.initialize(repeating: 0, count: width * chunkRows)
        sums = .allocate(capacity: forest.groups * chunkRows)
        sums.initialize(repeating: 0, count: forest.groups * chunkRows)
        rowStates = .allocate(capacity: chunkRows)
    }

    deinit {
        features.deallocate()
        sums.deallocate()
        rowStates.deallocate()
    }

    func score(_ inputs: [Column], rows: Int, into columns: [Column]) {
        columns.forEachBorrowed { column in
            column.clear()
            column.reserve(rows)
        }
        var start = 0
        while start < rows {
            let count = min(chunkRows, rows - start)
            rowStates.update(repeating: CellState.valid, count: count)
            for index in 0..<sources.count {
                inputs.withBorrowed(index) { gather($0, sources[index], at: index, from: start, count: count) }
            }
            forest.run(features, width: width, rows: count, into: sums)
            let groups = forest.groups
            for row in 0..<count { transform.apply(sums + row &* groups, count: groups) }
            for index in 0..<outputs.count {
                columns.withBorrowed(index) { scatter(outputs[index], into: $0, from: start, count: count) }
            }
            start += count
        }
    }

    private func gather(_ column: Column, _ source: NumericSource, at index: Int, from start: Int, count: Int) {
        let width = self.width
        let target = features + index
        switch source {
        case .integer:
            let cells = column.ints + start
            if roundsToFloat {
                for row in 0..<count { target[row &* width] = Node.Number(Float(cells[row])) }
            } else {
                for row in 0..<count { target[row &* width] = Node.Number(cells[row]) }
            }
        case .double:
            let cells = column.doubles + start
            if roundsToFloat {
                for row in 0..<count { target[row &* width] = Node.Number(Float(cells[row])) }
            } else {
                for row in 0..<count { target[row &* width] = Node.Number(cells[row]) }
            }
        case .decimal(let divisor):
            let cells = column.decimals + start
            for row in 0..<count {
                let cell = cells[row]
                let value = (Int64(exactly: cell).map { Double($0) } ?? Double(cell)) / divisor
                target[row &* width] = roundsToFloat ? Node.Number(Float(value)) : Node.Number(value)
            }
        }
        guard !column.allValid else { return }
        let states = column.states + start
        for row in 0..<count where states[row] != CellState.valid {
            target[row &* width] = .nan
            if states[row] > CellState.valid {
                rowStates[row] = states[row]
            } else if nullFails, rowStates[row] == CellState.valid {
                rowStates[row] = RowErrorCode.modelError.rawValue
            }
        }
    }

    private func scatter(_ output: (sum: Int, isFloat: Bool), into column: Column, from start: Int, count: Int) {
        let groups = forest.groups
        let source = sums + output.sum
        let cells = column.doubles + start
        let states = column.states + start
        var allValid = true
        for row in 0..<count {
            let value = source[row &* groups]
            var state = rowStates[row]
            if value != value, state == CellState.valid { state = RowErrorCode.modelNotANumber.rawValue }
            states[row] = state
            if state == CellState.valid {
                cells[row] = output.isFloat ? Double(Float(value)) : Double(value)
            } else {
                cells[row] = 0
                allValid = false
            }
        }
        column.count = start + count
        if !allValid { column.allValid = false }
    }
}
