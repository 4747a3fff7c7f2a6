import MillraceCore
import MillraceSQL

/// Goes through a file's statements: fills the catalog, binds queries, collects sinks.
final class ScriptBinder {
    let registry: Registry
    let log = DiagnosticLog()
    let query: QueryBinder
    let options: OptionChecker
    private(set) var sinks: [LogicalNode] = []
    var settings: [String: String] = [:]
    private(set) var hasInsert = false
    /// `SET 'table.local-time-zone'`; the last one counts for the whole file.
    var zone = ZoneRules.utc
    /// What SHOW statements gave, in order.
    var listings: [[String]] = []

    /// Reads the file of a `'baseline'`; nil: baselines are not looked at.
    let baselines: Planner.BaselineReader?

    init(registry: Registry, variables: [String: String], baselines: Planner.BaselineReader? = nil) {
        self.baselines = baselines
        self.registry = registry
        options = OptionChecker(registry: registry, variables: variables, log: log)
        query = QueryBinder(registry: registry, options: options, log: log)
    }

    /// A restart does not rebuild the rows of open sessions, only their aggregates.
    func checkSessions(_ node: LogicalNode, _ seen: inout Set<ObjectIdentifier>) {
        guard seen.insert(ObjectIdentifier(node)).inserted else { return }
        if case .windowAssign(_, let identity) = node.kind, case .session = identity.kind,
            !node.isReadOnce
        {
            log.error(
                "SESSION without aggregation is not supported over a stream that a restart reads again",
                at: identity.range,
                hint: "Group by window_start, window_end in the query that reads it.")
        }
        for input in node.inputs { checkSessions(input, &seen) }
    }

    func bind(_ script: ScriptSyntax) {
        defer {
            var seen: Set<ObjectIdentifier> = []
            for sink in sinks { checkSessions(sink, &seen) }
        }
        for statement in script.statements {
            switch statement.kind {
            case .createTable(let table): createTable(table)
            case .createView(let view): createView(view)
            case .createModel(let model): createModel(model)
            case .insert(let insert): self.insert(insert)
            case .statementSet(let inserts): for insert in inserts { self.insert(insert) }
            case .set(let key, let value): set(key, value)
            case .catalog(let statement): self.catalog(statement)
            case .showFunctions(let isUser, let like, let isNegated):
                // There are no functions of users.
                let names = isUser ? [] : FunctionReference.names
                let pattern = like.map { LikeText($0) }
                listings.append(names.filter { pattern == nil || pattern!.matches($0) != isNegated })
            }
        }
    }

    // MARK: SET

    /// Millrace's own settings; Flink's are accepted and left alone.
    private static let settingNames = [
        "pipeline.name", "dead-letter.path", "table.local-time-zone", "over.emit", "table.exec.state.ttl",
        "state.snapshots", "state.replay-limit",
    ]
    private static let flinkPrefixes = [
        "table.", "execution.", "pipeline.", "parallelism.", "state.", "sql-client.", "restart-strategy.", "rest.",
        "taskmanager.", "jobmanager.", "cluster.", "metrics.", "heartbeat.", "checkpointing.", "env.", "job.",
    ]
    func set(_ key: StringSyntax, _ value: StringSyntax) {
        guard let text = options.expand(value) else { return }
        settings[key.text] = text
        if key.text == "execution.runtime-mode" { query.mode = QueryBinder.RuntimeMode(setting: text) }
        if let fault = query.emission.set(key.text, text) {
            log.error("setting \"\(key.text)\" \(fault)", at: value.range)
        }
        if key.text == "over.emit" { setOverEmission(text, value.range) }
        if key.text == "state.snapshots", !["on", "off"].contains(text.lowercased()) {
            log.error(
                "\"state.snapshots\" has no value \"\(text)\"", at: value.range, hint: "The values are 'on' and 'off'.")
        }
        if key.text == "state.replay-limit", OptionValue.microseconds(text) == nil {
            log.error(
                "setting \"\(key.text)\" takes a duration", at: value.range,
                hint: "Write a number with a unit, such as 30 min or 6 h.")
        }
        if key.text == "table.exec.state.ttl" {
            guard let microseconds = OptionValue.microseconds(text) else {
                log.error(
                    "setting \"\(key.text)\" takes a duration", at: value.range,
                    hint: "Write a number with a unit, such as 7 d, 12 h or 30 min; 0 keeps state for ever.")
                return
            }
            query.stateTTLMilliseconds = microseconds > 0 ? max(1, microseconds / 1000) : nil
        }
        if key.text == "table.local-time-zone" {
            guard let rules = text == "default" ? .utc : ZoneRules.named(text) else {
                log.error(
                    "unknown time zone \"\(text)\"", at: value.range,
                    hint: "Write a region such as 'Europe/Berlin', an offset such as '+09:00', or 'UTC'.")
                return
            }
            zone = rules
        } else if !Self.settingNames.contains(key.text), !Self.flinkPrefixes.contains(where: key.text.hasPrefix) {
            log.error(
                "unknown setting \"\(key.text)\"", at: key.range,
                hint: NearestName.hint(key.text, in: Self.settingNames)
                    ?? "The settings are \(Self.settingNames.map { "\"\($0)\"" }.joined(separator: ", ")); those of Flink are accepted."
            )
        }
    }

    private func setOverEmission(_ text: String, _ range: SourceRange) {
        let names = OverPlan.Emission.allCases.map(\.rawValue)
        guard let emission = OverPlan.Emission(rawValue: text.lowercased()) else {
            log.error(
                "\"over.emit\" has no value \"\(text)\"", at: range,
                hint: NearestName.hint(text, in: names)
                    ?? "The values are \(names.map { "'\($0)'" }.joined(separator: " and ")).")
            return
        }
        query.overEmission = emission
    }

    /// True when the name is free; reports it otherwise.
    private func isFree(_ name: ObjectName, _ ifNotExists: Bool, isTemporary: Bool = false) -> Bool {
        guard query.catalog.find(name) != nil else { return true }
        // A temporary name hides a permanent one.
        if isTemporary, !query.catalog.isTemporary(name) { return true }
        if !ifNotExists {
            log.error(
                "\"\(name.text)\" is already defined", at: name.range,
                hint: "Choose another name, or write IF NOT EXISTS.")
        }
        return false
    }

    // MARK: CREATE TABLE

    private func createTable(_ syntax: CreateTableSyntax) {
        guard isFree(syntax.name, syntax.ifNotExists, isTemporary: syntax.isTemporary) else { return }
        guard let (definition, rows) = expanded(syntax) else {
            query.catalog.add(syntax.name, .broken)
            return
        }
        define(definition)
        if let content = syntax.query, let rows {
            let columns = rows.columns.map { Identifier($0.name, range: syntax.name.range) }
            insert(
                InsertSyntax(target: syntax.name, columns: columns, query: content, range: syntax.name.range),
                rows: rows)
        }
    }

    /// Resolves a table's columns and options and adds it to the catalog.
    func define(_ syntax: CreateTableSyntax) {
        var columns: [CatalogTable.Column] = []
        var watermark: CreateTableSyntax.Watermark?
        var primaryKey: [String] = []
        let optionSyntax = syntax.options
        var isBroken = false
        let checked = options.table(optionSyntax, name: syntax.name.text, range: syntax.name.range)
        let types = TypeResolver(log: log)
        for column in syntax.columns {
            if columns.contains(where: { $0.name == column.name.text }) {
                log.error(
                    "column \"\(column.name.text)\" is twice in table \"\(syntax.name.text)\"", at: column.name.range)
                isBroken = true
                continue
            }
            switch column.kind {
            case .physical(let type):
                guard let resolved = types.resolve(type) else {
                    isBroken = true
                    continue
                }
                columns.append(.physical(Field(column.name.text, resolved, isNullable: !type.isNotNull)))
            case .metadata(let type, let key, let isVirtual):
                let wanted = key?.text ?? column.name.text
                guard let resolved = types.resolve(type) else {
                    isBroken = true
                    continue
                }
                guard let connector = checked.connector else { continue }
                guard let metadata = connector.metadata.first(where: { $0.key == wanted }) else {
                    log.error(
                        "unknown metadata \"\(wanted)\" of connector \"\(connector.name)\"",
                        at: key?.range ?? column.name.range,
                        hint: NearestName.hint(wanted, in: connector.metadata.map(\.key))
                            ?? (connector.metadata.isEmpty
                                ? "It has no metadata."
                                : "It has \(connector.metadata.map { "\"\($0.key)\"" }.joined(separator: ", "))."))
                    isBroken = true
                    continue
                }
                guard Coercion.isCastable(from: metadata.type, to: resolved) else {
                    log.error(
                        "metadata \"\(wanted)\" is \(metadata.type) and does not turn into \(resolved)", at: type.range)
                    isBroken = true
                    continue
                }
                columns.append(
                    .metadata(
                        Field(
                            column.name.text,
                            Coercion.isSame(resolved, metadata.type) && resolved != metadata.type
                                && !resolved.isTimestamp ? metadata.type : resolved, isNullable: !type.isNotNull),
                        key: wanted, source: metadata.type, isVirtual: isVirtual, isWritable: metadata.isWritable))
            case .computed(let expression): columns.append(.computed(expression, name: column.name))
            }
        }
        var keys: [Identifier] = syntax.primaryKey
        keys += syntax.columns.filter(\.isPrimaryKey).map(\.name)
        if !keys.isEmpty { primaryKey = keys.map(\.text) }
        for key in keys {
            guard let index = columns.firstIndex(where: { $0.name == key.text }) else {
                if !isBroken {
                    log.error(
                        "primary key column \"\(key.text)\" is not in table \"\(syntax.name.text)\"", at: key.range,
                        hint: NearestName.hint(key.text, in: columns.map(\.name)))
                }
                isBroken = true
                continue
            }
            guard case .physical(var field) = columns[index] else {
                log.error("primary key column \"\(key.text)\" is not a physical column", at: key.range)
                isBroken = true
                continue
            }
            field.isNullable = false
            columns[index] = .physical(field)
        }
        for key in syntax.partitionKeys where !isBroken {
            let names = columns.compactMap { if case .physical(let field) = $0 { field.name } else { nil } }
            guard !names.contains(key.text) else { continue }
            log.error(
                "partition column \"\(key.text)\" is not a physical column of table \"\(syntax.name.text)\"",
                at: key.range,
                hint: NearestName.hint(key.text, in: names))
            isBroken = true
        }
        if let first = syntax.partitionKeys.first, let connector = checked.connector, connector.name != "filesystem" {
            log.warning(
                "PARTITIONED BY is ignored by connector \"\(connector.name)\"",
                at: first.range.through(syntax.partitionKeys[syntax.partitionKeys.count - 1].range))
        }
        for option in optionSyntax where option.key.text == "key.fields" && !isBroken {
            guard let value = checked.options["key.fields"] else { continue }
            let names = columns.compactMap { if case .physical(let field) = $0 { field.name } else { nil } }
            for name in value.split(separator: ";").map(String.init) where !names.contains(name) {
                log.error(
                    "key field \"\(name)\" is not a physical column of table \"\(syntax.name.text)\"",
                    at: option.value.range,
                    hint: NearestName.hint(name, in: names))
            }
        }
        if syntax.watermarks.count > 1 {
            log.error("table \"\(syntax.name.text)\" has two watermarks", at: syntax.watermarks[1].range)
        }
        if let own = syntax.watermarks.first { watermark = own }
        let table = CatalogTable(
            name: query.catalog.key(syntax.name), range: syntax.name.range, columns: columns, watermark: watermark,
            primaryKey: primaryKey, optionSyntax: optionSyntax, connector: checked.connector, options: checked.options,
            definition: syntax)
        table.isBroken = isBroken
        table.partitionKeys = syntax.partitionKeys.map(\.text)
        query.define(syntax.name, .table(table), isTemporary: syntax.isTemporary)
        // Computed columns and the watermark are checked once, here; later uses are silent.
        if let connector = checked.connector, !isBroken {
            let scan = TableScan(
                table: table, options: checked.options, isBounded: connector.isBounded(checked.options))
            let own = DiagnosticLog()
            _ = TableScanBinder(functions: query.functions, log: own).bind(scan)
            log.all += own.all
        }
    }

    // MARK: CREATE VIEW, CREATE MODEL

    private func createView(_ syntax: CreateViewSyntax) {
        guard isFree(syntax.name, syntax.ifNotExists, isTemporary: syntax.isTemporary) else { return }
        query.object = syntax.name.text
        var node = query.query(syntax.query)
        if let bound = node, !syntax.columns.isEmpty {
            node = query.renamed(bound, syntax.columns, "view \"\(syntax.name.text)\"")
        }
        query.define(
            syntax.name, .view(CatalogView(name: syntax.name.text, node: node, definition: syntax)),
            isTemporary: syntax.isTemporary)
    }

    private func createModel(_ syntax: CreateModelSyntax) {
        guard isFree(syntax.name, syntax.ifNotExists) else { return }
        let name = syntax.name.text
        let types = TypeResolver(log: log)
        func fields(_ columns: [CreateModelSyntax.Column]) -> [Field]? {
            let resolved = columns.map { column in types.resolve(column.type).map { Field(column.name.text, $0) } }
            let fields = resolved.compactMap { $0 }
            return fields.count == columns.count ? fields : nil
        }
        let given = BigQueryModelOptions.translated(syntax.options)
        let checked = options.model(given, name: name, range: syntax.name.range)
        let transform = ModelTransform(syntax.transform, log: log)
        let inputs = fields(syntax.inputs)
        let outputs = fields(syntax.outputs)
        var isFine = true
        if syntax.inputs.isEmpty || syntax.outputs.isEmpty {
            log.error(
                "model \"\(name)\" has no \(syntax.inputs.isEmpty ? "INPUT" : "OUTPUT")", at: syntax.name.range,
                hint: "Write INPUT (name TYPE, …) OUTPUT (name TYPE, …) before WITH.")
            isFine = false
        }
        let variants = checked.flatMap {
            ModelVariants.read(given, values: $0.options, model: name, log: log)
        }
        guard isFine, let checked, let variants, let inputs, let outputs, let transform else {
            query.catalog.add(syntax.name, .broken)
            return
        }
        let drift = DriftSettings.read(
            given, values: checked.options, model: name, reader: baselines, log: log)
        let label = PredictedLabel.read(given, values: checked.options, outputs: outputs, model: name, log: log)
        query.catalog.add(
            syntax.name,
            .model(
                CatalogModel(
                    name: name,
                    plan: ModelPlan(
                        name: name, provider: checked.provider, options: checked.options, inputs: Schema(inputs),
                        outputs: Schema(outputs), shadow: variants.shadow, canary: variants.canary,
                        range: syntax.name.range), label: label, transform: transform, drift: drift)))
    }

    /// - Parameter rows: the query, when it is bound already.
    func insert(_ syntax: InsertSyntax, rows: LogicalNode? = nil) {
        hasInsert = true
        query.object = syntax.target.text
        if let sink = InsertBinder(query).bind(syntax, rows: rows) { sinks.append(sink) }
    }
}
