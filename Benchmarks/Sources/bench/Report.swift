import Workloads

/// Tables of what was measured.
enum Report {
    /// Foreign CPU, in cores, above which a run says little.
    static let foreignLimit = 0.15

    static func table(_ records: [FlatRecord]) -> String {
        let comparesEngines = Set(records.compactMap { $0.text("engine") }).count > 1
        var heading = [
            "job", "load", "engine", "p50 ms", "p90", "p99", "p99.9", "max", "events/s", "events/s/core", "cores",
            "peak MB", "start s", "idle cores", "foreign", "rows",
        ]
        if comparesEngines { heading += ["p50 x", "p99 x", "p99.9 x", "events/s x", "per core x", "start x"] }
        var table = TextTable(heading, names: 3)
        for record in records {
            func cell(_ name: String) -> String { significant(record.number(name)) }
            func count(_ name: String) -> String { record.number(name).map { grouped(Int($0)) } ?? "-" }
            var row = [
                (record.text("job") ?? "").uppercased(), load(record), record.text("engine") ?? "", cell("p50_ms"),
                cell("p90_ms"), cell("p99_ms"), cell("p999_ms"), cell("max_ms"), count("events_per_s"),
                count("events_per_s_per_core"), decimal(record.number("engine_cores"), 2), cell("peak_mb"),
                decimal(record.number("start_s"), 3), decimal(record.number("idle_cores"), 4),
                decimal(record.number("foreign_cores"), 2), count("rows"),
            ]
            if comparesEngines {
                // The last engine named is the one that the first is measured by.
                let base = records.last { load($0) == load(record) && $0.text("job") == record.text("job") }
                for name in ["p50_ms", "p99_ms", "p999_ms", "events_per_s", "events_per_s_per_core", "start_s"] {
                    let isBase = base == record
                    let ratio = base?.number(name).flatMap { b in record.number(name).map { $0 / b } }
                    row.append(isBase ? "" : decimal(ratio, 2))
                }
            }
            table.rows.append(row)
        }
        return table.text
    }

    static func load(_ record: FlatRecord) -> String {
        if let rate = record.number("rate") { return Load.rate(Int(rate)).name }
        return Load.backlog(Int(record.number("backlog") ?? 0)).name
    }

    /// What a reader must know before believing a figure.
    static func warnings(_ records: [FlatRecord]) -> [String] {
        var lines: [String] = []
        for record in records {
            let place =
                "\(record.text("engine") ?? ""), job \((record.text("job") ?? "").uppercased()), \(load(record))"
            if let problem = record.text("problem"), !problem.isEmpty {
                lines.append("WRONG: \(place): rows \(problem)")
            }
            if let foreign = record.number("foreign_cores"), foreign > foreignLimit {
                lines.append(
                    "warning: \(place): other programs used \(decimal(foreign, 2)) cores; measure again on a quiet machine"
                )
            }
        }
        return lines
    }
}
