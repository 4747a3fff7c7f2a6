internal import MillraceCore
public import MillraceRuntime
internal import Synchronization

/// Counters and latencies of a running pipeline, summed over its shards. Shards report once a batch or commit.
public final class PipelineMetrics: ShardObserver {
    /// What has happened up to a moment.
    public struct Snapshot: Sendable {
        public init() {}
        public var polledRecords = 0
        public var writtenRows: [String: Int] = [:]
        public var rejectedRows: [String: Int] = [:]
        public var commits = 0
        /// Event to commit over the whole run, microseconds (record timestamps have milliseconds).
        public var latency = Percentiles()
        /// The same since the previous `takeInterval`.
        public var intervalLatency = Percentiles()
        /// Every model file in use.
        public var models: [ModelStatus] = []
        /// Calls of remote models, by model.
        public var remoteCalls: [String: RemoteCounts] = [:]
        /// The oldest watermark over sources and shards; nil before the first.
        public var watermark: Int64?
        /// What operators hold, by their number in the plan, summed over the shards; a second old at most.
        public var state: [OperatorState] = []

        public var writtenRowsTotal: Int { writtenRows.values.reduce(0, +) }
        public var rejectedRowsTotal: Int { rejectedRows.values.reduce(0, +) }
    }

    public struct Percentiles: Sendable {
        public var count = 0
        public var p50: Int64 = 0
        public var p90: Int64 = 0
        public var p99: Int64 = 0
        public var p999: Int64 = 0
        public var max: Int64 = 0
        public var sum: Int64 = 0
    }

    private struct State {
        var snapshot = Snapshot()
        /// By sink. A handful, told of with every batch: comparing names is cheaper than hashing them.
        var written: [(sink: String, rows: Int)] = []
        var latency = LatencyHistogram()
        var interval = LatencyHistogram()
        var watermarks: [Int: Int64] = [:]
        var models: @Sendable () -> [ModelStatus] = { [] }
        /// By shard.
        var held: [Int: [OperatorState]] = [:]
    }

    private let state = Mutex(State())

    public init() {}

    /// A copy of the counts; with `takeInterval` the interval's latencies start anew.
    public func snapshot(takeInterval: Bool = false) -> Snapshot {
        state.withLock { state in
            var copy = state.snapshot
            for (sink, rows) in state.written { copy.writtenRows[sink] = rows }
            copy.latency = PipelineMetrics.percentiles(state.latency)
            copy.intervalLatency = PipelineMetrics.percentiles(state.interval)
            copy.watermark = state.watermarks.values.min()
            copy.models = state.models()
            copy.state = PipelineMetrics.sum(state.held)
            if takeInterval { state.interval.clear() }
            return copy
        }
    }

    /// Where the status of the models is asked for.
    public func observeModels(_ models: @escaping @Sendable () -> [ModelStatus]) {
        state.withLock { $0.models = models }
    }

    /// Forgets the latencies so far: of a backlog that was there before, for example.
    public func clearLatencies() {
        state.withLock { state in
            state.latency.clear()
            state.interval.clear()
        }
    }

    private static func sum(_ held: [Int: [OperatorState]]) -> [OperatorState] {
        var byNode: [Int: OperatorState] = [:]
        for each in held.values.joined() {
            if byNode[each.node] == nil {
                byNode[each.node] = each
            } else {
                byNode[each.node]?.size += each.size
            }
        }
        return byNode.values.sorted { $0.node < $1.node }
    }

    private static func percentiles(_ histogram: LatencyHistogram) -> Percentiles {
        Percentiles(
            count: histogram.count, p50: histogram.quantile(0.5), p90: histogram.quantile(0.9),
            p99: histogram.quantile(0.99), p999: histogram.quantile(0.999), max: histogram.quantile(1),
            sum: histogram.sum)
    }

    // MARK: ShardObserver

    public func polled(source: Int, records: Int) {
        state.withLock { $0.snapshot.polledRecords += records }
    }

    public func wrote(sink: String, rows: Int) {
        state.withLock { state in
            for i in state.written.indices where state.written[i].sink == sink {
                state.written[i].rows += rows
                return
            }
            state.written.append((sink, rows))
        }
    }

    public func rejected(_ letter: DeadLetter) {
        state.withLock { $0.snapshot.rejectedRows[letter.reason.reason, default: 0] += 1 }
    }

    public func committed(rows: Int, latencies: [Int64]) {
        state.withLock { state in
            state.snapshot.commits += 1
            for latency in latencies {
                state.latency.record(latency)
                state.interval.record(latency)
            }
        }
    }

    public func advanced(source: Int, watermark: Int64) {
        state.withLock { $0.watermarks[source] = watermark }
    }

    public func called(model: String, _ counts: RemoteCounts) {
        state.withLock { $0.snapshot.remoteCalls[model, default: RemoteCounts()] += counts }
    }

    public func finished(source: Int) {
        state.withLock { _ = $0.watermarks.removeValue(forKey: source) }
    }

    public func holds(_ state: [OperatorState], shard: Int) {
        self.state.withLock { $0.held[shard] = state }
    }
}
