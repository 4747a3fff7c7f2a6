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
    private let inputs: [ShardInput]
    /// Those whose positions are committed, and their places among `inputs`.
    private let streams: [ShardInput]
    private let streamPlaces: [Int]
    private let sinks: [SinkOperator]
    private let timers: [any TimedOperator]
    private let remotes: [RemoteStage]
    private let sessions: [ShardSession]
    /// Of all sources.
    private let replay = Replay()
    private let commits: CommitQueue
    /// nil: no operator's state is stored.
    private let keeper: StateKeeper?
    private var rejections: RejectionLog
    private var states: StateReporter
    /// Monotonic microseconds: the last submit, and the last time that everything was looked at, ready or not.
    private var lastSubmit: Int64 = 0
    private var lastHeartbeat: Int64 = 0
    /// A commit waits until remote models have answered: nothing is read meanwhile.
    private var isDraining = false

    /// Positions alone (no rows) are committed this often; replay covers what lies between.
    private static let positionsIntervalMicroseconds: Int64 = 200_000
    /// The longest sleep: bounds what a missed wake-up can cost.
    private static let heartbeatMicroseconds: Int64 = 100_000
    /// How long a stop waits for the answers of remote models.
    private static let drainMicroseconds: Int64 = 5_000_000
    /// While no transaction can be sent, changes of state are moved to the next one this often: there they count as unsent.
    private static let gatherIntervalMicroseconds: Int64 = 50_000
    private var lastGather: Int64 = 0

    public init(graph: ShardGraph, context: ShardContext, observer: any ShardObserver) {
        self.graph = graph
        self.context = context
        self.observer = observer
        inputs = graph.inputs.map { ShardInput($0) }
        streamPlaces = inputs.indices.filter { [inputs] in !inputs[$0].plan.isStatic }
        streams = streamPlaces.map { [inputs] in inputs[$0] }
        sinks = graph.operators.compactMap { $0 as? SinkOperator }
        timers = graph.operators.compactMap { $0 as? any TimedOperator }
        remotes = graph.operators.compactMap { $0 as? RemotePredictOperator }.map { [inputs] in
            RemoteStage($0, inputs: inputs)
        }
        sessions = graph.sessions.map { ShardSession($0) }
        states = StateReporter(graph.operators)
        rejections = RejectionLog(
            isKept: graph.sessions.contains(where: \.keepsDeadLetters))
        commits = CommitQueue(
            sources: streams.map(\.plan.name), sessions: sessions,
            checkpoint: sessions.first { $0.session === graph.checkpoint })
        keeper =
            if let session = graph.checkpoint as? any StateSession, !graph.stateful.isEmpty {
                StateKeeper(graph.stateful, session, pace: graph.statePace)
            } else {
                nil
            }
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
            case .working: waitForWork(atMost: 0)
            case .waiting: waitForWork(atMost: Shard.heartbeatMicroseconds)
            case .finished:
                try finish()
                return
            }
        }
        try finish()
    }

    /// What one turn came to: whether there is more to do at once.
    package enum Turn { case working, waiting, finished }

    /// The parts of `run`, for tests that run several shards by turns on one thread.
    package func begin(from positions: [SourceName: [SourcePosition]]) throws(Diagnostic) {
        context.onReject = { [unowned self] rejection throws(Diagnostic) in try self.reject(rejection) }
        try restoreState()
        try loadStaticTables()
        try start(from: positions)
    }

    package func turn() throws(Diagnostic) -> Turn {
        let now = context.clock.monotonicMicroseconds()
        beat(now)
        try pollInputs(now)
        try driveRemotes(now)
        // What time alone makes belongs to no position before those that wait for the flush.
        if !commits.awaitsFlush { try tick() }
        var isWorking = false
        if let exchange = graph.exchange {
            isWorking = try exchange.turn(mayEmit: { [unowned self] in !self.isHeldBack }, context: context)
            reportWrites()
            commits.open.deadLetters += exchange.release()
        }
        try submitIfDue(now, force: false)
        // A commit that has ended frees its slot: what has gathered meanwhile must not wait for the next event.
        if try drive(now) { try submitIfDue(now, force: false) }
        if !inputs.containsBorrowed(where: { !$0.isFinished }), graph.exchange?.isComplete ?? true, !awaitsAnswers {
            return .finished
        }
        if isWorking { return .working }
        return mayPoll && inputs.containsBorrowed(where: { $0.isReady && !$0.isFinished && !isFull($0) })
            ? .working : .waiting
    }

    package func close() {
        for input in inputs { input.source.close() }
        for remote in remotes { remote.model.close() }
    }

    // MARK: Start

    private func restoreState() throws(Diagnostic) {
        guard let keeper else { return }
        let begin = context.clock.monotonicMicroseconds()
        let bytes = try keeper.restore()
        guard bytes > 0 else { return }
        let took = context.clock.monotonicMicroseconds() - begin
        let sizes = graph.stateful.map(\.stateSize)
        context.log(
            .info, "state was read back",
            [
                "stored_bytes": String(bytes), "keys": String(sizes.reduce(0) { $0 + $1.keys }),
                "rows": String(sizes.reduce(0) { $0 + $1.rows }), "milliseconds": String(took / 1000),
            ])
    }

    private func loadStaticTables() throws(Diagnostic) {
        for i in inputs.indices where inputs[i].plan.isStatic {
            try inputs[i].source.start(from: [])
            while !inputs[i].isFinished {
                if stopRequested.load(ordering: .acquiring) { return }
                try poll(inputs[i])
                if !inputs[i].isReady { loop.wait(1000) }
            }
            while awaitsAnswers, !stopRequested.load(ordering: .acquiring) { try awaitAnswers() }
        }
    }

    private func start(from positions: [SourceName: [SourcePosition]]) throws(Diagnostic) {
        for (index, window) in graph.operators.lazy.compactMap({ $0 as? WindowAggregateOperator }).enumerated() {
            window.restore(EmittedWindows(positions, window: index), index: index)
        }
        let windows = graph.operators.count { $0 is WindowAggregateOperator }
        graph.exchange?.start(inputs, wake: loop.waker)
        for i in inputs.indices where !inputs[i].plan.isStatic {
            inputs[i].watermark?.share(replay)
            try inputs[i].start(from: positions, windows: windows)
            loop.watch(inputs[i].source.descriptor)
            for remote in remotes { remote.model.positions.restore(positions, inputs[i]) }
        }
        for input in streams { input.watermark?.hold() }
        lastSubmit = context.clock.monotonicMicroseconds()
    }

    // MARK: Work

    /// Now and then everything is looked at, ready or not, so that a missed wake-up costs no more than the interval.
    private func beat(_ now: Int64) {
        guard now - lastHeartbeat >= Shard.heartbeatMicroseconds else { return }
        lastHeartbeat = now
        inputs.forEachBorrowed { $0.isReady = true }
        sessions.forEachBorrowed { $0.isReady = true }
        remotes.forEachBorrowed { $0.isReady = true }
        if let state = states.report(now) { observer.holds(state, shard: graph.shard) }
    }

    /// One poll of every source that has something, unless the sinks are full.
    private func pollInputs(_ now: Int64) throws(Diagnostic) {
        guard mayPoll else { return }
        try inputs.forEachBorrowed { (input) throws(Diagnostic) in
            if input.isDue(now), !isFull(input) { try poll(input) }
        }
    }

    /// A full sink makes the shard stop fetching; librdkafka then stops by its own queue bound.
    private var isHeldBack: Bool {
        if commits.awaitsFlush { return true }
        let limits = context.limits
        return sessions.containsBorrowed { each in
            each.session.uncommittedRows >= limits.uncommittedRows
                || each.session.uncommittedBytes >= limits.uncommittedBytes
        }
    }

    /// Closed windows wait for other shards' commits: what they hold is bounded like rows that wait for their own.
    private var waitsForExchange: Bool {
        graph.exchange.map { $0.waitingRows >= context.limits.uncommittedRows } ?? false
    }

    private var mayPoll: Bool { !isHeldBack && !waitsForExchange && !isDraining }

    // MARK: Remote models

    /// A remote model that the source feeds has as many rows as it may hold.
    private func isFull(_ input: ShardInput) -> Bool {
        !remotes.isEmpty && remotes.containsBorrowed { $0.isFull(input) }
    }

    private var awaitsAnswers: Bool { remotes.containsBorrowed { $0.model.isBusy } }

    /// Hands on what has been answered.
    private func driveRemotes(_ now: Int64) throws(Diagnostic) {
        for remote in remotes where remote.isDue(now) {
            remote.isReady = false
            remote.model.drive(now: now)
            // A checkpoint that waits for the flush of other sessions says nothing of rows that come now.
            guard !commits.awaitsFlush else {
                remote.isReady = true
                continue
            }
            var before = commits.open.rows
            while try remote.model.release(context) {
                reportWrites()
                if commits.open.rows > before { commits.sample(remote.model.records) }
                before = commits.open.rows
            }
            let counts = remote.model.takeCounts()
            if counts != RemoteCounts() { observer.called(model: remote.model.object, counts) }
        }
    }

    /// Sleeps until something has come back, and takes it.
    private func awaitAnswers() throws(Diagnostic) {
        let now = context.clock.monotonicMicroseconds()
        var timeout = Shard.heartbeatMicroseconds
        for remote in remotes {
            loop.watch(remote.model.descriptor)
            timeout = min(timeout, remote.patience(now))
        }
        loop.wait(timeout)
        for remote in remotes { remote.isReady = true }
        try driveRemotes(context.clock.monotonicMicroseconds())
    }

    /// At a stop: rows on their way still get their answers, within bounds.
    private func drainRemotes() throws(Diagnostic) {
        guard awaitsAnswers else { return }
        let deadline = context.clock.monotonicMicroseconds() + Shard.drainMicroseconds
        for input in inputs { loop.forget(input.source.descriptor) }
        while awaitsAnswers, context.clock.monotonicMicroseconds() < deadline {
            try awaitAnswers()
            let now = context.clock.monotonicMicroseconds()
            _ = try drive(now)
            try submitIfDue(now, force: false)
        }
        for remote in remotes where remote.model.isBusy {
            context.log(
                .warning, "rows were waiting for their predictions at the stop",
                ["model": remote.model.object, "rows": String(remote.model.waitingRows)])
        }
    }

    private func poll(_ input: ShardInput) throws(Diagnostic) {
        let wasReplaying = replay.partitions > 0
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
        if wasReplaying, replay.partitions == 0 {
            for stream in streams { try stream.watermark?.resume(context) }
        }
        if case .more = status { input.isReady = true } else { input.isReady = false }
    }

    private func process(_ input: ShardInput) throws(Diagnostic) {
        let rows = input.batch.rows
        guard rows.count > 0 else { return }
        rows.metadata.reserve(rows.count)
        rows.metadata.watermarks.update(repeating: EventTime.none, count: rows.count)
        let before = commits.open.rows
        try input.head.process(rows, port: 0, context: context)
        reportWrites()
        // For a window the record that made it fire counts, not those that lie in it.
        if commits.open.rows > before { commits.sample(input.batch.records) }
    }

    private func reportWrites() {
        sinks.forEachBorrowed { sink in
            guard sink.writtenRows > 0 else { return }
            observer.wrote(sink: sink.object, rows: sink.writtenRows)
            commits.open.rows += sink.writtenRows
            sink.writtenRows = 0
        }
    }

    /// Idle partitions and the wall clock move event time without a record.
    private func tick() throws(Diagnostic) {
        try inputs.forEachBorrowed { (input) throws(Diagnostic) in
            guard !input.isFinished, let watermark = input.watermark else { return }
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
        for timer in timers {
            let now = context.clock.wallMicroseconds()
            if let deadline = timer.nextDeadline, now >= deadline { try timer.tick(now: now, context: context) }
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
            guard rejections.isKept else { return }
            if let exchange = graph.exchange, let late = rejection.late, let input, let partition = letter.partition,
                let place = inputs.firstIndex(where: { $0 === input }),
                let index = input.source.partitions.firstIndex(of: partition),
                exchange.hold(letter, late, input: place, partition: index)
            {
                return
            }
            commits.open.deadLetters.append(letter)
        }
    }

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

    private func submitIfDue(_ now: Int64, force: Bool) throws(Diagnostic) {
        let hasRows = commits.open.rows > 0 || !commits.open.deadLetters.isEmpty
        let hasMoved =
            streams.containsBorrowed { $0.hasMoved } || remotes.containsBorrowed { $0.model.positions.hasMoved }
        isDraining = false
        if !hasMoved, !hasRows { graph.exchange?.nothingMoved() }
        let isTime = force || now - lastSubmit >= Shard.positionsIntervalMicroseconds
        let positionsAreDue = hasMoved && isTime || graph.exchange?.wantsCommit ?? false
        guard hasRows || positionsAreDue, commits.canSubmit else {
            if let keeper, !commits.awaitsFlush, now - lastGather >= Shard.gatherIntervalMicroseconds {
                lastGather = now
                keeper.gather(ticket: commits.ticket + 1)
            }
            return
        }
        if graph.checkpoint != nil, remotes.containsBorrowed(where: { $0.model.holdsCommit }) {
            isDraining = true
            return
        }
        lastSubmit = now
        guard writePositions(now, isComplete: force) || hasRows else {
            graph.exchange?.nothingMoved()
            return
        }
        keeper?.collect(ticket: commits.ticket + 1)
        try commits.submit(now: now)
        graph.exchange?.submitted(commits.ticket)
    }

    /// Puts what has moved into the open commit; true when something has.
    private func writePositions(_ now: Int64, isComplete: Bool) -> Bool {
        var late: SourceProgress = []
        var hasSome = false
        for place in streams.indices {
            streams.withBorrowed(place) { stream in
                guard stream.hasMoved else { return }
                stream.hasMoved = false
                stream.writePositions(
                    to: &commits.open.positions[place].positions, late: &late, operators: graph.operators,
                    exchange: graph.exchange, input: streamPlaces[place], now: now, isComplete: isComplete)
                if !commits.open.positions[place].positions.isEmpty { hasSome = true }
            }
        }
        for remote in remotes {
            remote.model.positions.hasMoved = false
            for stream in streams where remote.feeds.contains(stream.index) {
                remote.model.writePositions(of: stream, to: &late)
            }
        }
        if let emitted = graph.exchange?.positions(), !emitted.isEmpty {
            late.append((EmittedWindows.sourceName, emitted))
        }
        if !late.isEmpty {
            commits.open.positions += late
            hasSome = true
        }
        return hasSome
    }

    /// True when a transaction has become durable.
    private func drive(_ now: Int64) throws(Diagnostic) -> Bool {
        try commits.drive(now: now) { commit in
            graph.exchange?.durable(commit.ticket)
            let wall = context.clock.wallMicroseconds()
            for i in commit.sampledTimestamps.indices {
                commit.sampledTimestamps[i] = wall - commit.sampledTimestamps[i]
            }
            observer.committed(rows: commit.rows, latencies: commit.sampledTimestamps)
            for place in streams.indices where !commit.positions[place].positions.isEmpty {
                streams.withBorrowed(place) { $0.source.committed(commit.positions[place].positions) }
            }
        }
    }

    /// Sleeps until a descriptor is ready or a deadline has come; only looks at the descriptors when a source has more.
    private func waitForWork(atMost longest: Int64) {
        let isHeldBack = !mayPoll
        let now = context.clock.monotonicMicroseconds()
        var timeout = longest
        sessions.forEachBorrowed { each in
            each.watch(in: loop)
            if let deadline = each.session.deadline { timeout = min(timeout, deadline - now) }
        }
        // Until the flush is done, neither time nor sources move.
        let awaitsFlush = commits.awaitsFlush
        for timer in timers where !awaitsFlush {
            if let deadline = timer.nextDeadline { timeout = min(timeout, deadline - context.clock.wallMicroseconds()) }
        }
        for remote in remotes {
            loop.watch(remote.model.descriptor)
            timeout = min(timeout, remote.patience(now))
        }
        inputs.forEachBorrowed { input in
            guard !input.isFinished else {
                // Nobody takes what it may still say.
                loop.forget(input.source.descriptor)
                return
            }
            let isHeldBack = isHeldBack || isFull(input)
            if !awaitsFlush { timeout = min(timeout, input.patience(now, context.clock, isHeldBack: isHeldBack)) }
            // A held-back shard must not spin on the source that it does not read.
            if isHeldBack { loop.forget(input.source.descriptor) } else { loop.watch(input.source.descriptor) }
        }
        loop.wait(timeout)
        notice(isTimeUp: timeout > 0 && loop.readyCount == 0)
    }

    /// After the loop has waited: what it found is ready, after a sleep for nothing everything is.
    private func notice(isTimeUp: Bool) {
        inputs.forEachBorrowed { if isTimeUp || loop.found($0.source.descriptor) { $0.isReady = true } }
        sessions.forEachBorrowed { if isTimeUp || loop.found($0.session.descriptor) { $0.isReady = true } }
        remotes.forEachBorrowed { if isTimeUp || loop.found($0.model.descriptor) { $0.isReady = true } }
    }

    /// Commits what has been processed. Open windows are not fired by a stop: replay rebuilds them.
    package func finish() throws(Diagnostic) {
        try drainRemotes()
        let patience: Int64 = 10_000_000
        let deadline = context.clock.monotonicMicroseconds() + patience
        while true {
            let now = context.clock.monotonicMicroseconds()
            try submitIfDue(now, force: true)
            _ = try drive(now)
            guard commits.isBusy || commits.open.rows > 0 || !commits.open.deadLetters.isEmpty else { break }
            if now > deadline {
                throw Diagnostic(
                    "could not commit the last rows before the stop", hint: "They are read again at the next start.",
                    fault: .external)
            }
            sessions.forEachBorrowed { $0.watch(in: loop) }
            inputs.forEachBorrowed { loop.forget($0.source.descriptor) }
            loop.wait(10_000)
            notice(isTimeUp: loop.readyCount == 0)
        }
        if let state = states.report(Int64.max) { observer.holds(state, shard: graph.shard) }
        rejections.summarize(context.log)
        for session in graph.sessions { try session.close(deadlineMicroseconds: deadline) }
        for lookup in graph.lookups { lookup.close() }
    }
}
