public import MillraceCore
internal import MillraceKafka
internal import MillracePostgres
internal import MillraceRuntime

/// Computes stored predictions again: reads a part of the topic through the pipeline's own operators and compares each row
/// with the one in the table. Writes nothing, neither rows nor offsets.
public struct PredictionReplay {
    private let plan: ExecutionPlan
    private let request: ReplayRequest
    private let options: PipelineOptions

    public init(_ plan: ExecutionPlan, _ request: ReplayRequest, options: PipelineOptions) {
        self.plan = plan
        self.request = request
        self.options = options
    }

    /// - Parameter tell: takes a line for each row that is not stored as it was computed.
    /// - Throws: `.user` when no table can be compared, or the range is not in the topic; `.external` for broker and database.
    public func run(tell: @escaping (String) -> Void) throws(Diagnostic) -> ReplayReport {
        var report = ReplayReport()
        let chosen = try targets(&report)
        var kept = plan.keeping(sinks: chosen.map(\.sink))
        var targets: [ReplayTarget] = []
        for (_, target) in chosen { targets.append(target) }
        guard
            let stream = kept.sources.firstIndex(where: {
                $0.name == plan.sources[targets[0].source].name && $0.lookupKeys == nil && !$0.isStatic
            })
        else { throw Diagnostic("the stream of the replay is not in the plan", fault: .bug) }
        let range = try ReplayRange(request, of: kept.sources[stream])
        kept.sources[stream].options["scan.bounded.mode"] = "specific-offsets"
        kept.sources[stream].options["scan.bounded.specific-offsets"] = range.bounds
        // A record that is gone must not be passed over.
        kept.sources[stream].options["properties.auto.offset.reset"] = "none"
        // History is read, not fetched from the database: that of the running pipeline is as old as the newest row.
        kept.settings["state.snapshots"] = "off"
        for index in kept.sources.indices { kept.sources[index].errors = .deadLetter }
        for index in kept.nodes.indices {
            guard case .predict(var predict) = kept.nodes[index].kind else { continue }
            // What came too late then is no reason to come too late now.
            predict.contract.deadlineMicroseconds = nil
            kept.nodes[index].kind = .predict(predict)
        }
        let models = ModelStore(kept, baseDirectory: options.baseDirectory)
        try models.load()
        var comparisons: [StoredRowComparison] = []
        for target in targets {
            let table = try PostgresConnector.makeLookup(target.lookup, limits: options.limits, clock: options.clock)
            comparisons.append(
                StoredRowComparison(
                    target, table: table, ranges: range.compared, tolerance: request.tolerance, tell: tell))
        }
        var builder = GraphBuilder(
            plan: kept, models: models, options: options, shard: 0, shards: 1, exchange: nil,
            replay: ReplayEnds(stream: stream, partitions: Set(range.compared.keys), sinks: comparisons))
        let graph = try builder.build().graph
        let observer = ReplayObserver()
        let shard = Shard(
            graph: graph, context: ShardContext(clock: options.clock, limits: options.limits), observer: observer)
        try shard.run(from: [kept.sources[stream].name: range.positions])
        for (target, comparison) in zip(targets, comparisons) {
            var table = comparison.report
            if target.isOneToOne, let place = target.place {
                let stored = try PostgresConnector.countRows(
                    target.sink, partition: target.sink.schema[place.partition].name,
                    offset: target.sink.schema[place.offset].name,
                    topic: target.topic.map { (target.sink.schema[$0].name, range.topic) }, in: range.compared)
                table.unexpected = max(0, stored - comparison.foundRows)
            }
            report.tables.append(table)
        }
        report.rejected = observer.rejected
        return report
    }

    /// The tables to compare, by sink; why the others are not goes into the report.
    private func targets(_ report: inout ReplayReport) throws(Diagnostic) -> [(sink: Int, target: ReplayTarget)] {
        for name in request.tables where !plan.sinks.contains(where: { $0.name == name }) {
            throw Diagnostic(
                "the pipeline writes to no table \"\(name)\"", hint: NearestName.hint(name, in: plan.sinks.map(\.name)))
        }
        for name in request.ignored
        where !plan.sinks.contains(where: { $0.schema.index(of: name) != nil }) {
            throw Diagnostic(
                "no table of the pipeline has a column \"\(name)\"",
                hint: NearestName.hint(name, in: plan.sinks.flatMap { $0.schema.fields.map(\.name) }))
        }
        var found: [(sink: Int, target: ReplayTarget)] = []
        for (node, each) in plan.nodes.enumerated() {
            guard case .sink(let sink) = each.kind else { continue }
            let name = plan.sinks[sink].name
            guard request.tables.isEmpty || request.tables.contains(name) else { continue }
            do throws(ReplayTarget.Refusal) {
                let target = try ReplayTarget(plan, sink: sink, node: node, ignoring: request.ignored)
                found.append((sink, target))
            } catch {
                if !request.tables.isEmpty { throw Diagnostic("table \"\(name)\" cannot be replayed: \(error.reason)") }
                report.skipped.append((name, error.reason))
            }
        }
        guard let first = found.first else {
            let reasons = report.skipped.map { "\($0.name): \($0.reason)" }.joined(separator: "; ")
            throw Diagnostic("no table of the pipeline can be replayed: \(reasons)")
        }
        let sources = Set(found.map(\.target.source))
        guard sources.count == 1 else {
            throw Diagnostic(
                "the tables are made from \(sources.count) topics", hint: "Choose some of one topic with --table.")
        }
        if request.history == nil, let needy = found.first(where: \.target.needsHistory) {
            throw Diagnostic(
                "table \"\(needy.target.sink.name)\" is made with OVER, which needs the rows before the first one",
                hint: "Say from where they are read: --history earliest, or --history partition:offset.")
        }
        _ = first
        return found
    }
}
