import Glibc
import MillraceCore
import MillraceRuntime

/// The cells behind one feature.
struct ForestSource {
    var column: Int
    var numbers: NumericSource
    /// NULL is no missing value but an error of the row (the feature goes into a tensor of whole numbers).
    var refusesNull: Bool
}

/// One OUTPUT column.
struct ForestTarget {
    enum Kind {
        case double
        case float
        /// A class's label, a whole number or a text.
        case integer(DataType)
        case text
    }
    /// Element of a row in the sums.
    var slot: Int
    var kind: Kind
}

/// Scores batches with a forest of one layout: one row-major buffer of features, one of sums, both allocated once.
///
/// Not a `Scorer` itself: called as one, a generic class runs its unspecialised code (see `ForestScorer`).
final class ForestRun<Node: ForestNode, Sum: ForestSum> {
    private let forest: Forest<Node, Sum>
    private let sources: [ForestSource]
    private let outputs: [ForestTarget]
    private let labels: ForestLabels?
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
        forest: Forest<Node, Sum>, sources: [ForestSource], outputs: [ForestTarget], labels: ForestLabels?,
        transform: OutputTransform, nullFails: Bool, roundsToFloat: Bool, maxRows: Int
    ) {
        self.forest = forest
        self.sources = sources
        self.outputs = outputs
        self.labels = labels
        self.transform = transform
        self.nullFails = nullFails
        self.roundsToFloat = roundsToFloat && Node.Number.self == Double.self
        width = max(sources.count, 1)
        chunkRows = min(max(maxRows, 1), 256)
        features = .allocate(capacity: width * chunkRows)
        features.initialize(repeating: 0, count: width * chunkRows)
        sums = .allocate(capacity: forest.stride * chunkRows)
        sums.initialize(repeating: 0, count: forest.stride * chunkRows)
        rowStates = .allocate(capacity: chunkRows)
    }

    deinit {
        features.deallocate()
        sums.deallocate()
        rowStates.deallocate()
    }

    func score(_ inputs: [Column], rows: Int, into columns: [Column], arena: BatchArena) {
        columns.forEachBorrowed { column in
            column.clear()
            column.reserve(rows)
        }
        var start = 0
        while start < rows {
            let count = min(chunkRows, rows - start)
            rowStates.update(repeating: CellState.valid, count: count)
            for index in 0..<sources.count {
                let source = sources[index]
                inputs.withBorrowed(source.column) { gather($0, source, at: index, from: start, count: count) }
            }
            forest.run(features, width: width, rows: count, into: sums)
            let stride = forest.stride
            let groups = forest.groups
            for row in 0..<count { transform.apply(sums + row &* stride, count: groups) }
            for index in 0..<outputs.count {
                let output = outputs[index]
                columns.withBorrowed(index) { scatter(output, into: $0, from: start, count: count, arena: arena) }
            }
            start += count
        }
    }

    private func gather(_ column: Column, _ source: ForestSource, at index: Int, from start: Int, count: Int) {
        let width = self.width
        let target = features + index
        switch source.numbers {
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
        let nullFails = self.nullFails || source.refusesNull
        for row in 0..<count where states[row] != CellState.valid {
            target[row &* width] = .nan
            if states[row] > CellState.valid {
                rowStates[row] = states[row]
            } else if nullFails, rowStates[row] == CellState.valid {
                rowStates[row] = RowErrorCode.modelError.rawValue
            }
        }
    }

    private func scatter(
        _ output: ForestTarget, into column: Column, from start: Int, count: Int, arena: BatchArena
    ) {
        let stride = forest.stride
        let source = sums + output.slot
        let states = column.states + start
        var allValid = true
        switch output.kind {
        case .double, .float:
            let isFloat: Bool = if case .float = output.kind { true } else { false }
            let cells = column.doubles + start
            for row in 0..<count {
                let value = source[row &* stride]
                var state = rowStates[row]
                if value != value, state == CellState.valid { state = RowErrorCode.modelNotANumber.rawValue }
                states[row] = state
                if state == CellState.valid {
                    cells[row] = isFloat ? Double(Float(value)) : Double(value)
                } else {
                    cells[row] = 0
                    allValid = false
                }
            }
        case .integer(let type):
            let integers = labels!.integers
            for row in 0..<count {
                var state = rowStates[row]
                let label = integers[Int(source[row &* stride])]
                if state == CellState.valid, !type.holds(label) { state = RowErrorCode.numericOverflow.rawValue }
                states[row] = state
                if state != CellState.valid { allValid = false }
                if type.isApproximate {
                    column.doubles[start + row] = state == CellState.valid ? Double(label) : 0
                } else {
                    column.ints[start + row] = state == CellState.valid ? label : 0
                }
            }
        case .text:
            let texts = labels!.texts
            let cells = column.refs + start
            for row in 0..<count {
                let state = rowStates[row]
                states[row] = state
                guard state == CellState.valid else {
                    cells[row] = .empty
                    allValid = false
                    continue
                }
                // Rows may outlive the model, so they get bytes of their own.
                let text = texts[Int(source[row &* stride])]
                let copy = arena.allocate(max(text.count, 1))
                memcpy(copy, text.start, text.count)
                cells[row] = ByteRef(start: UnsafePointer(copy), count: text.count)
            }
        }
        column.count = start + count
        if !allValid { column.allValid = false }
    }
}

extension DataType {
    /// Whether a column of this type takes the whole number.
    func holds(_ value: Int64) -> Bool {
        switch self {
        case .tinyInt: Int64(Int8(truncatingIfNeeded: value)) == value
        case .smallInt: Int64(Int16(truncatingIfNeeded: value)) == value
        case .integer: Int64(Int32(truncatingIfNeeded: value)) == value
        default: true
        }
    }
}
