/// A SQL/JSON function with its clauses.
public struct JSONSyntax: Hashable, Sendable {
    public enum Function: String, Hashable, Sendable {
        case exists = "JSON_EXISTS", value = "JSON_VALUE", query = "JSON_QUERY", object = "JSON_OBJECT",
            array = "JSON_ARRAY"
    }

    /// What `IS JSON` asks for.
    public enum Shape: String, Hashable, Sendable, CaseIterable {
        case value = "VALUE", object = "OBJECT", array = "ARRAY", scalar = "SCALAR"
    }

    /// `… ON EMPTY` and `… ON ERROR`.
    public enum Behavior: Hashable, Sendable {
        case null, error, `true`, `false`, unknown, emptyArray, emptyObject
        case value(ExpressionSyntax)
    }

    /// Of JSON_QUERY.
    public enum Wrapper: String, Hashable, Sendable {
        case without = "WITHOUT WRAPPER", conditional = "WITH CONDITIONAL WRAPPER", unconditional = "WITH WRAPPER"
    }

    public var function: Function
    /// Document and path; keys and values by turns; or the elements.
    public var arguments: [ExpressionSyntax]
    public var returning: TypeSyntax?
    public var wrapper: Wrapper?
    public var onEmpty: Behavior?
    public var onError: Behavior?
    /// `ABSENT ON NULL` (true) or `NULL ON NULL` of the constructors.
    public var leavesOutNull: Bool?

    public init(_ function: Function, arguments: [ExpressionSyntax] = []) {
        self.function = function
        self.arguments = arguments
    }

    /// Every expression inside, defaults included.
    public var operands: [ExpressionSyntax] {
        var all = arguments
        for case .value(let expression)? in [onEmpty, onError] { all.append(expression) }
        return all
    }
}
