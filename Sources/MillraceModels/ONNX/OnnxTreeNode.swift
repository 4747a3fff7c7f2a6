import MillraceCore

/// A `TreeEnsembleClassifier` or `TreeEnsembleRegressor` node (ai.onnx.ml, versions 1 to 4).
///
/// Forms whose result ONNX Runtime defines by the way it is written rather than by the specification are refused, and left
/// to it: two classes with weights for the second one only, or with base values for both; minimum and maximum.
struct OnnxTreeNode {
    let isClassifier: Bool
    let textLabels: [String]
    let integerLabels: [Int64]
    /// Scores a row: classes or targets.
    let scoreCount: Int

    private let node: OnnxFile.Node
    private let usesDouble: Bool
    private let sums: Int
    private let transform: OutputTransform
    private let base: [Double]

    /// - Parameter usesDouble: the features are doubles; thresholds, sums and scores are then, too.
    init(_ node: OnnxFile.Node, usesDouble: Bool) throws(ModelFileFault) {
        self.node = node
        self.usesDouble = usesDouble
        isClassifier = node.operation == "TreeEnsembleClassifier"
        textLabels = node.attributes["classlabels_strings"]?.strings ?? []
        integerLabels = node.attributes["classlabels_int64s"]?.integers ?? []
        let base = OnnxTreeNode.numbers(node, "base_values")
        let post = node.attributes["post_transform"]?.strings.first ?? "NONE"
        guard ["NONE", "LOGISTIC", "SOFTMAX"].contains(post) else {
            throw .unsupported("post_transform \(post)", hint: nil)
        }
        if isClassifier {
            let weights = OnnxTreeNode.numbers(node, "class_weights")
            let classes = Set(node.attributes["class_ids"]?.integers ?? [])
            scoreCount = max(textLabels.count, integerLabels.count)
            guard scoreCount >= 2 else { throw .unsupported("a classifier without classes", hint: nil) }
            let after: ClassScores.After = post == "LOGISTIC" ? .logistic : post == "SOFTMAX" ? .softmax : .nothing
            if scoreCount == 2, classes == [0] {
                guard base.count <= 1 else {
                    throw .unsupported("a classifier of two classes with two base values", hint: nil)
                }
                let isPositive = !weights.contains { $0 < 0 }
                sums = 1
                transform = .classes(ClassScores(vote: isPositive ? .pairAboveHalf : .pairAboveZero, after: after))
            } else {
                guard base.isEmpty || (scoreCount > 2 && base.count == scoreCount) else {
                    throw .unsupported("a classifier of two classes with base values", hint: nil)
                }
                guard classes == Set(0..<Int64(scoreCount)) else {
                    throw .unsupported("a classifier without weights for some class", hint: nil)
                }
                if scoreCount == 2, textLabels.isEmpty, integerLabels != [0, 1] {
                    throw .unsupported("a classifier of two classes that are not 0 and 1", hint: nil)
                }
                sums = scoreCount
                transform = .classes(ClassScores(vote: scoreCount == 2 ? .secondAboveZero : .greatest, after: after))
            }
        } else {
            let targets = node.attributes["n_targets"]?.integers.first ?? 1
            guard targets >= 1, targets <= 4096 else { throw .unsupported("\(targets) targets", hint: nil) }
            scoreCount = Int(targets)
            sums = scoreCount
            guard base.isEmpty || base.count == scoreCount else {
                throw .unsupported("base values for some targets", hint: nil)
            }
            // Of one target ONNX Runtime applies PROBIT only.
            var after: OutputTransform =
                scoreCount == 1 ? .identity : post == "LOGISTIC" ? .logistic : post == "SOFTMAX" ? .softmax : .identity
            switch node.attributes["aggregate_function"]?.strings.first ?? "SUM" {
            case "SUM": break
            case "AVERAGE":
                guard base.isEmpty else { throw .unsupported("an average with base values", hint: nil) }
                let count = Set(node.attributes["nodes_treeids"]?.integers ?? []).count
                after = .divided(by: Double(max(count, 1)), then: after)
            case let other: throw .unsupported("aggregate_function \(other)", hint: nil)
            }
            transform = after
        }
        self.base = base.isEmpty ? Array(repeating: 0, count: sums) : base
    }

    private static func numbers(_ node: OnnxFile.Node, _ name: String) -> [Double] {
        if let tensor = node.attributes[name + "_as_tensor"]?.tensor { return tensor.values ?? [] }
        return (node.attributes[name]?.floats ?? []).map { Double($0) }
    }

    private func integers(_ name: String, count: Int) throws(ModelFileFault) -> [Int] {
        let values = node.attributes[name]?.integers ?? []
        guard values.count == count else { throw .damaged("the list \(name) of the trees has another length") }
        var list: [Int] = []
        list.reserveCapacity(count)
        for value in values {
            guard let value = Int32(exactly: value) else { throw .damaged("a number of \(name) is out of range") }
            list.append(Int(value))
        }
        return list
    }

    /// - Throws: `.unsupported` for a form that ONNX Runtime has to judge.
    func ensemble(featureCount: Int) throws(ModelFileFault) -> TreeEnsemble {
        let treeOfNode = (node.attributes["nodes_treeids"]?.integers ?? []).map { Int($0) }
        let count = treeOfNode.count
        let numbers = try integers("nodes_nodeids", count: count)
        let features = try integers("nodes_featureids", count: count)
        let trues = try integers("nodes_truenodeids", count: count)
        let falses = try integers("nodes_falsenodeids", count: count)
        let modes = node.attributes["nodes_modes"]?.strings ?? []
        let values = OnnxTreeNode.numbers(node, "nodes_values")
        let missing = node.attributes["nodes_missing_value_tracks_true"]?.integers ?? []
        guard count > 0, modes.count == count, values.count == count, missing.isEmpty || missing.count == count else {
            throw .damaged("the lists of the trees differ in length")
        }

        // The nodes of a tree stand together; its first one is the root.
        var starts: [Int] = []
        var treeAt: [Int: Int] = [:]
        for index in 0..<count where index == 0 || treeOfNode[index] != treeOfNode[index - 1] {
            guard treeAt.updateValue(starts.count, forKey: treeOfNode[index]) == nil else {
                throw .unsupported("the nodes of a tree are scattered", hint: nil)
            }
            starts.append(index)
        }
        starts.append(count)
        var positions: [[Int: Int]] = []
        for tree in 0..<starts.count - 1 {
            var places: [Int: Int] = [:]
            places.reserveCapacity(starts[tree + 1] - starts[tree])
            for index in starts[tree]..<starts[tree + 1] {
                guard places.updateValue(index - starts[tree], forKey: numbers[index]) == nil else {
                    throw .damaged("a tree has two nodes with one number")
                }
            }
            positions.append(places)
        }

        var ensemble = TreeEnsemble(
            producer: "ONNX", objective: node.operation, featureCount: featureCount, baseMargins: base,
            usesFloat: !usesDouble, transform: transform)
        ensemble.addsBaseLast = true
        for tree in 0..<starts.count - 1 {
            var nodes: [TreeEnsemble.Node] = []
            nodes.reserveCapacity(starts[tree + 1] - starts[tree])
            for index in starts[tree]..<starts[tree + 1] {
                if modes[index] == "LEAF" {
                    nodes.append(TreeEnsemble.Node(kind: .leaf))
                    continue
                }
                guard let whenTrue = positions[tree][trues[index]], let whenFalse = positions[tree][falses[index]]
                else {
                    throw .damaged("a node of a tree has no child")
                }
                guard features[index] >= 0 else { throw .damaged("a split uses feature \(features[index])") }
                nodes.append(
                    try split(
                        modes[index], values[index], feature: features[index], whenTrue: whenTrue, whenFalse: whenFalse,
                        missingIsTrue: !missing.isEmpty && missing[index] == 1))
            }
            ensemble.trees.append(TreeEnsemble.Tree(nodes: nodes, group: 0))
        }
        try setLeaves(&ensemble, treeAt: treeAt, positions: positions)
        return ensemble
    }

    /// A test as "less goes left": the next number above a threshold turns <= into <, and > and >= swap the children.
    private func split(
        _ mode: String, _ threshold: Double, feature: Int, whenTrue: Int, whenFalse: Int, missingIsTrue: Bool
    ) throws(ModelFileFault) -> TreeEnsemble.Node {
        let next = usesDouble ? threshold.nextUp : Double(Float(threshold).nextUp)
        guard threshold == threshold else { throw .unsupported("a threshold is no number", hint: nil) }
        var node = TreeEnsemble.Node(
            kind: .numeric, feature: feature, value: threshold, missingLeft: missingIsTrue, left: whenTrue,
            right: whenFalse)
        switch mode {
        case "BRANCH_LEQ": node.value = next
        case "BRANCH_LT": break
        case "BRANCH_GT", "BRANCH_GTE":
            if mode == "BRANCH_GT" { node.value = next }
            (node.left, node.right) = (whenFalse, whenTrue)
            node.missingLeft = !missingIsTrue
        case "BRANCH_EQ": node.kind = .equal
        case "BRANCH_NEQ":
            // NaN is unequal to every number.
            node.kind = .equal
            (node.left, node.right) = (whenFalse, whenTrue)
            node.missingLeft = false
        default: throw .unsupported("nodes of mode \(mode)", hint: nil)
        }
        if threshold == .infinity, mode == "BRANCH_LEQ" || mode == "BRANCH_GT" { return node.everyNumberLeft }
        return node
    }

    /// Puts the weights into the leaves: one for each tree's own output, or a list for all outputs.
    private func setLeaves(_ ensemble: inout TreeEnsemble, treeAt: [Int: Int], positions: [[Int: Int]])
        throws(ModelFileFault)
    {
        let prefix = isClassifier ? "class" : "target"
        let weights = OnnxTreeNode.numbers(node, prefix + "_weights")
        let trees = try integers(prefix + "_treeids", count: weights.count)
        let numbers = try integers(prefix + "_nodeids", count: weights.count)
        let outputs = try integers(prefix + "_ids", count: weights.count)
        var leaves: [(tree: Int, node: Int, output: Int)] = []
        leaves.reserveCapacity(weights.count)
        for index in weights.indices {
            guard let tree = treeAt[trees[index]], let node = positions[tree][numbers[index]] else {
                throw .damaged("a weight belongs to no node")
            }
            guard outputs[index] >= 0, outputs[index] < scoreCount else {
                throw .damaged("a weight belongs to no output")
            }
            leaves.append((tree, node, sums == 1 ? 0 : outputs[index]))
        }
        var outputOfTree = [Int?](repeating: nil, count: ensemble.trees.count)
        var weightsOfNode = ensemble.trees.map { [Int](repeating: 0, count: $0.nodes.count) }
        var needsVectors = false
        for leaf in leaves where ensemble.trees[leaf.tree].nodes[leaf.node].kind == .leaf {
            if let known = outputOfTree[leaf.tree], known != leaf.output { needsVectors = true }
            outputOfTree[leaf.tree] = leaf.output
            weightsOfNode[leaf.tree][leaf.node] += 1
        }
        for (tree, counts) in zip(ensemble.trees, weightsOfNode) {
            for (node, count) in zip(tree.nodes, counts) where node.kind == .leaf {
                guard count > 0 else { throw .unsupported("a leaf has no weight", hint: nil) }
                if count > 1 {
                    guard count == sums else { throw .unsupported("a leaf has weights for some outputs", hint: nil) }
                    needsVectors = true
                }
            }
        }
        if needsVectors {
            guard !weightsOfNode.joined().contains(where: { $0 != 0 && $0 != sums }) else {
                throw .unsupported("a leaf has weights for some outputs", hint: nil)
            }
            for tree in ensemble.trees.indices {
                for node in ensemble.trees[tree].nodes.indices where ensemble.trees[tree].nodes[node].kind == .leaf {
                    ensemble.trees[tree].nodes[node].value = Double(ensemble.leafVectors.count)
                    ensemble.leafVectors.append(Array(repeating: 0, count: sums))
                }
            }
        }
        for (leaf, weight) in zip(leaves, weights) where ensemble.trees[leaf.tree].nodes[leaf.node].kind == .leaf {
            if needsVectors {
                ensemble.leafVectors[Int(ensemble.trees[leaf.tree].nodes[leaf.node].value)][leaf.output] += weight
            } else {
                ensemble.trees[leaf.tree].nodes[leaf.node].value = weight
                ensemble.trees[leaf.tree].group = leaf.output
            }
        }
    }
}
