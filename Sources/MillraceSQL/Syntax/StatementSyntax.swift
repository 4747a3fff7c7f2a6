public import MillraceCore

/// A parsed SQL file.
public struct ScriptSyntax: Hashable, Sendable {
    public var statements: [StatementSyntax]
    public init(statements: [StatementSyntax]) { self.statements = statements }
}

public struct StatementSyntax: Hashable, Sendable {
    public indirect enum Kind: Hashable, Sendable {
        case createTable(CreateTableSyntax)
        case createView(CreateViewSyntax)
        case createModel(CreateModelSyntax)
        case insert(InsertSyntax)
        case statementSet([InsertSyntax])
        case set(key: StringSyntax, value: StringSyntax)
        case catalog(CatalogStatement)
        /// `SHOW [USER] FUNCTIONS [[NOT] LIKE 'pattern']`
        case showFunctions(isUser: Bool, like: String?, isNegated: Bool)
    }
    public var kind: Kind
    public var range: SourceRange
    public init(_ kind: Kind, range: SourceRange) {
        self.kind = kind
        self.range = range
    }
}

public struct CreateTableSyntax: Hashable, Sendable {
    public struct Column: Hashable, Sendable {
        public enum Kind: Hashable, Sendable {
            case physical(TypeSyntax)
            case metadata(TypeSyntax, key: StringSyntax?, isVirtual: Bool)
            case computed(ExpressionSyntax)
        }
        public var name: Identifier
        public var kind: Kind
        /// `PRIMARY KEY NOT ENFORCED` at the column.
        public var isPrimaryKey: Bool
        public init(name: Identifier, kind: Kind, isPrimaryKey: Bool = false) {
            self.name = name
            self.kind = kind
            self.isPrimaryKey = isPrimaryKey
        }
    }
    public struct Watermark: Hashable, Sendable {
        public var column: [Identifier]
        public var expression: ExpressionSyntax
        public var range: SourceRange
        public init(column: [Identifier], expression: ExpressionSyntax, range: SourceRange) {
            self.column = column
            self.expression = expression
            self.range = range
        }
    }
    public struct Like: Hashable, Sendable {
        public var source: ObjectName
        /// Upper case, as written: `INCLUDING ALL`, `EXCLUDING OPTIONS`.
        public var options: [String]
        public init(source: ObjectName, options: [String]) {
            self.source = source
            self.options = options
        }
    }
    public var name: ObjectName
    public var ifNotExists: Bool
    public var isTemporary: Bool
    public var columns: [Column]
    public var watermarks: [Watermark]
    /// Table-level `PRIMARY KEY (a, b) NOT ENFORCED`; empty when there is none.
    public var primaryKey: [Identifier]
    /// `PARTITIONED BY (a, b)`
    public var partitionKeys: [Identifier]
    public var options: [OptionSyntax]
    public var like: Like?
    /// `AS SELECT …`: the query whose rows the table gets; its columns are added to those that are declared.
    public var query: QuerySyntax?
    public init(
        name: ObjectName, ifNotExists: Bool = false, isTemporary: Bool = false, columns: [Column],
        watermarks: [Watermark] = [], primaryKey: [Identifier] = [], partitionKeys: [Identifier] = [],
        options: [OptionSyntax] = [], like: Like? = nil, query: QuerySyntax? = nil
    ) {
        self.query = query
        self.name = name
        self.ifNotExists = ifNotExists
        self.isTemporary = isTemporary
        self.columns = columns
        self.watermarks = watermarks
        self.primaryKey = primaryKey
        self.partitionKeys = partitionKeys
        self.options = options
        self.like = like
    }
}

public struct CreateViewSyntax: Hashable, Sendable {
    public var name: ObjectName
    public var ifNotExists: Bool
    public var columns: [Identifier]
    public var query: QuerySyntax
    public var isTemporary: Bool
    public init(
        name: ObjectName, ifNotExists: Bool = false, isTemporary: Bool = false, columns: [Identifier],
        query: QuerySyntax
    ) {
        self.isTemporary = isTemporary
        self.name = name
        self.ifNotExists = ifNotExists
        self.columns = columns
        self.query = query
    }
}

public struct CreateModelSyntax: Hashable, Sendable {
    public struct Column: Hashable, Sendable {
        public var name: Identifier
        public var type: TypeSyntax
        public init(name: Identifier, type: TypeSyntax) {
            self.name = name
            self.type = type
        }
    }
    public var name: ObjectName
    public var ifNotExists: Bool
    public var inputs: [Column]
    public var outputs: [Column]
    /// Names of BigQuery's `OPTIONS(MODEL_TYPE = …)` arrive in lower case.
    public var options: [OptionSyntax]
    /// `CREATE OR REPLACE MODEL`
    public var orReplace: Bool
    /// BigQuery's `TRANSFORM (expression AS feature, …)`.
    public var transform: [SelectSyntax.Item] = []
    public init(
        name: ObjectName, ifNotExists: Bool = false, inputs: [Column], outputs: [Column], options: [OptionSyntax],
        orReplace: Bool = false
    ) {
        self.name = name
        self.ifNotExists = ifNotExists
        self.inputs = inputs
        self.outputs = outputs
        self.options = options
        self.orReplace = orReplace
    }
}

public struct InsertSyntax: Hashable, Sendable {
    public struct PartitionValue: Hashable, Sendable {
        public var column: Identifier
        public var value: ExpressionSyntax?
        public init(column: Identifier, value: ExpressionSyntax?) {
            self.column = column
            self.value = value
        }
    }
    public var target: ObjectName
    /// `/*+ OPTIONS(…) */` behind the target.
    public var options: [OptionSyntax]
    /// `PARTITION (a = 1, b)`: columns of the target and what they get; nil: a column of the query.
    public var partition: [PartitionValue]
    /// Empty: by position.
    public var columns: [Identifier]
    public var query: QuerySyntax
    public var isOverwrite: Bool
    public var range: SourceRange
    public init(
        target: ObjectName, options: [OptionSyntax] = [], partition: [PartitionValue] = [], columns: [Identifier],
        query: QuerySyntax,
        isOverwrite: Bool = false, range: SourceRange
    ) {
        self.target = target
        self.options = options
        self.partition = partition
        self.columns = columns
        self.query = query
        self.isOverwrite = isOverwrite
        self.range = range
    }
}
