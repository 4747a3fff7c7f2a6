import MillraceCore

/// ONNX tensor element types that SQL columns are made of; raw values as in the C interface.
enum OnnxElement: Int32, Sendable {
    case float = 1
    case int32 = 6
    case int64 = 7
    case string = 8
    case bool = 9
    case double = 11

    var tensor: TensorElement {
        switch self {
        case .float: .float
        case .int32: .int32
        case .int64: .int64
        case .string: .string
        case .bool: .bool
        case .double: .double
        }
    }

    var type: DataType { tensor.type }

    /// Bytes of an element; strings are held by the library.
    var size: Int {
        switch self {
        case .float, .int32: 4
        case .int64, .double: 8
        case .bool: 1
        case .string: 0
        }
    }

    /// What an INPUT column for it has to be, for messages; nil when `type` fits.
    func problem(with type: DataType) -> String? { tensor.problem(with: type) }

    /// Whether an OUTPUT column of this type takes it.
    func fits(output type: DataType) -> Bool { tensor.fits(output: type) }
}

/// One input tensor: [N] (rank 1, width 1) or [N, width].
struct OnnxInput: Sendable {
    var name: String
    var element: OnnxElement
    var rank: Int
    var width: Int

    func shape(rows: Int) -> [Int64] { rank == 1 ? [Int64(rows)] : [Int64(rows), Int64(width)] }
}

/// One output of the graph, as a trial run showed it.
struct OnnxOutput: Sendable {
    enum Kind: Sendable { case tensor, maps }
    var name: String
    var kind: Kind
    /// Of a map: of its values.
    var element: OnnxElement
    /// Dimensions after the first.
    var tail: [Int64]
    /// Values a row.
    var width: Int
    /// Class names of a map, in its order; empty for tensors.
    var keys: [String]
    /// A trial run showed the real shape, so results can be written to memory of ours.
    var isShapeProven: Bool

    var columnNames: [String] {
        if !keys.isEmpty { return keys.map { "\(name)_\($0)" } }
        return width == 1 ? [name] : (0..<width).map { "\(name)_\($0)" }
    }
}
