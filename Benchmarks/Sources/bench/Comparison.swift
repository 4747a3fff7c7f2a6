import Workloads

/// The change in percent from the last run in an earlier file.
enum Comparison {
    /// A change beyond this is marked.
    static let markedPercent = 5.0
    static let columns = [
        ("p50", "p50_ms"), ("p90", "p90_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"), ("max", "max_ms"),
        ("events/s", "events_per_s"), ("events/s/core", "events_per_s_per_core"), ("cores", "engine_cores"),
        ("peak", "peak_mb"), ("start", "start_s"),
    ]

    /// The lines of a `--json` file.
    static func read(_ path: String) throws -> [FlatRecord] {
        let text = ProcFile.text(path)
        guard !text.isEmpty else { throw Failure("--compare: \(path) cannot be read or is empty") }
        return try text.split(separator: "\n").enumerated().map { i, line in
            guard let record = FlatRecord(line: line) else {
                throw Failure("--compare: line \(i + 1) of \(path) is not a result of this program")
            }
            return record
        }
    }

    private static func isSame(_ a: FlatRecord, _ b: FlatRecord) -> Bool {
        ["engine", "job"].allSatisfy { a.text($0) == b.text($0) }
            && ["rate", "backlog", "partitions"].allSatisfy { a.number($0) == b.number($0) }
    }

    static func table(_ records: [FlatRecord], against earlier: [FlatRecord]) -> String {
        var table = TextTable(["job", "load", "engine", "than"] + columns.map(\.0), names: 4)
        for record in records {
            guard let base = earlier.last(where: { isSame($0, record) }) else { continue }
            table.rows.append(
                [
                    (record.text("job") ?? "").uppercased(), Report.load(record), record.text("engine") ?? "",
                    base.text("commit") ?? "",
                ] + columns.map { change(from: base.number($0.1), to: record.number($0.1)) })
        }
        return table.rows.isEmpty ? "nothing to compare: the file has none of these runs\n" : table.text
    }

    /// `+3.1 %`, with a star beyond the limit.
    static func change(from old: Double?, to new: Double?) -> String {
        guard let old, let new, old != 0 else { return "-" }
        let percent = (new / old - 1) * 100
        return (percent >= 0 ? "+" : "") + decimal(percent, 1) + " %" + (abs(percent) > markedPercent ? " *" : "")
    }
}
