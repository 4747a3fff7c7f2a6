import MillraceCore
import MillraceSQL

extension ExpressionBinder {
    /// TYPEOF: the type as Flink writes it, `NOT NULL` included.
    func typeOf(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard arguments.count == 1 || arguments.count == 2 else {
            return fail("TYPEOF takes 1 or 2 arguments, not \(arguments.count)", range)
        }
        var isFull = false
        if arguments.count == 2 {
            guard case .boolean(let flag) = arguments[1].kind else {
                return fail("the second argument of TYPEOF is TRUE or FALSE", arguments[1].range)
            }
            isFull = flag
        }
        guard let bound = bind(arguments[0]) else { return nil }
        var type = bound.type
        // In memory literals are text like any other; only here their length is asked for.
        if case .string(let text, _) = arguments[0].kind { type = .char(length: text.unicodeScalars.count) }
        if case .bytes(let bytes) = arguments[0].kind { type = .binary(length: bytes.count) }
        return literal(.string(TypeText.text(type, isNullable: bound.isNullable, isFull: isFull)), .string)
    }
}

/// Types in the words of TYPEOF.
enum TypeText {
    /// - Parameter isFull: `VARCHAR(2147483647)` instead of `STRING`.
    static func text(_ type: DataType, isNullable: Bool = true, isFull: Bool = false) -> String {
        let name =
            switch type {
            case ExpressionBinder.variantType: "VARIANT"
            case ExpressionBinder.bitmapType: "BITMAP"
            case .varchar(.max): isFull ? "VARCHAR(2147483647)" : "STRING"
            case .varbinary(.max): isFull ? "VARBINARY(2147483647)" : "BYTES"
            case .intervalDayTime: "INTERVAL SECOND(3)"
            case .intervalYearMonth: "INTERVAL MONTH"
            case .timestampLTZ(let precision):
                isFull ? "TIMESTAMP(\(precision)) WITH LOCAL TIME ZONE" : "TIMESTAMP_LTZ(\(precision))"
            case .array(let element): "ARRAY<\(text(element, isFull: isFull))>"
            case .multiset(let element): "MULTISET<\(text(element, isFull: isFull))>"
            case .map(let key, let value): "MAP<\(text(key, isFull: isFull)), \(text(value, isFull: isFull))>"
            case .row(let fields):
                "ROW<"
                    + fields.map { "`\($0.name)` " + text($0.type, isNullable: $0.isNullable, isFull: isFull) }
                    .joined(separator: ", ") + ">"
            default: "\(type)"
            }
        return isNullable || type == .null ? name : name + " NOT NULL"
    }
}
