public import MillraceCore
import Synchronization

/// One thread's work: polls its sources, runs each batch through the operators to completion, and keeps transactions going.
///
/// A batch is whatever one poll returned. While a transaction slot is free, what has been written is sent at once; while
/// none is, the next batches gather, which is the only batching there is.
public final class Shard {
    private let graph: ShardGraph
    private let context: ShardContext
    private let observer: any ShardObserver
    private let loop = EventLoop()
    private let stopRequested = Atomic<Bool>(false)
    private var inputs: [ShardInput]
    private let sinks: [SinkOperator]
    private var deadLetters: [DeadLetter] = []
    private var commits: CommitQueue
    private var rejections: RejectionLog
    /// Each session's connection as it was when last watched.
    private var generations: [Int]

    /// Positions alone (no rows) are committed this often; replay covers what lies between.
    private static let positionsIntervalMicroseconds: Int64 = 200_000
    /// The longest sleep: bounds what a missed wake-up can cost.
    private static let heartbeatMicroseconds: Int64 = 100_000

    public init(graph: ShardGraph, context: ShardContext, observer: any ShardObserver) {
        self.graph = graph
        self.context = context
        self.observer = observer
        inputs = graph.inputs.map { ShardInput($0) }
        sinks = graph.operators.compactMap { $0 as? SinkOperator }
        generations = graph.sessions.map(\.connectionGeneration)
        rejections = RejectionLog(
            isKept: graph.checkpoint != nil || graph.sessions.contains(where: \.keepsDeadLetters))
        commits = CommitQueue(sessions: graph.sessions, checkpoint: graph.checkpoint)
    }

    /// Ends `run` after the batch in hand; from any thread.
    public func requestStop() {
        stopRequested.store(true, ordering: .releasing)
        loop.wake()
    }

    /// Runs until every source has ended or a stop is asked for, then commits what is there.
    ///
    /// - Parameter positions: where the last run left off, by source name.
    /// - Throws: the first error that cannot pass by itself. What was committed stays committed.
    public func run(from positions: [SourceName: [SourcePosition]]) throws(Diagnostic) {
        defer { close() }
        try begin(from: positions)
        while !stopRequested.load(ordering: .acquiring) {
            switch try turn() {
            case .working: continue
            case .waiting: try waitForWork()
            case .finished:
                try finish()
                return
            }
        }
        try finish()
    }

    /// What one turn came to.
    package enum Turn { case working, waiting, finished }

    /// The parts of `run`, for tests that run several shards by turns on one thread.
    package func begin(from positions: [SourceName: [SourcePosition]]) throws(Diagnostic) {
        context.onReject = { [unowned self] rejection throws(Diagnostic) in try self.reject(rejection) }
        try loadStaticTables()
        try start(from: positions)
    }

    package func turn() throws(Diagnostic) -> Turn {
        var working = try pollOnce()
        try tick()
        if let exchange = graph.exchange {
            let mayEmit = { [unowned self] in !self.isHeldBack }
            if try exchange.turn(mayEmit: mayEmit, context: context) { working = true }
            reportWrites()
            deadLetters += exchange.release()
        }
        try submitIfDue(force: false)
        try drive()
        if inputs.allSatisfy(\.isFinished), graph.exchange?.isComplete ?? true { return .finished }
        return working ? .working : .waiting
    }

    package func close() { for input in inputs { input.source.close() } }

    // MARK: Start

    private func loadStaticTables() throws(Diagnostic) {
        for i in inputs.indices where inputs[i].plan.isStatic {
            try inputs[i].source.start(from: [])
            while !inputs[i].isFinished {
                if stopRequested.load(ordering: .acquiring) { return }
                if case .drained = try poll(i) { loop.wait(1000) }
            }
        }
    }

    private func start(from positions: [SourceName: [SourcePosition]]) throws(Diagnostic) {
        for (index, window) in graph.operators.lazy.compactMap({ $0 as? WindowAggregateOperator }).enumerated() {
            window.restore(EmittedWindows(positions, window: index), index: index)
        }
        let windows = graph.operators.count { $0 is WindowAggregateOperator }
        graph.exchange?.start(inputs, wake: loop.waker)
        for i in inputs.indices where !inputs[i].plan.isStatic {
            try inputs[i].start(from: positions, windows: windows)
            loop.watch(inputs[i].source.descriptor)
        }
        commits.lastPositions = context.clock.monotonicMicroseconds()
    }

    // MARK: Work

    /// One poll of every source that may be polled; true when at least one had something.
    private func pollOnce() throws(Diagnostic) -> Bool {
        guard !isHeldBack, !waitsForExchange else { return false }
        var working = false
        for i in inputs.indices where !inputs[i].isFinished {
            if case .more = try poll(i) { working = true }
        }
        return working
    }

    /// A full sink makes the shard stop fetching; librdkafka then stops by its own queue bound.
    private var isHeldBack: Bool {
        if commits.awaitsFlush { return true }
        for session in graph.sessions {
            if session.uncommittedRows >= context.limits.uncommittedRows
                || session.uncommittedBytes >= context.limits.uncommittedBytes
            {
                return true
            }
        }
        return false
    }

    /// Closed windows wait for other shards' commits: what they hold is bounded like rows that wait for their own.
    private var waitsForExchange: Bool {
        graph.exchange.map { $0.waitingRows >= context.limits.uncommittedRows } ?? false
    }

    private func poll(_ i: Int) throws(Diagnostic) -> SourceStatus {
        let input = inputs[i]
        context.arena.reset()
        context.records = input.batch.records
        context.source = input.index
        context.appliedOffsets = input.appliedOffsets
        context.undecidedOffsets = input.undecidedOffsets
        let status = try input.source.poll(into: input.batch)
        let records = input.batch.records.count
        if records > 0 || input.batch.rows.count > 0 {
            // A static table has no positions to commit.
            if !input.plan.isStatic {
                observer.polled(source: input.index, records: records)
                input.hasMoved = true
            }
            try rejectUndecodable(input)
            input.watermark?.setPartitionCount(input.source.partitions.count)
            try process(input)
        }
        try input.endReplay(context: context)
        if case .finished = status, !input.isFinished {
            input.isFinished = true
            try input.head.advance(to: EventTime.end, port: 0, context: context)
            observer.finished(source: input.index)
        }
        context.records = nil
        context.appliedOffsets = []
        context.undecidedOffsets = []
        return status
    }

    private func process(_ input: ShardInput) throws(Diagnostic) {
        let rows = input.batch.rows
        guard rows.count > 0 else { return }
        rows.metadata.reserve(rows.count)
        rows.metadata.watermarks.update(repeating: EventTime.none, count: rows.count)
        let before = commits.writtenRows
        try input.head.process(rows, port: 0, context: context)
        reportWrites()
        // For a window the record that made it fire counts, not those that lie in it.
        if commits.writtenRows > before { commits.sample(input.batch.records) }
    }

    private func reportWrites() {
        for sink in sinks where sink.writtenRows > 0 {
            observer.wrote(sink: sink.object, rows: sink.writtenRows)
            commits.writtenRows += sink.writtenRows
            sink.writtenRows = 0
        }
    }

    /// Idle partitions and the wall clock move event time without a record.
    private func tick() throws(Diagnostic) {
        for input in inputs where !input.isFinished {
            guard let watermark = input.watermark else { continue }
            let now = context.clock.wallMicroseconds()
            if let deadline = watermark.nextDeadline, now >= deadline {
                context.source = input.index
                try watermark.tick(now: now, isAtEnd: { input.source.isAtEnd(partition: $0) }, context: context)
            }
            if watermark.combinedWatermark != input.reportedWatermark {
                input.reportedWatermark = watermark.combinedWatermark
                input.hasMoved = true
                observer.advanced(source: input.index, watermark: watermark.combinedWatermark)
            }
        }
        reportWrites()
        for lookup in graph.lookups { try lookup.maintain(now: context.clock.monotonicMicroseconds()) }
    }

    // MARK: Rejected rows

    private func rejectUndecodable(_ input: ShardInput) throws(Diagnostic) {
        for record in input.batch.rejected {
            try context.reject(
                origin: record.record, record.reason, object: input.plan.name, detail: record.detail)
        }
    }

    private func reject(_ rejection: ShardContext.Rejection) throws(Diagnostic) {
        let input = inputs.first { $0.index == context.source }
        let letter = deadLetter(rejection, input: input)
        observer.rejected(letter)
        // A late row is no error of its own: it is left out whatever the policy, as in Flink.
        var policy = input?.plan.errors ?? .deadLetter
        if policy == .fail, rejection.reason == .lateRow { policy = .deadLetter }
        if policy != .fail { rejections.note(letter, policy: policy, log: context.log) }
        switch policy {
        case .skip: return
        case .fail:
            throw Diagnostic(
                "\(rejection.reason.reason) in \"\(rejection.object)\": \(rejection.detail)",
                hint: Shard.place(of: letter)
                    + "Table \"\(letter.source)\" has 'errors' = 'fail'; with 'dead-letter' the run leaves such rows out."
            )
        case .deadLetter:
            guard keepsDeadLetters else { return }
            if let exchange = graph.exchange, let late = rejection.late, let input, let partition = letter.partition,
                let place = inputs.firstIndex(where: { $0 === input }),
                let index = input.source.partitions.firstIndex(of: partition),
                exchange.hold(letter, late, input: place, partition: index)
            {
                return
            }
            deadLetters.append(letter)
        }
    }

    private var keepsDeadLetters: Bool { rejections.isKept }

    /// Where the record stands, as a sentence.
    private static func place(of letter: DeadLetter) -> String {
        guard let partition = letter.partition, let offset = letter.offset else { return "" }
        let isFile = partition.topic.contains("/")
        return
            "It is record \(offset) of \(isFile ? "file" : "partition \(partition.partition) of topic") \"\(partition.topic)\". "
    }

    private func deadLetter(_ rejection: ShardContext.Rejection, input: ShardInput?) -> DeadLetter {
        var letter = DeadLetter(
            source: input?.plan.name ?? "", partition: nil, offset: nil, key: nil, value: nil, object: rejection.object,
            reason: rejection.reason, detail: rejection.detail, time: context.clock.wallMicroseconds())
        guard rejection.origin >= 0, let records = context.records, let input else { return letter }
        let record = Int(rejection.origin)
        letter.partition = input.source.partitions[Int(records.partition[record])]
        letter.offset = records.offset[record]
        letter.key = records.key[record].isAbsent ? nil : records.key[record].array
        letter.value = records.value[record].isAbsent ? nil : records.value[record].array
        if let headers = records.headers {
            letter.headers = headers(record).map { ($0.name, $0.value.isAbsent ? nil : $0.value.array) }
        }
        return letter
    }

    // MARK: Commit

    private func submitIfDue(force: Bool) throws(Diagnostic) {
        let now = context.clock.monotonicMicroseconds()
        let hasRows = commits.writtenRows > 0 || !deadLetters.isEmpty
        let hasMoved = inputs.contains { $0.hasMoved }
        if !hasMoved, !hasRows { graph.exchange?.nothingMoved() }
        var positionsAreDue = hasMoved && (force || now - commits.lastPositions >= Shard.positionsIntervalMicroseconds)
        if let exchange = graph.exchange, exchange.wantsCommit { positionsAreDue = true }
        guard hasRows || positionsAreDue, commits.canSubmit else { return }
        var positions: [SourceName: [SourcePosition]] = [:]
        for (place, input) in inputs.enumerated() where !input.plan.isStatic && input.hasMoved {
            input.hasMoved = false
            let moved = input.positions(
                operators: graph.operators, exchange: graph.exchange, input: place, now: now, isComplete: force)
            positions.merge(moved) { $1 }
        }
        if let emitted = graph.exchange?.positions(), !emitted.isEmpty {
            positions[EmittedWindows.sourceName] = emitted
        }
        commits.lastPositions = now
        guard commits.writtenRows > 0 || !deadLetters.isEmpty || !positions.isEmpty else {
            graph.exchange?.nothingMoved()
            return
        }
        try commits.submit(positions: positions, deadLetters: deadLetters)
        graph.exchange?.submitted(commits.ticket)
        deadLetters.removeAll(keepingCapacity: true)
    }

    private func drive() throws(Diagnostic) {
        let done = try commits.drive(now: context.clock.monotonicMicroseconds())
        guard !done.isEmpty else { return }
        let wall = context.clock.wallMicroseconds()
        if let newest = done.last { graph.exchange?.durable(newest.ticket) }
        for commit in done {
            observer.committed(rows: commit.rows, latencies: commit.sampledTimestamps.map { wall - $0 })
            for input in inputs {
                if let positions = commit.positions[input.plan.name] { input.source.committed(positions) }
            }
        }
    }

    private func waitForWork() throws(Diagnostic) {
        var timeout = Shard.heartbeatMicroseconds
        let now = context.clock.monotonicMicroseconds()
        watchSessions()
        for session in graph.sessions {
            if let deadline = session.deadline { timeout = min(timeout, deadline - now) }
        }
        for input in inputs where !input.isFinished {
            if let deadline = input.source.wakeDeadline { timeout = min(timeout, deadline - now) }
            if let deadline = input.watermark?.nextDeadline {
                // A deadline may be "at once", far below any clock.
                let wall = context.clock.wallMicroseconds()
                timeout = min(timeout, deadline <= wall ? 0 : deadline - wall)
            }
            if input.source.descriptor < 0 && input.source.wakeDeadline == nil { timeout = min(timeout, 1000) }
        }
        // A held-back shard must not spin on the source that it does not read.
        for input in inputs where !input.isFinished {
            if isHeldBack { loop.forget(input.source.descriptor) } else { loop.watch(input.source.descriptor) }
        }
        if timeout > 0 { loop.wait(timeout) }
    }

    private func watchSessions() {
        for (index, session) in graph.sessions.enumerated() {
            if generations[index] != session.connectionGeneration {
                generations[index] = session.connectionGeneration
                loop.forget(session.descriptor)
            }
            loop.watch(session.descriptor, forWriting: session.wantsWrite)
        }
    }

    /// Commits what has been processed. Open windows are not fired by a stop: replay rebuilds them.
    package func finish() throws(Diagnostic) {
        let patience: Int64 = 10_000_000
        let deadline = context.clock.monotonicMicroseconds() + patience
        while commits.writtenRows > 0 || !deadLetters.isEmpty || inputs.contains(where: \.hasMoved) || commits.isBusy {
            try submitIfDue(force: true)
            try drive()
            guard commits.isBusy || commits.writtenRows > 0 else { break }
            if context.clock.monotonicMicroseconds() > deadline {
                throw Diagnostic(
                    "could not commit the last rows before the stop", hint: "They are read again at the next start.",
                    fault: .external)
            }
            watchSessions()
            for input in inputs { loop.forget(input.source.descriptor) }
            loop.wait(10_000)
        }
        rejections.summarize(context.log)
        for session in graph.sessions { try session.close(deadlineMicroseconds: deadline) }
        for lookup in graph.lookups { lookup.close() }
    }
}
