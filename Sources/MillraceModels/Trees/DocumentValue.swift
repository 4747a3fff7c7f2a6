/// A parsed JSON or UBJSON document. Arrays of numbers are kept flat: they are nearly all of a tree model.
enum DocumentValue {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case numbers([Double])
    case array([DocumentValue])
    case object([String: DocumentValue])

    subscript(key: String) -> DocumentValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    /// Numbers, and numbers written as text (XGBoost's `"num_feature": "8"`).
    var integer: Int? {
        switch self {
        case .number(let x): Int(exactly: x)
        case .string(let text): Int(text)
        default: nil
        }
    }
    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }
    /// Array elements as numbers; booleans count as 0 and 1 (old `default_left`).
    var doubles: [Double]? {
        switch self {
        case .numbers(let values): return values
        case .array(let elements):
            var values: [Double] = []
            values.reserveCapacity(elements.count)
            for element in elements {
                switch element {
                case .number(let x): values.append(x)
                case .bool(let flag): values.append(flag ? 1 : 0)
                default: return nil
                }
            }
            return values
        default: return nil
        }
    }
    /// Array elements as whole numbers within `Int32`.
    var integers: [Int]? {
        guard let doubles else { return nil }
        var values: [Int] = []
        values.reserveCapacity(doubles.count)
        for x in doubles {
            guard let value = Int32(exactly: x) else { return nil }
            values.append(Int(value))
        }
        return values
    }
    var strings: [String]? {
        switch self {
        case .array(let elements):
            var values: [String] = []
            for element in elements {
                guard let text = element.text else { return nil }
                values.append(text)
            }
            return values
        case .numbers(let values): return values.isEmpty ? [] : nil
        default: return nil
        }
    }
    var elements: [DocumentValue]? {
        switch self {
        case .array(let elements): elements
        case .numbers(let values): values.map(DocumentValue.number)
        default: nil
        }
    }
}
