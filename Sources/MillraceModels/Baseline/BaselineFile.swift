public import MillraceCore

/// `ModelBaseline` as JSON:
///
///     {"millrace-baseline": 1, "rows": 1000, "columns": [
///       {"name": "age", "missing": 0.01, "minimum": 15, "maximum": 49, "splits": [20, 25], "shares": [0.2, 0.5, 0.3]},
///       {"name": "country", "missing": 0, "values": ["de", "at"], "shares": [0.9, 0.1], "complete": true}]}
public enum BaselineFile {
    /// - Throws: `.user`, with the path, for what is no baseline.
    public static func read(_ text: String, path: String) throws(Diagnostic) -> ModelBaseline {
        do throws(ModelFileFault) {
            return try parse(try JSONDocument.parse(Array(text.utf8)))
        } catch {
            let reason =
                switch error {
                case .damaged(let reason): reason
                case .unsupported(let what, _): what
                }
            throw Diagnostic(
                "\"\(path)\" is not a baseline: \(reason)",
                hint: "Write one from the training rows: millrace model baseline FILE.csv.")
        }
    }

    private static func parse(_ document: DocumentValue) throws(ModelFileFault) -> ModelBaseline {
        guard document["millrace-baseline"]?.integer == 1 else { throw .damaged("it has no \"millrace-baseline\": 1") }
        guard let rows = document["rows"]?.integer, rows > 0 else { throw .damaged("it has no rows") }
        var columns: [ModelBaseline.Column] = []
        for item in document["columns"]?.elements ?? [] {
            guard let name = item["name"]?.text else { throw .damaged("a column has no name") }
            guard case .number(let missing)? = item["missing"], (0...1).contains(missing) else {
                throw .damaged("column \"\(name)\" has no share of missing values")
            }
            guard let shares = item["shares"]?.doubles, shares.allSatisfy({ (0...1).contains($0) }) else {
                throw .damaged("column \"\(name)\" has no shares")
            }
            let distribution: ModelBaseline.Distribution
            if let splits = item["splits"]?.doubles {
                guard case .number(let minimum)? = item["minimum"], case .number(let maximum)? = item["maximum"],
                    shares.count == splits.count + 1, minimum.isFinite, maximum.isFinite,
                    splits.allSatisfy(\.isFinite), zip(splits, splits.dropFirst()).allSatisfy({ $0 < $1 })
                else { throw .damaged("the buckets of column \"\(name)\" do not ascend, or have other shares") }
                distribution = .numbers(splits: splits, shares: shares, minimum: minimum, maximum: maximum)
            } else if let values = item["values"]?.strings, values.count == shares.count {
                var isComplete = false
                if case .bool(true)? = item["complete"] { isComplete = true }
                distribution = .texts(
                    zip(values, shares).map { ModelBaseline.Share(text: $0, share: $1) }, isComplete: isComplete)
            } else {
                throw .damaged("column \"\(name)\" has neither splits nor values")
            }
            guard columns.count < 4096, shares.count <= 256 else { throw .damaged("it is too large") }
            columns.append(.init(name: name, missingShare: missing, distribution: distribution))
        }
        guard !columns.isEmpty else { throw .damaged("it has no columns") }
        return ModelBaseline(rows: rows, columns: columns)
    }

    public static func text(_ baseline: ModelBaseline) -> String {
        func list(_ values: [Double]) -> String { "[" + values.map { "\($0)" }.joined(separator: ", ") + "]" }
        let columns = baseline.columns.map { column in
            var text = "  {\"name\": \(quoted(column.name)), \"missing\": \(column.missingShare), "
            switch column.distribution {
            case .numbers(let splits, let shares, let minimum, let maximum):
                text += "\"minimum\": \(minimum), \"maximum\": \(maximum), \"splits\": \(list(splits)), "
                text += "\"shares\": \(list(shares))}"
            case .texts(let shares, let isComplete):
                text += "\"values\": [" + shares.map { quoted($0.text) }.joined(separator: ", ") + "], "
                text += "\"shares\": \(list(shares.map(\.share))), \"complete\": \(isComplete)}"
            }
            return text
        }
        return "{\"millrace-baseline\": 1, \"rows\": \(baseline.rows), \"columns\": [\n"
            + columns.joined(separator: ",\n") + "\n]}\n"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
