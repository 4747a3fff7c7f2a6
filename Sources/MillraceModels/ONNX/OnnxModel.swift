import Glibc
import MillraceCore
import MillraceRuntime

/// A model in an ONNX Runtime session of one thread: no pool, no arena; parallelism comes from the shards.
///
/// Inputs are tensors [N] or [N, F]; several inputs are flattened in the order of the file. NULL: NaN in float and double
/// tensors (the row gets a model error with `nulls` = `error`), the empty string in string tensors, a model error of the
/// row in the other ones.
final class OnnxModel: Model, @unchecked Sendable {
    // Unchecked: constant after init; a session may be run by several threads at once.
    let signature: ModelSignature
    let version: String
    let contentHash: String
    let library: OrtLibrary
    let session: OpaquePointer
    let label: String
    let nullFails: Bool
    let inputs: [OnnxInput]
    let outputs: [OnnxOutput]
    /// The graph takes one row at a time.
    let takesOneRow: Bool
    /// Column of the probability of the last class, for a classifier of two.
    let soleOutput: Int?
    let inputNames: [UnsafeMutablePointer<CChar>]
    let outputNames: [UnsafeMutablePointer<CChar>]

    init(
        path: String, library: OrtLibrary, label: String, version: String, fileFacts: [String], featureNames: [String],
        signedNames: [String], nullFails: Bool,
        declaredInputs: Int?
    ) throws(Diagnostic) {
        let session = try OnnxModel.session(path: path, library: library, label: label)
        var isComplete = false
        defer { if !isComplete { library.api.releaseSession(session) } }
        let graph = OnnxGraph(library: library, session: session, label: label)
        let metadata = try graph.metadata()
        var names = featureNames.isEmpty ? metadata.featureNames : featureNames
        if names.isEmpty { names = signedNames }
        let (inputs, takesOneRow) = try graph.inputs(declared: names.isEmpty ? declaredInputs : names.count)
        let (outputs, ignored) = try graph.outputs(inputs: inputs, takesOneRow: takesOneRow)
        guard !outputs.isEmpty else {
            throw Diagnostic(
                "\(label): no output of the file is one value, or one list of values, a row",
                hint: "The file has: \(ignored.joined(separator: "; ")).")
        }

        var columns: [ModelSignature.Column] = []
        let width = inputs.reduce(0) { $0 + $1.width }
        if names.count != width {
            guard featureNames.isEmpty else {
                throw Diagnostic("\(label): option \"features\" names \(names.count) features, the file wants \(width)")
            }
            names = []
        }
        for input in inputs {
            for _ in 0..<input.width {
                let name = !names.isEmpty ? names[columns.count] : (input.width == 1 ? input.name : "")
                columns.append(.init(name: name, type: input.element.type))
            }
        }
        var results: [ModelSignature.Column] = []
        var sole: Int?
        let hasLabel = outputs.contains { $0.width == 1 && [.int64, .int32, .string, .bool].contains($0.element) }
        for output in outputs {
            if hasLabel, output.width == 2, output.element == .float || output.element == .double, sole == nil {
                sole = results.count + 1
            }
            for name in output.columnNames { results.append(.init(name: name, type: output.element.type)) }
        }
        var facts = ["format: ONNX"] + (fileFacts.isEmpty ? ["producer: \(metadata.producer)"] : fileFacts)
        facts.append("runtime: ONNX Runtime \(library.release)")
        for input in inputs {
            facts.append("input: \(input.name) \(input.element)\(input.rank == 1 ? "[N]" : "[N, \(input.width)]")")
        }
        for output in outputs {
            let shape =
                output.kind == .maps
                ? " map a row" : "[" + (["N"] + output.tail.map(String.init)).joined(separator: ", ") + "]"
            facts.append("output: \(output.name) \(output.element)\(shape)")
        }
        signature = ModelSignature(
            inputs: columns, outputs: results, facts: facts + ignored.map { "ignored output: \($0)" })
        self.session = session
        self.library = library
        self.label = label
        self.version = String(version.prefix(16))
        contentHash = version
        self.nullFails = nullFails
        self.inputs = inputs
        self.outputs = outputs
        self.takesOneRow = takesOneRow
        soleOutput = sole
        inputNames = inputs.map { strdup($0.name) }
        outputNames = outputs.map { strdup($0.name) }
        isComplete = true
    }

    deinit {
        library.api.releaseSession(session)
        for name in inputNames + outputNames { free(name) }
    }

    private static func session(path: String, library: OrtLibrary, label: String) throws(Diagnostic) -> OpaquePointer {
        let api = library.api
        var options: OpaquePointer?
        try library.check(api.createSessionOptions(&options), "\(label): could not make a session")
        let settings = options!
        defer { api.releaseOptions(settings) }
        let failed = "\(label): could not make a session"
        try library.check(api.setIntraThreads(settings, 1), failed)
        try library.check(api.setInterThreads(settings, 1), failed)
        try library.check(api.setExecutionMode(settings, 0), failed)
        try library.check(api.setOptimization(settings, 99), failed)
        try library.check(api.disableArena(settings), failed)
        // Fatal only: a failing row is reported by its cell, and the library's own lines may quote the row.
        try library.check(api.setLogSeverity(settings, 4), failed)
        var session: OpaquePointer?
        try library.check(
            api.createSession(library.environment, path, settings, &session),
            "\(label): ONNX Runtime refused \"\(path)\"")
        return session!
    }

    func makeScorer(inputs columns: Schema, outputs: Schema, maxRows: Int) throws(Diagnostic) -> any Scorer {
        try FeatureBinding.check(columns, against: signature, model: label)
        var sources: [OnnxScorer.Source] = []
        var index = 0
        for (tensor, input) in inputs.enumerated() {
            for offset in 0..<input.width {
                let field = columns[index]
                sources.append(
                    OnnxScorer.Source(
                        column: index, tensor: tensor, offset: offset, cells: try cells(field, input.element)))
                index += 1
            }
        }
        let bound = try OutputBinding.resolve(outputs, signature: signature, soleOutput: soleOutput, model: label)
        var targets: [OnnxScorer.Target] = []
        for (column, flat) in bound.enumerated() {
            var output = 0
            var offset = flat
            while offset >= self.outputs[output].width {
                offset -= self.outputs[output].width
                output += 1
            }
            try checkOutput(outputs[column], self.outputs[output].element)
            targets.append(OnnxScorer.Target(output: output, offset: offset, type: outputs[column].type))
        }
        return OnnxScorer(self, sources: sources, targets: targets, maxRows: maxRows)
    }

    private func cells(_ field: Field, _ element: OnnxElement) throws(Diagnostic) -> OnnxScorer.Cells {
        if let wanted = element.problem(with: field.type) {
            throw FeatureBinding.wrongType(field, wanted: wanted, model: label)
        }
        return switch element {
        case .float, .double: .number(NumericSource(field.type)!)
        case .int32, .int64, .bool: .integer
        case .string: .text
        }
    }

    private func checkOutput(_ field: Field, _ element: OnnxElement) throws(Diagnostic) {
        guard element.fits(output: field.type) else {
            throw OutputBinding.wrongType(field, wanted: "\(element.type)", model: label)
        }
    }
}
