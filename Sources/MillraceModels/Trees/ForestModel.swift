import MillraceCore
import MillraceRuntime

/// Gradient-boosted trees or a random forest, evaluated here without the library that trained it.
///
/// XGBoost compares and sums in float32 in the order of the trees, as libxgboost does on one thread: margins are equal
/// bit for bit. LightGBM is double throughout. ONNX is as the type of its input. NULL is a missing value.
final class ForestModel: Model {
    let signature: ModelSignature
    let version: String
    let contentHash: String
    private let label: String
    private let transform: OutputTransform
    private let nullFails: Bool
    private let usesFloat: Bool
    private let layout: Layout
    /// The interface of an ONNX graph; nil for one column a feature.
    private let interface: ForestInterface?

    private enum Layout: Sendable {
        case narrow(Forest<NarrowNode, Float>)
        case wideFloat(Forest<WideNode, Float>)
        case wide(Forest<WideNode, Double>)
        case generalFloat(Forest<GeneralNode, Float>)
        case general(Forest<GeneralNode, Double>)

        var nodeCount: Int {
            switch self {
            case .narrow(let forest): forest.nodeCount
            case .wideFloat(let forest): forest.nodeCount
            case .wide(let forest): forest.nodeCount
            case .generalFloat(let forest): forest.nodeCount
            case .general(let forest): forest.nodeCount
            }
        }
    }

    /// - Parameters:
    ///   - label: how messages name the model: `model "m"`.
    ///   - featureNames: replaces the names of a file that has none; empty otherwise.
    ///   - interface: columns and results, where they are not one a feature and one a sum.
    init(
        _ ensemble: TreeEnsemble, label: String, version: String, featureNames: [String], givesMargin: Bool,
        nullFails: Bool, interface: ForestInterface? = nil
    ) throws(ModelFileFault) {
        self.label = label
        self.version = String(version.prefix(16))
        contentHash = version
        self.nullFails = nullFails
        self.interface = interface
        usesFloat = ensemble.usesFloat
        transform = givesMargin ? .identity : ensemble.transform

        guard ensemble.featureCount <= WideNode.featureLimit else {
            throw .unsupported(
                "it has \(ensemble.featureCount) features, the limit is \(WideNode.featureLimit)",
                hint: "Train with fewer features.")
        }
        var needsGeneral = false
        var largest = 0
        for tree in ensemble.trees {
            largest = max(largest, tree.nodes.count)
            for node in tree.nodes {
                if node.kind == .categorical || node.kind == .equal || node.zeroIsMissing { needsGeneral = true }
                guard node.kind == .leaf || node.feature < ensemble.featureCount else {
                    throw .damaged("a split uses feature \(node.feature) of \(ensemble.featureCount)")
                }
            }
            guard tree.group >= 0, tree.group < ensemble.groups else { throw .damaged("a tree belongs to no output") }
        }
        let stride = transform.slotCount(groups: ensemble.groups)
        if needsGeneral {
            layout =
                ensemble.usesFloat
                ? .generalFloat(try Forest(ensemble, stride: stride)) : .general(try Forest(ensemble, stride: stride))
        } else if !ensemble.usesFloat {
            layout = .wide(try Forest(ensemble, stride: stride))
        } else if largest < NarrowNode.nodeLimit, ensemble.featureCount <= NarrowNode.featureLimit {
            layout = .narrow(try Forest(ensemble, stride: stride))
        } else {
            layout = .wideFloat(try Forest(ensemble, stride: stride))
        }

        let sizes = ["trees: \(ensemble.trees.count)", "nodes: \(layout.nodeCount)"]
        if let interface {
            signature = ModelSignature(
                inputs: interface.inputs, outputs: interface.outputs.map { .init(name: $0.name, type: $0.type) },
                facts: ["format: \(ensemble.producer)"] + sizes + ensemble.facts)
            return
        }
        let names = ensemble.featureNames.isEmpty ? featureNames : ensemble.featureNames
        let type: DataType = ensemble.usesFloat ? .float : .double
        let classes = ensemble.groups > 1 || transform.givesProbabilities
        let outputNames =
            givesMargin
            ? (ensemble.groups == 1 ? ["margin"] : (0..<ensemble.groups).map { "margin_\($0)" })
            : transform.outputNames(groups: ensemble.groups, classes: classes && transform.givesProbabilities)
        signature = ModelSignature(
            inputs: (0..<ensemble.featureCount).map { .init(name: $0 < names.count ? names[$0] : "", type: type) },
            outputs: outputNames.map { .init(name: $0, type: .double) },
            facts: [
                "format: \(ensemble.producer)", "objective: \(ensemble.objective)",
            ] + sizes + ensemble.facts)
    }

    func makeScorer(inputs: Schema, outputs: Schema, maxRows: Int) throws(Diagnostic) -> any Scorer {
        try FeatureBinding.check(inputs, against: signature, model: label)
        var numbers: [NumericSource] = []
        for (index, field) in inputs.fields.enumerated() {
            let element = interface?.elements[index] ?? .double
            if let wanted = element.problem(with: field.type) {
                throw FeatureBinding.wrongType(field, wanted: wanted, model: label)
            }
            numbers.append(NumericSource(field.type)!)
        }
        let sources = (interface?.featureColumns ?? Array(numbers.indices)).map { column in
            let isInteger = interface.map { $0.elements[column] == .int64 || $0.elements[column] == .int32 } ?? false
            return ForestSource(column: column, numbers: numbers[column], refusesNull: isInteger)
        }
        let bound = try OutputBinding.resolve(
            outputs, signature: signature, soleOutput: interface?.soleOutput, model: label)
        var targets: [ForestTarget] = []
        for (field, output) in zip(outputs.fields, bound) { targets.append(try target(field, output)) }
        let run: ForestScorer.Run =
            switch layout {
            case .narrow(let forest): .narrow(makeRun(forest, sources, targets, maxRows))
            case .wideFloat(let forest): .wideFloat(makeRun(forest, sources, targets, maxRows))
            case .wide(let forest): .wide(makeRun(forest, sources, targets, maxRows))
            case .generalFloat(let forest): .generalFloat(makeRun(forest, sources, targets, maxRows))
            case .general(let forest): .general(makeRun(forest, sources, targets, maxRows))
            }
        return ForestScorer(run)
    }

    private func target(_ field: Field, _ output: Int) throws(Diagnostic) -> ForestTarget {
        let result = interface?.outputs[output]
        let element: OnnxElement =
            result.map { $0.type == .string ? .string : $0.type == .bigInt ? .int64 : .float } ?? .double
        guard element.fits(output: field.type) else {
            throw OutputBinding.wrongType(field, wanted: result.map { "\($0.type)" } ?? "DOUBLE", model: label)
        }
        switch result?.slot {
        case .label(let slot)?:
            return ForestTarget(slot: slot, kind: element == .string ? .text : .integer(field.type))
        case .score(let slot)?:
            // ONNX Runtime gives floats, also from doubles.
            return ForestTarget(slot: slot, kind: .float)
        case nil: return ForestTarget(slot: output, kind: field.type == .float ? .float : .double)
        }
    }

    private func makeRun<Node, Sum>(
        _ forest: Forest<Node, Sum>, _ sources: [ForestSource], _ targets: [ForestTarget], _ maxRows: Int
    ) -> ForestRun<Node, Sum> {
        ForestRun(
            forest: forest, sources: sources, outputs: targets, labels: interface?.labels, transform: transform,
            nullFails: nullFails, roundsToFloat: usesFloat, maxRows: maxRows)
    }
}
