import MillraceCore
import MillraceRuntime

/// Finds the model output behind every OUTPUT column.
enum OutputBinding {
    /// Indices into `signature.outputs`, one an OUTPUT column.
    ///
    /// By name when every OUTPUT name is an output of the file (any order, any subset), else by position with equal
    /// counts. `soleOutput` answers a single OUTPUT column that neither covers: the probability of a binary classifier.
    static func resolve(_ outputs: Schema, signature: ModelSignature, soleOutput: Int? = nil, model: String)
        throws(Diagnostic) -> [Int]
    {
        let names = signature.outputs.map { $0.name.lowercased() }
        let byName = outputs.fields.map { names.firstIndex(of: $0.name.lowercased()) }
        if !byName.contains(nil) { return byName.compactMap { $0 } }
        if outputs.count == names.count { return Array(names.indices) }
        if outputs.count == 1, let soleOutput { return [soleOutput] }
        throw Diagnostic(
            "\(model): OUTPUT has \(outputs.count) columns, the file gives \(names.count)",
            hint: "Use all of them in this order, or some of them by these names: "
                + FeatureBinding.list(signature.outputs.map { "\($0.name) \($0.type)" }) + ".")
    }

    static func wrongType(_ field: Field, wanted: String, model: String) -> Diagnostic {
        Diagnostic(
            "\(model): OUTPUT column \"\(field.name)\" is \(field.type), the file gives \(wanted)",
            hint: "Declare it as \(wanted) and CAST it in the query that reads the prediction.")
    }
}
