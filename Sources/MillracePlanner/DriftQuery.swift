import MillraceCore

/// Compares what a model is given and says in a window of event time with its baseline: as SQL, so that windows, restarts,
/// shards and sinks are those of any other query.
///
/// Three steps: counts of the window's buckets, shares, measures; a row a column. A bucket of the baseline that the window
/// does not fill has the share 0 there. Definitions are TensorFlow Data Validation's: L-infinity is the greatest difference
/// of two shares, over values that are not missing; the Jensen-Shannon divergence has base 2 and a bucket of missing values.
struct DriftQuery {
    /// A watched column: its name, and its name in the rows that are read.
    struct Watched {
        var column: ModelBaseline.Column
        var source: String
        var type: DataType
    }
    var pipeline: String
    var model: String
    var rows: String
    var time: String
    var windowMilliseconds: Int64
    var thresholds: [(measure: String, value: Double)]
    var watched: [Watched]

    /// Columns of the result, as a table that takes them needs them.
    static let columns: [(name: String, type: DataType, ddl: String)] = [
        ("pipeline", .string, "STRING NOT NULL"), ("model", .string, "STRING NOT NULL"),
        ("column_name", .string, "STRING NOT NULL"),
        ("window_start", .timestamp(precision: 3), "TIMESTAMP(3) NOT NULL"),
        ("window_end", .timestamp(precision: 3), "TIMESTAMP(3)"), ("window_rows", .bigInt, "BIGINT"),
        ("missing_share", .double, "DOUBLE"), ("baseline_missing_share", .double, "DOUBLE"),
        ("l_infinity", .double, "DOUBLE"), ("jensen_shannon", .double, "DOUBLE"),
        ("out_of_domain_share", .double, "DOUBLE"), ("is_alert", .boolean, "BOOLEAN"),
    ]

    private static func text(_ value: String) -> String { "'" + value.replacing("'", with: "''") + "'" }
    private static func name(_ value: String) -> String { "`" + value.replacing("`", with: "``") + "`" }
    private static func number(_ value: Double) -> String {
        let digits = "\(value.magnitude)"
        return (value < 0 ? "(-" : "(") + (digits.contains("e") ? digits : digits + "e0") + ")"
    }

    /// Conditions of the buckets of column `index`, and the baseline's shares of them.
    private func buckets(_ index: Int) -> (conditions: [String], shares: [Double], outside: String) {
        let value = "v\(index)"
        switch watched[index].column.distribution {
        case .numbers(let splits, let shares, let minimum, let maximum):
            let conditions = shares.indices.map { bucket -> String in
                var parts: [String] = []
                if bucket > 0 { parts.append("\(value) >= \(Self.number(splits[bucket - 1]))") }
                if bucket < splits.count { parts.append("\(value) < \(Self.number(splits[bucket]))") }
                return parts.isEmpty ? "\(value) IS NOT NULL" : parts.joined(separator: " AND ")
            }
            let outside = "\(value) < \(Self.number(minimum)) OR \(value) > \(Self.number(maximum))"
            return (conditions, shares, outside)
        case .texts(let shares, let isComplete):
            let known = shares.map { Self.text($0.text) }
            let rest = "\(value) NOT IN (\(known.joined(separator: ", ")))"
            let conditions = known.map { "\(value) = \($0)" } + [rest]
            let others = max(0, 1 - shares.reduce(0) { $0 + $1.share })
            return (conditions, shares.map(\.share) + [isComplete ? 0 : others], isComplete ? rest : "FALSE")
        }
    }

    private func expression(_ watched: Watched) -> String {
        let source = Self.name(watched.source)
        switch (watched.column.distribution, watched.type) {
        case (.numbers, .boolean): return "CASE WHEN \(source) THEN 1e0 WHEN NOT \(source) THEN 0e0 END"
        case (.numbers, _): return "CAST(\(source) AS DOUBLE)"
        case (.texts, .boolean): return "LOWER(CAST(\(source) AS STRING))"
        case (.texts, _): return "CAST(\(source) AS STRING)"
        }
    }

    /// `SELECT …` with `columns`.
    var sql: String {
        var counts = ["window_start", "window_end", "COUNT(*) AS n"]
        var shares = ["window_start", "window_end", "n"]
        var values = [Self.name(time)]
        var items: [String] = []
        for (index, watched) in watched.enumerated() {
            let (conditions, baseline, outside) = buckets(index)
            values.append("\(expression(watched)) AS v\(index)")
            counts.append("COUNT(v\(index)) AS k\(index)")
            shares.append("CAST(n - k\(index) AS DOUBLE) / CAST(n AS DOUBLE) AS m\(index)")
            counts.append("COUNT(*) FILTER (WHERE \(outside)) AS o\(index)")
            // Of no values there are no shares.
            let present = "NULLIF(CAST(k\(index) AS DOUBLE), 0e0)"
            shares.append("CAST(o\(index) AS DOUBLE) / \(present) AS d\(index)")
            var differences: [String] = []
            var divergence: [String] = []
            let missing = watched.column.missingShare
            for (bucket, share) in baseline.enumerated() {
                let column = "b\(index)_\(bucket)"
                counts.append("COUNT(*) FILTER (WHERE \(conditions[bucket])) AS \(column)")
                shares.append("CAST(\(column) AS DOUBLE) / \(present) AS s\(index)_\(bucket)")
                shares.append("CAST(\(column) AS DOUBLE) / CAST(n AS DOUBLE) AS p\(index)_\(bucket)")
                differences.append("ABS(s\(index)_\(bucket) - \(Self.number(share)))")
                divergence.append(Self.divergence("p\(index)_\(bucket)", share * (1 - missing)))
            }
            divergence.append(Self.divergence("m\(index)", missing))
            let distance = differences.count == 1 ? differences[0] : "GREATEST(\(differences.joined(separator: ", ")))"
            items.append(
                "ROW(\(Self.text(watched.column.name)), m\(index), \(Self.number(missing)), \(distance), "
                    + "(\(divergence.joined(separator: " + "))) / 2e0, d\(index))")
        }
        let alerts = thresholds.map { "COALESCE(\($0.measure) > \(Self.number($0.value)), FALSE)" }
        let seconds = "\(windowMilliseconds / 1000).\(String(String(windowMilliseconds % 1000 + 1000).dropFirst()))"
        return """
            SELECT \(Self.text(pipeline)), \(Self.text(model)), column_name, window_start, window_end, n, missing_share,
            baseline_missing_share, l_infinity, jensen_shannon, out_of_domain_share,
            \(alerts.isEmpty ? "FALSE" : alerts.joined(separator: " OR "))
            FROM (SELECT window_start, window_end, n, u.* FROM (
            SELECT \(shares.joined(separator: ", ")) FROM (
            SELECT \(counts.joined(separator: ", "))
            FROM TUMBLE(TABLE (SELECT \(values.joined(separator: ", ")) FROM \(Self.name(rows))), DESCRIPTOR(\(Self.name(time))),
            INTERVAL '\(seconds)' SECOND) GROUP BY window_start, window_end) AS counted) AS shared
            CROSS JOIN UNNEST(ARRAY[\(items.joined(separator: ",\n"))]) AS u (column_name, missing_share,
            baseline_missing_share, l_infinity, jensen_shannon, out_of_domain_share)) AS measured
            """
    }

    /// Twice what one bucket adds to the divergence of a share in a column from a constant.
    private static func divergence(_ column: String, _ share: Double) -> String {
        let q = number(share)
        let own = "CASE WHEN \(column) > 0e0 THEN \(column) * LOG2(2e0 * \(column) / (\(column) + \(q))) ELSE 0e0 END"
        guard share > 0 else { return own }
        return "\(own) + \(q) * LOG2(2e0 * \(q) / (\(column) + \(q)))"
    }
}
