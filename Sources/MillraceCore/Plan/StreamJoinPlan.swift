public enum JoinKind: String, Hashable, Sendable, CaseIterable {
    case inner, left, right, full
    /// Left rows with (without) a partner; only left columns come out.
    case semi, anti

    /// An unmatched left (right) row comes out, the other side NULL.
    public var keepsLeft: Bool { self == .left || self == .full }
    public var keepsRight: Bool { self == .right || self == .full }
    public var hasRightColumns: Bool { self != .semi && self != .anti }
}

/// A join of two inputs that arrive side by side, each kept as long as the form asks for.
///
/// Output: left columns, then (unless `semi` or `anti`) right columns. Event time is the minimum of the inputs'.
public struct StreamJoinPlan: Hashable, Sendable {
    public enum Form: Hashable, Sendable {
        /// Every row is kept for ever.
        case regular
        /// Rows of one window meet; columns of `window_end`. Results leave when the window closes.
        case window(leftEnd: Int, rightEnd: Int)
        /// `lower <= left time - right time <= upper`, milliseconds, both included. A row is kept while a partner that is
        /// not late can come; outer rows leave after that. Event time behind the join is held back accordingly.
        case interval(leftTime: Int, rightTime: Int, lowerMilliseconds: Int64, upperMilliseconds: Int64)
        /// Each left row meets the newest right row with its key whose time is not after its own, once both inputs have
        /// passed that time: `inner` and `left` only.
        case temporal(leftTime: Int, rightTime: Int)
    }
    public var form: Form
    public var kind: JoinKind
    /// Equal-typed key columns, pairwise. NULL never matches. Empty: every pair is a candidate.
    public var leftKeys: [Int]
    public var rightKeys: [Int]
    /// Further condition over left, then right columns.
    public var residual: Expression?
    /// Of a regular join: rows that came out are taken back.
    public var isUpdating = false
    /// Both sides are the rows of one source, row by row: a batch reaches one side before the other, but a row that is late
    /// on one is late on both.
    public var sharesTime = false
    /// Of a regular join: a row is forgotten so long after it came, or found or lost a partner that decides about it, by the clock;
    /// nil: never.
    public var stateTTLMilliseconds: Int64?

    public init(form: Form, kind: JoinKind, leftKeys: [Int], rightKeys: [Int], residual: Expression? = nil) {
        self.form = form
        self.kind = kind
        self.leftKeys = leftKeys
        self.rightKeys = rightKeys
        self.residual = residual
    }
}

/// One row for each element of a collection column, as `CROSS JOIN UNNEST(…)`.
///
/// Output: the carried input columns, then the element: the fields of a ROW, key and value of a MAP, else one column. A
/// MULTISET gives each element as often as it is contained. NULL and empty collections give no row, nor do NULL elements of
/// an array of rows.
public struct UnnestPlan: Hashable, Sendable {
    /// Input column of type ARRAY, MAP or MULTISET.
    public var collection: Int
    /// Input columns that come out, in order.
    public var carried: [Int]
    /// One more column: the element's place from 1, INT.
    public var withOrdinality: Bool
    /// A row without any element that satisfies the condition comes out once, with NULLs.
    public var keepsRow: Bool
    /// Over the output columns.
    public var condition: Expression?

    public init(
        collection: Int, carried: [Int], withOrdinality: Bool = false, keepsRow: Bool = false,
        condition: Expression? = nil
    ) {
        self.collection = collection
        self.carried = carried
        self.withOrdinality = withOrdinality
        self.keepsRow = keepsRow
        self.condition = condition
    }

    /// The element's columns for a collection of type `type`, unnamed ones as Flink calls them.
    public static func fields(of type: DataType, withOrdinality: Bool) -> [Field] {
        var fields: [Field] =
            switch type {
            case .array(.row(let fields)), .multiset(.row(let fields)): fields
            case .array(let element), .multiset(let element): [Field("EXPR$0", element)]
            case .map(let key, let value): [Field("KEY", key, isNullable: false), Field("VALUE", value)]
            default: []
            }
        if withOrdinality { fields.append(Field("ORDINALITY", .integer, isNullable: false)) }
        return fields
    }
}
