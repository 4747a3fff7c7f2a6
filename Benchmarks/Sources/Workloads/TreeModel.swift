import Glibc

/// Job A's model: 100 full trees of depth 6 over ten features, made from a seed instead of trained.
///
/// Thresholds lie between the values that events can have, well inside the range that is left on the way to a node, so
/// every split divides and no comparison hangs on the last bit.
public struct TreeModel: Sendable {
    public static let featureNames = ["amount", "country", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8"]
    static let depth = 6
    static let innerNodes = (1 << depth) - 1

    /// A full tree: the children of inner node `i` are `2 i + 1` and `2 i + 2`, the leaves come behind the inner nodes.
    struct Tree {
        var features: [Int] = []
        var thresholds: [Double] = []
        var leaves: [Double] = []
    }

    let trees: [Tree]

    public init(trees count: Int = 100, seed: UInt64 = 7) {
        var random = SeededRandom(seed: seed)
        trees = (0..<count).map { _ in TreeModel.tree(&random) }
    }

    /// What events hold of each feature, in steps: cents, codes, ten-thousandths.
    private static func steps(_ feature: Int) -> (range: ClosedRange<Int>, perUnit: Int) {
        switch feature {
        case 0: (0...499_999, 100)
        case 1: (0...9, 1)
        default: (-10_000...9_999, 10_000)
        }
    }

    private static func tree(_ random: inout SeededRandom) -> Tree {
        var tree = Tree()
        var ranges = [[ClosedRange<Int>]](repeating: [], count: 2 * innerNodes + 1)
        ranges[0] = featureNames.indices.map { steps($0).range }
        for node in 0..<innerNodes {
            var feature = random.below(featureNames.count)
            while ranges[node][feature].count < 2 { feature = random.below(featureNames.count) }
            let range = ranges[node][feature]
            let step = range.lowerBound + Int(Double(range.count - 1) * (0.25 + random.unit() / 2))
            tree.features.append(feature)
            tree.thresholds.append((Double(step) + 0.5) / Double(steps(feature).perUnit))
            ranges[2 * node + 1] = ranges[node]
            ranges[2 * node + 1][feature] = range.lowerBound...step
            ranges[2 * node + 2] = ranges[node]
            ranges[2 * node + 2][feature] = step + 1...range.upperBound
        }
        tree.leaves = (0...innerNodes).map { _ in (random.unit() - 0.5) / 5 }
        return tree
    }

    /// The probability for one row of features: a plain walk, the answer that every engine is held to.
    public func score(_ features: [Double]) -> Double {
        var sum = 0.0
        for tree in trees {
            var node = 0
            while node < TreeModel.innerNodes {
                node = features[tree.features[node]] <= tree.thresholds[node] ? 2 * node + 1 : 2 * node + 2
            }
            sum += tree.leaves[node - TreeModel.innerNodes]
        }
        return 1 / (1 + exp(-sum))
    }

    /// The model as LightGBM writes it (`Booster.save_model`).
    public var lightGBMText: String {
        let blocks = trees.enumerated().map { TreeModel.block($0.element, index: $0.offset) }
        let infos = TreeModel.featureNames.indices.map { feature in
            let (range, perUnit) = TreeModel.steps(feature)
            return
                "[\(Double(range.lowerBound) / Double(perUnit)):\(Double(range.upperBound) / Double(perUnit))]"
        }
        return """
            tree
            version=v4
            num_class=1
            num_tree_per_iteration=1
            label_index=0
            max_feature_idx=\(TreeModel.featureNames.count - 1)
            objective=binary sigmoid:1
            feature_names=\(TreeModel.featureNames.joined(separator: " "))
            feature_infos=\(infos.joined(separator: " "))
            tree_sizes=\(blocks.map { String($0.utf8.count) }.joined(separator: " "))


            """ + blocks.joined() + "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n"
    }

    private static func block(_ tree: Tree, index: Int) -> String {
        func line(_ name: String, _ values: some Sequence<some Any>) -> String {
            "\(name)=\(values.map { "\($0)" }.joined(separator: " "))\n"
        }
        let inner = 0..<innerNodes
        let counts = inner.map { (1 << depth) >> (Int.bitWidth - 1 - ($0 + 1).leadingZeroBitCount) }
        // A negative child is a leaf's complement.
        func child(_ node: Int) -> Int { node < innerNodes ? node : ~(node - innerNodes) }
        return "Tree=\(index)\nnum_leaves=\(innerNodes + 1)\nnum_cat=0\n" + line("split_feature", tree.features)
            + line("split_gain", inner.map { _ in 1 }) + line("threshold", tree.thresholds)
            + line("decision_type", inner.map { _ in 2 }) + line("left_child", inner.map { child(2 * $0 + 1) })
            + line("right_child", inner.map { child(2 * $0 + 2) }) + line("leaf_value", tree.leaves)
            + line("leaf_weight", tree.leaves.map { _ in 1 }) + line("leaf_count", tree.leaves.map { _ in 1 })
            + line("internal_value", inner.map { _ in 0 }) + line("internal_weight", counts)
            + line("internal_count", counts) + "is_linear=0\nshrinkage=1\n\n\n"
    }
}
