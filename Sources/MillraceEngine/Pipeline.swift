internal import CMillraceLinux
internal import Glibc
public import MillraceCore
public import MillraceObservability
internal import MillracePlanner
internal import MillracePostgres
internal import MillraceRuntime
internal import Synchronization

/// A planned pipeline, running: starts its shards, stops them, waits for them.
public final class Pipeline: Sendable {
    public let plan: ExecutionPlan
    public let metrics = PipelineMetrics()
    private let options: PipelineOptions
    private let state = Mutex(State())
    /// Readable once all shards have ended; for a caller that also waits for signals.
    public let finishedDescriptor: Int32

    private struct State {
        var shards: [ShardHandle] = []
        var threads: [NamedThread] = []
        var running = 0
        var isStopping = false
        var failure: Diagnostic?
        var loader: ModelLoader?
    }

    /// What other threads may do with a shard: ask it to stop.
    private struct ShardHandle: @unchecked Sendable {
        // `requestStop` is the one method that a shard allows from other threads.
        let shard: Shard
    }

    /// Moves a shard to its own thread, which owns it from then on.
    private struct Handover: @unchecked Sendable {
        let shard: Shard
        let positions: [SourceName: [SourcePosition]]
    }

    public init(plan: ExecutionPlan, options: PipelineOptions) {
        self.plan = plan
        self.options = options
        finishedDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    }

    deinit { close(finishedDescriptor) }

    /// Loads the models, takes over the pipeline's positions and starts the shards.
    ///
    /// - Throws: whatever is wrong with models, database, topics or files at the start.
    public func start() throws(Diagnostic) {
        if let refused = (PipelineCheck.options(plan) + PipelineCheck.promises(plan)).first { throw refused }
        let models = ModelStore(plan, baseDirectory: options.baseDirectory)
        try models.load()
        let (count, reason) = ShardCount.decide(plan, wanted: options.shards)
        if let reason { options.log(.info, "running on one shard", ["reason": reason]) }
        var shards: [Shard] = []
        var takeover = Takeover(plan: plan, options: options)
        let exchange = ShardCount.exchange(plan, shards: count)
        for index in 0..<count {
            var builder = GraphBuilder(
                plan: plan, models: models, options: options, shard: index, shards: count, exchange: exchange)
            let (graph, stores) = try builder.build()
            try takeover.add(stores)
            let context = ShardContext(clock: options.clock, limits: options.limits, log: options.log)
            stores.postgres?.context = context
            stores.postgres?.onRefusal = { [metrics] letter in metrics.rejected(letter) }
            shards.append(Shard(graph: graph, context: context, observer: metrics))
        }
        let positions = try takeover.finish()
        metrics.observeModels { models.status }
        let loader = ModelLoader(models, log: options.log, clock: options.clock)
        state.withLock { $0.loader = loader }
        launch(shards.map { Handover(shard: $0, positions: positions) })
        loader.start()
    }

    /// Reads the model files anew, changed or not. From any thread.
    public func reloadModels() { state.withLock { $0.loader }?.reload() }

    private func launch(_ handovers: [Handover]) {
        state.withLock { state in
            state.running = handovers.count
            state.shards = handovers.map { ShardHandle(shard: $0.shard) }
        }
        let threads = handovers.enumerated().map { index, handover in
            NamedThread(name: "millrace-\(index)", cpu: options.cpus.cpu(ofShard: index)) { [self] in
                do throws(Diagnostic) {
                    try handover.shard.run(from: handover.positions)
                    ended(nil)
                } catch {
                    ended(error)
                }
            }
        }
        state.withLock { $0.threads = threads }
    }

    private func ended(_ failure: Diagnostic?) {
        let (isLast, others) = state.withLock { state in
            state.running -= 1
            if state.failure == nil { state.failure = failure }
            return (state.running == 0, failure == nil ? [] : state.shards)
        }
        for handle in others { handle.shard.requestStop() }
        if isLast {
            var one: UInt64 = 1
            _ = write(finishedDescriptor, &one, 8)
        }
    }

    /// Finish the batch in hand, commit, end. From any thread, more than once.
    public func requestStop() {
        for handle in state.withLock({ $0.shards }) { handle.shard.requestStop() }
    }

    /// Waits for the end of all shards.
    ///
    /// - Throws: the first failure of a shard.
    public func wait() throws(Diagnostic) {
        for thread in state.withLock({ $0.threads }) { thread.join() }
        state.withLock { $0.loader }?.stop()
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}
