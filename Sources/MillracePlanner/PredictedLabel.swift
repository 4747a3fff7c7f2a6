import MillraceCore
import MillraceSQL

/// What a model predicts, as `'label'` and `'classes'` of CREATE MODEL say it: the columns that BigQuery's ML.PREDICT gives in
/// place of the outputs.
///
/// Without classes `predicted_<label>` is the model's only output. With classes `predicted_<label>` is the class, and
/// `predicted_<label>_probs` an array of (label, prob) in the order of the classes. One output is the probability of the
/// second of two classes; else there is one output a class.
struct PredictedLabel {
    var name: String
    /// Empty: a number is predicted.
    var classes: [String]

    /// Nil without `'label'`, and after an error.
    static func read(
        _ options: [OptionSyntax], values: [String: String], outputs: [Field], model: String, log: DiagnosticLog
    ) -> PredictedLabel? {
        func range(_ key: String) -> SourceRange { options.last { $0.key.text == key }?.value.range ?? .none }
        guard let name = values["label"], !name.isEmpty else {
            if values["classes"] != nil {
                log.error(
                    "model \"\(model)\" has \"classes\" and no \"label\"", at: range("classes"),
                    hint: "Name what it predicts with 'label'.")
            }
            return nil
        }
        let classes = (values["classes"] ?? "").split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        if classes.isEmpty {
            guard outputs.count == 1 else {
                log.error(
                    "model \"\(model)\" has a \"label\" and \(outputs.count) OUTPUT columns", at: range("label"),
                    hint: "Name the classes of the label with 'classes', or keep one OUTPUT column.")
                return nil
            }
            return PredictedLabel(name: name, classes: [])
        }
        guard classes.count > 1, Set(classes).count == classes.count, !classes.contains("") else {
            log.error("option \"classes\" takes two or more different names", at: range("classes"))
            return nil
        }
        guard outputs.count == classes.count || outputs.count == 1 && classes.count == 2 else {
            log.error(
                "model \"\(model)\" has \(classes.count) classes and \(outputs.count) OUTPUT columns",
                at: range("classes"),
                hint: "OUTPUT is the probability of each class, or of the second of two.")
            return nil
        }
        if let wrong = outputs.first(where: { !$0.type.isNumeric }) {
            log.error(
                "OUTPUT column \"\(wrong.name)\" of model \"\(model)\" is \(wrong.type), not a probability",
                at: range("classes"))
            return nil
        }
        return PredictedLabel(name: name, classes: classes)
    }

    /// The predicted columns over a node whose model's outputs stand at `outputs`.
    ///
    /// - Parameter threshold: of two classes the second is predicted where its probability is above.
    func items(_ outputs: [(index: Int, type: DataType)], threshold: Double) -> [(
        name: String, expression: Expression, isNullable: Bool
    )] {
        let values = outputs.map { Expression.column($0.index, $0.type) }
        guard !classes.isEmpty else { return [("predicted_" + name, values[0], true)] }
        func number(_ value: Double) -> Expression { .literal(.double(value), .double) }
        func text(_ value: String) -> Expression { .literal(.string(value), .string) }
        var probabilities = values.map { Coercion.cast($0, to: .double) }
        if probabilities.count == 1 {
            probabilities.insert(.call(.subtract, [number(1), probabilities[0]], .double), at: 0)
        }
        var branches: [Expression.Branch] = []
        if classes.count == 2 {
            let above = Expression.call(.greater, [probabilities[1], number(threshold)], .boolean)
            branches = [
                .init(condition: above, result: text(classes[1])),
                .init(condition: .call(.not, [above], .boolean), result: text(classes[0])),
            ]
        } else {
            // The first of the greatest.
            for (index, probability) in probabilities.enumerated() {
                let others = probabilities.indices.filter { $0 != index }
                let tests = others.map { Expression.call(.greaterOrEqual, [probability, probabilities[$0]], .boolean) }
                let greatest = tests.dropFirst().reduce(tests[0]) { .call(.and, [$0, $1], .boolean) }
                branches.append(.init(condition: greatest, result: text(classes[index])))
            }
        }
        let row = DataType.row([Field("label", .string), Field("prob", .double)])
        let rows = zip(classes, probabilities).map { Expression.call(.rowConstructor, [text($0), $1], row) }
        return [
            ("predicted_" + name, .conditional(branches, otherwise: .literal(.null, .string), .string), true),
            ("predicted_\(name)_probs", .call(.arrayConstructor, rows, .array(row)), false),
        ]
    }

    /// `STRUCT(0.55 AS threshold)`: the threshold; nil after an error.
    static func threshold(_ syntax: ExpressionSyntax?, _ label: PredictedLabel?, _ log: DiagnosticLog) -> Double? {
        guard let syntax else { return 0.5 }
        func fail(_ message: String, _ range: SourceRange, _ hint: String? = nil) -> Double? {
            log.error(message, at: range, hint: hint)
            return nil
        }
        guard case .call(let call) = syntax.kind, call.name.text.uppercased() == "STRUCT" else {
            return fail("ML.PREDICT takes STRUCT(…) last", syntax.range, "Write STRUCT(0.55 AS threshold).")
        }
        var threshold = 0.5
        for argument in call.arguments {
            let name = argument.name?.text.lowercased() ?? ""
            guard name == "threshold" else {
                return fail(
                    name.isEmpty ? "a setting of ML.PREDICT has no name" : "unknown setting \"\(name)\" of ML.PREDICT",
                    argument.name?.range ?? argument.value.range,
                    NearestName.hint(name, in: ["threshold"]) ?? "There is threshold.")
            }
            guard case .number(let digits) = argument.value.kind, let value = Double(digits), (0...1).contains(value)
            else { return fail("threshold is a number from 0 to 1", argument.value.range) }
            guard label?.classes.count == 2 else {
                return fail(
                    "threshold needs a model of two classes", argument.value.range,
                    "Name them in CREATE MODEL, such as 'label' = 'is_fraud', 'classes' = 'no, yes'.")
            }
            threshold = value
        }
        return threshold
    }
}
