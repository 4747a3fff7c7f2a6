import MillraceCore
import MillraceSQL

/// A use of a model with a baseline, seen while queries are bound.
struct DriftUse {
    var model: CatalogModel
    /// The predict node, whose first columns are its input's.
    var node: LogicalNode
    /// Columns of the node with the model's inputs and outputs.
    var inputs: [Int]
    var outputs: [Int]
}

extension ScriptBinder {
    static let driftTable = "millrace.drift"

    /// Adds, for every use of a model with a baseline that a sink needs, the query that compares its windows.
    func addDrift(pipeline: String) {
        guard !query.drifts.isEmpty, !log.hasErrors else { return }
        var reached: Set<ObjectIdentifier> = []
        func reach(_ node: LogicalNode) {
            guard reached.insert(ObjectIdentifier(node)).inserted else { return }
            node.inputs.forEach(reach)
        }
        sinks.forEach(reach)
        var uses: [String: Int] = [:]
        let postgres = sinks.lazy.compactMap { sink -> SinkPlan? in
            if case .sink(let plan) = sink.kind, plan.connector == "postgres" { plan } else { nil }
        }.first
        for use in query.drifts where reached.contains(ObjectIdentifier(use.node)) {
            uses[use.model.name, default: 0] += 1
            let count = uses[use.model.name, default: 1]
            let before = log.all.count
            add(use, as: count == 1 ? use.model.name : "\(use.model.name) (\(count))", pipeline, postgres)
            // What is wrong in the query made here is told at the model.
            for index in before..<log.all.count {
                log.all[index].range = use.model.plan.range
                log.all[index].message = "drift of model \"\(use.model.name)\": \(log.all[index].message)"
            }
        }
    }

    private func add(_ use: DriftUse, as name: String, _ pipeline: String, _ postgres: SinkPlan?) {
        let plan = use.model.plan
        guard let drift = use.model.drift else { return }
        guard let time = use.node.columns.firstIndex(where: { $0.time == .event }) else {
            return log.error(
                "the rows it scores have no event time", at: .none,
                hint: "Windows need it: declare WATERMARK on the source and keep its column in the query.")
        }
        var columns = [(name: "t", expression: Expression.column(time, use.node.columns[time].type), isNullable: false)]
        var watched: [DriftQuery.Watched] = []
        let places = zip(plan.inputs.fields, use.inputs).map { ($0, $1) } + zip(plan.outputs.fields, use.outputs)
        for (field, place) in places {
            guard let column = drift.baseline.column(field.name) else { continue }
            let type = use.node.columns[place].type
            let fits =
                switch column.distribution {
                case .numbers: type.isNumeric || type == .boolean
                case .texts: type.isCharacter || type == .boolean
                }
            guard fits else {
                return log.error(
                    "column \"\(field.name)\" is \(type), its baseline is of "
                        + (type.isNumeric ? "texts" : "numbers"), at: .none)
            }
            let source = "c\(watched.count)"
            columns.append((source, .column(place, type), true))
            watched.append(.init(column: column, source: source, type: type))
        }
        guard !watched.isEmpty else {
            return log.error(
                "the baseline has none of its columns", at: .none,
                hint: "It has \(drift.baseline.columns.map(\.name).joined(separator: ", ")).")
        }
        let rows = "millrace drift \(name)"
        let identifier = ObjectName([Identifier(rows, isQuoted: true, range: .none)])
        let view = LogicalNode.project(use.node, columns, object: plan.name)
        let sql = DriftQuery(
            pipeline: pipeline, model: name, rows: rows, time: "t", windowMilliseconds: drift.windowMilliseconds,
            thresholds: drift.thresholds, watched: watched
        ).sql
        guard let target = target(drift, postgres, plan) else { return }
        let parsed = SQLParser.parse("INSERT INTO \(target) \(sql)")
        guard parsed.diagnostics.isEmpty, case .insert(let insert)? = parsed.script.statements.first?.kind else {
            return log.error(
                "its query does not parse: \(parsed.diagnostics.first?.message ?? "")", at: .none)
        }
        query.object = Self.driftTable
        query.catalog.add(
            identifier,
            .view(
                CatalogView(
                    name: rows, node: view, definition: .init(name: identifier, columns: [], query: insert.query))))
        self.insert(insert)
    }

    /// The table the rows go to: that of `'drift.table'`, else `millrace.drift` beside the pipeline's own rows.
    private func target(_ drift: DriftSettings, _ postgres: SinkPlan?, _ plan: ModelPlan) -> String? {
        if let table = drift.table { return "`\(table)`" }
        guard let postgres else {
            log.error(
                "the pipeline writes to no PostgreSQL, where \(Self.driftTable) would be", at: .none,
                hint: "Name a table of the file with 'drift.table'. Its columns: "
                    + DriftQuery.columns.map { "\($0.name) \($0.ddl)" }.joined(separator: ", ") + ".")
            return nil
        }
        let name = ObjectName([Identifier(Self.driftTable, isQuoted: true, range: .none)])
        if query.catalog.find(name) == nil {
            var options = postgres.options.filter { ["url", "username", "password", "sink.commit"].contains($0.key) }
            options["connector"] = "postgres"
            options["table-name"] = Self.driftTable
            options["create-table"] = "true"
            let columns = DriftQuery.columns.map { "\($0.name) \($0.ddl)" }.joined(separator: ", ")
            let settings = options.sorted { $0.key < $1.key }.map {
                "'\($0.key)' = '\($0.value.replacing("'", with: "''"))'"
            }
            bind(
                SQLParser.parse(
                    "CREATE TABLE `\(Self.driftTable)` (\(columns), PRIMARY KEY (pipeline, model, column_name, window_start) "
                        + "NOT ENFORCED) WITH (\(settings.joined(separator: ", ")))"
                ).script)
        }
        return "`\(Self.driftTable)`"
    }
}

/// The `baseline` and `drift.…` options of CREATE MODEL.
struct DriftSettings {
    var baseline: ModelBaseline
    var windowMilliseconds: Int64
    /// Measures by column of the result; a window is an alert where one is above its value.
    var thresholds: [(measure: String, value: Double)]
    var table: String?

    private static let measures = [
        "drift.threshold.l-infinity": "l_infinity", "drift.threshold.jensen-shannon": "jensen_shannon",
        "drift.threshold.missing": "missing_share", "drift.threshold.out-of-domain": "out_of_domain_share",
    ]

    /// Nil without a baseline, and after an error.
    static func read(
        _ options: [OptionSyntax], values: [String: String], model: String,
        reader: ((String) throws(Diagnostic) -> ModelBaseline)?, log: DiagnosticLog
    ) -> DriftSettings? {
        func range(_ key: String) -> SourceRange { options.last { $0.key.text == key }?.value.range ?? .none }
        guard let path = values["baseline"] else {
            if let key = values.keys.filter({ $0.hasPrefix("drift.") }).sorted().first {
                log.error(
                    "model \"\(model)\" has \"\(key)\" and no \"baseline\"", at: range(key),
                    hint: "Name the reference statistics with 'baseline'.")
            }
            return nil
        }
        guard let reader else { return nil }
        let baseline: ModelBaseline
        do throws(Diagnostic) {
            baseline = try reader(path)
        } catch {
            log.error(error.message, at: range("baseline"), hint: error.hint)
            return nil
        }
        let window = (values["drift.window"].flatMap(OptionValue.microseconds) ?? 3_600_000_000) / 1000
        guard window > 0 else {
            log.error("option \"drift.window\" is not above zero", at: range("drift.window"))
            return nil
        }
        var thresholds: [(String, Double)] = []
        for (key, measure) in measures.sorted(by: { $0.key < $1.key }) {
            guard let text = values[key] else { continue }
            guard let value = ByteRef.with(text, NumberText.parseDouble), (0...1).contains(value) else {
                log.error("option \"\(key)\" takes a number from 0 to 1", at: range(key))
                continue
            }
            thresholds.append((measure, value))
        }
        return DriftSettings(
            baseline: baseline, windowMilliseconds: window, thresholds: thresholds, table: values["drift.table"])
    }
}
