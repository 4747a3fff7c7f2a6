import Glibc

/// Reads XGBoost models, JSON or UBJSON, of the gbtree and dart boosters (versions 1.0 to 3.x).
///
/// Format: XGBoost's `doc/model.schema`. `base_score` is in output space (a probability for `binary:logistic`), a number
/// as text up to 3.0 and a list of them as text after that.
enum XGBoostReader {
    static func read(_ document: DocumentValue) throws(ModelFileFault) -> TreeEnsemble {
        guard let learner = document["learner"], let booster = learner["gradient_booster"] else {
            throw .unsupported(
                "it is JSON, but not an XGBoost model", hint: "Write it with booster.save_model(\"model.json\").")
        }
        let boosterName = booster["name"]?.text ?? "gbtree"
        guard boosterName == "gbtree" || boosterName == "dart" else {
            throw .unsupported(
                "its booster is \"\(boosterName)\"",
                hint: "Tree boosters work (gbtree, dart); export a linear model to ONNX.")
        }
        guard let model = booster["model"] ?? booster["gbtree"]?["model"], let trees = model["trees"]?.elements else {
            throw .damaged("it has no trees")
        }
        let parameters = learner["learner_model_param"]
        guard let featureCount = parameters?["num_feature"]?.integer, featureCount >= 0, featureCount < 1 << 24 else {
            throw .damaged("num_feature is missing")
        }
        let classes = parameters?["num_class"]?.integer ?? 0
        let targets = parameters?["num_target"]?.integer ?? 1
        let groups = max(classes, targets, 1)
        guard groups <= 65_536 else { throw .damaged("num_class is wrong") }
        let objective = learner["objective"]?["name"]?.text ?? "reg:squarederror"
        let (transform, margin) = try outputs(of: objective)

        var names = learner["feature_names"]?.strings ?? []
        if names.count != featureCount { names = [] }
        var ensemble = TreeEnsemble(
            producer: "XGBoost " + version(document), objective: objective, featureCount: featureCount,
            featureNames: names,
            baseMargins: try baseScores(parameters?["base_score"], groups: groups).map(margin), usesFloat: true,
            transform: transform)
        if boosterName == "dart" { ensemble.facts.append("booster: dart") }
        if let best = learner["attributes"]?["best_iteration"]?.text {
            ensemble.facts.append("best_iteration: \(best) (all trees are used, as Booster.predict does)")
        }

        let groupOfTree = model["tree_info"]?.integers ?? []
        let weights = booster["weight_drop"]?.doubles
        if let weights, weights.count != trees.count { throw .damaged("weight_drop does not fit the trees") }
        for (index, tree) in trees.enumerated() {
            let known = ensemble.leafVectors.count
            var read = try self.tree(
                tree, sets: &ensemble.categorySets, vectors: &ensemble.leafVectors, groups: groups)
            guard index == 0 || (known > 0) == (ensemble.leafVectors.count > known) else {
                throw .damaged("only some trees have a value for every output")
            }
            read.group = index < groupOfTree.count ? groupOfTree[index] : 0
            if let weights {
                let weight = Float(weights[index])
                for vector in known..<ensemble.leafVectors.count {
                    ensemble.leafVectors[vector] = ensemble.leafVectors[vector].map { Double(Float($0) * weight) }
                }
                for i in read.nodes.indices where read.nodes[i].kind == .leaf && ensemble.leafVectors.isEmpty {
                    read.nodes[i].value = Double(Float(read.nodes[i].value) * weight)
                }
            }
            ensemble.trees.append(read)
        }
        return ensemble
    }

    private static func version(_ document: DocumentValue) -> String {
        (document["version"]?.integers ?? []).map(String.init).joined(separator: ".")
    }

    private static func baseScores(_ value: DocumentValue?, groups: Int) throws(ModelFileFault) -> [Float] {
        var scores: [Float] = []
        switch value {
        case .number(let x)?: scores = [Float(x)]
        case .numbers(let values)?: scores = values.map { Float($0) }
        case .string(let text)?:
            for part in text.split(whereSeparator: { "[], ".contains($0) }) {
                guard let score = Float(part) else { throw .damaged("base_score is not a number") }
                scores.append(score)
            }
        default: scores = [0.5]
        }
        if scores.count == 1 { return [Float](repeating: scores[0], count: groups) }
        guard scores.count == groups else { throw .damaged("base_score does not fit the number of outputs") }
        return scores
    }

    /// What is done to the sums, and how a base score becomes the start of a sum.
    private static func outputs(of objective: String) throws(ModelFileFault)
        -> (transform: OutputTransform, margin: (Float) -> Double)
    {
        let same: (Float) -> Double = { Double($0) }
        let logit: (Float) -> Double = { Double(-logf(1 / $0 - 1)) }
        let log: (Float) -> Double = { Double(logf($0)) }
        switch objective {
        case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror",
            "reg:quantileerror", "reg:expectileerror", "rank:pairwise", "rank:ndcg", "rank:map":
            return (.identity, same)
        case "binary:logistic", "reg:logistic": return (.sigmoid(scale: 1), logit)
        case "binary:logitraw": return (.identity, same)
        case "binary:hinge": return (.step, same)
        case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft": return (.exponential, log)
        case "multi:softprob": return (.softmax, same)
        case "multi:softmax": return (.greatest, same)
        default:
            throw .unsupported(
                "its objective is \"\(objective)\"", hint: "Use a built-in objective, or export the model to ONNX.")
        }
    }

    /// - Parameter vectors: gets the leaves of a tree that has a value for every output (`multi_output_tree`).
    private static func tree(
        _ value: DocumentValue, sets: inout [[UInt32]], vectors: inout [[Double]], groups: Int
    ) throws(ModelFileFault) -> TreeEnsemble.Tree {
        let size = value["tree_param"]?["size_leaf_vector"]?.integer ?? 1
        guard let left = value["left_children"]?.integers, let right = value["right_children"]?.integers,
            let features = value["split_indices"]?.integers, let conditions = value["split_conditions"]?.doubles,
            let defaults = value["default_left"]?.doubles
        else { throw .damaged("a tree misses its arrays") }
        let count = left.count
        guard count > 0, right.count == count, features.count == count, conditions.count == count,
            defaults.count == count
        else { throw .damaged("the arrays of a tree differ in length") }
        var leaves: [Double] = []
        // Since 3.1 a leaf's right child is its number among the leaves; before, every node has values.
        let isCompact = value["leaf_weights"]?.doubles?.isEmpty == false
        if size > 1 {
            leaves = (isCompact ? value["leaf_weights"] : value["base_weights"])?.doubles ?? []
            guard size == groups, isCompact || leaves.count == count * size else {
                throw .damaged("the leaves of a tree do not fit the outputs")
            }
        }
        let types = value["split_type"]?.integers ?? []
        var setOfNode: [Int: Int] = [:]
        if types.contains(1) { setOfNode = try categories(value, sets: &sets) }

        var nodes: [TreeEnsemble.Node] = []
        nodes.reserveCapacity(count)
        for i in 0..<count {
            if left[i] == -1, size > 1 {
                let leaf = isCompact ? right[i] : i
                guard leaf >= 0, (leaf + 1) * size <= leaves.count else { throw .damaged("a leaf is out of range") }
                nodes.append(TreeEnsemble.Node(kind: .leaf, value: Double(vectors.count)))
                vectors.append(leaves[leaf * size..<(leaf + 1) * size].map { Double(Float($0)) })
                continue
            }
            if left[i] == -1 {
                nodes.append(TreeEnsemble.Node(kind: .leaf, value: Double(Float(conditions[i]))))
                continue
            }
            var node = TreeEnsemble.Node(
                kind: .numeric, feature: features[i], value: Double(Float(conditions[i])),
                missingLeft: defaults[i] != 0,
                left: left[i], right: right[i])
            guard node.feature >= 0 else { throw .damaged("a split uses feature \(node.feature)") }
            if i < types.count, types[i] == 1 {
                guard let set = setOfNode[i] else { throw .damaged("a categorical split has no categories") }
                node.kind = .categorical
                node.value = Double(set)
            }
            nodes.append(node)
        }
        return TreeEnsemble.Tree(nodes: nodes, group: 0)
    }

    /// Bit set of every categorical node: its categories go right.
    private static func categories(_ value: DocumentValue, sets: inout [[UInt32]]) throws(ModelFileFault) -> [Int: Int]
    {
        guard let codes = value["categories"]?.integers, let nodes = value["categories_nodes"]?.integers,
            let segments = value["categories_segments"]?.integers, let sizes = value["categories_sizes"]?.integers,
            segments.count == nodes.count, sizes.count == nodes.count
        else { throw .damaged("the categories of a tree are missing") }
        var result: [Int: Int] = [:]
        for (index, node) in nodes.enumerated() {
            guard segments[index] >= 0, sizes[index] >= 0, segments[index] + sizes[index] <= codes.count else {
                throw .damaged("the categories of a tree are out of range")
            }
            var words: [UInt32] = []
            for code in codes[segments[index]..<segments[index] + sizes[index]] {
                guard code >= 0, code < 1 << 24 else { throw .damaged("a category code is out of range") }
                while words.count <= code >> 5 { words.append(0) }
                words[code >> 5] |= 1 << UInt32(code & 31)
            }
            result[node] = sets.count
            sets.append(words)
        }
        return result
    }
}
