import MillraceCore

/// Reads LightGBM text models (`booster.save_model`, versions v3 and v4).
///
/// Format: `src/io/tree.cpp` and `gbdt_model_text.cpp` of LightGBM, in our own words: header lines `key=value`, trees from
/// `Tree=i` to `end of trees`. Linear trees are refused.
struct LightGBMReader {
    private var scanner: ByteScanner

    static func read(_ bytes: [UInt8]) throws(ModelFileFault) -> TreeEnsemble {
        var reader = LightGBMReader(scanner: ByteScanner(bytes))
        return try reader.model()
    }

    private init(scanner: ByteScanner) { self.scanner = scanner }

    /// The key and the byte range of the value of the next line; key is the whole line when it has no `=`.
    private mutating func line() -> (key: String, value: Range<Int>)? {
        guard !scanner.isAtEnd else { return nil }
        let start = scanner.at
        var end = scanner.find(0x0A, from: start, to: scanner.bytes.count)
        scanner.at = end + 1
        if end > start, scanner.bytes[end - 1] == 0x0D { end -= 1 }
        let equals = scanner.find(UInt8(ascii: "="), from: start, to: end)
        if equals == end { return (scanner.text(start..<end), end..<end) }
        return (scanner.text(start..<equals), equals + 1..<end)
    }

    private func doubles(_ range: Range<Int>) throws(ModelFileFault) -> [Double] {
        var values: [Double] = []
        try forEachWord(range) { (word, start) throws(ModelFileFault) in
            if let value = NumberText.parseDouble(word) {
                values.append(value)
            } else {
                var rest = scanner
                rest.at = start
                values.append(try rest.number())
            }
        }
        return values
    }

    private func integers(_ range: Range<Int>) throws(ModelFileFault) -> [Int] {
        var values: [Int] = []
        try forEachWord(range) { (word, _) throws(ModelFileFault) in
            guard
                let value = NumberText.parseInteger(word) ?? NumberText.parseDouble(word).flatMap(Int64.init(exactly:))
            else { throw .damaged("a whole number is not one") }
            values.append(Int(value))
        }
        return values
    }

    /// The words of a line, and where each begins in the file.
    private func forEachWord(
        _ range: Range<Int>, _ body: (_ word: ByteRef, _ start: Int) throws(ModelFileFault) -> Void
    ) throws(ModelFileFault) {
        var at = range.lowerBound
        while at < range.upperBound {
            let end = scanner.find(0x20, from: at, to: range.upperBound)
            if end > at {
                let start = at
                try scanner.bytes.withUnsafeBufferPointer { (bytes) throws(ModelFileFault) in
                    try body(ByteRef(start: bytes.baseAddress! + start, count: end - start), start)
                }
            }
            at = end + 1
        }
    }

    private func integer(_ range: Range<Int>) throws(ModelFileFault) -> Int {
        guard let value = try integers(range).first else { throw .damaged("a number is missing") }
        return value
    }

    private mutating func model() throws(ModelFileFault) -> TreeEnsemble {
        var version = ""
        var objective = ""
        var names: [String] = []
        var featureCount: Int?
        var treesPerIteration = 1
        var averages = false
        var next = line()
        while let (key, value) = next, key != "Tree", key != "end of trees" {
            switch key {
            case "version": version = scanner.text(value)
            case "objective": objective = scanner.text(value)
            case "feature_names": names = scanner.text(value).split(separator: " ").map(String.init)
            case "max_feature_idx": featureCount = try integer(value) + 1
            case "num_tree_per_iteration": treesPerIteration = try integer(value)
            case "average_output": averages = true
            default: break
            }
            next = line()
        }
        guard let featureCount, featureCount >= 0, featureCount < 1 << 24, treesPerIteration > 0,
            treesPerIteration <= 65_536
        else { throw .damaged("its header is not complete") }
        var ensemble = TreeEnsemble(
            producer: "LightGBM \(version)", objective: objective.isEmpty ? "custom" : objective,
            featureCount: featureCount, featureNames: names.count == featureCount ? names : [],
            baseMargins: [Double](repeating: 0, count: treesPerIteration), usesFloat: false,
            transform: try LightGBMReader.transform(objective))

        var ended = false
        while let (key, _) = next {
            if key == "end of trees" {
                ended = true
                break
            }
            guard key == "Tree" else { throw .damaged("a tree does not begin with \"Tree=\"") }
            let (tree, following) = try tree(sets: &ensemble.categorySets)
            ensemble.trees.append(
                TreeEnsemble.Tree(nodes: tree, group: ensemble.trees.count % treesPerIteration))
            next = following
        }
        guard ended else { throw .damaged("it ends early") }
        if averages {
            let iterations = max(ensemble.trees.count / treesPerIteration, 1)
            ensemble.transform = .divided(by: Double(iterations), then: ensemble.transform)
            ensemble.facts.append("averages its trees (random forest)")
        }
        return ensemble
    }

    private static func transform(_ objective: String) throws(ModelFileFault) -> OutputTransform {
        let words = objective.split(separator: " ")
        var scale = 1.0
        for word in words where word.hasPrefix("sigmoid:") { scale = Double(word.dropFirst(8)) ?? 1 }
        switch words.first ?? "" {
        case "regression": return words.contains("sqrt") ? .signedSquare : .identity
        case "regression_l1", "huber", "fair", "quantile", "mape":
            return words.contains("sqrt") ? .signedSquare : .identity
        case "", "custom", "none", "lambdarank", "rank_xendcg": return .identity
        case "poisson", "gamma", "tweedie": return .exponential
        case "binary", "multiclassova": return .sigmoid(scale: scale)
        case "cross_entropy": return .sigmoid(scale: 1)
        case "cross_entropy_lambda": return .softplus
        case "multiclass": return .softmax
        case let other:
            throw .unsupported(
                "its objective is \"\(other)\"", hint: "Use a built-in objective, or export the model to ONNX.")
        }
    }

    /// The nodes of a tree (inner nodes first, then the leaves) and the line behind it.
    private mutating func tree(sets: inout [[UInt32]]) throws(ModelFileFault)
        -> (nodes: [TreeEnsemble.Node], following: (key: String, value: Range<Int>)?)
    {
        var leafCount = 0
        var features: [Int] = []
        var thresholds: [Double] = []
        var decisions: [Int] = []
        var left: [Int] = []
        var right: [Int] = []
        var leaves: [Double] = []
        var boundaries: [Int] = []
        var words: [UInt32] = []
        var next = line()
        while let (key, value) = next, key != "Tree", key != "end of trees" {
            switch key {
            case "num_leaves": leafCount = try integer(value)
            case "split_feature": features = try integers(value)
            case "threshold": thresholds = try doubles(value)
            case "decision_type": decisions = try integers(value)
            case "left_child": left = try integers(value)
            case "right_child": right = try integers(value)
            case "leaf_value": leaves = try doubles(value)
            case "cat_boundaries": boundaries = try integers(value)
            case "cat_threshold":
                for word in try integers(value) {
                    guard let word = UInt32(exactly: word) else { throw .damaged("a category set is out of range") }
                    words.append(word)
                }
            case "is_linear":
                if try integer(value) != 0 {
                    throw .unsupported("its trees have linear leaves", hint: "Train with linear_tree = false.")
                }
            default: break
            }
            next = line()
        }
        let inner = leafCount - 1
        guard leafCount > 0, leaves.count == leafCount else { throw .damaged("the leaves of a tree are not complete") }
        guard
            inner == 0
                || (features.count == inner && thresholds.count == inner && decisions.count == inner
                    && left.count == inner && right.count == inner)
        else { throw .damaged("the arrays of a tree differ in length") }

        var nodes: [TreeEnsemble.Node] = []
        nodes.reserveCapacity(inner + leafCount)
        for i in 0..<inner {
            guard features[i] >= 0, left[i] >= -leafCount, left[i] < inner, right[i] >= -leafCount, right[i] < inner
            else {
                throw .damaged("a split is out of range")
            }
            var node = TreeEnsemble.Node(
                kind: .numeric, feature: features[i], left: left[i] < 0 ? inner + ~left[i] : left[i],
                right: right[i] < 0 ? inner + ~right[i] : right[i])
            if decisions[i] & 1 == 1 {
                guard let index = Int(exactly: thresholds[i]), index >= 0, index + 1 < boundaries.count,
                    boundaries[index] >= 0, boundaries[index] <= boundaries[index + 1],
                    boundaries[index + 1] <= words.count
                else { throw .damaged("the categories of a tree are out of range") }
                node.kind = .categorical
                node.memberLeft = true
                node.value = Double(sets.count)
                sets.append(Array(words[boundaries[index]..<boundaries[index + 1]]))
            } else {
                // x <= t is x < the next double above t, which is the one comparison the walk makes.
                node.value = thresholds[i].nextUp
                switch decisions[i] >> 2 & 3 {
                case 0: node.missingLeft = 0 <= thresholds[i]
                case 1:
                    node.zeroIsMissing = true
                    node.missingLeft = decisions[i] & 2 != 0
                default: node.missingLeft = decisions[i] & 2 != 0
                }
                // A split of the numbers from the missing values.
                if thresholds[i] == .infinity { node = node.everyNumberLeft }
            }
            nodes.append(node)
        }
        for value in leaves { nodes.append(TreeEnsemble.Node(kind: .leaf, value: value)) }
        return (nodes, next)
    }
}
