import MillraceCore
import MillraceRuntime

/// Gradient-boosted trees or a random forest, evaluated here without the library that trained it.
///
/// XGBoost compares and sums in float32 in the order of the trees, as libxgboost does on one thread: margins are equal
/// bit for bit. LightGBM is double throughout. NULL is a missing value.
final class ForestModel: Model {
    let signature: ModelSignature
    let version: String
    let contentHash: String
    private let label: String
    private let transform: OutputTransform
    private let nullFails: Bool
    private let usesFloat: Bool
    private let layout: Layout

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
    init(
        _ ensemble: TreeEnsemble, label: String, version: String, featureNames: [String], givesMargin: Bool,
        nullFails: Bool
    ) throws(ModelFileFault) {
        self.label = label
        self.version = String(version.prefix(16))
        contentHash = version
        self.nullFails = nullFails
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
                if node.kind == .categorical || node.zeroIsMissing { needsGeneral = true }
                guard node.kind == .leaf || node.feature < ensemble.featureCount else {
                    throw .damaged("a split uses feature \(node.feature) of \(ensemble.featureCount)")
                }
            }
            guard tree.group >= 0, tree.group < ensemble.groups else { throw .damaged("a tree belongs to no output") }
        }
        if needsGeneral {
            layout = ensemble.usesFloat ? .generalFloat(try Forest(ensemble)) : .general(try Forest(ensemble))
        } else if !ensemble.usesFloat {
            layout = .wide(try Forest(ensemble))
        } else if largest < NarrowNode.nodeLimit, ensemble.featureCount <= NarrowNode.featureLimit {
            layout = .narrow(try Forest(ensemble))
        } else {
            layout = .wideFloat(try Forest(ensemble))
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
                "format: \(ensemble.producer)", "objective: \(ensemble.objective)", "trees: \(ensemble.trees.count)",
                "nodes: \(layout.nodeCount)",
            ] + ensemble.facts)
    }

    func makeScorer(inputs: Schema, outputs: Schema, maxRows: Int) throws(Diagnostic) -> any Scorer {
        try FeatureBinding.check(inputs, against: signature, model: label)
        var sources: [NumericSource] = []
        for field in inputs.fields {
            guard let source = NumericSource(field.type) else {
                throw FeatureBinding.wrongType(field, wanted: "a number", model: label)
            }
            sources.append(source)
        }
        var targets: [(sum: Int, isFloat: Bool)] = []
        for (index, sum) in try OutputBinding.resolve(outputs, signature: signature, model: label).enumerated() {
            guard outputs[index].type.isApproximate else {
                throw OutputBinding.wrongType(outputs[index], wanted: "DOUBLE", model: label)
            }
            targets.append((sum: sum, isFloat: outputs[index].type == .float))
        }
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

    private func makeRun<Node, Sum>(
        _ forest: Forest<Node, Sum>, _ sources: [NumericSource], _ targets: [(sum: Int, isFloat: Bool)], _ maxRows: Int
    ) -> ForestRun<Node, Sum> {
        ForestRun(
            forest: forest, sources: sources, outputs: targets, transform: transform, nullFails: nullFails,
            roundsToFloat: usesFloat, maxRows: maxRows)
    }
}
