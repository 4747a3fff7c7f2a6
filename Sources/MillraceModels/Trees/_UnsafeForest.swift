/// Trees laid out for evaluation; immutable after `init`, so all shards share one.
///
/// One row walks eight trees at a time, many rows walk one tree eight at a time: eight independent chains of loads hide
/// each other's latency. Leaves are added in the order of the trees in the file either way, so both give the same bits.
final class Forest<Node: ForestNode, Sum: ForestSum>: @unchecked Sendable {
    // Unchecked: the pointers are written in init only.
    private let nodes: UnsafeMutablePointer<Node>
    private let sets: UnsafeMutablePointer<UInt32>
    /// Padded with single-leaf trees to a multiple of 8; `treeCount` counts the real ones.
    private let offsets: UnsafeMutablePointer<Int>
    private let depths: UnsafeMutablePointer<Int32>
    private let outputs: UnsafeMutablePointer<Int32>
    private let treeCount: Int
    private let paddedCount: Int
    /// Where the sums begin, and what is added at the end.
    private let firstMargins: [Sum]
    private let lastMargins: [Sum]
    /// `groups` values a leaf, when leaves have one for every group.
    private let vectors: UnsafeMutablePointer<Sum>?
    private let vectorCount: Int
    let groups: Int
    /// Elements of a row in `sums`: at least `groups`.
    let stride: Int
    let nodeCount: Int

    /// - Parameter stride: elements of a row in the sums that `run` fills.
    /// - Throws: `.damaged` for a tree with wrong children.
    init(_ ensemble: TreeEnsemble, stride: Int) throws(ModelFileFault) {
        treeCount = ensemble.trees.count
        paddedCount = (treeCount + 7) & ~7
        groups = ensemble.groups
        self.stride = max(stride, ensemble.groups)
        let margins = ensemble.baseMargins.map { Sum($0) }
        let zeros = margins.map { _ in Sum(0.0) }
        firstMargins = ensemble.addsBaseLast ? zeros : margins
        lastMargins = ensemble.addsBaseLast && margins.contains { $0 != Sum(0.0) } ? margins : []
        let groups = ensemble.groups
        let hasVectors = !ensemble.leafVectors.isEmpty
        guard ensemble.leafVectors.count * groups <= Int(UInt32.max) else {
            throw .unsupported("it has too many leaves", hint: nil)
        }

        var setWords: [UInt32] = []
        var setBits: [Double] = []
        for set in ensemble.categorySets {
            setBits.append(Double(bitPattern: UInt64(setWords.count) << 32 | UInt64(set.count)))
            setWords.append(contentsOf: set)
        }
        var layout: [Node] = []
        var starts: [Int] = []
        var treeDepths: [Int32] = []
        for tree in ensemble.trees {
            let (order, depth) = try tree.order()
            starts.append(layout.count)
            treeDepths.append(Int32(depth))
            var nextChild = 1
            for (index, position) in order.enumerated() {
                var node = tree.nodes[position]
                switch node.kind {
                case .leaf:
                    layout.append(
                        hasVectors ? .leaf(vector: Int(node.value) * groups, at: index) : .leaf(node.value, at: index))
                case .numeric, .categorical, .equal:
                    if node.kind == .categorical { node.value = setBits[Int(node.value)] }
                    layout.append(.inner(node, left: nextChild))
                    nextChild += 2
                }
            }
        }
        nodeCount = layout.count
        for _ in treeCount..<paddedCount {
            starts.append(layout.count)
            treeDepths.append(0)
            layout.append(hasVectors ? .leaf(vector: ensemble.leafVectors.count * groups, at: 0) : .leaf(0, at: 0))
        }
        // One more vector of zeros, for the padding.
        vectorCount = hasVectors ? (ensemble.leafVectors.count + 1) * groups : 0
        vectors = hasVectors ? .allocate(capacity: vectorCount) : nil
        vectors?.initialize(repeating: Sum(0.0), count: vectorCount)
        for (leaf, values) in ensemble.leafVectors.enumerated() {
            for (group, value) in values.enumerated() { vectors![leaf * groups + group] = Sum(value) }
        }

        nodes = .allocate(capacity: max(layout.count, 1))
        nodes.initialize(from: layout, count: layout.count)
        sets = .allocate(capacity: max(setWords.count, 1))
        sets.initialize(from: setWords, count: setWords.count)
        offsets = .allocate(capacity: max(paddedCount, 1))
        offsets.initialize(from: starts, count: paddedCount)
        depths = .allocate(capacity: max(paddedCount, 1))
        depths.initialize(from: treeDepths, count: paddedCount)
        outputs = .allocate(capacity: max(paddedCount, 1))
        outputs.initialize(repeating: 0, count: paddedCount)
        for (index, tree) in ensemble.trees.enumerated() { outputs[index] = Int32(tree.group) }
    }

    deinit {
        nodes.deallocate()
        sets.deallocate()
        offsets.deallocate()
        depths.deallocate()
        outputs.deallocate()
        vectors?.deallocate()
    }

    /// Leaf sums of `rows` rows: `features` is row-major with `width` numbers a row, `sums` gets `groups` of `stride` a
    /// row.
    func run(_ features: UnsafePointer<Node.Number>, width: Int, rows: Int, into sums: UnsafeMutablePointer<Sum>) {
        for row in 0..<rows {
            for group in 0..<groups { sums[row &* stride &+ group] = firstMargins[group] }
        }
        let blocks = rows & ~7
        if blocks > 0 { runBlocks(features, width: width, rows: blocks, into: sums) }
        for row in blocks..<rows { runRow(features + row &* width, into: sums + row &* stride) }
        guard !lastMargins.isEmpty else { return }
        for row in 0..<rows {
            for group in 0..<groups { sums[row &* stride &+ group] += lastMargins[group] }
        }
    }

    @inline(__always)
    private func add(_ vector: UnsafeMutablePointer<Sum>, to sums: UnsafeMutablePointer<Sum>) {
        for group in 0..<groups { sums[group] += vector[group] }
    }

    private func runRow(_ row: UnsafePointer<Node.Number>, into sums: UnsafeMutablePointer<Sum>) {
        let sets = UnsafePointer(self.sets)
        var tree = 0
        while tree < paddedCount {
            let start = offsets + tree
            let t0 = nodes + start[0]
            let t1 = nodes + start[1]
            let t2 = nodes + start[2]
            let t3 = nodes + start[3]
            let t4 = nodes + start[4]
            let t5 = nodes + start[5]
            let t6 = nodes + start[6]
            let t7 = nodes + start[7]
            var (i0, i1, i2, i3, i4, i5, i6, i7) = (0, 0, 0, 0, 0, 0, 0, 0)
            var depth: Int32 = 0
            for k in 0..<8 { depth = max(depth, depths[tree &+ k]) }
            var step: Int32 = 0
            let unchecked = min(depth, 8)
            while step < unchecked {
                i0 = t0[i0].next(row, sets)
                i1 = t1[i1].next(row, sets)
                i2 = t2[i2].next(row, sets)
                i3 = t3[i3].next(row, sets)
                i4 = t4[i4].next(row, sets)
                i5 = t5[i5].next(row, sets)
                i6 = t6[i6].next(row, sets)
                i7 = t7[i7].next(row, sets)
                step &+= 1
            }
            // Children stand behind their parents: an unchanged sum means eight leaves. Only deep, lopsided trees
            // (leaf-wise LightGBM) get here.
            while step < depth {
                let before = (i0 &+ i1) &+ (i2 &+ i3) &+ (i4 &+ i5) &+ (i6 &+ i7)
                i0 = t0[i0].next(row, sets)
                i1 = t1[i1].next(row, sets)
                i2 = t2[i2].next(row, sets)
                i3 = t3[i3].next(row, sets)
                i4 = t4[i4].next(row, sets)
                i5 = t5[i5].next(row, sets)
                i6 = t6[i6].next(row, sets)
                i7 = t7[i7].next(row, sets)
                if before == (i0 &+ i1) &+ (i2 &+ i3) &+ (i4 &+ i5) &+ (i6 &+ i7) { break }
                step &+= 1
            }
            if let vectors {
                add(vectors + t0[i0].leafVector, to: sums)
                add(vectors + t1[i1].leafVector, to: sums)
                add(vectors + t2[i2].leafVector, to: sums)
                add(vectors + t3[i3].leafVector, to: sums)
                add(vectors + t4[i4].leafVector, to: sums)
                add(vectors + t5[i5].leafVector, to: sums)
                add(vectors + t6[i6].leafVector, to: sums)
                add(vectors + t7[i7].leafVector, to: sums)
            } else if groups == 1 {
                var sum = sums[0]
                sum += t0[i0].leafValue(Sum.self)
                sum += t1[i1].leafValue(Sum.self)
                sum += t2[i2].leafValue(Sum.self)
                sum += t3[i3].leafValue(Sum.self)
                sum += t4[i4].leafValue(Sum.self)
                sum += t5[i5].leafValue(Sum.self)
                sum += t6[i6].leafValue(Sum.self)
                sum += t7[i7].leafValue(Sum.self)
                sums[0] = sum
            } else {
                let group = outputs + tree
                sums[Int(group[0])] += t0[i0].leafValue(Sum.self)
                sums[Int(group[1])] += t1[i1].leafValue(Sum.self)
                sums[Int(group[2])] += t2[i2].leafValue(Sum.self)
                sums[Int(group[3])] += t3[i3].leafValue(Sum.self)
                sums[Int(group[4])] += t4[i4].leafValue(Sum.self)
                sums[Int(group[5])] += t5[i5].leafValue(Sum.self)
                sums[Int(group[6])] += t6[i6].leafValue(Sum.self)
                sums[Int(group[7])] += t7[i7].leafValue(Sum.self)
            }
            tree &+= 8
        }
    }

    private func runBlocks(
        _ features: UnsafePointer<Node.Number>, width: Int, rows: Int, into sums: UnsafeMutablePointer<Sum>
    ) {
        let sets = UnsafePointer(self.sets)
        let stride = self.stride
        for tree in 0..<treeCount {
            let t = nodes + offsets[tree]
            let depth = depths[tree]
            let group = Int(outputs[tree])
            var row = 0
            while row < rows {
                let r0 = features + row &* width
                let r1 = r0 + width
                let r2 = r1 + width
                let r3 = r2 + width
                let r4 = r3 + width
                let r5 = r4 + width
                let r6 = r5 + width
                let r7 = r6 + width
                var (i0, i1, i2, i3, i4, i5, i6, i7) = (0, 0, 0, 0, 0, 0, 0, 0)
                var step: Int32 = 0
                let unchecked = min(depth, 8)
                while step < unchecked {
                    i0 = t[i0].next(r0, sets)
                    i1 = t[i1].next(r1, sets)
                    i2 = t[i2].next(r2, sets)
                    i3 = t[i3].next(r3, sets)
                    i4 = t[i4].next(r4, sets)
                    i5 = t[i5].next(r5, sets)
                    i6 = t[i6].next(r6, sets)
                    i7 = t[i7].next(r7, sets)
                    step &+= 1
                }
                while step < depth {
                    let before = (i0 &+ i1) &+ (i2 &+ i3) &+ (i4 &+ i5) &+ (i6 &+ i7)
                    i0 = t[i0].next(r0, sets)
                    i1 = t[i1].next(r1, sets)
                    i2 = t[i2].next(r2, sets)
                    i3 = t[i3].next(r3, sets)
                    i4 = t[i4].next(r4, sets)
                    i5 = t[i5].next(r5, sets)
                    i6 = t[i6].next(r6, sets)
                    i7 = t[i7].next(r7, sets)
                    if before == (i0 &+ i1) &+ (i2 &+ i3) &+ (i4 &+ i5) &+ (i6 &+ i7) { break }
                    step &+= 1
                }
                if let vectors {
                    let sum = sums + row &* stride
                    add(vectors + t[i0].leafVector, to: sum)
                    add(vectors + t[i1].leafVector, to: sum + stride)
                    add(vectors + t[i2].leafVector, to: sum + stride &* 2)
                    add(vectors + t[i3].leafVector, to: sum + stride &* 3)
                    add(vectors + t[i4].leafVector, to: sum + stride &* 4)
                    add(vectors + t[i5].leafVector, to: sum + stride &* 5)
                    add(vectors + t[i6].leafVector, to: sum + stride &* 6)
                    add(vectors + t[i7].leafVector, to: sum + stride &* 7)
                    row &+= 8
                    continue
                }
                let sum = sums + (row &* stride &+ group)
                sum[0] += t[i0].leafValue(Sum.self)
                sum[stride] += t[i1].leafValue(Sum.self)
                sum[stride &* 2] += t[i2].leafValue(Sum.self)
                sum[stride &* 3] += t[i3].leafValue(Sum.self)
                sum[stride &* 4] += t[i4].leafValue(Sum.self)
                sum[stride &* 5] += t[i5].leafValue(Sum.self)
                sum[stride &* 6] += t[i6].leafValue(Sum.self)
                sum[stride &* 7] += t[i7].leafValue(Sum.self)
                row &+= 8
            }
        }
    }
}
