internal import Glibc
internal import MillraceCore
internal import MillraceObservability
internal import MillraceRuntime

/// What the demo shows: a redrawn screen on a terminal, a line a second elsewhere.
struct DemoScreen {
    /// Clears the screen and hides the cursor.
    static let opening = "\u{1B}[2J\u{1B}[?25l"
    /// Gives the cursor back.
    static let closing = "\u{1B}[?25h"

    private let scenario: DemoScenario
    private let database: String
    private let isTerminal: Bool
    private var previous = PipelineMetrics.Snapshot()
    private var previousTime: Int64 = 0
    /// Of the newest interval in which something was committed.
    private var latency = PipelineMetrics.Snapshot().latency

    init(_ scenario: DemoScenario, database: String, isTerminal: Bool) {
        self.scenario = scenario
        self.database = database
        self.isTerminal = isTerminal
    }

    /// The next frame, ready to be written to standard output.
    ///
    /// - Parameter panels: the rows of `scenario.panels`.
    mutating func frame(_ metrics: PipelineMetrics.Snapshot, panels: [[[String]]], nowMicroseconds now: Int64) -> String
    {
        let seconds = previousTime == 0 ? 0 : Double(now - previousTime) / 1e6
        func rate(_ value: Int, _ before: Int) -> Int { seconds > 0 ? Int(Double(value - before) / seconds + 0.5) : 0 }
        let events = rate(metrics.polledRecords, previous.polledRecords)
        let rows = rate(metrics.writtenRowsTotal, previous.writtenRowsTotal)
        let commits = rate(metrics.commits, previous.commits)
        previous = metrics
        previousTime = now
        if metrics.intervalLatency.count > 0 { latency = metrics.intervalLatency }
        let eventTime = DemoScreen.eventTime(metrics.watermark, now: now / 1000)
        guard isTerminal else {
            return "events/s \(events)  rows/s \(rows)  event→commit p50 \(DemoScreen.milliseconds(latency.p50)) "
                + "p99 \(DemoScreen.milliseconds(latency.p99))  watermark \(eventTime)  "
                + "dead letters \(metrics.rejectedRowsTotal)\n"
        }
        let reasons = metrics.rejectedRows.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let size = DemoScreen.terminalSize()
        var lines = [DemoScreen.bold("millrace demo \(scenario.rawValue)")] + scenario.introduction.map(DemoScreen.dim)
        lines += [
            "",
            DemoScreen.left(scenario.events, 14) + DemoScreen.right("\(events)", 9) + "    rows/s "
                + DemoScreen.right("\(rows)", 9) + "    transactions/s " + DemoScreen.right("\(commits)", 6),
            "event→commit  " + DemoScreen.right(DemoScreen.milliseconds(latency.p50), 9) + " p50   "
                + DemoScreen.right(DemoScreen.milliseconds(latency.p99), 9) + " p99   "
                + DemoScreen.right(DemoScreen.milliseconds(latency.max), 9) + " max",
            "watermark     \(eventTime)",
            "state         " + DemoScreen.state(metrics.state),
            "dead letters  " + DemoScreen.right("\(metrics.rejectedRowsTotal)", 9)
                + (reasons.isEmpty ? "" : "    " + reasons.joined(separator: ", ") + ": some are sent on purpose"),
        ]
        let footer = ["", "psql \(database)", "Ctrl-C ends the pipeline; the tables stay until the next one."]
        let heights = DemoScreen.heights(
            scenario.panels.map(\.rows), available: size.rows - 1 - lines.count - footer.count)
        for (panel, (rows, height)) in zip(scenario.panels, zip(panels, heights)) where height > 0 {
            lines += ["", DemoScreen.bold(panel.title)] + DemoScreen.table(panel, rows, height: height)
        }
        return DemoScreen.drawn(lines + footer, size: size)
    }

    /// How many rows each table gets: as many tables as fit with three rows each, then row by row what is left, the smallest
    /// first.
    ///
    /// - Parameter available: lines, of which a table needs three beside its rows.
    static func heights(_ wanted: [Int], available: Int) -> [Int] {
        var heights = wanted.map { min($0, 3) }
        func needed() -> Int { heights.reduce(0) { $0 + ($1 > 0 ? $1 + 3 : 0) } }
        while needed() > available, let last = heights.lastIndex(where: { $0 > 0 }) { heights[last] = 0 }
        while needed() < available,
            let smallest = heights.indices.filter({ heights[$0] > 0 && heights[$0] < wanted[$0] })
                .min(by: { heights[$0] < heights[$1] })
        {
            heights[smallest] += 1
        }
        return heights
    }

    /// A header and exactly `height` lines, so that what is below stays where it is. Numbers stand to the right.
    static func table(_ panel: DemoScenario.Panel, _ rows: [[String]], height: Int) -> [String] {
        let rows = rows.filter { $0.count == panel.columns.count }.prefix(height)
        let widths = panel.columns.indices.map { column in
            max(panel.columns[column].width, rows.map { $0[column].count }.max() ?? 0)
        }
        func line(_ cells: [String]) -> String {
            zip(panel.columns, zip(cells, widths)).map { column, cell in
                column.isNumber ? right(cell.0, cell.1) : left(cell.0, cell.1)
            }.joined(separator: "   ")
        }
        let blank = Array(repeating: "", count: max(0, height - rows.count))
        return [dim(line(panel.columns.map(\.name)))] + rows.map(line) + blank
    }

    /// Written over the frame before without clearing the screen first, and cut to its size: nothing flickers or scrolls.
    private static func drawn(_ lines: [String], size: (columns: Int, rows: Int)) -> String {
        var text = "\u{1B}[H"
        for (index, line) in lines.prefix(size.rows - 1).enumerated() {
            if index > 0 { text += "\r\n" }
            text += cut(" " + line, to: size.columns) + "\u{1B}[K"
        }
        return text + "\r\n\u{1B}[J"
    }

    /// The first `columns` characters; escape sequences take no place.
    private static func cut(_ line: String, to columns: Int) -> String {
        var taken = 0
        var inEscape = false
        var result = ""
        for character in line {
            if inEscape {
                inEscape = !character.isLetter
            } else if character == "\u{1B}" {
                inEscape = true
            } else {
                taken += 1
                if taken > columns { continue }
            }
            result.append(character)
        }
        return result
    }

    private static func terminalSize() -> (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 1 else {
            return (80, 40)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// The watermark, and how far it is behind the clock; a replay of other days has no such distance.
    private static func eventTime(_ watermark: Int64?, now: Int64) -> String {
        guard let watermark else { return "none yet" }
        let text = DemoTime.text(watermark)
        guard abs(now - watermark) < 86_400_000 else { return String(text.dropLast(4)) }
        return "\(text.dropFirst(11)) (\(Fixed.text(Double(now - watermark) / 1000, digits: 1)) s behind)"
    }

    /// Of the operator that holds most.
    private static func state(_ state: [OperatorState]) -> String {
        guard let largest = state.max(by: { $0.size.bytes < $1.size.bytes }), largest.size.rows > 0 else {
            return "none yet"
        }
        return right("\(largest.size.keys)", 9) + " keys, \(largest.size.rows) rows in \(largest.object), "
            + Fixed.text(Double(largest.size.bytes) / 1e6, digits: 1) + " MB"
    }

    private static func bold(_ text: String) -> String { "\u{1B}[1m\(text)\u{1B}[0m" }
    private static func dim(_ text: String) -> String { "\u{1B}[2m\(text)\u{1B}[0m" }
    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
    private static func milliseconds(_ microseconds: Int64) -> String {
        Fixed.text(Double(microseconds) / 1000, digits: 1) + " ms"
    }
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
