internal import MillraceCore
internal import MillraceKafka
internal import MillracePlanner
internal import MillracePostgres
internal import MillraceRuntime

/// Where a plan's positions are kept.
enum PositionStore {
    /// In the database of its PostgreSQL sinks.
    case postgres
    /// In Kafka, by the transactions of its exactly-once sinks.
    case kafka
    /// Nowhere: each run starts as the options say.
    case none
}

extension ExecutionPlan {
    var positions: PositionStore {
        if sinks.contains(where: { $0.connector == "postgres" }) { return .postgres }
        return sinks.contains(where: KafkaConnector.isExactlyOnce) ? .kafka : .none
    }

    /// Sources that move on, and so have positions.
    var streams: [SourcePlan] { sources.filter { !$0.isStatic && $0.lookupKeys == nil } }
}

/// Takes the pipeline over from earlier runs, before the first row: bars them, learns where they were, and sends what they
/// have stored for other systems and not sent.
struct Takeover {
    private let plan: ExecutionPlan
    private let options: PipelineOptions
    private var shards: [GraphBuilder.Stores] = []
    private var positions: [SourceName: [SourcePosition]] = [:]

    init(plan: ExecutionPlan, options: PipelineOptions) {
        self.plan = plan
        self.options = options
    }

    /// One more shard, in their order.
    mutating func add(_ stores: GraphBuilder.Stores) throws(Diagnostic) {
        if let postgres = stores.postgres {
            if let first = shards.first?.postgres {
                try postgres.join(pipeline: plan.name, epoch: first.epoch)
            } else {
                positions = try postgres.open(
                    pipeline: plan.name, fingerprint: Explain.fingerprint(plan), planText: Explain.planText(plan),
                    resetState: options.resetState)
            }
        }
        shards.append(stores)
    }

    /// All shards are there.
    ///
    /// - Returns: where the last run left off.
    func finish() throws(Diagnostic) -> [SourceName: [SourcePosition]] {
        if let postgres = shards.first?.postgres {
            try sendStored(postgres)
            return positions
        }
        let sessions = shards.compactMap(\.kafka)
        guard !sessions.isEmpty else { return [:] }
        return try KafkaCheckpoint.open(
            sessions, sources: plan.streams, fingerprint: Explain.fingerprint(plan), resetState: options.resetState,
            log: options.log)
    }

    private func sendStored(_ postgres: PostgresSession) throws(Diagnostic) {
        let stored = try postgres.storedMessages()
        var sent = 0
        for (index, shard) in shards.enumerated() {
            for outbox in shard.outboxes {
                outbox.incarnation = postgres.incarnation
                let own = stored.first { $0.shard == index && $0.sink == outbox.sink }
                sent += try outbox.recover(own?.messages ?? [])
            }
        }
        for entry in stored {
            if let sink = plan.sinks.first(where: { $0.name == entry.sink && KafkaConnector.isExactlyOnce($0) }) {
                // The run before had more shards.
                guard entry.shard >= shards.count else { continue }
                let outbox = try KafkaConnector.makeOutbox(
                    plan: sink, pipeline: plan.name, clock: options.clock, log: options.log, shard: entry.shard)
                outbox.incarnation = postgres.incarnation
                sent += try outbox.recover(entry.messages)
                try outbox.close(deadlineMicroseconds: .max)
            } else {
                throw Diagnostic(
                    "the database holds messages for sink \"\(entry.sink)\" that were not sent yet, and the pipeline no"
                        + " longer has that sink",
                    hint:
                        "Run the earlier pipeline once more, or give them up: DELETE FROM millrace.outbox WHERE sink = '…'."
                )
            }
        }
        guard !stored.isEmpty else { return }
        try postgres.forgetStoredMessages()
        options.log(.info, "sent messages that an earlier run had left", ["messages": String(sent)])
    }
}
