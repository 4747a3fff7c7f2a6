import Glibc
import MillraceCore
import MillraceRuntime

/// Scores batches in an ONNX Runtime session: one `Run` a batch, tensors over buffers of its own, made once for every
/// number of rows. A batch that fails is run again row by row, so only the rows at fault get the error.
final class OnnxScorer: Scorer {
    enum Cells {
        case number(NumericSource)
        case integer
        case text
    }
    /// One INPUT column: element `offset` of every row of a tensor.
    struct Source {
        var column: Int
        var tensor: Int
        var offset: Int
        var cells: Cells
    }
    /// One OUTPUT column: value `offset` of every row of an output.
    struct Target {
        var output: Int
        var offset: Int
        var type: DataType
    }

    private final class InputBuffer {
        let input: OnnxInput
        let data: UnsafeMutableRawPointer
        /// Start of the text of every element (NUL-terminated, in `text`), for string tensors.
        let starts: UnsafeMutablePointer<Int>
        var pointers: UnsafeMutablePointer<UnsafePointer<CChar>?>
        let text = ByteBuffer(capacity: 256)
        /// By number of rows.
        var tensors: [OpaquePointer?]

        init(_ input: OnnxInput, rows: Int) {
            self.input = input
            let elements = rows * input.width
            data = .allocate(byteCount: max(elements * input.element.size, 16), alignment: 64)
            memset(data, 0, max(elements * input.element.size, 16))
            starts = .allocate(capacity: elements)
            starts.initialize(repeating: 0, count: elements)
            pointers = .allocate(capacity: elements)
            pointers.initialize(repeating: nil, count: elements)
            tensors = Array(repeating: nil, count: rows + 1)
        }
        deinit {
            data.deallocate()
            starts.deallocate()
            pointers.deallocate()
        }
    }

    private final class OutputBuffer {
        let output: OnnxOutput
        let data: UnsafeMutableRawPointer
        var tensors: [OpaquePointer?]
        /// Values of the last run: `data`, or memory of the library.
        var values: UnsafeMutableRawPointer
        /// Offsets of the strings in `content`, for string tensors.
        var offsets: [Int] = []
        var content = ByteRef.empty

        init(_ output: OnnxOutput, rows: Int) {
            self.output = output
            let bytes = max(rows * output.width * max(output.element.size, 1), 16)
            data = .allocate(byteCount: bytes, alignment: 64)
            memset(data, 0, bytes)
            values = data
            tensors = Array(repeating: nil, count: rows + 1)
        }
        deinit { data.deallocate() }
        var isOurs: Bool { output.isShapeProven && output.element != .string }
    }

    private let model: OnnxModel
    private let library: OrtLibrary
    private let sources: [Source]
    private let targets: [Target]
    /// Of each target: its position in `outputs`.
    private let targetOutputs: [Int]
    private let chunkRows: Int
    private let inputs: [InputBuffer]
    private let outputs: [OutputBuffer]
    private var inputNames: [UnsafePointer<CChar>?]
    private var outputNames: [UnsafePointer<CChar>?]
    private var inputValues: [OpaquePointer?]
    private var outputValues: [OpaquePointer?]
    private let rowStates: UnsafeMutablePointer<UInt8>

    init(_ model: OnnxModel, sources: [Source], targets: [Target], maxRows: Int) {
        self.model = model
        library = model.library
        self.sources = sources
        self.targets = targets
        chunkRows = model.takesOneRow ? 1 : min(max(maxRows, 1), 256)
        let rows = chunkRows
        inputs = model.inputs.map { InputBuffer($0, rows: rows) }
        // Only the outputs that SQL reads are asked for.
        var wanted: [Int] = []
        var positions: [Int] = []
        for target in targets {
            if let position = wanted.firstIndex(of: target.output) {
                positions.append(position)
            } else {
                positions.append(wanted.count)
                wanted.append(target.output)
            }
        }
        targetOutputs = positions
        outputs = wanted.map { OutputBuffer(model.outputs[$0], rows: rows) }
        inputNames = model.inputNames.map { UnsafePointer($0) }
        outputNames = wanted.map { UnsafePointer(model.outputNames[$0]) }
        inputValues = Array(repeating: nil, count: inputs.count)
        outputValues = Array(repeating: nil, count: wanted.count)
        rowStates = .allocate(capacity: rows)
    }

    deinit {
        for buffer in inputs { for tensor in buffer.tensors { library.api.releaseValue(tensor) } }
        for buffer in outputs { for tensor in buffer.tensors { library.api.releaseValue(tensor) } }
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
            for buffer in inputs { buffer.text.clear() }
            for source in sources { gather(columns[source.column], source, from: start, count: count) }
            if execute(from: 0, count: count, arena: arena) {
                for index in targets.indices { scatter(index, into: results[index], at: start, from: 0, count: count) }
                releaseResults()
            } else {
                for row in 0..<count {
                    let succeeds = count > 1 && execute(from: row, count: 1, arena: arena)
                    if !succeeds, rowStates[row] == CellState.valid {
                        rowStates[row] = RowErrorCode.modelError.rawValue
                    }
                    for index in targets.indices {
                        if succeeds {
                            scatter(index, into: results[index], at: start + row, from: row, count: 1)
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

    private func gather(_ column: Column, _ source: Source, from start: Int, count: Int) {
        let buffer = inputs[source.tensor]
        let states = column.states + start
        let numbers: NumericSource?
        switch source.cells {
        case .number(let source): numbers = source
        case .integer: numbers = .integer
        case .text: numbers = nil
        }
        if let numbers {
            let misfit = TensorCells.fill(
                buffer.data, buffer.input.element.tensor, width: buffer.input.width, offset: source.offset,
                from: column, numbers, start: start, count: count)
            if misfit {
                for row in 0..<count where states[row] == CellState.valid {
                    let cell = column.ints[start + row]
                    if Int64(Int32(truncatingIfNeeded: cell)) != cell { fail(row, .numericOverflow) }
                }
            }
        } else {
            for row in 0..<count {
                buffer.starts[row &* buffer.input.width &+ source.offset] = buffer.text.count
                if states[row] == CellState.valid { buffer.text.append(column.refs[start + row]) }
                buffer.text.append(0)
            }
        }
        guard !column.allValid else { return }
        let nullFails: Bool =
            switch buffer.input.element {
            case .float, .double: model.nullFails
            case .string: model.nullFails
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

    // MARK: Run

    /// Runs `count` gathered rows from `first`; the results are at the start of the output buffers. The caller calls
    /// `releaseResults` after reading them. False when the model failed.
    private func execute(from first: Int, count: Int, arena: BatchArena) -> Bool {
        var temporaries: [OpaquePointer] = []
        defer { for value in temporaries { library.api.releaseValue(value) } }
        for (index, buffer) in inputs.enumerated() {
            let isText = buffer.input.element == .string
            if first == 0 || isText {
                if buffer.tensors[count] == nil {
                    buffer.tensors[count] = makeTensor(buffer, first: 0, count: count)
                }
                inputValues[index] = buffer.tensors[count]
            } else {
                let value = makeTensor(buffer, first: first, count: count)
                if let value { temporaries.append(value) }
                inputValues[index] = value
            }
            guard let value = inputValues[index] else { return false }
            if isText {
                let elements = count * buffer.input.width
                let base = UnsafeRawPointer(buffer.text.start).assumingMemoryBound(to: CChar.self)
                for element in 0..<elements {
                    buffer.pointers[element] = base + buffer.starts[first * buffer.input.width + element]
                }
                guard library.succeeds(library.api.fillStrings(value, buffer.pointers, elements)) else { return false }
            }
        }
        for (index, buffer) in outputs.enumerated() {
            outputValues[index] = nil
            guard buffer.isOurs else { continue }
            if buffer.tensors[count] == nil {
                let shape = [Int64(count)] + buffer.output.tail
                var value: OpaquePointer?
                guard
                    library.succeeds(
                        library.api.createTensorOverData(
                            library.memory, buffer.data, count * buffer.output.width * buffer.output.element.size,
                            shape,
                            shape.count, buffer.output.element.rawValue, &value))
                else { return false }
                buffer.tensors[count] = value
            }
            outputValues[index] = buffer.tensors[count]
        }
        let status = library.api.run(
            model.session, nil, inputNames, inputValues, inputs.count, outputNames, outputs.count, &outputValues)
        guard library.succeeds(status) else {
            releaseResults()
            return false
        }
        for (index, buffer) in outputs.enumerated() where !buffer.isOurs {
            guard read(outputValues[index], into: buffer, count: count, arena: arena) else {
                releaseResults()
                return false
            }
        }
        return true
    }

    private func makeTensor(_ buffer: InputBuffer, first: Int, count: Int) -> OpaquePointer? {
        let input = buffer.input
        let shape = input.shape(rows: count)
        var value: OpaquePointer?
        if input.element == .string {
            guard
                library.succeeds(
                    library.api.createTensor(
                        library.allocator, shape, shape.count, input.element.rawValue, &value))
            else { return nil }
            return value
        }
        let rowBytes = input.width * input.element.size
        guard
            library.succeeds(
                library.api.createTensorOverData(
                    library.memory, buffer.data + first * rowBytes, count * rowBytes, shape, shape.count,
                    input.element.rawValue, &value))
        else { return nil }
        return value
    }

    /// Gives the values that the library allocated in this run back to it.
    private func releaseResults() {
        for (index, buffer) in outputs.enumerated() where !buffer.isOurs {
            library.api.releaseValue(outputValues[index])
            outputValues[index] = nil
        }
    }

    // MARK: Outputs

    private func read(_ value: OpaquePointer?, into buffer: OutputBuffer, count: Int, arena: BatchArena) -> Bool {
        guard let value else { return false }
        let api = library.api
        let elements = count * buffer.output.width
        if buffer.output.kind == .maps { return readMaps(value, into: buffer, count: count) }
        var info: OpaquePointer?
        guard library.succeeds(api.tensorInfo(value, &info)) else { return false }
        defer { api.releaseTensorInfo(info) }
        var found = 0
        guard library.succeeds(api.elementCount(info!, &found)), found == elements else { return false }
        guard buffer.output.element == .string else {
            var data: UnsafeMutableRawPointer?
            guard library.succeeds(api.tensorData(value, &data)), let data else { return false }
            buffer.values = data
            return true
        }
        var bytes = 0
        guard library.succeeds(api.stringBytes(value, &bytes)) else { return false }
        let content = arena.allocate(max(bytes, 1))
        if buffer.offsets.count < elements + 1 { buffer.offsets = Array(repeating: 0, count: elements + 1) }
        let status = buffer.offsets.withUnsafeMutableBufferPointer {
            api.stringContent(value, content, bytes, $0.baseAddress!, elements)
        }
        guard library.succeeds(status) else { return false }
        buffer.offsets[elements] = bytes
        buffer.content = ByteRef(start: UnsafePointer(content), count: bytes)
        return true
    }

    private func readMaps(_ value: OpaquePointer, into buffer: OutputBuffer, count: Int) -> Bool {
        let api = library.api
        let width = buffer.output.width
        let rowBytes = width * buffer.output.element.size
        var found = 0
        guard library.succeeds(api.valueCount(value, &found)), found == count else { return false }
        for row in 0..<count {
            var map: OpaquePointer?
            guard library.succeeds(api.getValue(value, Int32(row), library.allocator, &map)), let map else {
                return false
            }
            defer { api.releaseValue(map) }
            var numbers: OpaquePointer?
            guard library.succeeds(api.getValue(map, 1, library.allocator, &numbers)), let numbers else { return false }
            defer { api.releaseValue(numbers) }
            var info: OpaquePointer?
            guard library.succeeds(api.tensorInfo(numbers, &info)) else { return false }
            defer { api.releaseTensorInfo(info) }
            var elements = 0
            var data: UnsafeMutableRawPointer?
            guard library.succeeds(api.elementCount(info!, &elements)), elements == width,
                library.succeeds(api.tensorData(numbers, &data)), let data
            else { return false }
            memcpy(buffer.data + row * rowBytes, data, rowBytes)
        }
        buffer.values = buffer.data
        return true
    }

    /// Copies `count` values of the last run to rows `start` … of a column; `first` is their first row in the chunk.
    private func scatter(_ index: Int, into column: Column, at start: Int, from first: Int, count: Int) {
        let target = targets[index]
        let buffer = outputs[targetOutputs[index]]
        guard buffer.output.element == .string else {
            return TensorCells.read(
                buffer.values, buffer.output.element.tensor, width: buffer.output.width, offset: target.offset,
                states: rowStates + first, into: column, target.type, at: start, count: count)
        }
        for row in 0..<count {
            let element = row * buffer.output.width + target.offset
            let state = rowStates[first + row]
            column.refs[start + row] =
                state == CellState.valid
                ? ByteRef(
                    start: buffer.content.start + buffer.offsets[element],
                    count: buffer.offsets[element + 1] - buffer.offsets[element]) : .empty
            column.states[start + row] = state
            if state != CellState.valid { column.allValid = false }
        }
        column.count = start + count
    }
}
