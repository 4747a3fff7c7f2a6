public import MillraceCore
internal import MillraceModels
internal import MillracePlanner
internal import MillraceRuntime

/// `millrace model inspect`.
public enum ModelReport {
    /// - Parameters:
    ///   - path: a model file or folder.
    ///   - options: options of `CREATE MODEL` that change what the file gives (`output`, `runtime`, …).
    /// - Throws: `.user` when the file is missing or no known model.
    public static func text(path: String, options: [String: String] = [:]) throws(Diagnostic) -> String {
        let (provider, model) = try ModelProviders.inspect(path: path, options: options)
        let signature = model.signature
        let mlflow = ModelProviders.mlflow(path: path)
        var lines = ["path:     \(path)", "provider: \(provider)", "version:  \(model.version)"]
        lines += (signature.facts + (mlflow?.facts ?? [])).map { "          \($0)" }
        let inputs = columns(signature.inputs, fallback: "f")
        let outputs = columns(signature.outputs, fallback: "output")
        lines.append("inputs:   \(inputs.count)")
        lines += inputs.map { "  \($0.name) \($0.type)" }
        lines.append("outputs:  \(outputs.count)")
        lines += outputs.map { "  \($0.name) \($0.type)" }
        lines.append("")
        lines.append(statement(path, provider, declared(inputs, mlflow?.inputs ?? []), outputs, options))
        return lines.joined(separator: "\n")
    }

    /// Columns with a name each, that no other one has.
    static func columns(_ columns: [ModelSignature.Column], fallback: String) -> [ModelSignature.Column] {
        var taken: Set<String> = []
        return columns.enumerated().map { index, column in
            var name = column.name.isEmpty ? "\(fallback)\(index)" : column.name
            while !taken.insert(name.lowercased()).inserted { name += "_\(index)" }
            return ModelSignature.Column(name: name, type: column.type)
        }
    }

    /// The columns as SQL has them: of the types of the training table where MLflow wrote them down, DOUBLE for FLOAT,
    /// which every number fits.
    private static func declared(_ inputs: [ModelSignature.Column], _ signed: [ModelSignature.Column])
        -> [ModelSignature.Column]
    {
        let isSame = signed.map { $0.name.lowercased() } == inputs.map { $0.name.lowercased() }
        return inputs.enumerated().map { index, input in
            var type = input.type == .float ? DataType.double : input.type
            if isSame, NumericKind(input.type) == NumericKind(signed[index].type) { type = signed[index].type }
            return ModelSignature.Column(name: input.name, type: type)
        }
    }

    /// Which columns a tensor of a type takes.
    private enum NumericKind {
        case number, text, other
        init(_ type: DataType) {
            self = type.isNumeric || type == .boolean ? .number : type.isCharacter ? .text : .other
        }
    }

    private static func statement(
        _ path: String, _ provider: String, _ inputs: [ModelSignature.Column], _ outputs: [ModelSignature.Column],
        _ options: [String: String]
    ) -> String {
        var name = ""
        for scalar in Path.baseName(path).split(separator: ".").first ?? "m" {
            name.append(scalar.isASCII && (scalar.isLetter || scalar.isNumber) ? scalar : "_")
        }
        let settings =
            [("provider", provider), ("path", path)] + options.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return """
            CREATE MODEL \(NameText.identifier(name.isEmpty ? "m" : name))
            INPUT (\(list(inputs)))
            OUTPUT (\(list(outputs)))
            WITH (\(settings.map { "\(NameText.string($0.0)) = \(NameText.string($0.1))" }.joined(separator: ", ")));
            """
    }

    /// On one line, or one column a line when there are many.
    private static func list(_ columns: [ModelSignature.Column]) -> String {
        let items = columns.map { "\(NameText.identifier($0.name)) \($0.type)" }
        let line = items.joined(separator: ", ")
        return line.utf8.count <= 110 ? line : "\n    " + items.joined(separator: ",\n    ") + "\n"
    }
}
