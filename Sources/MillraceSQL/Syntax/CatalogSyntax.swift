/// Statements about the names that a file has defined so far.
public indirect enum CatalogStatement: Hashable, Sendable {
    public enum ObjectKind: String, Hashable, Sendable, CaseIterable {
        case table = "TABLE"
        case view = "VIEW"
        case model = "MODEL"
        case database = "DATABASE"
    }

    /// What SHOW lists.
    public enum Listing: Hashable, Sendable {
        case tables, views, models, databases, catalogs, currentDatabase, currentCatalog
        case columns(ObjectName)
        case createTable(ObjectName)
        case createView(ObjectName)
    }

    case drop(ObjectKind, ObjectName, ifExists: Bool)
    case alterTable(ObjectName, AlterTableSyntax, ifExists: Bool)
    case createDatabase(ObjectName, ifNotExists: Bool)
    case use(ObjectName, isCatalog: Bool)
    /// All settings without a key.
    case reset(StringSyntax?)
    case describe(ObjectName)
    case show(Listing, like: String?, isNegated: Bool)
    case explain([InsertSyntax])
    case explainQuery(QuerySyntax)
}

/// What follows `ALTER TABLE t`.
public enum AlterTableSyntax: Hashable, Sendable {
    public struct Element: Hashable, Sendable {
        public enum Place: Hashable, Sendable {
            case last, first
            case after(Identifier)
        }
        /// One column, watermark or primary key.
        public var definition: CreateTableSyntax
        public var place: Place
        public init(definition: CreateTableSyntax, place: Place) {
            self.definition = definition
            self.place = place
        }
    }

    case rename(ObjectName)
    case renameColumn(Identifier, Identifier)
    case set([OptionSyntax])
    case reset([StringSyntax])
    case add([Element])
    case modify([Element])
    case dropColumns([Identifier])
    case dropPrimaryKey
    case dropWatermark
}
