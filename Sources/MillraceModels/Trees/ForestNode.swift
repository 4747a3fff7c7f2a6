import Glibc

/// Number type of a feature buffer.
protocol ForestNumber: BinaryFloatingPoint, Sendable {
    init(_ value: Int64)
    init(_ value: Double)
    init(_ value: Float)
}
extension Float: ForestNumber {}
extension Double: ForestNumber {}

/// Number type of the leaf sums.
protocol ForestSum: BinaryFloatingPoint, Sendable {
    init(_ value: Double)
    init(_ value: Float)
    static func exponential(_ x: Self) -> Self
    static func logarithm1p(_ x: Self) -> Self
}
extension ForestSum {
    @inline(__always) static func logistic(_ x: Self) -> Self {
        let y = Self(1.0) / (Self(1.0) + exponential(x < Self(0.0) ? x : Self(0.0) - x))
        return x < Self(0.0) ? Self(1.0) - y : y
    }
}
extension Float: ForestSum {
    @inline(__always) static func exponential(_ x: Float) -> Float { expf(x) }
    @inline(__always) static func logarithm1p(_ x: Float) -> Float { log1pf(x) }
}
extension Double: ForestSum {
    @inline(__always) static func exponential(_ x: Double) -> Double { exp(x) }
    @inline(__always) static func logarithm1p(_ x: Double) -> Double { log1p(x) }
}

/// 1 for true, as the flag itself: `flag ? 1 : 0` may be compiled to a branch.
@inline(__always)
private func bit(_ flag: Bool) -> Int { Int(unsafeBitCast(flag, to: UInt8.self)) & 1 }

/// A node as it is walked. Siblings are adjacent and a leaf is its own child, so the next index is arithmetic, without a
/// branch to mispredict, and every walk of a tree takes its full depth.
protocol ForestNode: Sendable {
    associatedtype Number: ForestNumber
    /// Inner nodes: `left` is the index of the left child within the tree, and x < value goes left.
    static func inner(_ node: TreeEnsemble.Node, left: Int) -> Self
    static func leaf(_ value: Double, at index: Int) -> Self
    /// A leaf with a value for every output, by the position of the first one.
    static func leaf(vector: Int, at index: Int) -> Self
    func next(_ row: UnsafePointer<Number>, _ sets: UnsafePointer<UInt32>) -> Int
    func leafValue<Sum: ForestSum>(_ type: Sum.Type) -> Sum
    var leafVector: Int { get }
}

/// 8 bytes; trees below 65,536 nodes, features below 16,384, float32 thresholds, numeric splits only.
struct NarrowNode: ForestNode {
    private var value: Float
    private var left: UInt16
    /// Bit 15 inner, bit 14 missing goes left, the feature below.
    private var tag: UInt16

    static let nodeLimit = 1 << 16
    static let featureLimit = 1 << 14

    static func inner(_ node: TreeEnsemble.Node, left: Int) -> NarrowNode {
        NarrowNode(
            value: Float(node.value), left: UInt16(left),
            tag: 0x8000 | (node.missingLeft ? 0x4000 : 0) | UInt16(node.feature))
    }
    static func leaf(_ value: Double, at index: Int) -> NarrowNode {
        NarrowNode(value: Float(value), left: UInt16(index), tag: 0)
    }
    static func leaf(vector: Int, at index: Int) -> NarrowNode {
        NarrowNode(value: Float(bitPattern: UInt32(vector)), left: UInt16(index), tag: 0)
    }
    @inline(__always)
    var leafVector: Int { Int(value.bitPattern) }

    @inline(__always)
    func next(_ row: UnsafePointer<Float>, _ sets: UnsafePointer<UInt32>) -> Int {
        let bits = Int(tag)
        let x = row[bits & 0x3FFF]
        let less = bit(x < value)
        let missing = bit(x != x) & (bits >> 14)
        return Int(left) &+ ((bits >> 15) & ~(less | missing))
    }
    @inline(__always)
    func leafValue<Sum: ForestSum>(_ type: Sum.Type) -> Sum { Sum(value) }
}

/// 16 bytes; double thresholds or large trees, numeric splits only.
struct WideNode: ForestNode {
    fileprivate var value: Double
    fileprivate var left: UInt32
    fileprivate var feature: UInt16
    /// Bit 0 inner, 1 missing goes left, 2 zero is missing, 3 categorical, 4 members go left, 5 equal.
    fileprivate var flags: UInt16

    static let featureLimit = 1 << 16

    static func inner(_ node: TreeEnsemble.Node, left: Int) -> WideNode {
        var flags: UInt16 = 1
        if node.missingLeft { flags |= 2 }
        if node.zeroIsMissing { flags |= 4 }
        if node.kind == .categorical { flags |= 8 }
        if node.memberLeft { flags |= 16 }
        if node.kind == .equal { flags |= 32 }
        return WideNode(value: node.value, left: UInt32(left), feature: UInt16(node.feature), flags: flags)
    }
    static func leaf(_ value: Double, at index: Int) -> WideNode {
        WideNode(value: value, left: UInt32(index), feature: 0, flags: 0)
    }
    static func leaf(vector: Int, at index: Int) -> WideNode {
        WideNode(value: Double(bitPattern: UInt64(vector)), left: UInt32(index), feature: 0, flags: 0)
    }
    @inline(__always)
    var leafVector: Int { Int(value.bitPattern) }

    @inline(__always)
    func next(_ row: UnsafePointer<Double>, _ sets: UnsafePointer<UInt32>) -> Int {
        let bits = Int(flags)
        let x = row[Int(feature)]
        let less = bit(x < value)
        let missing = bit(x != x) & (bits >> 1)
        return Int(left) &+ (bits & 1 & ~(less | missing))
    }
    @inline(__always)
    func leafValue<Sum: ForestSum>(_ type: Sum.Type) -> Sum { Sum(value) }
}

/// A wide node that also knows categorical splits, equality and zero as missing. For a categorical split `value` holds the bits
/// (offset << 32 | words) of its set.
struct GeneralNode: ForestNode {
    private var node: WideNode

    static func inner(_ node: TreeEnsemble.Node, left: Int) -> GeneralNode {
        GeneralNode(node: .inner(node, left: left))
    }
    static func leaf(_ value: Double, at index: Int) -> GeneralNode { GeneralNode(node: .leaf(value, at: index)) }
    static func leaf(vector: Int, at index: Int) -> GeneralNode { GeneralNode(node: .leaf(vector: vector, at: index)) }
    @inline(__always)
    var leafVector: Int { node.leafVector }

    @inline(__always)
    func next(_ row: UnsafePointer<Double>, _ sets: UnsafePointer<UInt32>) -> Int {
        let flags = node.flags
        if flags & 44 == 0 { return node.next(row, sets) }
        let x = row[Int(node.feature)]
        let missing = x != x
        var goesLeft: Bool
        if flags & 32 != 0 {
            goesLeft = missing ? flags & 2 != 0 : x == node.value
        } else if flags & 8 == 0 {
            goesLeft = missing || abs(x) <= 1e-35 ? flags & 2 != 0 : x < node.value
        } else if missing {
            goesLeft = flags & 2 != 0
        } else {
            // Codes are truncated; what is no code (negative, too large) is not in the set.
            let bits = node.value.bitPattern
            let words = bits & 0xFFFF_FFFF
            var isMember = false
            if x > -1, x < 4_294_967_296 {
                let code = UInt64(max(x, 0))
                if code >> 5 < words { isMember = sets[Int(bits >> 32) + Int(code >> 5)] >> UInt32(code & 31) & 1 == 1 }
            }
            goesLeft = isMember == (flags & 16 != 0)
        }
        return Int(node.left) &+ (goesLeft ? 0 : 1)
    }
    @inline(__always)
    func leafValue<Sum: ForestSum>(_ type: Sum.Type) -> Sum { Sum(node.value) }
}
