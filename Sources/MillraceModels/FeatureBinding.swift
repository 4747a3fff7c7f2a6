import MillraceCore
import MillraceRuntime

/// Checks the INPUT columns of a model against what its file wants, before anything runs.
enum FeatureBinding {
    /// Count and names. Binding is by position, as in Flink; a list that has all names of the file in another order is
    /// refused, because it would score the wrong features without a sign.
    static func check(_ inputs: Schema, against signature: ModelSignature, model: String) throws(Diagnostic) {
        let names = signature.inputs.map(\.name)
        let known = names.filter { !$0.isEmpty }
        guard inputs.count == names.count else {
            let given = Set(inputs.fields.map { $0.name.lowercased() })
            let missing = known.filter { !given.contains($0.lowercased()) }
            throw Diagnostic(
                "\(model): INPUT has \(inputs.count) columns, the file wants \(names.count)",
                hint: known.isEmpty
                    ? "Declare one INPUT column for every feature, in the order of the training data."
                    : (missing.isEmpty || inputs.count > names.count
                        ? "The features are \(list(names))."
                        : "Missing in INPUT: \(list(missing)); the features are \(list(names))."))
        }
        guard known.count == names.count else { return }
        let declared = inputs.fields.map { $0.name.lowercased() }
        let wanted = names.map { $0.lowercased() }
        if declared != wanted, declared.sorted() == wanted.sorted() {
            throw Diagnostic(
                "\(model): INPUT has the features of the file in another order",
                hint:
                    "Features bind by position. Declare INPUT, and list the DESCRIPTOR columns, in this order: \(list(names))."
            )
        }
    }

    static func list(_ names: [String]) -> String {
        names.count <= 40 ? names.joined(separator: ", ") : names.prefix(40).joined(separator: ", ") + ", …"
    }

    static func wrongType(_ field: Field, wanted: String, model: String) -> Diagnostic {
        Diagnostic(
            "\(model): INPUT column \"\(field.name)\" is \(field.type), the file wants \(wanted)",
            hint: field.type.isTemporal
                ? "Make a number of it first, for example with EXTRACT(HOUR FROM …) or TIMESTAMPDIFF."
                : (field.type.isCharacter && wanted != "a string"
                    ? "Map the text to the codes used in training, for example with CASE."
                    : "CAST the column in the query."))
    }
}

/// How a numeric SQL column becomes features.
enum NumericSource {
    case integer
    case double
    /// Unscaled value over this power of ten.
    case decimal(divisor: Double)

    /// Nil for types that are no numbers. BOOLEAN counts as 0 and 1.
    init?(_ type: DataType) {
        switch type {
        case .boolean, .tinyInt, .smallInt, .integer, .bigInt: self = .integer
        case .float, .double: self = .double
        case .decimal(_, let scale):
            var divisor = 1.0
            for _ in 0..<scale { divisor *= 10 }
            self = .decimal(divisor: divisor)
        default: return nil
        }
    }
}
