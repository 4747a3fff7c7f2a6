import MillraceCore
import MillraceRuntime

/// How SQL columns meet a forest, where it is not one column a feature and one DOUBLE a sum.
struct ForestInterface: Sendable {
    /// Where a result stands among the slots of a row.
    enum Slot: Hashable, Sendable {
        case score(at: Int)
        /// The number of a class, given as its label.
        case label(at: Int)
    }
    struct Output: Sendable {
        var name: String
        var type: DataType
        var slot: Slot
    }
    var inputs: [ModelSignature.Column]
    /// Element of the tensor that each input column goes into.
    var elements: [OnnxElement]
    /// The input column of each feature.
    var featureColumns: [Int]
    var outputs: [Output]
    /// Output for a single OUTPUT column that no name covers.
    var soleOutput: Int?
    var labels: ForestLabels
}

/// Labels of classes, whole numbers or texts.
final class ForestLabels: @unchecked Sendable {
    // Unchecked: constant after init.
    let integers: [Int64]
    /// Bytes of the texts; pointers into memory of this object.
    let texts: [ByteRef]
    private let bytes: UnsafeMutablePointer<UInt8>

    init(_ texts: [String], _ integers: [Int64]) {
        self.integers = integers
        let all = texts.flatMap { Array($0.utf8) }
        bytes = .allocate(capacity: max(all.count, 1))
        bytes.initialize(from: all, count: all.count)
        var at = 0
        var refs: [ByteRef] = []
        for text in texts {
            refs.append(ByteRef(start: UnsafePointer(bytes + at), count: text.utf8.count))
            at += text.utf8.count
        }
        self.texts = refs
    }

    deinit { bytes.deallocate() }
}
