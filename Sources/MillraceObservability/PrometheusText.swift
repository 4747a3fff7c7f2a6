internal import MillraceRuntime

/// A snapshot of the metrics in Prometheus' text format (version 0.0.4).
public enum PrometheusText {
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// - Parameter pipeline: the value of the label `pipeline` of every sample.
    public static func text(_ metrics: PipelineMetrics.Snapshot, pipeline: String) -> String {
        var page = Page(pipeline: pipeline)
        page.family("millrace_source_records_total", .counter, "Records read from the sources.")
        page.sample([], String(metrics.polledRecords))
        page.family("millrace_sink_rows_total", .counter, "Rows handed to a sink.")
        for (sink, rows) in metrics.writtenRows.sorted(by: { $0.key < $1.key }) {
            page.sample([("sink", sink)], String(rows))
        }
        page.family("millrace_rejected_rows_total", .counter, "Rows that failed: dead letters, or skipped.")
        for (reason, rows) in metrics.rejectedRows.sorted(by: { $0.key < $1.key }) {
            page.sample([("reason", reason)], String(rows))
        }
        page.family("millrace_commits_total", .counter, "Transactions that have become durable.")
        page.sample([], String(metrics.commits))
        page.family(
            "millrace_event_to_commit_seconds", .summary,
            "From a record's timestamp to the commit of its rows (a sample).")
        let latency = metrics.latency
        for (quantile, value) in [
            ("0.5", latency.p50), ("0.9", latency.p90), ("0.99", latency.p99), ("0.999", latency.p999),
            ("1", latency.max),
        ] { page.sample([("quantile", quantile)], seconds(value)) }
        page.sample([], String(latency.count), suffix: "_count")
        page.sample([], seconds(latency.sum), suffix: "_sum")
        if let watermark = metrics.watermark {
            page.family("millrace_watermark_seconds", .gauge, "The oldest watermark of the sources, since 1970.")
            page.sample([], seconds(watermark.multipliedReportingOverflow(by: 1000).partialValue))
        }
        page.family("millrace_state_rows", .gauge, "Rows, groups or accumulators that an operator holds.")
        for each in metrics.state { page.sample(labels(each), String(each.size.rows)) }
        page.family("millrace_state_keys", .gauge, "Keys that an operator knows.")
        for each in metrics.state { page.sample(labels(each), String(each.size.keys)) }
        page.family("millrace_state_bytes", .gauge, "Memory that an operator's state takes, estimated.")
        for each in metrics.state { page.sample(labels(each), String(each.size.bytes)) }
        models(metrics.models, page: &page)
        return page.text
    }

    private static func labels(_ state: OperatorState) -> [(String, String)] {
        [("node", String(state.node)), ("operator", state.kind), ("object", state.object)]
    }

    /// Microseconds as decimal seconds.
    private static func seconds(_ microseconds: Int64) -> String {
        let magnitude = microseconds.magnitude
        let fraction = String(magnitude % 1_000_000)
        return (microseconds < 0 ? "-" : "") + "\(magnitude / 1_000_000)."
            + String(repeating: "0", count: 6 - fraction.count) + fraction
    }

    struct Page {
        enum Kind: String { case counter, gauge, summary }
        let pipeline: String
        private(set) var text = ""
        private var name = ""

        init(pipeline: String) { self.pipeline = pipeline }

        mutating func family(_ name: String, _ kind: Kind, _ help: String) {
            self.name = name
            text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        }

        mutating func sample(_ labels: [(String, String)], _ value: String, suffix: String = "") {
            let pairs = ([("pipeline", pipeline)] + labels).map { "\($0)=\"\(escaped($1))\"" }
            text += "\(name)\(suffix){\(pairs.joined(separator: ","))} \(value)\n"
        }

        private func escaped(_ text: String) -> String {
            var result = ""
            for character in text {
                switch character {
                case "\\": result += "\\\\"
                case "\"": result += "\\\""
                case "\n": result += "\\n"
                default: result.append(character)
                }
            }
            return result
        }
    }
}
