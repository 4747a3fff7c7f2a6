public import MillraceCore

/// The operators of one shard, wired by the engine.
public struct ShardGraph {
    /// A source and the operator its rows enter.
    public struct Input {
        public var plan: SourcePlan
        /// Index into the plan's sources.
        public var index: Int
        public var source: any Source
        public var head: Operator
        /// The table's WATERMARK; nil when it has none.
        public var watermark: WatermarkOperator?

        public init(plan: SourcePlan, index: Int, source: any Source, head: Operator, watermark: WatermarkOperator?) {
            self.plan = plan
            self.index = index
            self.source = source
            self.head = head
            self.watermark = watermark
        }
    }

    public var inputs: [Input]
    public var operators: [Operator]
    /// Every sink session; the one that keeps the positions, if any, is `checkpoint`.
    public var sessions: [any SinkSession]
    public var checkpoint: (any SinkSession)?
    public var lookups: [any LookupTable]
    /// Operators whose state the checkpoint stores, in the order of the names that it was told.
    package var stateful: [any StatefulOperator] = []
    package var statePace = StatePace()
    /// The shard's number.
    public var shard = 0
    /// The shard's place among several that aggregate over windows together; nil: it needs none.
    public var exchange: ExchangeMember?

    public init(
        inputs: [Input], operators: [Operator], sessions: [any SinkSession], checkpoint: (any SinkSession)?,
        lookups: [any LookupTable], exchange: ExchangeMember? = nil
    ) {
        self.exchange = exchange
        self.inputs = inputs
        self.operators = operators
        self.sessions = sessions
        self.checkpoint = checkpoint
        self.lookups = lookups
    }
}

/// What a shard tells about its work, called on the shard's thread once a batch or commit, never once a row.
public protocol ShardObserver: AnyObject, Sendable {
    func polled(source: Int, records: Int)
    func wrote(sink: String, rows: Int)
    func rejected(_ letter: DeadLetter)
    /// A transaction is durable. `latencies`: event (record timestamp) to commit of a sample of its records, microseconds.
    func committed(rows: Int, latencies: [Int64])
    func advanced(source: Int, watermark: Int64)
    /// A bounded source has ended.
    func finished(source: Int)
    /// What the operators of a shard hold, once a second at most.
    func holds(_ state: [OperatorState], shard: Int)
    /// A remote model was called; since the last time.
    func called(model: String, _ counts: RemoteCounts)
}

extension ShardObserver {
    public func called(model: String, _ counts: RemoteCounts) {}
}
