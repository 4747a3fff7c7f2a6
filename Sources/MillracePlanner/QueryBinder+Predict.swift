import MillraceCore
import MillraceSQL

extension QueryBinder {
    /// CONFIG keys of ML_PREDICT; their values are checked here.
    static let predictConfig: [OptionDescriptor] = [
        OptionDescriptor("async", .boolean, "Accepted for Flink's sake; models run in the process"),
        OptionDescriptor("timeout", .duration, "Accepted for Flink's sake"),
        OptionDescriptor("capacity", .integer, "Accepted for Flink's sake"),
        OptionDescriptor("output-mode", .choice(["ORDERED", "ALLOW_UNORDERED"]), "Rows always keep their order"),
        OptionDescriptor("max-concurrent-operations", .integer, "Accepted for Flink's sake"),
        OptionDescriptor("version-column", .string, "Name of a column with the model's content hash"),
    ]

    /// `ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a, b) [, MAP[…]])`, or BigQuery's `ML.PREDICT(MODEL m, TABLE t)` by name.
    func predict(_ call: CallSyntax, _ range: SourceRange, bindsByName: Bool) -> LogicalNode? {
        let names = bindsByName ? ["MODEL", "INPUT", "OPTIONS"] : ["INPUT", "MODEL", "ARGS", "CONFIG"]
        guard let values = arguments(call, names, required: bindsByName ? 2 : 3, range) else { return nil }
        guard let tableSyntax = values[bindsByName ? 1 : 0], let modelSyntax = values[bindsByName ? 0 : 1] else {
            return nil
        }
        if bindsByName, let settings = values[2] {
            log.error("options of ML.PREDICT are not supported", at: settings.range)
            return nil
        }
        let table = tableArgument(tableSyntax)
        let model = self.model(modelSyntax)
        guard let table, let model else { return nil }
        let plan = model.plan
        var columns: [(bound: Bound, range: SourceRange, name: String)] = []
        let binder = binder(table.scope, "ML_PREDICT")
        if bindsByName {
            for input in plan.inputs.fields {
                guard table.scope.columns.contains(where: { $0.name == input.name || $0.isBroken }) else {
                    log.error(
                        "input \"\(input.name)\" of model \"\(plan.name)\" is not a column of the table",
                        at: tableSyntax.range,
                        hint: NearestName.hint(input.name, in: table.scope.columns.map(\.name))
                            ?? "ML.PREDICT binds inputs by name: write (SELECT … AS \(input.name) FROM …).")
                    return nil
                }
                guard let bound = binder.name([Identifier(input.name, range: tableSyntax.range)]) else { return nil }
                columns.append((bound, tableSyntax.range, input.name))
            }
        } else {
            guard let descriptor = values[2], case .descriptor(let features) = descriptor.kind else {
                log.error("ML_PREDICT takes DESCRIPTOR(column, …) as its third argument", at: values[2]?.range ?? range)
                return nil
            }
            guard features.count == plan.inputs.count else {
                log.error(
                    "model \"\(plan.name)\" takes \(plan.inputs.count) inputs, DESCRIPTOR has \(features.count)",
                    at: descriptor.range,
                    hint:
                        "Its inputs are \(plan.inputs.fields.map { "\($0.name) \($0.type)" }.joined(separator: ", ")).")
                return nil
            }
            var isFine = true
            for feature in features {
                guard let bound = binder.name([feature]) else {
                    isFine = false
                    continue
                }
                columns.append((bound, feature.range, feature.text))
            }
            guard isFine else { return nil }
        }
        var isFine = true
        var arguments: [Expression] = []
        for (column, input) in zip(columns, plan.inputs.fields) {
            guard Coercion.isImplicit(from: column.bound.type, to: input.type) else {
                log.error(
                    "input \"\(input.name)\" of model \"\(plan.name)\" is \(input.type), column \"\(column.name)\" is \(column.bound.type)",
                    at: column.range, hint: "Write a CAST in the query that feeds the model.")
                isFine = false
                continue
            }
            let expression = column.bound.expression
            arguments.append(
                Coercion.isSame(expression.type, input.type) ? expression : Coercion.cast(expression, to: input.type))
        }
        let config = bindsByName ? [:] : self.config(values[3])
        guard isFine, var config else { return nil }
        let version = config.removeValue(forKey: "version-column")
        let (input, indices) = withColumns(table.node, arguments)
        let own = table.node.columns.count
        var taken = Set(table.node.columns.map(\.name))
        func unique(_ name: String) -> String {
            var candidate = name
            var suffix = 0
            while !taken.insert(candidate).inserted {
                candidate = "\(name)\(suffix)"
                suffix += 1
            }
            return candidate
        }
        var outputs = plan.outputs.fields.map { OutputColumn(unique($0.name), $0.type, isNullable: true) }
        var versionName: String?
        if let version {
            let name = unique(version)
            versionName = name
            outputs.append(OutputColumn(name, .string, isNullable: false))
        }
        let node = LogicalNode(
            .predict(model: model, arguments: indices, versionColumn: versionName, config: config), inputs: [input],
            columns: input.columns + outputs, object: plan.name)
        if input.columns.count == own { return node }
        return node.selecting(Array(0..<own) + Array(input.columns.count..<node.columns.count))
    }

    private func model(_ syntax: ExpressionSyntax) -> CatalogModel? {
        let name: ObjectName
        switch syntax.kind {
        case .modelArgument(let given): name = given
        case .name(let parts): name = ObjectName(parts)
        default:
            log.error("expected MODEL name", at: syntax.range)
            return nil
        }
        switch catalog.find(name) {
        case .model(let model): return model
        case .broken: return nil
        case .table, .view: log.error("\"\(name.text)\" is not a model", at: name.range)
        case nil:
            log.error(
                "unknown model \"\(name.text)\"", at: name.range,
                hint: NearestName.hint(name.text, in: catalog.modelNames)
                    ?? (catalog.modelNames.isEmpty ? "Define it first with CREATE MODEL." : nil))
        }
        return nil
    }

    /// `MAP['key', 'value', …]`; nil after an error.
    private func config(_ syntax: ExpressionSyntax?) -> [String: String]? {
        guard let syntax else { return [:] }
        guard case .mapValue(let parts) = syntax.kind, parts.count.isMultiple(of: 2) else {
            log.error("CONFIG takes MAP['key', 'value', …]", at: syntax.range)
            return nil
        }
        var result: [String: String] = [:]
        var isFine = true
        for index in stride(from: 0, to: parts.count, by: 2) {
            guard case .string(let key, _) = parts[index].kind, case .string(let value, _) = parts[index + 1].kind
            else {
                log.error("CONFIG takes text keys and values", at: parts[index].range)
                isFine = false
                continue
            }
            guard let descriptor = Self.predictConfig.first(where: { $0.name == key }) else {
                log.error(
                    "unknown CONFIG key \"\(key)\"", at: parts[index].range,
                    hint: NearestName.hint(key, in: Self.predictConfig.map(\.name)))
                isFine = false
                continue
            }
            guard let filled = options.value(StringSyntax(value, range: parts[index + 1].range), of: descriptor) else {
                isFine = false
                continue
            }
            result[key] = filled
        }
        return isFine ? result : nil
    }
}

extension OptionChecker {
    /// The value, filled in and checked against one descriptor.
    func value(_ syntax: StringSyntax, of descriptor: OptionDescriptor) -> String? {
        guard let text = expand(syntax), check(text, descriptor, key: descriptor.name, at: syntax.range) else {
            return nil
        }
        return text
    }
}
