public import MillraceCore

/// A query: `WITH … body ORDER BY … LIMIT …`.
public struct QuerySyntax: Hashable, Sendable {
    public indirect enum Body: Hashable, Sendable {
        case select(SelectSyntax)
        case values([[ExpressionSyntax]])
        case setOperation(SetOperator, isAll: Bool, QuerySyntax, QuerySyntax)
    }
    public enum SetOperator: String, Hashable, Sendable {
        case union = "UNION", intersect = "INTERSECT", except = "EXCEPT"
    }

    public var with: [CommonTableSyntax]
    public var body: Body
    public var orderBy: [OrderSyntax]
    public var limit: ExpressionSyntax?
    public var offset: ExpressionSyntax?
    public var range: SourceRange

    public init(
        with: [CommonTableSyntax] = [], body: Body, orderBy: [OrderSyntax] = [], limit: ExpressionSyntax? = nil,
        offset: ExpressionSyntax? = nil, range: SourceRange
    ) {
        self.offset = offset
        self.with = with
        self.body = body
        self.orderBy = orderBy
        self.limit = limit
        self.range = range
    }
}

public struct CommonTableSyntax: Hashable, Sendable {
    public var name: Identifier
    public var columns: [Identifier]
    public var query: QuerySyntax
    public init(name: Identifier, columns: [Identifier], query: QuerySyntax) {
        self.name = name
        self.columns = columns
        self.query = query
    }
}

public struct SelectSyntax: Hashable, Sendable {
    public enum Item: Hashable, Sendable {
        /// `*`, or `t.*` with the qualifier.
        case all(qualifier: [Identifier], range: SourceRange)
        case expression(ExpressionSyntax, alias: Identifier?)
    }
    public enum Grouping: Hashable, Sendable {
        case expression(ExpressionSyntax)
        case groupingSets([[ExpressionSyntax]])
        case rollup([[ExpressionSyntax]])
        case cube([[ExpressionSyntax]])
    }
    public var isDistinct: Bool
    public var items: [Item]
    /// nil: SELECT without FROM.
    public var from: TableSyntax?
    public var filter: ExpressionSyntax?
    public var groupBy: [Grouping]
    public var having: ExpressionSyntax?
    public var windows: [NamedWindowSyntax]
    public var qualify: ExpressionSyntax?
    public var range: SourceRange

    public struct NamedWindowSyntax: Hashable, Sendable {
        public var name: Identifier
        public var window: WindowSyntax
        public init(name: Identifier, window: WindowSyntax) {
            self.name = name
            self.window = window
        }
    }

    public init(
        isDistinct: Bool, items: [Item], from: TableSyntax?, filter: ExpressionSyntax? = nil, groupBy: [Grouping] = [],
        having: ExpressionSyntax? = nil, windows: [NamedWindowSyntax] = [], qualify: ExpressionSyntax? = nil,
        range: SourceRange
    ) {
        self.isDistinct = isDistinct
        self.items = items
        self.from = from
        self.filter = filter
        self.groupBy = groupBy
        self.having = having
        self.windows = windows
        self.qualify = qualify
        self.range = range
    }
}

/// Something rows come from.
public struct TableSyntax: Hashable, Sendable {
    public indirect enum Kind: Hashable, Sendable {
        /// With `/*+ OPTIONS('k'='v') */`.
        case name(ObjectName, options: [OptionSyntax])
        case query(QuerySyntax)
        /// `TUMBLE(…)`, `ML_PREDICT(…)`, `TABLE(TUMBLE(…))`, `LATERAL TABLE(f(…))`.
        case function(CallSyntax, isLateral: Bool)
        /// `LATERAL (SELECT …)`: may name columns of the tables before it.
        case lateral(QuerySyntax)
        /// `UNNEST(e) [WITH ORDINALITY]`.
        case unnest(ExpressionSyntax, withOrdinality: Bool)
        /// A comma in FROM is a cross join.
        case join(JoinType, TableSyntax, TableSyntax, JoinCondition)
        case values([[ExpressionSyntax]])
    }
    public enum JoinType: String, Hashable, Sendable {
        case inner = "INNER", left = "LEFT", right = "RIGHT", full = "FULL", cross = "CROSS"
    }
    public enum JoinCondition: Hashable, Sendable {
        case none, on(ExpressionSyntax), using([Identifier]), natural
    }
    public var kind: Kind
    public var alias: Identifier?
    /// `AS t (a, b)`.
    public var columnAliases: [Identifier]
    /// `FOR SYSTEM_TIME AS OF e`.
    public var systemTime: ExpressionSyntax?
    public var range: SourceRange

    public init(
        _ kind: Kind, alias: Identifier? = nil, columnAliases: [Identifier] = [], systemTime: ExpressionSyntax? = nil,
        range: SourceRange
    ) {
        self.kind = kind
        self.alias = alias
        self.columnAliases = columnAliases
        self.systemTime = systemTime
        self.range = range
    }
}
