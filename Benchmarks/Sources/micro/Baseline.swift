import Glibc
import Workloads

/// What a row cost when the baseline was written, and how that is compared.
enum Baseline {
    /// The figures that are compared, with the least excess that counts: a counter's own graininess.
    static let gated = [("instructions", 2.0), ("allocations", 0.002), ("references", 0.02)]

    /// By name; empty without a file.
    static func read(_ path: String) throws -> [String: FlatRecord] {
        guard let file = fopen(path, "r") else { return [:] }
        defer { fclose(file) }
        var records: [String: FlatRecord] = [:]
        while let line = readLine(file) {
            guard let record = FlatRecord(line: line), let name = record.text("case") else {
                throw Counting.Failed(description: "\(path) is not a baseline: \(line)")
            }
            records[name] = record
        }
        return records
    }

    private static func readLine(_ file: UnsafeMutablePointer<FILE>) -> String? {
        var line: UnsafeMutablePointer<CChar>?
        var size = 0
        defer { free(line) }
        let count = getline(&line, &size, file)
        guard count > 0, let line else { return nil }
        return String(cString: line).split(separator: "\n").first.map(String.init) ?? ""
    }

    /// Only what is compared: times are of one machine and one day.
    static func write(_ records: [FlatRecord], to path: String) throws {
        guard let file = fopen(path, "w") else { throw Counting.Failed(description: "\(path) cannot be written") }
        defer { fclose(file) }
        for record in records {
            var kept = FlatRecord()
            kept.set("case", record.text("case") ?? "")
            for (name, _) in gated { kept.set(name, record.number(name)) }
            fputs(kept.line + "\n", file)
        }
    }

    static func excesses(_ records: [FlatRecord], _ expected: [String: FlatRecord]) -> [String] {
        var lines: [String] = []
        for record in records {
            let name = record.text("case") ?? ""
            guard expected[name] != nil else {
                if !expected.isEmpty { lines.append("\(name): not in the baseline; write it anew with --update") }
                continue
            }
            for (figure, least) in gated {
                guard let value = record.number(figure), let base = expected[name]?.number(figure),
                    value > base * (1 + MicroCommand.tolerance) + least
                else { continue }
                lines.append("\(name): \(decimal(value, 3)) \(figure) a row, the baseline has \(decimal(base, 3))")
            }
        }
        return lines
    }

    static func table(_ records: [FlatRecord], _ expected: [String: FlatRecord]) -> String {
        var table = TextTable(
            [
                "case", "ns/row", "worst", "instructions/row", "change", "allocations/row", "retain+release/row",
            ], names: 1)
        for record in records {
            let base = expected[record.text("case") ?? ""]?.number("instructions")
            let change = record.number("instructions").flatMap { now in base.map { (now / $0 - 1) * 100 } }
            table.rows.append([
                record.text("case") ?? "", decimal(record.number("ns"), 1), decimal(record.number("worst_ns"), 1),
                decimal(record.number("instructions"), 1), change.map { decimal($0, 1) + " %" } ?? "-",
                decimal(record.number("allocations"), 3), decimal(record.number("references"), 3),
            ])
        }
        return table.text
    }
}
