public import MillraceCore
internal import MillraceModels
internal import MillraceRuntime

/// `millrace model inspect`.
public enum ModelReport {
    /// - Throws: `.user` when the file is missing or no known model.
    public static func text(path: String) throws(Diagnostic) -> String {
        let (provider, model) = try ModelProviders.inspect(path: path)
        let signature = model.signature
        var lines = ["path:     \(path)", "provider: \(provider)", "version:  \(model.version)"]
        lines += signature.facts.map { "          \($0)" }
        lines.append("inputs:   \(signature.inputs.count)")
        lines += columns(signature.inputs, fallback: "f").map { "  \($0.name) \($0.type)" }
        lines.append("outputs:  \(signature.outputs.count)")
        lines += columns(signature.outputs, fallback: "output").map { "  \($0.name) \($0.type)" }
        lines.append("")
        lines.append("CREATE MODEL m")
        lines.append("  INPUT (" + list(columns(signature.inputs, fallback: "f")) + ")")
        lines.append("  OUTPUT (" + list(columns(signature.outputs, fallback: "output")) + ")")
        lines.append("  WITH ('provider' = '\(provider)', 'path' = '\(path)');")
        return lines.joined(separator: "\n")
    }

    /// `millrace model baseline`: writes the reference statistics of a CSV file.
    ///
    /// - Returns: what was written where.
    /// - Throws: `.user` when the file has no rows, or cannot be read or written.
    public static func baseline(csv path: String, output: String?, buckets: Int) throws(Diagnostic) -> String {
        let baseline = try BaselineBuilder.build(csv: try TextFile.read(path), path: path, buckets: buckets)
        let target = output ?? (path.hasSuffix(".csv") ? String(path.dropLast(4)) : path) + ".baseline.json"
        try TextFile.write(BaselineFile.text(baseline), to: target)
        let columns = baseline.columns.map { column in
            switch column.distribution {
            case .numbers(let splits, _, let minimum, let maximum):
                "  \(column.name): \(splits.count + 1) buckets from \(minimum) to \(maximum)"
            case .texts(let shares, let isComplete):
                "  \(column.name): \(shares.count) values" + (isComplete ? "" : " and others")
            }
        }
        return (["\(target): \(baseline.rows) rows"] + columns).joined(separator: "\n")
    }

    private static func columns(_ columns: [ModelSignature.Column], fallback: String) -> [ModelSignature.Column] {
        columns.enumerated().map { index, column in
            let name = column.name.isEmpty ? "\(fallback)\(index)" : column.name
            return ModelSignature.Column(name: name, type: column.type)
        }
    }

    private static func list(_ columns: [ModelSignature.Column]) -> String {
        columns.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
    }
}
