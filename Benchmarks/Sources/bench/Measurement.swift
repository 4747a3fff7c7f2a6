import Histogram
import Workloads

/// What the rounds of one engine under one load gave: latencies of all rounds together, the median of everything else.
struct Measurement {
    var engine: String
    var job: Job
    var load: Load
    var outcomes: [Outcome] = []

    private func median(_ value: (Outcome) -> Double?) -> Double? {
        let values = outcomes.compactMap(value).sorted()
        guard !values.isEmpty else { return nil }
        let middle = values.count / 2
        return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
    }

    var problem: String? { outcomes.compactMap(\.problem).first }
    var foreignCores: Double { outcomes.map(\.foreignCores).max() ?? 0 }

    /// Milliseconds at a percentile of all rounds.
    private func milliseconds(_ percentile: Double) -> Double? {
        var all = Histogram<UInt32>(numberOfSignificantValueDigits: .three)
        for outcome in outcomes {
            for value in outcome.latency.recordedValues() { all.record(value.value, count: value.count) }
        }
        return all.totalCount > 0 ? Double(all.valueAtPercentile(percentile)) / 1000 : nil
    }

    /// The figures by name; units are in the names.
    var record: FlatRecord {
        var record = FlatRecord()
        record.set("engine", engine)
        record.set("job", job.rawValue)
        switch load {
        case .rate(let rate): record.set("rate", rate)
        case .backlog(let count): record.set("backlog", count)
        }
        record.set("rounds", outcomes.count)
        record.set("rows", outcomes.reduce(0) { $0 + $1.rows })
        record.set("problem", problem ?? "")
        let samples = outcomes.reduce(0) { $0 + Int($1.latency.totalCount) }
        if samples > 0 {
            record.set("samples", samples)
            for (name, percentile) in [("p50_ms", 50.0), ("p90_ms", 90), ("p99_ms", 99), ("p999_ms", 99.9)] {
                record.set(name, milliseconds(percentile))
            }
            record.set("max_ms", Double(outcomes.map(\.latencyMaximum).max() ?? 0) / 1000)
        }
        record.set("events_per_s", median(\.perSecond)?.rounded())
        record.set("events_per_s_per_core", median(\.perCore)?.rounded())
        record.set("engine_cores", rounded(median(\.engineCores)))
        record.set("broker_cores", rounded(median(\.brokerCores)))
        record.set("database_cores", rounded(median(\.databaseCores)))
        record.set("foreign_cores", rounded(foreignCores))
        record.set("idle_cores", rounded(median(\.idleCores)))
        record.set("peak_mb", rounded(median { Double($0.peakBytes) / 1e6 }))
        record.set("start_s", rounded(median(\.startSeconds)))
        record.set("generator_late_p99_us", median(\.generatorLateMicroseconds))
        return record
    }

    private func rounded(_ value: Double?) -> Double? { value.map { ($0 * 10_000).rounded() / 10_000 } }
}
