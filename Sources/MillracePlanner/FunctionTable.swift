import MillraceCore

/// What a parameter takes, and what its argument is cast to.
indirect enum ParameterRule {
    case text, boolean, integer, numeric
    /// Any number, cast to DOUBLE.
    case double
    case binary, textOrBinary
    case timestamp, temporal
    case temporalOrInterval
    case array, map
    case any
    /// A time unit keyword; arrives as a STRING literal.
    case unit
    /// All arguments with this rule are cast to their common type.
    case same

    var name: String {
        switch self {
        case .text: "STRING"
        case .boolean: "BOOLEAN"
        case .integer: "INT"
        case .numeric: "a number"
        case .double: "a number"
        case .binary: "BYTES"
        case .textOrBinary: "STRING or BYTES"
        case .timestamp: "TIMESTAMP"
        case .temporal: "DATE, TIME or TIMESTAMP"
        case .temporalOrInterval: "DATE, TIME, TIMESTAMP or INTERVAL"
        case .array: "ARRAY"
        case .map: "MAP"
        case .any: "any type"
        case .unit: "a time unit"
        case .same: "one type"
        }
    }

    /// The type the argument is cast to, or nil when it does not fit.
    func accepts(_ type: DataType) -> DataType? {
        if type == .null {
            return switch self {
            case .text, .textOrBinary: .string
            case .boolean: .boolean
            case .integer: .integer
            case .numeric, .double: .double
            case .binary: .bytes
            case .timestamp, .temporal, .temporalOrInterval: .timestamp(precision: 3)
            case .any, .same: .null
            case .array, .map, .unit: nil
            }
        }
        let fits =
            switch self {
            case .text: type.isCharacter
            case .boolean: type == .boolean
            case .integer: type.isInteger
            case .numeric, .double: type.isNumeric
            case .binary: type.isBinary
            case .textOrBinary: type.isCharacter || type.isBinary
            case .timestamp: type.isTimestamp
            case .temporal: type.isTemporal
            case .temporalOrInterval: type.isTemporal || type.isInterval
            case .array: if case .array = type { true } else { false }
            case .map: if case .map = type { true } else { false }
            case .any, .same: true
            case .unit: false
            }
        guard fits else { return nil }
        if case .double = self { return .double }
        return type
    }
}

/// One way to call a function.
struct FunctionOverload {
    var parameters: [ParameterRule]
    /// How many trailing parameters may be left out.
    var optional = 0
    /// The last parameter repeats.
    var isVariadic = false
    var function: BuiltinFunction
    /// The result's type from the (cast) arguments' types.
    var result: @Sendable ([DataType]) -> DataType
    /// What all arguments are cast to, from what they are; nil when they do not go together.
    var unify: (@Sendable ([DataType]) -> [DataType]?)?
    /// The result as the documentation names it, where it depends on the arguments.
    var resultName: String?

    func takes(_ count: Int) -> Bool {
        count >= parameters.count - optional && (isVariadic || count <= parameters.count)
    }

    func rule(at index: Int) -> ParameterRule { parameters[min(index, parameters.count - 1)] }

    /// `(STRING, INT [, INT])`
    var signature: String {
        var text = ""
        for (index, parameter) in parameters.enumerated() {
            if index >= parameters.count - optional {
                text += (index == 0 ? "[" : " [, ") + parameter.name + "]"
            } else {
                text += (index == 0 ? "" : ", ") + parameter.name
            }
        }
        return "(" + text + (isVariadic ? ", …" : "") + ")"
    }
}

/// A SQL function: its spellings and the ways to call it.
struct FunctionDeclaration {
    var names: [String]
    var overloads: [FunctionOverload]
    /// The result may be NULL though no argument is.
    var mayBeNull = false
    /// The result is never NULL.
    var isNeverNull = false
    var documentation: String
}

/// Every scalar function, by upper-case name.
struct FunctionTable: Sendable {
    static let standard = FunctionTable(
        numbers + strings + patterns + json + hashes + times + conditions + nested + network)

    private let byName: [String: FunctionDeclaration]

    init(_ declarations: [FunctionDeclaration]) {
        var byName: [String: FunctionDeclaration] = [:]
        for declaration in declarations {
            for name in declaration.names { byName[name] = declaration }
        }
        self.byName = byName
    }

    func find(_ name: String) -> FunctionDeclaration? { byName[name.uppercased()] }
    var names: [String] { byName.keys.sorted() }

    static func function(
        _ names: String..., to function: BuiltinFunction, _ parameters: [ParameterRule], optional: Int = 0,
        variadic: Bool = false, result: @escaping @Sendable ([DataType]) -> DataType, mayBeNull: Bool = false,
        neverNull: Bool = false, _ documentation: String
    ) -> FunctionDeclaration {
        FunctionDeclaration(
            names: names,
            overloads: [
                FunctionOverload(
                    parameters: parameters, optional: optional, isVariadic: variadic, function: function, result: result
                )
            ], mayBeNull: mayBeNull, isNeverNull: neverNull, documentation: documentation)
    }

    static func function(
        _ names: String..., overloads: [FunctionOverload], mayBeNull: Bool = false, _ documentation: String
    ) -> FunctionDeclaration {
        FunctionDeclaration(names: names, overloads: overloads, mayBeNull: mayBeNull, documentation: documentation)
    }
}

extension FunctionDeclaration: Sendable {}
extension FunctionOverload: Sendable {}
extension ParameterRule: Sendable {}

/// Result rules.
enum ResultType {
    static func always(_ type: DataType) -> @Sendable ([DataType]) -> DataType { { _ in type } }
    static func argument(_ index: Int) -> @Sendable ([DataType]) -> DataType {
        { index < $0.count ? $0[index] : .null }
    }
    /// FLOOR and CEIL: a decimal keeps its digits and loses its scale.
    static let wholeNumber: @Sendable ([DataType]) -> DataType = { types in
        if case .decimal(let precision, _) = types[0] { return .decimal(precision: precision, scale: 0) }
        return types[0]
    }
}
