internal import MillraceCore
internal import MillraceFiles
internal import MillraceFormats
internal import MillraceKafka
internal import MillracePostgres
internal import MillraceRuntime

/// Plan to running operators, for one shard.
struct GraphBuilder {
    let plan: ExecutionPlan
    let models: ModelStore
    let options: PipelineOptions
    let shard: Int
    let shards: Int
    /// What the shards of a plan with window aggregates share; nil on one shard.
    let exchange: Exchange?
    /// What takes the place of the sinks; nil in a run.
    let replay: ReplayEnds?
    private let recovery: StateRecovery
    private let formats = Formats()

    private var operators: [Operator] = []
    private var sessions: [any SinkSession] = []
    private var lookups: [any LookupTable] = []
    private var postgres: PostgresSession?
    private var kafka: KafkaCheckpointSession?
    private var outboxes: [KafkaOutbox] = []

    /// What keeps the positions, if anything does, and what has to be opened with it.
    struct Stores {
        var postgres: PostgresSession?
        var kafka: KafkaCheckpointSession?
        var outboxes: [KafkaOutbox]
    }

    init(
        plan: ExecutionPlan, models: ModelStore, options: PipelineOptions, shard: Int, shards: Int,
        exchange: Exchange?, replay: ReplayEnds? = nil
    ) {
        self.exchange = exchange
        self.replay = replay
        self.plan = plan
        recovery = StateRecovery(plan)
        self.models = models
        self.options = options
        self.shard = shard
        self.shards = shards
    }

    mutating func build() throws(Diagnostic) -> (graph: ShardGraph, stores: Stores) {
        if replay == nil { try openPostgres() }
        for index in plan.nodes.indices { operators.append(try makeOperator(index)) }
        for (index, node) in plan.nodes.enumerated() {
            for (port, input) in node.inputs.enumerated() { operators[input].connect(to: operators[index], port: port) }
        }
        if replay == nil, let path = plan.settings["dead-letter.path"] {
            sessions.append(
                try FilesConnectors.makeDeadLetterFile(path: Path.resolve(path, from: options.baseDirectory)))
        }
        var inputs: [ShardGraph.Input] = []
        // Static tables come first, so a shard reads them in this order before the stream.
        let depths = plan.staticDepths
        for index in plan.sources.indices.sorted(by: { (depths[$0], $1) > (depths[$1], $0) })
        where plan.sources[index].lookupKeys == nil {
            inputs.append(try makeInput(plan.sources[index], index: index))
        }
        if let postgres {
            let sources = Dictionary(uniqueKeysWithValues: inputs.map { ($0.index, $0.source) })
            postgres.outboxes = outboxes
            postgres.partition = { source, partition in
                guard let partitions = sources[source]?.partitions, partitions.indices.contains(partition) else {
                    return nil
                }
                return partitions[partition]
            }
        }
        let windows = operators.compactMap { $0 as? WindowAggregateOperator }
        var graph = ShardGraph(
            // At the end what waits for the database goes first, so that it can still be told.
            inputs: inputs, operators: operators, sessions: outboxes + sessions, checkpoint: postgres ?? kafka,
            lookups: lookups,
            exchange: try exchange.map { exchange throws(Diagnostic) in
                try ExchangeMember(exchange, shard: shard, windows: windows)
            })
        for index in recovery.stored.sorted() {
            guard let each = operators[index] as? any StatefulOperator else {
                throw Diagnostic(
                    "the state of \(StateRecovery.name(of: index, in: plan)) cannot be stored", fault: .bug)
            }
            graph.stateful.append(each)
            postgres?.stateOperators.append(StateRecovery.name(of: index, in: plan))
        }
        graph.shard = shard
        return (graph, Stores(postgres: postgres, kafka: kafka, outboxes: outboxes))
    }

    // MARK: Sources

    private func makeInput(_ source: SourcePlan, index: Int) throws(Diagnostic) -> ShardGraph.Input {
        guard let head = plan.nodes.firstIndex(where: { $0.kind == .source(index) }) else {
            throw Diagnostic("source \"\(source.name)\" has no node in the plan", fault: .bug)
        }
        let watermark = plan.watermarkNode(behind: head).flatMap { operators[$0] as? WatermarkOperator }
        if let exchange { watermark?.share(exchange.time[index], shard: shard) }
        return ShardGraph.Input(
            plan: source, index: index, source: try makeSource(source, index: index), head: operators[head],
            watermark: watermark)
    }

    private func makeSource(_ source: SourcePlan, index: Int) throws(Diagnostic) -> any Source {
        switch source.connector {
        case "kafka" where replay?.stream == index:
            return ReplaySource(
                try KafkaConnector.makeSource(
                    plan: source, formats: formats, limits: options.limits, clock: options.clock, log: options.log,
                    partitions: replay?.partitions))
        case "kafka":
            return try KafkaConnector.makeSource(
                plan: source, formats: formats, limits: options.limits, clock: options.clock, log: options.log,
                shard: source.isStatic ? 0 : shard, shards: source.isStatic ? 1 : shards)
        case "postgres":
            return PostgresConnector.makeSource(source, limits: options.limits)
        default:
            var source = source
            source.options["path"] = source.options["path"].map { Path.resolve($0, from: options.baseDirectory) }
            if let files = try FilesConnectors.makeSource(
                source, formats: formats, limits: options.limits, clock: options.clock)
            {
                return files
            }
            throw Diagnostic("connector \"\(source.connector)\" cannot be read", fault: .bug)
        }
    }

    /// The source a watermark node stands behind.
    private func source(behind node: Int) -> SourcePlan? {
        var next = node
        while let input = plan.nodes[next].inputs.first { next = input }
        guard case .source(let index) = plan.nodes[next].kind else { return nil }
        return plan.sources[index]
    }

    // MARK: Operators

    private mutating func makeOperator(_ index: Int) throws(Diagnostic) -> Operator {
        let node = plan.nodes[index]
        func input(_ port: Int) -> Schema { plan.nodes[node.inputs[port]].schema }
        switch node.kind {
        case .source: return Operator(object: node.object)
        case .project(let expressions):
            return try ProjectOperator(expressions, schema: node.schema, object: node.object)
        case .filter(let predicate): return try FilterOperator(predicate, object: node.object)
        case .watermark(let watermark):
            let source = source(behind: index)
            return try WatermarkOperator(
                watermark, partitions: 0, isBounded: source.map(Registry.millrace.isBounded) ?? false,
                isSequential: source?.connector != "kafka", rowtimeName: input(0).fields[watermark.rowtimeColumn].name,
                object: node.object)
        case .staticJoin(let join):
            return try StaticJoinOperator(
                join, probe: input(0), build: input(1), object: node.object, limits: options.limits)
        case .lookupJoin(let join, let lookup):
            let table = try PostgresConnector.makeLookup(
                plan.sources[lookup], limits: options.limits, clock: options.clock)
            lookups.append(table)
            return try LookupJoinOperator(
                join, probe: input(0), lookup: plan.sources[lookup].schema, table: table, object: node.object)
        case .unnest(let unnest):
            return try UnnestOperator(unnest, input: input(0), object: node.object, limits: options.limits)
        case .streamJoin(let join):
            switch join.form {
            case .regular where join.isUpdating:
                return try UpdatingJoinOperator(
                    join, left: input(0), right: input(1), object: node.object, limits: options.limits)
            case .regular, .interval:
                return try StreamJoinOperator(
                    join, left: input(0), right: input(1), object: node.object, limits: options.limits)
            case .window:
                return try WindowJoinOperator(
                    join, left: input(0), right: input(1), object: node.object, limits: options.limits)
            case .temporal:
                return try TemporalJoinOperator(
                    join, left: input(0), right: input(1), object: node.object, limits: options.limits)
            }
        case .finalRows: return FinalRowsOperator(input(0), object: node.object, limits: options.limits)
        case .predict(let predict):
            if let remote = models.remote(predict.model) {
                let model = plan.models[predict.model]
                let place = RemotePlacement(of: index, in: plan)
                return try RemotePredictOperator(
                    predict, input: input(0), model: remote, inputs: model.inputs, outputs: model.outputs,
                    skipsReplayed: place.skipsReplayed, storesPositions: place.storesPositions, index: place.number,
                    monitor: models.monitors[predict.model], object: node.object, limits: options.limits,
                    clock: options.clock, log: options.log)
            }
            return PredictOperator(
                predict, input: input(0), model: plan.models[predict.model],
                lanes: try models.lanes(
                    predict, maxRows: PredictOperator.batchRows(predict.contract, options.limits)),
                monitor: models.monitors[predict.model], object: node.object, limits: options.limits)
        case .windowAssign(let timeColumn, let window):
            return try WindowAssignOperator(timeColumn: timeColumn, window, input: input(0), object: node.object)
        case .sessionAssign(let session):
            return SessionAssignOperator(session, input: input(0), object: node.object, limits: options.limits)
        case .windowAggregate(let aggregate) where aggregate.emit != nil:
            return try EmittingWindowOperator(
                aggregate, input: input(0), object: node.object, limits: options.limits)
        case .windowAggregate(let aggregate):
            if let slicing = aggregate.slicing, shards == 1, !recovery.stored.contains(index) {
                return try SlicedWindowAggregateOperator(
                    aggregate, slicing, input: input(0), object: node.object, limits: options.limits)
            }
            return try WindowAggregateOperator(aggregate, input: input(0), object: node.object, limits: options.limits)
        case .groupAggregate(let keys, let aggregates):
            return try GroupAggregateOperator(
                keys: keys, aggregates: aggregates, input: input(0), object: node.object, limits: options.limits)
        case .expand(let expand): return ExpandOperator(expand, input: input(0), object: node.object)
        case .processingTime(let plan): return ProcessingTimeOperator(plan, input: input(0), object: node.object)
        case .over(let over) where over.isOnArrival:
            return try OverArrivalOperator(
                over, input: input(0), object: node.object,
                // With its state stored, no row is asked for again.
                slack: recovery.stored.contains(index) ? 0 : ReplayReach.milliseconds(behind: index, of: plan) ?? 0,
                limits: options.limits)
        case .over(let over):
            return try OverOperator(over, input: input(0), object: node.object, limits: options.limits)
        case .windowRank(let rank):
            return WindowRankOperator(rank, input: input(0), object: node.object, limits: options.limits)
        case .sort(let sort):
            return SortOperator(sort, input: input(0), object: node.object, limits: options.limits)
        case .limit(let offset, let count): return LimitOperator(offset: offset, count: count, object: node.object)
        case .updatingAggregate(let aggregate):
            return try UpdatingAggregateOperator(
                aggregate, input: input(0), object: node.object, limits: options.limits)
        case .topN(let top):
            return TopNOperator(top, input: input(0), object: node.object, limits: options.limits)
        case .union: return UnionOperator(inputs: node.inputs.count, object: node.object)
        case .sink(let index):
            let sink = plan.sinks[index]
            // PostgreSQL's sink knows more of its table, and checks for itself.
            let required = sink.schema.fields.enumerated().filter { _, field in
                sink.connector != "postgres" && (!field.isNullable || sink.primaryKey.contains(field.name))
            }
            let end: any Sink
            if let replay { end = replay.sinks[index] } else { end = try makeSink(sink) }
            return SinkOperator(
                sink: end,
                required: required.map { ($0.offset, $0.element.name) }, object: sink.name)
        }
    }

    // MARK: Sinks

    private mutating func openPostgres() throws(Diagnostic) {
        let sinks = plan.sinks.filter { $0.connector == "postgres" }
        guard let first = sinks.first else { return }
        for sink in sinks.dropFirst()
        where PostgresConnector.address(sink.options) != PostgresConnector.address(first.options) {
            throw Diagnostic(
                "table \"\(sink.name)\" is in another database than table \"\(first.name)\"", at: sink.range,
                hint: "Rows and offsets of a pipeline commit in one transaction, so its PostgreSQL sinks share one url."
            )
        }
        let session = try PostgresConnector.makeSinkSession(
            sinks: sinks, shard: shard,
            mayCommitAsynchronously: !plan.sinks.contains(where: KafkaConnector.isExactlyOnce),
            limits: options.limits, clock: options.clock, log: options.log)
        session.sourceNames = plan.sources.map(\.name)
        session.errorPolicies = plan.sources.map(\.errors)
        postgres = session
        sessions.append(session)
    }

    private mutating func makeTransactionalSink(_ sink: SinkPlan) throws(Diagnostic) -> any Sink {
        guard postgres == nil else {
            let outbox = try KafkaConnector.makeOutbox(
                plan: sink, pipeline: plan.name, clock: options.clock, log: options.log, shard: shard)
            outboxes.append(outbox)
            return try outbox.makeSink(sink, formats: formats, shard: shard)
        }
        if let kafka { return try kafka.makeSink(sink, formats: formats, shard: shard) }
        let session = try KafkaConnector.makeCheckpointSession(
            plan: sink, pipeline: plan.name, limits: options.limits, clock: options.clock, log: options.log,
            shard: shard)
        kafka = session
        sessions.append(session)
        return try session.makeSink(sink, formats: formats, shard: shard)
    }

    private mutating func makeSink(_ sink: SinkPlan) throws(Diagnostic) -> any Sink {
        switch sink.connector {
        case "postgres":
            guard let postgres else { throw Diagnostic("no PostgreSQL session", fault: .bug) }
            return try PostgresConnector.makeSink(sink, in: postgres)
        case "kafka" where KafkaConnector.isExactlyOnce(sink):
            return try makeTransactionalSink(sink)
        case "kafka":
            let made = try KafkaConnector.makeSink(
                plan: sink, formats: formats, limits: options.limits, log: options.log, shard: shard)
            sessions.append(made.session)
            return made.sink
        default:
            guard
                let made = try FilesConnectors.makeSink(
                    sink, formats: formats, limits: options.limits, clock: options.clock,
                    standardOutput: options.standardOutput)
            else {
                throw Diagnostic("connector \"\(sink.connector)\" cannot be written to", fault: .bug)
            }
            sessions.append(made.session)
            return made.sink
        }
    }
}

extension ExecutionPlan {
    /// For each source how many joins keep its rows in memory, one inside the other; 0 for a stream.
    var staticDepths: [Int] {
        var depths = [Int](repeating: 0, count: nodes.count)
        var result = [Int](repeating: 0, count: sources.count)
        for (index, node) in nodes.enumerated().reversed() {
            for (port, input) in node.inputs.enumerated() {
                var depth = depths[index]
                if case .staticJoin = node.kind, port == 1 { depth += 1 }
                depths[input] = max(depths[input], depth)
            }
            if case .source(let source) = node.kind { result[source] = depths[index] }
        }
        return result
    }
}
