public import MillraceCore
internal import MillraceModels

extension ModelReport {
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
}
