internal import Glibc
internal import MillraceCore
internal import MillraceObservability

/// What the demo shows: a redrawn screen on a terminal, a line a second elsewhere.
struct DemoScreen {
    /// A table from the database: column names, then rows.
    struct Panel {
        var title: String
        var header: [String]
        var rows: [[String]]
    }

    let title: String
    let isTerminal: Bool
    private var previous = PipelineMetrics.Snapshot()
    private var previousTime: Int64 = 0

    init(title: String, isTerminal: Bool) {
        self.title = title
        self.isTerminal = isTerminal
    }

    /// The next frame, ready to be written to standard output.
    mutating func frame(_ metrics: PipelineMetrics.Snapshot, panels: [Panel], nowMicroseconds now: Int64) -> String {
        let seconds = previousTime == 0 ? 0 : Double(now - previousTime) / 1e6
        func rate(_ value: Int, _ before: Int) -> Int { seconds > 0 ? Int(Double(value - before) / seconds + 0.5) : 0 }
        let polled = rate(metrics.polledRecords, previous.polledRecords)
        let written = rate(metrics.writtenRowsTotal, previous.writtenRowsTotal)
        previous = metrics
        previousTime = now
        let lag = metrics.watermark.map { "\(time($0)) (\(Fixed.text(Double(now / 1000 - $0) / 1000, digits: 1)) s behind)" }
        guard isTerminal else {
            return "events/s \(polled)  rows/s \(written)  event→commit p50 \(milliseconds(metrics.intervalLatency.p50)) "
                + "p99 \(milliseconds(metrics.intervalLatency.p99))  watermark \(lag ?? "none")  "
                + "dead letters \(metrics.rejectedRowsTotal)\n"
        }
        var lines = [
            title, "",
            "  events/s \(pad(polled, 9))    rows/s \(pad(written, 9))    commits \(pad(metrics.commits, 9))",
            "  event→commit   p50 \(milliseconds(metrics.intervalLatency.p50))   "
                + "p99 \(milliseconds(metrics.intervalLatency.p99))   max \(milliseconds(metrics.intervalLatency.max))",
            "  watermark      \(lag ?? "none yet")",
            "  dead letters   \(metrics.rejectedRowsTotal)"
                + metrics.rejectedRows.sorted { $0.key < $1.key }.map { "   \($0.key) \($0.value)" }.joined(),
        ]
        for panel in panels {
            lines += ["", "  \(panel.title)"] + DemoScreen.table(panel).map { "    " + $0 }
        }
        lines += ["", "  Ctrl-C ends the demo."]
        // Home, each line cleared behind its text, the rest of the screen cleared: no flicker.
        return "\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
    }

    static func table(_ panel: Panel) -> [String] {
        let rows = [panel.header] + panel.rows
        let widths = panel.header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { index, cell in
                cell + String(repeating: " ", count: widths[index] - cell.count)
            }.joined(separator: "  ")
        }
    }

    private func pad(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private func milliseconds(_ microseconds: Int64) -> String { Fixed.text(Double(microseconds) / 1000, digits: 1) + " ms" }

    private func time(_ milliseconds: Int64) -> String { String(DemoTime.text(milliseconds).dropFirst(11)) }
}

/// Fixed-point text of a number; Foundation's formatting is not linked.
enum Fixed {
    static func text(_ value: Double, digits: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int((abs(value) * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        let zeros = String(repeating: "0", count: digits - fraction.count)
        return (value < 0 && scaled != 0 ? "-" : "") + "\(scaled / scale)" + (digits > 0 ? "." + zeros + fraction : "")
    }
}
