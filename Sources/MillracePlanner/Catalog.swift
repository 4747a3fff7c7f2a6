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
    /// The statement that makes it, LIKE and AS filled in: what LIKE copies and ALTER TABLE changes.
    let definition: CreateTableSyntax

    init(
        name: String, range: SourceRange, columns: [Column], watermark: CreateTableSyntax.Watermark?,
        primaryKey: [String],
        optionSyntax: [OptionSyntax], connector: ConnectorDescriptor?, options: [String: String],
        definition: CreateTableSyntax
    ) {
        self.definition = definition
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
    let label: PredictedLabel?
    let transform: ModelTransform
    let drift: DriftSettings?
    init(
        name: String, plan: ModelPlan, label: PredictedLabel?, transform: ModelTransform, drift: DriftSettings?
    ) {
        self.drift = drift
        self.name = name
        self.plan = plan
        self.label = label
        self.transform = transform
    }
}

/// A bound view: its node is shared by all uses.
final class CatalogView {
    let name: String
    /// Nil when its query has errors.
    let node: LogicalNode?
    let definition: CreateViewSyntax
    init(name: String, node: LogicalNode?, definition: CreateViewSyntax) {
        self.definition = definition
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
    static let defaultDatabase = "default_database"

    private(set) var entries: [String: Entry] = [:]
    private(set) var order: [String] = []
    private(set) var databases = [Catalog.defaultDatabase]
    /// Where names of one part are.
    var database = Catalog.defaultDatabase
    private var temporary: Set<String> = []
    /// Permanent entries behind temporary ones of their names.
    private var hidden: [String: Entry] = [:]

    /// A backticked name with dots is one registered name first; parts joined by dots are the same text.
    func find(_ name: ObjectName) -> Entry? { entries[key(name)] }

    func isTemporary(_ name: ObjectName) -> Bool { temporary.contains(key(name)) }

    /// The name without Flink's default catalog and database, with the current one when it has one part.
    func key(_ name: ObjectName) -> String {
        var text = name.text
        let catalog = "default_catalog."
        if text.hasPrefix(catalog), name.parts.count > 2 { text = String(text.dropFirst(catalog.count)) }
        let prefix = Catalog.defaultDatabase + "."
        if text.hasPrefix(prefix), name.parts.count > 1 { return String(text.dropFirst(prefix.count)) }
        return name.parts.count > 1 || database == Catalog.defaultDatabase ? text : "\(database).\(text)"
    }

    mutating func add(_ name: ObjectName, _ entry: Entry, isTemporary: Bool = false) {
        let key = key(name)
        if let old = entries.updateValue(entry, forKey: key) {
            if isTemporary { hidden[key] = old }
        } else {
            order.append(key)
        }
        if isTemporary { temporary.insert(key) }
    }

    mutating func remove(_ name: ObjectName) {
        let key = key(name)
        temporary.remove(key)
        entries[key] = hidden.removeValue(forKey: key)
        if entries[key] == nil { order.removeAll { $0 == key } }
    }

    mutating func addDatabase(_ name: String) { databases.append(name) }

    mutating func removeDatabase(_ name: String) {
        databases.removeAll { $0 == name }
        for key in order where key.hasPrefix(name + ".") { entries[key] = nil }
        order.removeAll { entries[$0] == nil }
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
