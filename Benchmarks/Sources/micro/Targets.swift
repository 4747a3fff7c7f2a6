import Glibc
import MillraceCore
import Workloads

/// The ratios that docs/performance.md promises, measured side by side. Times: printed, not gated.
enum Targets {
    static func print(_ cases: [MicroCase]) throws {
        var table = TextTable(["what", "measured", "target"], names: 1)
        let names = Set(cases.map(\.name))
        if names.contains(WideCases.byName.name) {
            let size = WideCases.size
            let ours = WideCases.millrace("wide", size)
            let (own, hand) = try sideBySide([ours], [WideCases.byName, WideCases.byWalk])
            table.rows.append([
                "wide event: Millrace's decode over C++ by hand (the faster of two)",
                "\(decimal(own, 0)) ns / \(decimal(hand, 0)) ns = \(decimal(own / hand, 2))", "1.20",
            ])
        }
        for (size, target) in [(1, "1.50"), (64, "1.00")] where names.contains(TreeCases.trees(size).name) {
            let figures = try Measurement.run(TreeCases.trees(size))
            table.rows.append([
                "100 trees of depth 6, \(size) row\(size == 1 ? "" : "s") at once",
                decimal(figures.median / 1000, 2) + " us a row", target + " us",
            ])
        }
        if names.contains(where: { $0.contains("window") }) {
            let few = try KeyedWindow(keys: 1000)
            let many = try KeyedWindow(keys: 1_000_000)
            let (a, b) = (try few.nanosecondsAnEvent(), try many.nanosecondsAnEvent())
            table.rows.append([
                "tumbling windows: 1,000,000 keys over 1,000",
                "\(decimal(b, 0)) ns / \(decimal(a, 0)) ns = \(decimal(b / a, 2))", "2.00",
            ])
            table.rows.append([
                "tumbling windows: memory a key (BIGINT key, COUNT and SUM)", "\(decimal(many.bytesAKey, 0)) B", "",
            ])
        }
        guard !table.rows.isEmpty else { return }
        Swift.print("\n" + table.text, terminator: "")
    }

    /// The fastest rounds of two groups, measured in alternation so that both meet the same machine. The fastest, because
    /// whatever else runs only ever adds.
    private static func sideBySide(_ a: [MicroCase], _ b: [MicroCase]) throws -> (Double, Double) {
        let works = try (a + b).map { ($0, try $0.prepare()) }
        var best = [Double](repeating: .infinity, count: works.count)
        for _ in 0..<5 {
            for (i, (item, work)) in works.enumerated() {
                best[i] = min(best[i], try Measurement.run(item, work, rounds: 5).best)
            }
        }
        return (best[..<a.count].min()!, best[a.count...].min()!)
    }
}
