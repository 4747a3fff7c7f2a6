/// What a SQL/JSON function gives where there is nothing, or an error; an INT literal among its arguments.
public enum JSONBehavior: Int64, Sendable {
    case null, error, `true`, `false`, unknown, emptyArray, emptyObject
    /// The DEFAULT, which is an argument of its own.
    case value
}
