import MillraceCore

/// Element types of tensors that SQL columns are made of.
enum TensorElement: Sendable {
    case float, double, int32, int64, bool, string

    /// By the numbers of `tensorflow.DataType` (types.proto); nil for one that no column fits.
    init?(tensorFlow code: Int32) {
        switch code {
        case 1: self = .float
        case 2: self = .double
        case 3: self = .int32
        case 7: self = .string
        case 9: self = .int64
        case 10: self = .bool
        default: return nil
        }
    }

    var type: DataType {
        switch self {
        case .float: .float
        case .double: .double
        case .int32: .integer
        case .int64: .bigInt
        case .bool: .boolean
        case .string: .string
        }
    }

    /// Bytes of an element in a tensor; of a string that of `TF_TString`.
    var size: Int {
        switch self {
        case .float, .int32: 4
        case .double, .int64: 8
        case .bool: 1
        case .string: 24
        }
    }

    /// What an INPUT column for it may be, for messages; nil when `type` fits.
    func problem(with type: DataType) -> String? {
        switch self {
        case .float, .double: NumericSource(type) == nil ? "a number" : nil
        case .int32, .int64: type.isInteger || type == .boolean ? nil : "a whole number"
        case .bool: type == .boolean ? nil : "BOOLEAN"
        case .string: type.isCharacter ? nil : "a string"
        }
    }

    /// Whether an OUTPUT column of this type takes it.
    func fits(output type: DataType) -> Bool {
        switch self {
        case .float, .double: type.isApproximate
        case .int32, .int64: type.isInteger || type.isApproximate
        case .bool: type == .boolean
        case .string: type == .string
        }
    }
}
