import MillraceCore
import MillraceSQL

extension QueryBinder {
    /// `ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a, b) [, MAP[…]])`, or BigQuery's `ML.PREDICT(MODEL m, TABLE t)` by name.
    func predict(_ call: CallSyntax, _ range: SourceRange, bindsByName: Bool) -> LogicalNode? {
        let names = bindsByName ? ["MODEL", "INPUT", "OPTIONS"] : ["INPUT", "MODEL", "ARGS", "CONFIG"]
        guard let values = arguments(call, names, required: bindsByName ? 2 : 3, range) else { return nil }
        guard let tableSyntax = values[bindsByName ? 1 : 0], let modelSyntax = values[bindsByName ? 0 : 1] else {
            return nil
        }
        let table = tableArgument(tableSyntax)
        let model = self.model(modelSyntax)
        guard let table, let model else { return nil }
        let plan = model.plan
        guard let threshold = PredictedLabel.threshold(bindsByName ? values[2] : nil, model.label, log) else {
            return nil
        }
        if !bindsByName, !model.transform.isEmpty {
            log.error(
                "model \"\(plan.name)\" has TRANSFORM, which ML_PREDICT does not apply", at: modelSyntax.range,
                hint: "Write ML.PREDICT(MODEL \(plan.name), TABLE …), which binds columns by name.")
            return nil
        }
        var columns: [(bound: Bound, range: SourceRange, name: String)] = []
        let binder = binder(table.scope, "ML_PREDICT")
        if bindsByName {
            for input in plan.inputs.fields {
                switch model.transform.feature(input.name, binder) {
                case .bound(let bound, let range):
                    columns.append((bound, range, input.name))
                    continue
                case .failed: return nil
                case .absent: break
                }
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
        guard let config = PredictConfig.read(bindsByName ? nil : values[3], model: plan, options: options, log: log),
            isFine
        else { return nil }
        if let canary = plan.canary {
            guard let key = canaryKey(canary, of: plan, table.scope, binder, at: tableSyntax.range) else { return nil }
            arguments.append(key)
        }
        var (input, indices) = withColumns(table.node, arguments)
        let canaryKey = plan.canary == nil ? nil : indices.removeLast()
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
        var receipts: [PredictReceipt] = []
        for receipt in config.receipts {
            let column = unique(receipt.name)
            receipts.append(PredictReceipt(receipt.kind, name: column))
            outputs.append(
                OutputColumn(column, receipt.kind.type(of: plan), isNullable: isNullable(receipt.kind, config)))
        }
        let node = LogicalNode(
            .predict(
                model,
                PredictPlan(
                    model: -1, arguments: indices, receipts: receipts, contract: config.contract, canaryKey: canaryKey,
                    config: config.rest)), inputs: [input], columns: input.columns + outputs, object: plan.name)
        if model.drift != nil {
            drifts.append(
                DriftUse(
                    model: model, node: node, inputs: indices,
                    outputs: plan.outputs.fields.indices.map { input.columns.count + $0 }))
        }
        if bindsByName, let label = model.label {
            let places = plan.outputs.fields.indices.map {
                (index: input.columns.count + $0, type: plan.outputs.fields[$0].type)
            }
            taken = Set(table.node.columns.map(\.name))
            let predicted = label.items(places, threshold: threshold).map {
                (unique($0.name), $0.expression, $0.isNullable)
            }
            return node.selecting(Array(0..<own), appending: predicted)
        }
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

    /// The column that decides whether the canary scores a row; nil after an error.
    private func canaryKey(
        _ canary: CanaryPlan, of model: ModelPlan, _ scope: Scope, _ binder: ExpressionBinder, at range: SourceRange
    ) -> Expression? {
        guard scope.columns.contains(where: { $0.name == canary.key || $0.isBroken }) else {
            log.error(
                "column \"\(canary.key)\", the 'canary.key' of model \"\(model.name)\", is not a column of the table",
                at: range,
                hint: NearestName.hint(canary.key, in: scope.columns.map(\.name))
                    ?? "Every table that the model scores needs it.")
            return nil
        }
        guard let bound = binder.name([Identifier(canary.key, range: range)]) else { return nil }
        switch bound.type.layout {
        case .int64, .bytes, .decimal: return bound.expression
        case .double, .row, .list:
            log.error(
                "column \"\(canary.key)\", the 'canary.key' of model \"\(model.name)\", is \(bound.type)", at: range,
                hint: "A key is text, a whole number, a DECIMAL or a time.")
            return nil
        }
    }

    /// A default has no version, no hash and no call behind it.
    private func isNullable(_ kind: PredictReceipt.Kind, _ config: PredictConfig) -> Bool {
        switch kind {
        case .model, .timeout: return false
        case .shadow: return true
        case .version, .hash, .latency:
            if case .values = config.contract.onTimeout { return true }
            return false
        }
    }
}

extension PredictReceipt.Kind {
    func type(of model: ModelPlan) -> DataType {
        switch self {
        case .version, .model, .hash: .string
        case .latency: .bigInt
        case .timeout: .boolean
        case .shadow: model.outputs[0].type
        }
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
