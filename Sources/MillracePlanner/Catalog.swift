import MillraceCore
import MillraceSQL

/// What CREATE TABLE declared, checked.
final class CatalogTable {
    enum Column {
        case physical(Field)
        /// `type` as declared; `key` and `source` as the connector has them.
        case metadata(Field, key: String, source: DataType, isVirtual: Bool, isWritable: Bool)
        case computed(ExpressionSyntax, name: Identifier)

        var name: String {
            switch self {
            case .physical(let field), .metadata(let field, _, _, _, _): field.name
            case .computed(_, let name): name.text
            }
        }
    }
    let name: String
    let range: SourceRange
    var columns: [Column]
    var watermark: CreateTableSyntax.Watermark?
    var primaryKey: [String]
    var partitionKeys: [String] = []
    /// As written, variables not filled in: LIKE copies them, hints override them.
    var optionSyntax: [OptionSyntax]
    /// Nil when the connector is unknown.
    var connector: ConnectorDescriptor?
    var options: [String: String]
    /// An error was reported for it: uses stay silent about what is missing.
    var isBroken = false

    init(
        name: String, range: SourceRange, columns: [Column], watermark: CreateTableSyntax.Watermark?,
        primaryKey: [String],
        optionSyntax: [OptionSyntax], connector: ConnectorDescriptor?, options: [String: String]
    ) {
        self.name = name
        self.range = range
        self.columns = columns
        self.watermark = watermark
        self.primaryKey = primaryKey
        self.optionSyntax = optionSyntax
        self.connector = connector
        self.options = options
    }

    var physicalSchema: Schema {
        Schema(columns.compactMap { if case .physical(let field) = $0 { field } else { nil } })
    }
}

final class CatalogModel {
    let name: String
    let plan: ModelPlan
    init(name: String, plan: ModelPlan) {
        self.name = name
        self.plan = plan
    }
}

/// A bound view: its node is shared by all uses.
final class CatalogView {
    let name: String
    /// Nil when its query has errors.
    let node: LogicalNode?
    init(name: String, node: LogicalNode?) {
        self.name = name
        self.node = node
    }
}

/// The names a file has defined so far.
struct Catalog {
    enum Entry {
        case table(CatalogTable)
        case view(CatalogView)
        case model(CatalogModel)
        /// CREATE failed; uses stay silent.
        case broken
    }
    private(set) var entries: [String: Entry] = [:]
    private(set) var order: [String] = []

    /// A backticked name with dots is one registered name first; parts joined by dots are the same text.
    func find(_ name: ObjectName) -> Entry? {
        entries[Self.plain(name.text)]
    }

    /// The name without Flink's default catalog and database, which every short name is in.
    private static func plain(_ name: String) -> String {
        for prefix in ["default_catalog.default_database.", "default_database."] where name.hasPrefix(prefix) {
            return String(name.dropFirst(prefix.count))
        }
        return name
    }

    mutating func add(_ name: String, _ entry: Entry) {
        let name = Self.plain(name)
        if entries.updateValue(entry, forKey: name) == nil { order.append(name) }
    }

    mutating func remove(_ name: ObjectName) {
        let name = Self.plain(name.text)
        entries[name] = nil
        order.removeAll { $0 == name }
    }

    var relationNames: [String] {
        order.filter { if case .model = entries[$0] { false } else { true } }
    }
    /// Of a table nobody defined: a close name, else all there are.
    func relationHint(_ name: String, or others: [String] = []) -> String? {
        let names = relationNames + others
        if let hint = NearestName.hint(name, in: names) { return hint }
        if names.isEmpty { return "Define it first with CREATE TABLE." }
        return names.count <= 12
            ? "The tables and views are \(names.map { "\"\($0)\"" }.joined(separator: ", "))." : nil
    }
    var modelNames: [String] {
        order.filter { if case .model = entries[$0] { true } else { false } }
    }
}
