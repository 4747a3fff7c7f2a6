import MillraceCore
import MillraceRuntime

/// Recognises an ONNX graph that is one tree ensemble, so that the native trees evaluate it and no ONNX Runtime is needed.
///
/// Taken are, in front of the trees, `Identity`, `Cast` to float and `Concat` of the inputs, and behind them `Identity`,
/// `Cast`, `ZipMap` and arithmetic with constants (`Exp`, `Sigmoid`, `Add`, `Sub`, `Mul`, `Div`): what skl2onnx,
/// onnxmltools and CatBoost write. Anything else is left to ONNX Runtime.
struct OnnxTrees {
    enum Recognition {
        case trees(TreeEnsemble, ForestInterface)
        /// Why ONNX Runtime is needed.
        case other(String)
    }

    /// What a tensor of the graph holds.
    private enum Meaning {
        /// Columns of the inputs, in the order of the tensor.
        case features([Int], element: OnnxElement)
        case constant([Double])
        case label
        case scores(OutputTransform)
        /// Column names of a map, and the score behind each.
        case maps(names: [String], scores: [Int])
    }
    private struct Refused: Error { var reason: String }

    private let file: OnnxFile
    private var meanings: [String: Meaning] = [:]
    private var columns: [ModelSignature.Column] = []
    private var elements: [OnnxElement] = []
    private var widths: [(name: String, width: Int)] = []
    private var trees: OnnxTreeNode?
    private var featureColumns: [Int] = []
    /// The one chain of arithmetic behind the scores; outputs of two lengths of it would need two buffers.
    private var transform: OutputTransform?

    /// - Parameters:
    ///   - names: names of the features, of option `features`; empty for those of the file.
    ///   - signedNames: names for a file without any, of the MLflow signature.
    ///   - declared: INPUT columns, for a file that leaves the number of features open.
    static func recognize(_ file: OnnxFile, names: [String], signedNames: [String] = [], declared: Int?)
        -> Recognition
    {
        do {
            guard file.nodes.contains(where: { $0.operation.hasPrefix("TreeEnsemble") }) else {
                return .other("its graph has no tree ensemble")
            }
            var graph = OnnxTrees(file: file)
            let stored = file.featureNames.isEmpty ? signedNames : file.featureNames
            return try graph.read(names: names.isEmpty ? stored : names, declared: declared)
        } catch let refused as Refused {
            return .other(refused.reason)
        } catch let ModelFileFault.damaged(reason) {
            return .other("its graph was not understood: \(reason)")
        } catch let ModelFileFault.unsupported(what, _) {
            return .other(what)
        } catch {
            return .other("its graph was not understood")
        }
    }

    private init(file: OnnxFile) { self.file = file }

    private mutating func read(names: [String], declared: Int?) throws -> Recognition {
        for (name, tensor) in file.initializers { if let values = tensor.values { meanings[name] = .constant(values) } }
        try readInputs(names: names, declared: declared)
        for node in file.nodes { try read(node) }
        guard let trees else { throw Refused(reason: "its graph has no tree ensemble") }
        let width = trees.scoreCount

        var outputs: [ForestInterface.Output] = []
        var facts: [String] = []
        var sole: Int?
        let hasLabel = file.outputs.contains { if case .label? = meanings[$0.name] { true } else { false } }
        for port in file.outputs {
            switch meanings[port.name] {
            case .label?:
                let isText = !trees.textLabels.isEmpty
                outputs.append(
                    .init(name: port.name, type: isText ? .string : .bigInt, slot: .label(at: width)))
                facts.append("output: \(port.name) \(isText ? "string" : "int64")[N]")
            case .scores(let chain)?:
                try use(chain)
                if hasLabel, width == 2, sole == nil { sole = outputs.count + 1 }
                for index in 0..<width {
                    let name = width == 1 ? port.name : "\(port.name)_\(index)"
                    outputs.append(.init(name: name, type: .float, slot: .score(at: index)))
                }
                facts.append("output: \(port.name) float[N, \(width)]")
            case .maps(let keys, let scores)?:
                if hasLabel, width == 2, sole == nil { sole = outputs.count + 1 }
                for (key, index) in zip(keys, scores) {
                    outputs.append(.init(name: "\(port.name)_\(key)", type: .float, slot: .score(at: index)))
                }
                facts.append("output: \(port.name) float map a row")
            default: throw Refused(reason: "its output \"\(port.name)\" is not what the trees give")
            }
        }
        guard !outputs.isEmpty else { throw Refused(reason: "its trees are no output") }

        var ensemble = try trees.ensemble(featureCount: featureColumns.count)
        if let transform, transform != .identity {
            ensemble.transform = ensemble.transform == .identity ? transform : .chain([ensemble.transform, transform])
        }
        ensemble.producer = "ONNX"
        ensemble.facts = file.facts + ["runtime: native trees"] + inputFacts + facts
        return .trees(
            ensemble,
            ForestInterface(
                inputs: columns, elements: elements, featureColumns: featureColumns, outputs: outputs,
                soleOutput: sole, labels: ForestLabels(trees.textLabels, trees.integerLabels)))
    }

    private var inputFacts: [String] {
        zip(file.inputs, widths).map { port, input in
            let element = port.element.flatMap(OnnxElement.init(rawValue:)).map { "\($0)" } ?? "?"
            return "input: \(port.name) \(element)\(port.dimensions.count == 1 ? "[N]" : "[N, \(input.width)]")"
        }
    }

    private mutating func readInputs(names: [String], declared: Int?) throws {
        for port in file.inputs {
            guard let code = port.element, let element = OnnxElement(rawValue: code),
                [.float, .double, .int64, .int32].contains(element), (1...2).contains(port.dimensions.count)
            else { throw Refused(reason: "its input \"\(port.name)\" is no matrix of numbers") }
            var width = 1
            if port.dimensions.count == 2 {
                let open = file.inputs.count == 1 ? (names.isEmpty ? declared ?? openWidth : names.count) : 1
                width = port.dimensions[1] > 0 ? Int(clamping: port.dimensions[1]) : open
            }
            guard width <= 1 << 16 else { throw Refused(reason: "its input \"\(port.name)\" is too wide") }
            meanings[port.name] = .features(Array(columns.count..<columns.count + width), element: element)
            for _ in 0..<width {
                columns.append(.init(name: width == 1 ? port.name : "", type: element.type))
                elements.append(element)
            }
            widths.append((port.name, width))
        }
        if names.count == columns.count { for index in names.indices { columns[index].name = names[index] } }
    }

    /// Features that the splits use, for an input whose width nothing says.
    private var openWidth: Int {
        let used = file.nodes.compactMap { $0.attributes["nodes_featureids"]?.integers.max() }.max() ?? 0
        return Int(clamping: used) + 1
    }

    private mutating func use(_ chain: OutputTransform) throws {
        if let transform, transform != chain { throw Refused(reason: "it gives scores in two forms") }
        transform = chain
    }

    // MARK: Nodes

    private mutating func read(_ node: OnnxFile.Node) throws {
        let unknown = Refused(reason: "its graph has a node \"\(node.operation)\"")
        switch node.operation {
        case "TreeEnsembleClassifier", "TreeEnsembleRegressor":
            guard trees == nil else { throw Refused(reason: "it has several tree ensembles") }
            guard case .features(let features, let element)? = node.inputs.first.flatMap({ meanings[$0] }) else {
                throw Refused(reason: "its trees do not read the inputs themselves")
            }
            featureColumns = features
            let read = try OnnxTreeNode(node, usesDouble: element == .double)
            trees = read
            if read.isClassifier, let label = node.outputs.first { meanings[label] = .label }
            if let scores = read.isClassifier ? node.outputs.dropFirst().first : node.outputs.first {
                meanings[scores] = .scores(.identity)
            }
        case "Identity": set(node, try input(node, unknown))
        case "Cast": try cast(node, unknown)
        case "Concat": try concatenate(node, unknown)
        case "Constant":
            guard let values = node.attributes["value"]?.tensor?.values else { throw unknown }
            set(node, .constant(values))
        case "ZipMap": try zipMap(node, unknown)
        case "Exp", "Sigmoid":
            guard case .scores(let chain) = try input(node, unknown) else { throw unknown }
            set(node, .scores(chain.followed(by: node.operation == "Exp" ? .exponential : .logistic)))
        case "Add", "Sub", "Mul", "Div": try arithmetic(node, unknown)
        default: throw unknown
        }
    }

    private func input(_ node: OnnxFile.Node, _ unknown: Refused) throws -> Meaning {
        guard let name = node.inputs.first, let meaning = meanings[name] else { throw unknown }
        return meaning
    }

    private mutating func set(_ node: OnnxFile.Node, _ meaning: Meaning) {
        if let name = node.outputs.first { meanings[name] = meaning }
    }

    private mutating func cast(_ node: OnnxFile.Node, _ unknown: Refused) throws {
        guard let code = node.attributes["to"]?.integers.first,
            let target = OnnxElement(rawValue: Int32(truncatingIfNeeded: code))
        else { throw unknown }
        switch try input(node, unknown) {
        case .features(let features, let element):
            // To float from anything: each feature is rounded once, as it is here. From float to double is exact.
            guard target == .float || target == element else { throw unknown }
            set(node, .features(features, element: target))
        case .label:
            guard target == ((trees?.textLabels.isEmpty ?? true) ? .int64 : .string) else { throw unknown }
            set(node, .label)
        case .scores(let chain):
            guard target == .float else { throw unknown }
            set(node, .scores(chain))
        default: throw unknown
        }
    }

    private mutating func concatenate(_ node: OnnxFile.Node, _ unknown: Refused) throws {
        let axis = node.attributes["axis"]?.integers.first
        guard axis == 1 || axis == -1 else { throw unknown }
        var all: [Int] = []
        var common: OnnxElement?
        for name in node.inputs {
            guard case .features(let features, let element)? = meanings[name], common == nil || common == element else {
                throw unknown
            }
            common = element
            all += features
        }
        guard let common else { throw unknown }
        set(node, .features(all, element: common))
    }

    private mutating func zipMap(_ node: OnnxFile.Node, _ unknown: Refused) throws {
        guard case .scores(let chain) = try input(node, unknown), let trees else { throw unknown }
        try use(chain)
        // ONNX Runtime keeps a map in the order of its keys.
        let order: [Int]
        let names: [String]
        if let keys = node.attributes["classlabels_strings"]?.strings, !keys.isEmpty {
            order = keys.indices.sorted { Array(keys[$0].utf8).lexicographicallyPrecedes(Array(keys[$1].utf8)) }
            names = order.map { keys[$0] }
        } else if let keys = node.attributes["classlabels_int64s"]?.integers, !keys.isEmpty {
            order = keys.indices.sorted { keys[$0] < keys[$1] }
            names = order.map { String(keys[$0]) }
        } else {
            throw unknown
        }
        guard names.count == trees.scoreCount, Set(names).count == names.count else { throw unknown }
        set(node, .maps(names: names, scores: order))
    }

    private mutating func arithmetic(_ node: OnnxFile.Node, _ unknown: Refused) throws {
        guard node.inputs.count == 2, let left = meanings[node.inputs[0]], let right = meanings[node.inputs[1]] else {
            throw unknown
        }
        let chain: OutputTransform
        let constant: Double
        switch (left, right) {
        case (.scores(let scores), .constant(let values)):
            guard values.count == 1 else { throw unknown }
            (chain, constant) = (scores, values[0])
        case (.constant(let values), .scores(let scores)):
            guard values.count == 1, node.operation == "Add" || node.operation == "Mul" else { throw unknown }
            (chain, constant) = (scores, values[0])
        default: throw unknown
        }
        let step: OutputTransform =
            switch node.operation {
            case "Add": .shifted(by: constant)
            case "Sub": .shifted(by: -constant)
            case "Mul": .scaled(by: constant)
            default: .divided(by: constant, then: .identity)
            }
        // Times one is how onnxmltools renames a tensor.
        set(node, .scores(step == .scaled(by: 1) ? chain : chain.followed(by: step)))
    }
}
