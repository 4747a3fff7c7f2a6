public import MillraceCore

/// A scalar expression as written, with its place in the file.
public struct ExpressionSyntax: Hashable, Sendable {
    public var kind: Kind
    public var range: SourceRange

    public init(_ kind: Kind, range: SourceRange) {
        self.kind = kind
        self.range = range
    }

    public indirect enum Kind: Hashable, Sendable {
        case null
        case boolean(Bool)
        /// As written: `12`, `2.5`, `1e3`.
        case number(String)
        /// `'…'` (quotes undoubled) or Dataflow's `"…"`; `isDoubleQuoted` tells.
        case string(String, isDoubleQuoted: Bool)
        /// `X'…'`
        case bytes([UInt8])
        /// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`.
        case temporal(TemporalKind, String)
        /// `INTERVAL '…' unit [TO unit]`; unit nil when the text holds it (`INTERVAL '1 minute'`). `isNegative`: `INTERVAL -'1' DAY`.
        case interval(text: String, from: IntervalUnit?, to: IntervalUnit?, isNegative: Bool)
        /// `a`, `t.a`, `t.a.b`: table, column and field names, told apart by the planner.
        case name([Identifier])
        case unary(UnaryOperator, ExpressionSyntax)
        case binary(BinaryOperator, ExpressionSyntax, ExpressionSyntax)
        case isNull(ExpressionSyntax, isNegated: Bool)
        /// `IS [NOT] TRUE|FALSE|UNKNOWN`: value true, false or nil.
        case isTruth(ExpressionSyntax, Bool?, isNegated: Bool)
        case isDistinctFrom(ExpressionSyntax, ExpressionSyntax, isNegated: Bool)
        case between(
            ExpressionSyntax, low: ExpressionSyntax, high: ExpressionSyntax, isNegated: Bool, isSymmetric: Bool)
        case inList(ExpressionSyntax, [ExpressionSyntax], isNegated: Bool)
        case inQuery(ExpressionSyntax, QuerySyntax, isNegated: Bool)
        case exists(QuerySyntax)
        /// `isSimilar`: SIMILAR TO.
        case like(
            ExpressionSyntax, pattern: ExpressionSyntax, escape: ExpressionSyntax?, isNegated: Bool, isSimilar: Bool)
        case conditional(operand: ExpressionSyntax?, [WhenSyntax], otherwise: ExpressionSyntax?)
        case cast(ExpressionSyntax, TypeSyntax, isTry: Bool)
        case call(CallSyntax)
        case rowValue([ExpressionSyntax])
        case arrayValue([ExpressionSyntax])
        case mapValue([ExpressionSyntax])
        /// `e.field` where `e` is not a plain name: `f(x).a`, `(r).a`, `a[1].b`.
        case field(ExpressionSyntax, Identifier)
        case element(ExpressionSyntax, index: ExpressionSyntax)
        case scalarQuery(QuerySyntax)
        /// JSON_VALUE, JSON_QUERY, JSON_EXISTS, JSON_OBJECT, JSON_ARRAY.
        case json(JSONSyntax)
        /// `IS [NOT] JSON [VALUE | OBJECT | ARRAY | SCALAR]`.
        case isJSON(ExpressionSyntax, JSONSyntax.Shape, isNegated: Bool)
        /// `(a, b) OVERLAPS (c, d)`: the starts and ends, or lengths, of two periods.
        case overlaps(ExpressionSyntax, ExpressionSyntax)
        /// `DESCRIPTOR(a, b)`, only as a table function's argument.
        case descriptor([Identifier])
        /// `TABLE t` as an argument, with `PARTITION BY` for SESSION.
        case tableArgument(TableSyntax, partitionBy: [ExpressionSyntax])
        /// `MODEL m` as an argument.
        case modelArgument(ObjectName)
        /// A unit as an argument: `TIMESTAMPADD(DAY, …)`, `FLOOR(ts TO HOUR)`, `EXTRACT(YEAR FROM …)`. Upper case.
        case timeUnit(String)
        /// `*` in `COUNT(*)`.
        case asterisk
        /// `@name` or `?` (empty name).
        case parameter(String)
    }

    public enum TemporalKind: String, Hashable, Sendable { case date, time, timestamp, timestampLTZ }
    public enum UnaryOperator: String, Hashable, Sendable { case plus = "+", minus = "-", not = "NOT" }
    public enum BinaryOperator: String, Hashable, Sendable {
        case or = "OR", and = "AND"
        case equal = "=", notEqual = "<>", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
        case add = "+", subtract = "-", multiply = "*", divide = "/", modulo = "%", concat = "||"
    }
    public struct WhenSyntax: Hashable, Sendable {
        public var condition: ExpressionSyntax
        public var result: ExpressionSyntax
        public init(condition: ExpressionSyntax, result: ExpressionSyntax) {
            self.condition = condition
            self.result = result
        }
    }
}

public enum IntervalUnit: String, Hashable, Sendable, CaseIterable {
    case year = "YEAR", quarter = "QUARTER", month = "MONTH", week = "WEEK", day = "DAY", hour = "HOUR", minute =
        "MINUTE",
        second = "SECOND", millisecond = "MILLISECOND"
}

/// A function call, aggregates and auxiliary window functions included.
///
/// Special forms arrive as plain calls: `EXTRACT(u FROM x)` = EXTRACT(unit, x); `POSITION(a IN b)` = POSITION(a, b);
/// `SUBSTRING(x FROM a FOR b)` = SUBSTRING(x, a, b); `TRIM([BOTH|LEADING|TRAILING] [c] FROM x)` = TRIM('BOTH', c, x), plain
/// `TRIM(x)` stays; `OVERLAY(a PLACING b FROM c FOR d)` = OVERLAY(a, b, c, d); `FLOOR(x TO u)` = FLOOR(x, unit);
/// `CURRENT_TIMESTAMP` and its like without parentheses = calls without arguments. `STRUCT(1 AS a, x)` = STRUCT(a => 1, x).
/// In FROM, `TUMBLE((SELECT …), …)` has a `tableArgument`; `TUMBLE(t, …)` has a `name` there, for the planner to resolve.
public struct CallSyntax: Hashable, Sendable {
    /// Dotted for `ML.PREDICT`. Case as written.
    public var name: ObjectName
    public var arguments: [ArgumentSyntax]
    public var isDistinct: Bool
    public var filter: ExpressionSyntax?
    public var over: WindowSyntax?
    /// `IGNORE NULLS`, `RESPECT NULLS`, behind the last argument or behind the parentheses.
    public var nulls: NullTreatment?
    /// `ABSENT ON NULL` (true) or `NULL ON NULL` of JSON_ARRAYAGG and JSON_OBJECTAGG.
    public var leavesOutNull: Bool?

    public enum NullTreatment: String, Hashable, Sendable { case ignore = "IGNORE", respect = "RESPECT" }

    public struct ArgumentSyntax: Hashable, Sendable {
        /// `NAME => value`.
        public var name: Identifier?
        public var value: ExpressionSyntax
        public init(name: Identifier? = nil, value: ExpressionSyntax) {
            self.name = name
            self.value = value
        }
    }

    public init(
        name: ObjectName, arguments: [ArgumentSyntax], isDistinct: Bool = false, filter: ExpressionSyntax? = nil,
        over: WindowSyntax? = nil
    ) {
        self.name = name
        self.arguments = arguments
        self.isDistinct = isDistinct
        self.filter = filter
        self.over = over
    }
}

/// `OVER (PARTITION BY … ORDER BY … frame)`. Parsed from the start, planned later.
public struct WindowSyntax: Hashable, Sendable {
    public var name: Identifier?
    public var partitionBy: [ExpressionSyntax]
    public var orderBy: [OrderSyntax]
    public var frame: FrameSyntax?
    public var range: SourceRange

    public struct FrameSyntax: Hashable, Sendable {
        public enum Bound: Hashable, Sendable {
            case unboundedPreceding, preceding(ExpressionSyntax), currentRow, following(ExpressionSyntax),
                unboundedFollowing
        }
        public var isRange: Bool
        public var start: Bound
        public var end: Bound
        public init(isRange: Bool, start: Bound, end: Bound) {
            self.isRange = isRange
            self.start = start
            self.end = end
        }
    }

    public init(
        name: Identifier? = nil, partitionBy: [ExpressionSyntax], orderBy: [OrderSyntax], frame: FrameSyntax?,
        range: SourceRange
    ) {
        self.name = name
        self.partitionBy = partitionBy
        self.orderBy = orderBy
        self.frame = frame
        self.range = range
    }
}

public struct OrderSyntax: Hashable, Sendable {
    public var expression: ExpressionSyntax
    public var isDescending: Bool
    public var nullsFirst: Bool?
    public init(expression: ExpressionSyntax, isDescending: Bool, nullsFirst: Bool? = nil) {
        self.expression = expression
        self.isDescending = isDescending
        self.nullsFirst = nullsFirst
    }
}
