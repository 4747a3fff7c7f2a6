public import MillraceCore

/// Adds a remote model's outputs to each row, without waiting for them: rows stay here, in order, until they are answered,
/// and what comes after them, watermarks too, stays behind them.
///
/// A call takes what waits when it leaves, at most `RemoteSettings.rowsPerCall` rows; several are on their way at once. A call
/// that fails for a reason that may pass is made again; one that one row may have spoilt is divided until that row is alone.
/// While the circuit breaker is open rows wait. Rows that fail for good become dead letters.
///
/// What a commit may say of rows that are here is decided by `holdsCommit` and `RemotePositions`.
public final class RemotePredictOperator: Operator {
    private let plan: PredictPlan
    private let modelInputs: Schema
    private let modelOutputs: Schema
    private let settings: RemoteSettings
    private let rowsPerCall: Int
    private let version: String
    private let contentHash: String
    private let monitor: ModelMonitor
    private let client: any RemoteClient
    private let waiting: WaitingRows
    private let limit: Int
    private let log: Log
    /// Rows that were applied before a restart would be answered for nobody.
    private let skipsReplayed: Bool
    let positions: RemotePositions

    /// In order of their rows; together they hold the oldest `assigned` ones that wait.
    private var calls: [RemoteCall] = []
    private var head = 0
    private var assigned = 0
    private var spares: [RemoteCall] = []
    private var running = 0
    private var ended: [RemoteCall] = []
    private var breaker: CircuitBreaker
    private var random = SystemRandomNumberGenerator()
    /// Watermarks, each behind the rows that had entered before it.
    private var marks: [(entered: Int, watermark: Int64)] = []
    private var hasDivided = false
    /// Since the last report.
    public private(set) var counts = RemoteCounts()

    // What goes on.
    private let gathered: [Column]
    private let sliced: [Column]
    private let receipts: ReceiptColumns?
    private let output = ColumnBatch(columns: [])
    private let metadata = RowMetadata()
    private let selection = RowSelection()
    private var slots: [Int32] = []
    /// The records behind the rows that went on last.
    let records = RecordTable()

    /// - Parameters:
    ///   - input: the operator's input; `plan.arguments` are among its columns.
    ///   - skipsReplayed: nothing behind it keeps state.
    ///   - storesPositions: see `RemotePositions`.
    public init(
        _ plan: PredictPlan, input: Schema, model: any RemoteModel, inputs: Schema, outputs: Schema,
        skipsReplayed: Bool, storesPositions: Bool, index: Int, monitor: ModelMonitor, object: String, limits: Limits,
        clock: any Clock,
        log: Log
    ) throws(Diagnostic) {
        self.plan = plan
        modelInputs = inputs
        modelOutputs = outputs
        self.skipsReplayed = skipsReplayed
        self.log = log
        settings = model.settings
        rowsPerCall = plan.contract.batchRows ?? settings.rowsPerCall
        version = model.version
        contentHash = model.contentHash
        self.monitor = monitor
        receipts = plan.receipts.isEmpty ? nil : ReceiptColumns(plan.receipts, model: object, shadow: nil)
        client = try model.makeClient(inputs: inputs, outputs: outputs, limits: limits, clock: clock)
        waiting = WaitingRows(input)
        limit = limits.remoteRows
        breaker = CircuitBreaker(
            failures: settings.breakerFailures, pauseMicroseconds: settings.breakerPauseMicroseconds)
        positions = RemotePositions(index: index, isStored: storesPositions)
        gathered = input.fields.map { Column($0.type) }
        sliced = outputs.fields.map { Column($0.type) }
        super.init(object: object)
    }

    /// Rows wait, or a watermark does.
    var isBusy: Bool { waiting.count > 0 || !marks.isEmpty }
    var waitingRows: Int { waiting.count }
    /// What feeds it is not to be read.
    var isFull: Bool { waiting.count >= limit }
    /// A commit now would say of rows that are here that they are done, or would do them again.
    var holdsCommit: Bool {
        positions.isStored ? waiting.unrecorded > 0 || waiting.isTorn : isBusy
    }
    var descriptor: Int32 { client.descriptor }

    /// Absolute monotonic microseconds at which `drive` has something to do although nothing is ready; nil: none.
    var deadline: Int64? {
        var next = client.deadline ?? .max
        if let first = oldestDeadline { next = min(next, first) }
        // One that waits for the breaker needs no look before it lets calls through.
        if running < settings.callsInFlight, assigned < waiting.count || waitsForAttempt {
            var due = Int64.max
            for index in head..<calls.count {
                switch calls[index].state {
                case .ready: due = 0
                case .pausing(let until): due = min(due, until)
                default: break
                }
            }
            if assigned < waiting.count { due = 0 }
            switch breaker.state {
            case .closed: next = min(next, due)
            case .open(let until): next = min(next, max(due, until))
            case .trying: break
            }
        }
        return next == .max ? nil : next
    }

    private var waitsForAttempt: Bool {
        for index in head..<calls.count where calls[index].state != .running && !calls[index].isDone { return true }
        return false
    }

    /// When the oldest row that has no answer will have waited too long.
    private var oldestDeadline: Int64? {
        guard let allowed = plan.contract.deadlineMicroseconds else { return nil }
        for index in head..<calls.count where !calls[index].isDone { return calls[index].deadline }
        return assigned < waiting.count ? waiting[assigned].arrived + allowed : nil
    }

    public func takeCounts() -> RemoteCounts {
        defer { counts = RemoteCounts() }
        return counts
    }

    // MARK: - In

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let now = context.clock.monotonicMicroseconds()
        for row in 0..<batch.count {
            let origin = batch.metadata.origins[row]
            if skipsReplayed, positions.isApplied(origin: origin, context) { continue }
            guard try isSound(batch, row, context) else { continue }
            waiting.append(batch, row, now: now, context)
        }
        begin(now)
    }

    /// Rejects rows that cannot be asked about.
    private func isSound(_ batch: ColumnBatch, _ row: Int, _ context: ShardContext) throws(Diagnostic) -> Bool {
        for (place, argument) in plan.arguments.enumerated() {
            let column = batch.columns[argument]
            let state = column.states[row]
            var fault: String?
            if state != CellState.valid {
                if state == CellState.null, !settings.nullFails { continue }
                fault = state == CellState.null ? "is NULL" : nil
            } else if column.layout == .double, !column.doubles[row].isFinite {
                fault = "is no finite number, which JSON cannot hold"
            } else {
                continue
            }
            let code = state > CellState.valid ? RowErrorCode.of(state) : .modelError
            try context.reject(
                origin: batch.metadata.origins[row], code, object: object,
                detail: "input \"\(modelInputs[place].name)\"\(fault.map { " " + $0 } ?? "")")
            return false
        }
        return true
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        guard waiting.count > 0 else { return try emit(watermark: watermark, context: context) }
        if let last = marks.last, last.entered == waiting.entered {
            marks[marks.count - 1].watermark = watermark
        } else {
            marks.append((waiting.entered, watermark))
        }
    }

    // MARK: - Calls

    /// Moves bytes, judges what has come back, sends what may leave.
    func drive(now: Int64) {
        client.drive(now: now, ended: &ended)
        for call in ended { judge(call, now) }
        ended.removeAll(keepingCapacity: true)
        expire(now)
        begin(now)
    }

    private func judge(_ call: RemoteCall, _ now: Int64) {
        running -= 1
        call.ended = now
        guard case .failed(let failure) = call.outcome else {
            call.state = .answered
            if breaker.succeeded() { log(.info, "model server is back", ["model": object]) }
            return
        }
        if failure.isServerFault {
            if breaker.failed(now: now) {
                counts.breakerOpenings += 1
                log(
                    .warning, "model server fails; rows wait until it is tried again",
                    [
                        "model": object, "reason": failure.detail,
                        "milliseconds": String(settings.breakerPauseMicroseconds / 1000),
                    ])
            }
        } else if breaker.succeeded() {
            log(.info, "model server is back", ["model": object])
        }
        if failure.isRetryable, call.attempts <= settings.retries {
            counts.retries += 1
            let delay = settings.backoff.delay(
                failures: call.attempts, retryAfter: failure.retryAfterMicroseconds, using: &random)
            call.state = .pausing(until: now + delay)
        } else if failure.mayBeOneRow, call.rows > 1 {
            divide(call, failure.detail)
        } else {
            counts.failures += 1
            call.state = .failed(.modelError, attempts(call, failure.detail))
        }
    }

    private func attempts(_ call: RemoteCall, _ detail: String) -> String {
        call.attempts > 1 ? "\(detail), after \(call.attempts) attempts" : detail
    }

    /// Two calls in place of one.
    private func divide(_ call: RemoteCall, _ detail: String) {
        if !hasDivided {
            hasDivided = true
            log(.warning, "a call was refused; its rows are sent apart", ["model": object, "reason": detail])
        }
        guard let place = calls[head...].firstIndex(where: { $0 === call }) else { return }
        let half = call.slots.count / 2
        let first = make(Array(call.slots[..<half]), deadline: call.deadline)
        let second = make(Array(call.slots[half...]), deadline: call.deadline)
        calls.replaceSubrange(place...place, with: [first, second])
        call.clear()
        spares.append(call)
    }

    /// Breaks off what has taken too long.
    private func expire(_ now: Int64) {
        guard let allowed = plan.contract.deadlineMicroseconds else { return }
        for index in head..<calls.count where !calls[index].isDone && calls[index].deadline <= now {
            let call = calls[index]
            if call.state == .running {
                client.cancel(call)
                running -= 1
                breaker.gaveUp(now: now)
            }
            timeOut(call)
        }
        while assigned < waiting.count, waiting[assigned].arrived + allowed <= now {
            var rows = 1
            while rows < rowsPerCall, assigned + rows < waiting.count,
                waiting[assigned + rows].arrived + allowed <= now
            { rows += 1 }
            timeOut(take(rows))
        }
    }

    private func timeOut(_ call: RemoteCall) {
        counts.timeouts += 1
        var watched = ModelCounts()
        watched.timedOutRows = call.rows
        monitor.add(watched)
        call.state = .failed(.deadlineExceeded, "deadline of \(plan.contract.deadlineMicroseconds ?? 0) us")
    }

    /// Sends what may leave: attempts that are due, oldest first, then rows that no call has yet.
    private func begin(_ now: Int64) {
        guard assigned < waiting.count || running < calls.count - head else { return }
        for index in head..<calls.count {
            guard running < settings.callsInFlight else { return }
            switch calls[index].state {
            case .ready: break
            case .pausing(let until) where until <= now: break
            default: continue
            }
            guard breaker.mayCall(now: now) else { return }
            send(calls[index], now)
        }
        while assigned < waiting.count, running < settings.callsInFlight, breaker.mayCall(now: now) {
            var rows = min(rowsPerCall, waiting.count - assigned)
            while assigned + rows < waiting.count, belongsTogether(assigned + rows - 1, assigned + rows) { rows += 1 }
            send(take(rows), now)
        }
    }

    /// Rows of one record leave together, or no position could tell how far it has come; so do both halves of an update.
    private func belongsTogether(_ first: Int, _ second: Int) -> Bool {
        let (a, b) = (waiting[first], waiting[second])
        if a.kind == .updateBefore { return true }
        return a.source >= 0 && a.source == b.source && a.partition == b.partition && a.offset == b.offset
    }

    /// A call of the next rows that have none.
    private func take(_ rows: Int) -> RemoteCall {
        let allowed = plan.contract.deadlineMicroseconds
        let deadline = allowed.map { waiting[assigned].arrived + $0 } ?? .max
        let call = make((assigned..<assigned + rows).map { waiting[$0].slot }, deadline: deadline)
        assigned += rows
        calls.append(call)
        return call
    }

    private func make(_ slots: [Int32], deadline: Int64) -> RemoteCall {
        let call = spares.popLast() ?? RemoteCall(inputs: modelInputs, outputs: modelOutputs)
        call.clear()
        call.slots.append(contentsOf: slots)
        call.deadline = deadline
        for (column, argument) in zip(call.inputs.columns, plan.arguments) {
            waiting.cells.gather(argument, call.slots, into: column)
        }
        call.inputs.count = slots.count
        return call
    }

    private func send(_ call: RemoteCall, _ now: Int64) {
        if call.attempts == 0 {
            counts.calls += 1
            counts.rows += call.rows
            call.began = now
        }
        call.attempts += 1
        call.outcome = nil
        call.answer.clear()
        call.arena.reset()
        for column in call.results { column.clear() }
        call.state = .running
        running += 1
        client.begin(call, now: now)
    }

    // MARK: - Out

    /// Hands on the rows of the oldest call, if it is done; false when it is not. Not from within `process`: the arena of the
    /// context starts anew.
    func release(_ context: ShardContext) throws(Diagnostic) -> Bool {
        guard head < calls.count, calls[head].isDone else { return false }
        let call = calls[head]
        head += 1
        if head == calls.count {
            calls.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 64 {
            calls.removeFirst(head)
            head = 0
        }
        let (source, applied, undecided) = (context.source, context.appliedOffsets, context.undecidedOffsets)
        defer {
            context.records = nil
            context.source = source
            context.appliedOffsets = applied
            context.undecidedOffsets = undecided
        }
        context.arena.reset()
        context.undecidedOffsets = []
        var start = 0
        while start < call.rows {
            let of = waiting[start].source
            var end = start + 1
            while end < call.rows, waiting[end].source == of { end += 1 }
            context.source = max(0, Int(of))
            context.appliedOffsets = of >= 0 ? positions.appliedOffsets(source: Int(of)) : []
            context.records = records
            try handOn(call, start..<end, context)
            start = end
        }
        waiting.removeFirst(call.rows)
        assigned -= call.rows
        call.clear()
        spares.append(call)
        positions.hasMoved = true
        try emitMarks(context)
        return true
    }

    private func emitMarks(_ context: ShardContext) throws(Diagnostic) {
        var passed = 0
        while passed < marks.count, marks[passed].entered <= waiting.left { passed += 1 }
        guard passed > 0 else { return }
        let watermark = marks[passed - 1].watermark
        marks.removeFirst(passed)
        try emit(watermark: watermark, context: context)
    }

    private func handOn(_ call: RemoteCall, _ range: Range<Int>, _ context: ShardContext) throws(Diagnostic) {
        prepare(range)
        var results = call.results
        if case .failed(let code, let detail) = call.state {
            guard case .values(let values) = plan.contract.onTimeout, code == .deadlineExceeded else {
                for row in 0..<range.count {
                    try context.reject(origin: metadata.origins[row], code, object: object, detail: detail)
                }
                return
            }
            for (column, value) in zip(sliced, values) { column.fill(value, rows: range.count, arena: context.arena) }
            results = sliced
        } else if range.count < call.rows {
            for (column, whole) in zip(sliced, call.results) {
                column.clear()
                column.appendRange(from: whole, start: range.lowerBound, count: range.count)
            }
            results = sliced
        }
        slots.removeAll(keepingCapacity: true)
        slots.append(contentsOf: call.slots[range])
        for (index, column) in gathered.enumerated() { waiting.cells.gather(index, slots, into: column) }
        output.columns = gathered + results
        if let receipts {
            if let latency = receipts.latency {
                latency.clear()
                if call.state == .answered { for _ in range { latency.append(int: call.ended - call.began) } }
            }
            receipts.fill(
                rows: range.count, scored: call.state == .answered ? range.count : 0, version: version,
                contentHash: contentHash, arena: context.arena)
            output.columns += receipts.columns
        }
        output.count = range.count
        output.metadata = metadata
        guard results.contains(where: { !$0.allValid }) else { return try emit(output, context: context) }
        selection.clear()
        for row in 0..<range.count {
            if let failed = results.firstIndex(where: { $0.states[row] > CellState.valid }) {
                try context.reject(
                    origin: metadata.origins[row], .of(results[failed].states[row]), object: object,
                    detail: "output \"\(modelOutputs[failed].name)\"")
            } else {
                selection.append(row)
            }
        }
        try emit(selection.apply(output), context: context)
    }

    /// Origins and records of the rows that go on.
    private func prepare(_ range: Range<Int>) {
        records.clear()
        metadata.reserve(range.count)
        var hasKinds = metadata.kinds != nil
        for (index, place) in range.enumerated() {
            let row = waiting[place]
            metadata.watermarks[index] = row.watermark
            if row.kind != .insert, !hasKinds {
                metadata.useKinds()
                for earlier in 0..<index { metadata.kinds![earlier] = .insert }
                hasKinds = true
            }
            if hasKinds { metadata.kinds![index] = row.kind }
            guard row.source >= 0 else {
                metadata.origins[index] = row.origin
                continue
            }
            metadata.origins[index] = Int32(records.count)
            records.append(
                partition: row.partition, offset: row.offset, timestamp: row.timestamp, key: row.key, value: row.value)
        }
    }

    // MARK: - Restart

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        waiting.lower(&offsets, source: source)
    }

    func writePositions(of input: ShardInput, to progress: inout SourceProgress) {
        positions.write(of: input, waiting, to: &progress)
    }

    func close() { client.close() }
}
