/// Additive trees as read from a file, before they are laid out for evaluation.
struct TreeEnsemble {
    struct Node {
        enum Kind: UInt8 { case leaf, numeric, categorical, equal }
        var kind: Kind
        var feature = 0
        /// Leaf: its value, or its index into `leafVectors`. Numeric: left iff x < value. Categorical: index into
        /// `categorySets`. Equal: left iff x == value.
        var value = 0.0
        /// NaN goes left.
        var missingLeft = false
        /// |x| <= 1e-35 counts as missing (LightGBM's zero_as_missing).
        var zeroIsMissing = false
        /// Categorical: codes in the set go left (LightGBM), else right (XGBoost).
        var memberLeft = false
        var left = 0
        var right = 0
    }
    struct Tree {
        var nodes: [Node]
        /// The output the tree adds to.
        var group: Int
    }

    var producer: String
    var objective: String
    var trees: [Tree] = []
    /// Bit sets of category codes, 32 a word.
    var categorySets: [[UInt32]] = []
    var featureCount: Int
    /// Empty when the file has none.
    var featureNames: [String] = []
    /// Start of each group's sum; its count is the number of groups.
    var baseMargins: [Double]
    /// The base margins are added to the sums of the leaves at the end (ONNX), which gives other last bits.
    var addsBaseLast = false
    /// When not empty, each leaf has a value for every group.
    var leafVectors: [[Double]] = []
    /// Compare and sum in float32 (XGBoost) or in double (LightGBM).
    var usesFloat: Bool
    var transform: OutputTransform
    var facts: [String] = []

    var groups: Int { baseMargins.count }
}

extension TreeEnsemble.Node {
    /// The node for "x <= infinity", which no "x < value" says: nothing is below minus infinity, so every number goes
    /// right, to what was the left child.
    var everyNumberLeft: Self {
        var node = self
        node.value = -.infinity
        (node.left, node.right) = (right, left)
        node.missingLeft.toggle()
        return node
    }
}

extension TreeEnsemble.Tree {
    /// Positions of the reachable nodes, breadth first with siblings adjacent, and the depth (0 for a lone leaf).
    ///
    /// - Throws: `.damaged` when a child is out of range or has two parents.
    func order() throws(ModelFileFault) -> (nodes: [Int], depth: Int) {
        guard !nodes.isEmpty else { throw .damaged("a tree has no nodes") }
        var order = [0]
        order.reserveCapacity(nodes.count)
        var depth = 0
        var levelEnd = 1
        var at = 0
        while at < order.count {
            if at == levelEnd {
                depth += 1
                levelEnd = order.count
            }
            let node = nodes[order[at]]
            at += 1
            guard node.kind != .leaf else { continue }
            guard nodes.indices.contains(node.left), nodes.indices.contains(node.right), order.count + 2 <= nodes.count
            else { throw .damaged("a tree is not a tree") }
            order.append(node.left)
            order.append(node.right)
        }
        return (order, depth)
    }
}
