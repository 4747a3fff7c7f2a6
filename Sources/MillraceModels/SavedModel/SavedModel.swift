import MillraceCore
import MillraceRuntime
import Synchronization

/// A TensorFlow SavedModel folder, run by libtensorflow.
///
/// The signature is read from `saved_model.pb` without the library, which is loaded when the first scorer is made; the
/// session is shared by all scorers and warmed before the first of them returns. NULL: NaN in float and double tensors (the
/// row gets a model error with `nulls` = `error`), the empty string in string tensors, a model error of the row in others.
final class SavedModel: Model {
    let signature: ModelSignature
    let version: String
    let contentHash: String
    let label: String
    let nullFails: Bool
    private let path: String
    private let entry: SavedModelSignature
    private let inputs: [SavedModelInput]
    /// Names of the flattened inputs, empty where the model has none.
    private let inputNames: [String]
    /// The graph takes one row at a time.
    let takesOneRow: Bool
    private let runtimeLibrary: String?
    private let session = Mutex<SavedModelSession?>(nil)

    /// - Parameters:
    ///   - file: content of `saved_model.pb`.
    ///   - features: names of the flattened inputs, in the order of the sorted keys; empty for the model's own.
    ///   - declaredInputs: number of INPUT columns, for a single matrix of open width.
    init(
        path: String, file: [UInt8], signature name: String, label: String, version: String, features: [String],
        nullFails: Bool, runtimeLibrary: String?, declaredInputs: Int?
    ) throws(Diagnostic) {
        let entry = try SavedModel.entry(file, name, path: path, label: label)
        var inputs: [SavedModelInput] = []
        var takesOneRow = false
        for tensor in entry.inputs {
            let alone = entry.inputs.count == 1 ? (features.isEmpty ? declaredInputs : features.count) : nil
            inputs.append(try SavedModel.input(tensor, openWidth: alone, label: label))
            if tensor.shape?.first == 1 { takesOneRow = true }
        }
        guard !inputs.isEmpty else { throw Diagnostic("\(label): signature \"\(entry.name)\" has no inputs") }

        let width = inputs.reduce(0) { $0 + $1.width }
        guard features.isEmpty || features.count == width else {
            throw Diagnostic("\(label): option \"features\" names \(features.count) features, the file wants \(width)")
        }
        var columns: [ModelSignature.Column] = []
        for input in inputs {
            for _ in 0..<input.width {
                let name = !features.isEmpty ? features[columns.count] : (input.width == 1 ? input.key : "")
                columns.append(.init(name: name, type: input.element.type))
            }
        }
        var results: [ModelSignature.Column] = []
        for tensor in entry.outputs {
            guard let element = tensor.element else { continue }
            let output = SavedModelOutput(key: tensor.key, element: element, width: tensor.width ?? 1)
            for name in output.columnNames { results.append(.init(name: name, type: element.type)) }
        }
        self.signature = ModelSignature(
            inputs: columns, outputs: results,
            facts: ["format: TensorFlow SavedModel", "signature: \(entry.name)"]
                + entry.inputs.map { "input: \($0.text)" } + entry.outputs.map { "output: \($0.text)" })
        self.entry = entry
        self.inputs = inputs
        self.takesOneRow = takesOneRow
        self.path = path
        self.label = label
        self.version = String(version.prefix(16))
        contentHash = version
        self.nullFails = nullFails
        self.runtimeLibrary = runtimeLibrary
        inputNames = columns.map(\.name)
    }

    private static func entry(_ file: [UInt8], _ name: String, path: String, label: String) throws(Diagnostic)
        -> SavedModelSignature
    {
        let signatures: [SavedModelSignature]
        do throws(ModelFileFault) {
            signatures = try SavedModelFile.signatures(file)
        } catch {
            throw error.diagnostic(path: path + "/saved_model.pb", range: .none)
        }
        if let found = signatures.first(where: { $0.name == name }) { return found }
        // Written by TensorFlow for itself; nobody predicts with it.
        let names = signatures.map(\.name).filter { $0 != "__saved_model_init_op" }
        throw Diagnostic(
            "\(label): \"\(path)\" has no signature \"\(name)\"",
            hint: names.isEmpty
                ? "It has none at all: save the model with signatures, for example by keras.export.ExportArchive."
                : NearestName.hint(name, in: names)
                    ?? "Set option \"signature\" to one of \(FeatureBinding.list(names)).")
    }

    private static func input(_ tensor: SavedModelTensor, openWidth: Int?, label: String) throws(Diagnostic)
        -> SavedModelInput
    {
        guard let element = tensor.element else {
            throw Diagnostic(
                "\(label): input \"\(tensor.key)\" has elements of TensorFlow type \(tensor.dtype)",
                hint: "Export a signature with float, double, int32, int64, bool or string inputs.")
        }
        guard !tensor.operation.isEmpty else {
            throw Diagnostic("\(label): input \"\(tensor.key)\" is not a dense tensor")
        }
        let shape = tensor.shape
        if let shape, let width = tensor.width {
            return SavedModelInput(
                key: tensor.key, element: element, dtype: tensor.dtype, tail: Array(shape.dropFirst()), width: width)
        }
        if let shape, shape.count == 2, shape[0] == -1 || shape[0] == 1, shape[1] == -1 {
            let width = max(openWidth ?? 1, 1)
            return SavedModelInput(
                key: tensor.key, element: element, dtype: tensor.dtype, tail: [Int64(width)], width: width)
        }
        throw Diagnostic(
            "\(label): input \(tensor.text) is not one value, or one list of values, a row",
            hint: "Export a signature whose inputs have the shape [None] or [None, features].")
    }

    /// Scores with columns of these types. Loads libtensorflow and the session if no scorer has.
    func makeScorer(inputs columns: Schema, outputs: Schema, maxRows: Int) throws(Diagnostic) -> any Scorer {
        let order = try bind(columns)
        var sources: [SavedModelScorer.Source] = []
        var flat = 0
        for (tensor, input) in inputs.enumerated() {
            for offset in 0..<input.width {
                let field = columns[order[flat]]
                if let wanted = input.element.problem(with: field.type) {
                    throw FeatureBinding.wrongType(field, wanted: wanted, model: label)
                }
                sources.append(
                    SavedModelScorer.Source(
                        column: order[flat], tensor: tensor, offset: offset, numbers: NumericSource(field.type)))
                flat += 1
            }
        }
        let session = try makeSession()
        var real = signature
        real.outputs = session.outputs.flatMap { output in
            output.columnNames.map { .init(name: $0, type: output.element.type) }
        }
        var targets: [SavedModelScorer.Target] = []
        for (column, flat) in try OutputBinding.resolve(outputs, signature: real, model: label).enumerated() {
            var output = 0
            var offset = flat
            while offset >= session.outputs[output].width {
                offset -= session.outputs[output].width
                output += 1
            }
            let element = session.outputs[output].element
            guard element.fits(output: outputs[column].type) else {
                throw OutputBinding.wrongType(outputs[column], wanted: "\(element.type)", model: label)
            }
            targets.append(.init(output: output, offset: offset, type: outputs[column].type))
        }
        return SavedModelScorer(self, session, sources: sources, targets: targets, maxRows: maxRows)
    }

    /// The INPUT column of every flattened input: by name when the names are the model's, else by position. Several inputs
    /// bind by name only, because their order in the file has no meaning.
    private func bind(_ columns: Schema) throws(Diagnostic) -> [Int] {
        let declared = columns.fields.map { $0.name.lowercased() }
        let wanted = inputNames.map { $0.lowercased() }
        if !wanted.contains(""), declared.count == wanted.count, declared.sorted() == wanted.sorted() {
            return wanted.map { name in declared.firstIndex(of: name)! }
        }
        try FeatureBinding.check(columns, against: signature, model: label)
        guard inputs.count == 1 else {
            throw Diagnostic(
                "\(label): INPUT does not have the names of the model's inputs",
                hint: "The inputs of a SavedModel have no order. Name the INPUT columns "
                    + "\(FeatureBinding.list(inputNames)), or give the names you use, in this order, in option \"features\"."
            )
        }
        return Array(columns.fields.indices)
    }

    private func makeSession() throws(Diagnostic) -> SavedModelSession {
        let result = session.withLock { (current) -> Result<SavedModelSession, Diagnostic> in
            if let current { return .success(current) }
            do throws(Diagnostic) {
                let made = try SavedModelSession(
                    path: path, signature: entry, inputs: inputs, rows: takesOneRow ? 1 : 2,
                    library: try TensorFlowLibrary.load(option: runtimeLibrary), label: label)
                current = made
                return .success(made)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
