import MillraceCore
import MillraceSQL

/// BITMAP: a set of 32-bit numbers, between the functions that make it and those that read it. Like VARIANT it is a ROW of one
/// field in memory, and no table has a column of it.
extension ExpressionBinder {
    static let bitmapType = DataType.row([Field("$bitmap", .bytes)])

    static let bitmapFunctions: [String: BuiltinFunction] = [
        "BITMAP_BUILD": .bitmapBuild, "BITMAP_FROM_BYTES": .bitmapFromBytes, "BITMAP_AND": .bitmapAnd,
        "BITMAP_OR": .bitmapOr, "BITMAP_XOR": .bitmapXor, "BITMAP_ANDNOT": .bitmapAndNot,
        "BITMAP_CARDINALITY": .bitmapCardinality, "BITMAP_TO_ARRAY": .bitmapToArray,
        "BITMAP_TO_STRING": .bitmapToString, "BITMAP_TO_BYTES": .bitmapToBytes,
    ]

    func bitmap(
        _ name: String, _ function: BuiltinFunction, _ arguments: [ExpressionSyntax], _ range: SourceRange
    ) -> Bound? {
        let result: DataType =
            switch function {
            case .bitmapCardinality: .bigInt
            case .bitmapToArray: .array(.integer)
            case .bitmapToString: .string
            case .bitmapToBytes: .bytes
            default: Self.bitmapType
            }
        let isPair = [.bitmapAnd, .bitmapOr, .bitmapXor, .bitmapAndNot].contains(function)
        guard arguments.count == (isPair ? 2 : 1) else {
            return fail("\(name) takes \(isPair ? 2 : 1) arguments, not \(arguments.count)", range)
        }
        var operands: [Bound] = []
        for argument in arguments {
            guard let bound = bind(argument) else { return nil }
            switch function {
            case .bitmapBuild:
                guard case .array(let element) = bound.type, element.isInteger, element != .bigInt else {
                    return fail("\(name) takes ARRAY<INT>, not \(bound.type)", argument.range)
                }
                operands.append(bound)
            case .bitmapFromBytes:
                guard bound.type.isBinary else { return fail("\(name) takes BYTES, not \(bound.type)", argument.range) }
                operands.append(bound)
            default:
                guard bound.type == Self.bitmapType else {
                    return fail(
                        "\(name) takes a BITMAP, not \(bound.type)", argument.range,
                        "Make one with BITMAP_BUILD(array).")
                }
                operands.append(unboxed(bound, .bytes))
            }
        }
        guard result == Self.bitmapType else { return strict(function, operands, result) }
        return boxed(strict(function, operands, .bytes), Self.bitmapType)
    }

    /// A value in a ROW of one field; NULL stays NULL.
    func boxed(_ value: Bound, _ type: DataType) -> Bound {
        let row = Expression.call(.rowConstructor, [value.expression], type)
        guard value.isNullable else { return Bound(row, isNullable: false) }
        return Bound(
            .conditional(
                [.init(condition: .call(.isNull, [value.expression], .boolean), result: .literal(.null, type))],
                otherwise: row, type), isNullable: true)
    }

    func unboxed(_ bound: Bound, _ type: DataType) -> Bound {
        Bound(.field(bound.expression, index: 0, type), isNullable: bound.isNullable)
    }
}
