import Glibc
import MillraceCore

/// One input of a session: [N], or [N, …] with `width` values a row.
struct SavedModelInput: Sendable {
    var key: String
    var element: TensorElement
    var dtype: Int32
    /// Dimensions after the first.
    var tail: [Int64]
    var width: Int

    func shape(rows: Int) -> [Int64] { [Int64(rows)] + tail }
}

/// One output of a session.
struct SavedModelOutput: Sendable {
    var key: String
    var element: TensorElement
    /// Values a row.
    var width: Int

    var columnNames: [String] { width == 1 ? [key] : (0..<width).map { "\(key)_\($0)" } }
}

/// A SavedModel in a TensorFlow session, warmed by a trial run. Runs on the threads that call it.
final class SavedModelSession: @unchecked Sendable {
    // Unchecked: constant after init; a session may be run by several threads at once.
    let library: TensorFlowLibrary
    let session: OpaquePointer
    private let graph: OpaquePointer
    let inputs: [SavedModelInput]
    let outputs: [SavedModelOutput]
    let inputPorts: [TensorFlowPort]
    let outputPorts: [TensorFlowPort]

    /// `ConfigProto`: one intra-op thread (field 2), and inter-op -1 (field 5), which runs all on the calling thread. With
    /// a pool of one thread each run is handed over and back: 24 to 117 instead of 13 microseconds.
    private static let config: [UInt8] = [
        0x10, 0x01, 0x28, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01,
    ]

    /// - Throws: when TensorFlow cannot load the folder, when a trial run of zeros fails, or when no output has one value
    ///   or one list of values a row.
    init(
        path: String, signature: SavedModelSignature, inputs: [SavedModelInput], rows: Int, library: TensorFlowLibrary,
        label: String
    ) throws(Diagnostic) {
        let api = library.api
        let status = TensorFlowStatus(api)
        let options = api.newOptions()
        defer { api.deleteOptions(options) }
        SavedModelSession.config.withUnsafeBytes {
            api.setConfig(options, $0.baseAddress!, $0.count, status.handle)
        }
        guard status.isOK else { throw Diagnostic("\(label): could not make a session: \(status.text)") }
        let graph = api.newGraph()
        var session: OpaquePointer?
        SavedModelFile.tag.withCString { tag in
            session = api.loadSession(options, nil, path, [tag], 1, graph, nil, status.handle)
        }
        guard status.isOK, let session else {
            api.deleteGraph(graph)
            throw Diagnostic("\(label): TensorFlow \(library.release) refused \"\(path)\": \(status.text)")
        }
        var isComplete = false
        defer {
            if !isComplete {
                SavedModelSession.close(session, graph, api)
            }
        }
        func port(_ tensor: SavedModelTensor) throws(Diagnostic) -> TensorFlowPort {
            guard let operation = api.operation(graph, tensor.operation),
                tensor.index < api.outputCount(operation)
            else {
                throw Diagnostic(
                    "\(label): the graph of \"\(path)\" has no tensor \"\(tensor.operation):\(tensor.index)\", which "
                        + "signature \"\(signature.name)\" names")
            }
            return TensorFlowPort(operation: operation, index: tensor.index)
        }
        var inputPorts: [TensorFlowPort] = []
        for tensor in signature.inputs { inputPorts.append(try port(tensor)) }
        var ports: [TensorFlowPort] = []
        for tensor in signature.outputs { ports.append(try port(tensor)) }

        let trial = SavedModelSession.trial(
            library, session, inputs: inputs, inputPorts: inputPorts, outputPorts: ports, rows: rows)
        var outputs: [SavedModelOutput] = []
        var outputPorts: [TensorFlowPort] = []
        var ignored: [String] = []
        for (index, tensor) in signature.outputs.enumerated() {
            guard let element = tensor.element, let width = trial.widths.map({ $0[index] }) ?? tensor.width else {
                ignored.append(tensor.text)
                continue
            }
            outputs.append(SavedModelOutput(key: tensor.key, element: element, width: width))
            outputPorts.append(ports[index])
        }
        // An empty string may be no word of the model's vocabulary; then the declared shapes have to do.
        let takesText = inputs.contains { $0.element == .string }
        if let failure = trial.failure, failure.code == 9 || outputs.isEmpty || !takesText {
            throw SavedModelSession.failed(failure.code, failure.text, label: label, path: path)
        }
        guard !outputs.isEmpty else {
            throw Diagnostic(
                "\(label): no output of signature \"\(signature.name)\" is one value, or one list of values, a row",
                hint: "It has: \(ignored.joined(separator: "; ")).")
        }
        self.library = library
        self.session = session
        self.graph = graph
        self.inputs = inputs
        self.outputs = outputs
        self.inputPorts = inputPorts
        self.outputPorts = outputPorts
        isComplete = true
    }

    deinit { SavedModelSession.close(session, graph, library.api) }

    private static func close(_ session: OpaquePointer, _ graph: OpaquePointer, _ api: TensorFlowTable) {
        let status = TensorFlowStatus(api)
        api.closeSession(session, status.handle)
        api.deleteSession(session, status.handle)
        api.deleteGraph(graph)
    }

    /// What a failed trial run means. Code 9 about variables is what Keras 3 leaves behind when its model is written by
    /// `tf.saved_model.save`: the restore operation fills copies of the variables (keras #19274, tensorflow #72963).
    private static func failed(_ code: Int32, _ text: String, label: String, path: String) -> Diagnostic {
        let isKeras = code == 9 && text.contains("variable")
        return Diagnostic(
            "\(label): a trial row through \"\(path)\" failed: \(text)",
            hint: isKeras
                ? "tf.saved_model.save writes Keras 3 models whose variables are not restored. Export the model with "
                    + "model.export(\"DIR\") or keras.export.ExportArchive."
                : nil)
    }

    /// Runs rows of zeros and empty strings: the first run of a session takes some 30 ms, and declared shapes of outputs
    /// are often open. Widths are nil a tensor that is not one value, or list of values, a row.
    private static func trial(
        _ library: TensorFlowLibrary, _ session: OpaquePointer, inputs: [SavedModelInput],
        inputPorts: [TensorFlowPort], outputPorts: [TensorFlowPort], rows: Int
    ) -> (widths: [Int?]?, failure: (code: Int32, text: String)?) {
        let api = library.api
        let status = TensorFlowStatus(api)
        var values: [OpaquePointer?] = []
        defer {
            for (input, value) in zip(inputs, values) {
                if input.element == .string, let value, let data = api.data(value) {
                    for element in 0..<rows * input.width { api.stringFree(data + 24 * element) }
                }
                api.deleteTensor(value)
            }
        }
        for input in inputs {
            let shape = input.shape(rows: rows)
            let bytes = rows * input.width * input.element.size
            guard let value = api.allocateTensor(input.dtype, shape, Int32(shape.count), bytes),
                let data = api.data(value)
            else { return (nil, (8, "no memory for the input")) }
            values.append(value)
            if input.element == .string {
                for element in 0..<rows * input.width { api.stringInit(data + 24 * element) }
            } else {
                memset(data, 0, bytes)
            }
        }
        var results = [OpaquePointer?](repeating: nil, count: outputPorts.count)
        defer { for result in results where result != nil { api.deleteTensor(result) } }
        api.run(
            session, nil, inputPorts, values, Int32(inputs.count), outputPorts, &results, Int32(outputPorts.count),
            nil, 0, nil, status.handle)
        guard status.isOK else { return (nil, (status.code, status.text)) }
        let widths = results.map { (result) -> Int? in
            guard let result, TensorElement(tensorFlow: api.tensorType(result)) != nil else { return nil }
            let rank = api.rank(result)
            guard rank >= 1, api.dimension(result, 0) == Int64(rows) else { return nil }
            let width = (1..<max(rank, 1)).reduce(Int64(1)) { $0 * api.dimension(result, $1) }
            return width >= 1 && width <= 4096 ? Int(width) : nil
        }
        return (widths, nil)
    }
}
