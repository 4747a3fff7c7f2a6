import Glibc
import MillraceCore
import MillraceRuntime

/// Scores batches in a TensorFlow session: one run a batch of up to 256 rows. Numeric input tensors are views of buffers of
/// its own, made once for every number of rows; string tensors are filled in place. A batch that fails is run again row by
/// row, so only the rows at fault get the error.
final class SavedModelScorer: Scorer {
    /// One INPUT column: element `offset` of every row of a tensor.
    struct Source {
        var column: Int
        var tensor: Int
        var offset: Int
        /// Nil for text.
        var numbers: NumericSource?
    }
    /// One OUTPUT column: value `offset` of every row of an output.
    struct Target {
        var output: Int
        var offset: Int
        var type: DataType
    }

    private final class InputBuffer {
        let input: SavedModelInput
        let data: UnsafeMutableRawPointer
        /// By number of rows.
        var tensors: [OpaquePointer?]

        init(_ input: SavedModelInput, rows: Int) {
            self.input = input
            // TensorFlow uses memory of others in place when it is aligned so; else it copies.
            let bytes = max(rows * input.width * input.element.size, 64)
            data = .allocate(byteCount: bytes, alignment: 64)
            memset(data, 0, bytes)
            tensors = Array(repeating: nil, count: rows + 1)
        }
        deinit { data.deallocate() }
    }

    private let model: SavedModel
    private let session: SavedModelSession
    private let api: TensorFlowTable
    private let status: TensorFlowStatus
    private let sources: [Source]
    private let targets: [Target]
    /// Of each target: its position among the wanted outputs.
    private let targetOutputs: [Int]
    private let wanted: [SavedModelOutput]
    private let wantedPorts: [TensorFlowPort]
    private let chunkRows: Int
    private let inputs: [InputBuffer]
    private var inputValues: [OpaquePointer?]
    private var outputValues: [OpaquePointer?]
    private let rowStates: UnsafeMutablePointer<UInt8>

    init(_ model: SavedModel, _ session: SavedModelSession, sources: [Source], targets: [Target], maxRows: Int) {
        self.model = model
        self.session = session
        api = session.library.api
        status = TensorFlowStatus(session.library.api)
        self.sources = sources
        self.targets = targets
        chunkRows = model.takesOneRow ? 1 : min(max(maxRows, 1), 256)
        let rows = chunkRows
        inputs = session.inputs.map { InputBuffer($0, rows: rows) }
        // Only the outputs that SQL reads are asked for.
        var indices: [Int] = []
        targetOutputs = targets.map { target in
            if let position = indices.firstIndex(of: target.output) { return position }
            indices.append(target.output)
            return indices.count - 1
        }
        wanted = indices.map { session.outputs[$0] }
        wantedPorts = indices.map { session.outputPorts[$0] }
        inputValues = Array(repeating: nil, count: inputs.count)
        outputValues = Array(repeating: nil, count: wanted.count)
        rowStates = .allocate(capacity: rows)
    }

    deinit {
        for buffer in inputs {
            for (rows, tensor) in buffer.tensors.enumerated() { release(tensor, of: buffer.input, rows: rows) }
        }
        rowStates.deallocate()
    }

    func score(_ columns: [Column], rows: Int, into results: [Column], arena: BatchArena) {
        for result in results {
            result.clear()
            result.reserve(rows)
        }
        var start = 0
        while start < rows {
            let count = min(chunkRows, rows - start)
            rowStates.update(repeating: CellState.valid, count: count)
            for source in sources { gather(columns[source.column], source, from: start, count: count) }
            if execute(columns, start: start, first: 0, count: count) {
                for index in targets.indices {
                    scatter(index, into: results[index], at: start, first: 0, count: count, arena: arena)
                }
                releaseResults()
            } else {
                for row in 0..<count {
                    let succeeds = count > 1 && execute(columns, start: start, first: row, count: 1)
                    if !succeeds, rowStates[row] == CellState.valid {
                        rowStates[row] = RowErrorCode.modelError.rawValue
                    }
                    for index in targets.indices {
                        if succeeds {
                            scatter(index, into: results[index], at: start + row, first: row, count: 1, arena: arena)
                        } else {
                            results[index].append(state: rowStates[row])
                        }
                    }
                    if succeeds { releaseResults() }
                }
            }
            start += count
        }
    }

    // MARK: Inputs

    /// Numbers go to the tensor's memory here, text in `execute`; NULL and error cells of both are noted.
    private func gather(_ column: Column, _ source: Source, from start: Int, count: Int) {
        let buffer = inputs[source.tensor]
        let states = column.states + start
        if let numbers = source.numbers, buffer.input.element != .string {
            let misfit = TensorCells.fill(
                buffer.data, buffer.input.element, width: buffer.input.width, offset: source.offset, from: column,
                numbers, start: start, count: count)
            if misfit {
                for row in 0..<count where states[row] == CellState.valid {
                    let cell = column.ints[start + row]
                    if Int64(Int32(truncatingIfNeeded: cell)) != cell { fail(row, .numericOverflow) }
                }
            }
        }
        guard !column.allValid else { return }
        let nullFails: Bool =
            switch buffer.input.element {
            case .float, .double, .string: model.nullFails
            case .int64, .int32, .bool: true
            }
        for row in 0..<count where states[row] != CellState.valid {
            if states[row] > CellState.valid {
                rowStates[row] = states[row]
            } else if nullFails {
                fail(row, .modelError)
            }
        }
    }

    private func fail(_ row: Int, _ code: RowErrorCode) {
        if rowStates[row] == CellState.valid { rowStates[row] = code.rawValue }
    }

    private func fillText(_ columns: [Column], _ tensor: Int, _ data: UnsafeMutableRawPointer, start: Int, count: Int) {
        let width = inputs[tensor].input.width
        for source in sources where source.tensor == tensor {
            let column = columns[source.column]
            for row in 0..<count {
                let isValid = column.states[start + row] == CellState.valid
                let text = isValid ? column.refs[start + row] : .empty
                api.stringCopy(data + 24 * (row * width + source.offset), text.start, text.count)
            }
        }
    }

    // MARK: Run

    /// Runs `count` gathered rows from `first`. The caller calls `releaseResults` after reading. False when it failed.
    private func execute(_ columns: [Column], start: Int, first: Int, count: Int) -> Bool {
        var temporaries: [OpaquePointer] = []
        defer { for value in temporaries { api.deleteTensor(value) } }
        for (index, buffer) in inputs.enumerated() {
            let isText = buffer.input.element == .string
            if first == 0 || isText {
                if buffer.tensors[count] == nil { buffer.tensors[count] = makeTensor(buffer, first: 0, count: count) }
                inputValues[index] = buffer.tensors[count]
            } else {
                inputValues[index] = makeTensor(buffer, first: first, count: count)
                if let value = inputValues[index] { temporaries.append(value) }
            }
            guard let value = inputValues[index] else { return false }
            if isText {
                guard let data = api.data(value) else { return false }
                fillText(columns, index, data, start: start + first, count: count)
            }
        }
        api.run(
            session.session, nil, session.inputPorts, inputValues, Int32(inputs.count), wantedPorts, &outputValues,
            Int32(wanted.count), nil, 0, nil, status.handle)
        guard status.isOK, hasShapes(count) else {
            releaseResults()
            return false
        }
        return true
    }

    /// Whether every result has the type and the number of values that the trial run showed.
    private func hasShapes(_ count: Int) -> Bool {
        for (index, output) in wanted.enumerated() {
            guard let value = outputValues[index], TensorElement(tensorFlow: api.tensorType(value)) == output.element
            else { return false }
            let rank = api.rank(value)
            guard rank >= 1, api.dimension(value, 0) == Int64(count) else { return false }
            var width: Int64 = 1
            for axis in 1..<max(rank, 1) { width *= api.dimension(value, axis) }
            guard width == Int64(output.width), api.data(value) != nil else { return false }
        }
        return true
    }

    private func makeTensor(_ buffer: InputBuffer, first: Int, count: Int) -> OpaquePointer? {
        let input = buffer.input
        let shape = input.shape(rows: count)
        let rowBytes = input.width * input.element.size
        guard input.element == .string else {
            return api.newTensor(
                input.dtype, shape, Int32(shape.count), buffer.data + first * rowBytes, count * rowBytes,
                { _, _, _ in }, nil)
        }
        guard let value = api.allocateTensor(input.dtype, shape, Int32(shape.count), count * rowBytes),
            let data = api.data(value)
        else { return nil }
        for element in 0..<count * input.width { api.stringInit(data + 24 * element) }
        return value
    }

    private func release(_ tensor: OpaquePointer?, of input: SavedModelInput, rows: Int) {
        guard let tensor else { return }
        if input.element == .string, let data = api.data(tensor) {
            for element in 0..<rows * input.width { api.stringFree(data + 24 * element) }
        }
        api.deleteTensor(tensor)
    }

    /// Gives the results of the last run back to the library, which also frees their strings.
    private func releaseResults() {
        for index in outputValues.indices {
            if let value = outputValues[index] { api.deleteTensor(value) }
            outputValues[index] = nil
        }
    }

    /// Copies `count` values of the last run to rows `start` … of a column; `first` is their first row in the chunk.
    private func scatter(_ index: Int, into column: Column, at start: Int, first: Int, count: Int, arena: BatchArena) {
        let target = targets[index]
        let position = targetOutputs[index]
        let output = wanted[position]
        guard let value = outputValues[position], let data = api.data(value) else { return }
        if output.element == .string {
            for row in 0..<count {
                let state = rowStates[first + row]
                let cell = data + 24 * (row * output.width + target.offset)
                let size = api.stringSize(cell)
                column.refs[start + row] =
                    state == CellState.valid && size > 0
                    ? arena.copy(ByteRef(start: api.stringStart(cell)!, count: size)) : .empty
                column.states[start + row] = state
                if state != CellState.valid { column.allValid = false }
            }
            column.count = start + count
        } else {
            TensorCells.read(
                data, output.element, width: output.width, offset: target.offset, states: rowStates + first,
                into: column, target.type, at: start, count: count)
        }
    }
}
