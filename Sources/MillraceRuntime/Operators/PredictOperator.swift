public import MillraceCore

/// Adds a model's outputs to each row, and the receipts that are asked for. Rows that the model fails on are rejected.
///
/// A newer model is taken up between two batches, so one model scores all rows of a batch, its canary's keys aside. With a
/// deadline the clock is looked at between calls of the model: rows it has not begun with when the time is up get their
/// default or are rejected; a call that has begun is not interrupted, and its results are kept.
public final class PredictOperator: Operator {
    private let plan: PredictPlan
    private let lanes: PredictLanes
    private let monitor: ModelMonitor
    /// Of the live model.
    private var scorer: any Scorer
    private let names: [String]
    private let limit: Int
    private let results: [Column]
    /// Of one slice of a batch that is longer than the model takes at once.
    private let sliceInputs: [Column]
    private let sliceResults: [Column]
    private let receipts: ReceiptColumns?
    private let split: CanarySplit?
    private let shadow: ShadowComparison?
    /// One row of what stands in for a prediction that did not come in time.
    private let defaults: [Column]
    private let defaultsArena = BatchArena(chunkBytes: 1 << 10)
    /// Where a newer live model waits; none or one. An array, because borrowing from one costs nothing.
    private let slots: [ScorerSlot]
    /// A contract, canary or shadow has something to count.
    private let hasCounts: Bool
    /// That, or somebody asks for the latency.
    private let isWatched: Bool
    private var counts = ModelCounts()
    private let output = ColumnBatch(columns: [])
    /// The input's columns as last seen, and the model's among them.
    private var inputColumns: [Column] = []
    private var arguments: [Column] = []
    private let selection = RowSelection()

    /// - Parameters:
    ///   - model: with the OUTPUT columns, and the settings of canary and shadow, which are used as far as `lanes` has them.
    ///   - lanes: their scorers take the longest batch that the plan and the limits allow: `batchRows(_:_:)`.
    ///   - object: the model's name.
    public init(
        _ plan: PredictPlan, input: Schema, model: ModelPlan, lanes: PredictLanes, monitor: ModelMonitor,
        object: String,
        limits: Limits
    ) {
        self.plan = plan
        self.lanes = lanes
        self.monitor = monitor
        let outputs = model.outputs.fields.map(\.type)
        let inputs = plan.arguments.map { input[$0].type }
        scorer = lanes.live.current.scorer
        names = model.outputs.fields.map(\.name)
        limit = PredictOperator.batchRows(plan.contract, limits)
        results = outputs.map { Column($0) }
        sliceResults = outputs.map { Column($0) }
        sliceInputs = inputs.map { Column($0) }
        if let lane = lanes.canary, let canary = model.canary, let key = plan.canaryKey {
            split = CanarySplit(
                lane, percent: canary.percent, key: key, model: model.name, inputs: inputs, outputs: outputs)
        } else {
            split = nil
        }
        shadow = lanes.shadow.map { ShadowComparison($0, threshold: model.shadow?.threshold, outputs: outputs) }
        receipts =
            plan.receipts.isEmpty ? nil : ReceiptColumns(plan.receipts, model: object, shadow: shadow?.shown)
        defaults = outputs.map { Column($0, capacity: 1) }
        if case .values(let values) = plan.contract.onTimeout {
            for (column, value) in zip(defaults, values) { column.append(value, arena: defaultsArena) }
        }
        slots = lanes.live.slot.map { [$0] } ?? []
        hasCounts = split != nil || shadow != nil || plan.contract.deadlineMicroseconds != nil
        isWatched = hasCounts || receipts?.latency != nil
        super.init(object: object)
    }

    /// One model, never swapped.
    ///
    /// - Parameters:
    ///   - outputs: the model's OUTPUT columns.
    ///   - version: the model's content hash.
    public convenience init(
        _ plan: PredictPlan, input: Schema, outputs: Schema, scorer: any Scorer, version: String, object: String,
        limits: Limits
    ) {
        self.init(
            plan, input: input,
            model: ModelPlan(name: object, provider: "", options: [:], inputs: Schema([]), outputs: outputs),
            lanes: PredictLanes(live: ScorerLane(ReadyScorer(scorer: scorer, version: version, contentHash: version))),
            monitor: ModelMonitor(), object: object, limits: limits)
    }

    /// Most rows that the operator gives a scorer at once.
    public static func batchRows(_ contract: PredictContract, _ limits: Limits) -> Int {
        if let rows = contract.batchRows { return max(1, rows) }
        let rows = max(1, limits.modelRows)
        return contract.deadlineMicroseconds == nil ? rows : min(rows, PredictContract.batchRowsWithDeadline)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        if slots.containsBorrowed(where: { $0.hasNext }), lanes.live.refresh() { scorer = lanes.live.current.scorer }
        bind(batch.columns)
        results.forEachBorrowed { $0.clear() }
        var scored = batch.count
        if isWatched {
            scored = watchedScore(batch, context: context)
        } else if batch.count <= limit {
            scorer.score(arguments, rows: batch.count, into: results, arena: context.arena)
        } else {
            var start = 0
            while start < batch.count { start += scoreSlice(from: start, of: batch, context: context) }
        }
        if results.containsBorrowed(where: { $0.count != batch.count }) {
            throw Diagnostic(
                "model of \"\(object)\" did not return one row for each of \(batch.count)", fault: .bug)
        }
        if let receipts {
            receipts.fill(
                rows: batch.count, scored: scored, version: lanes.live.current.version,
                contentHash: lanes.live.current.contentHash, canary: split?.lane.current,
                isCanary: split?.isCanary ?? [], arena: context.arena)
        }
        output.count = batch.count
        output.metadata = batch.metadata
        guard results.containsBorrowed(where: { !$0.allValid }) else {
            try emit(output, context: context)
            return
        }
        selection.clear()
        for row in 0..<batch.count {
            if let failed = results.firstIndex(where: { $0.states[row] > CellState.valid }) {
                let reason = RowErrorCode.of(results[failed].states[row])
                try context.reject(
                    origin: batch.metadata.origins[row], reason, object: object,
                    detail: detail(reason, output: failed, row: row))
            } else {
                selection.append(row)
            }
        }
        try emit(selection.apply(output), context: context)
    }

    private func detail(_ reason: RowErrorCode, output: Int, row: Int) -> String {
        if reason == .deadlineExceeded, let deadline = plan.contract.deadlineMicroseconds {
            return "deadline of \(deadline) us"
        }
        let isCanary = split.map { $0.isCanary[row] == 1 } ?? false
        let version = isCanary ? split!.lane.current.version : lanes.live.current.version
        return "output \"\(names[output])\" of model version \(version)"
    }

    /// Arguments and output are made anew only for other input columns.
    private func bind(_ columns: [Column]) {
        guard inputColumns.isEmpty || !inputColumns.isSameArray(as: columns) else { return }
        inputColumns = columns
        arguments = plan.arguments.map { columns[$0] }
        output.columns = columns + results
        if let receipts { output.columns += receipts.columns }
    }

    // MARK: Slices

    /// Scores at most `limit` rows from `start` on and puts them behind the results; returns how many.
    private func scoreSlice(from start: Int, of batch: ColumnBatch, context: ShardContext) -> Int {
        let rows = min(limit, batch.count - start)
        cut(start: start, rows: rows)
        score(sliceInputs, start: start, rows: rows, into: sliceResults, context: context)
        for (column, slice) in zip(results, sliceResults) {
            column.appendRange(from: slice, start: 0, count: slice.count)
        }
        return rows
    }

    private func cut(start: Int, rows: Int) {
        for (slice, column) in zip(sliceInputs, arguments) {
            slice.clear()
            slice.appendRange(from: column, start: start, count: rows)
        }
        for column in sliceResults { column.clear() }
    }

    private func score(_ inputs: [Column], start: Int, rows: Int, into results: [Column], context: ShardContext) {
        if let split {
            split.score(inputs, start: start, rows: rows, live: scorer, into: results, arena: context.arena)
        } else {
            scorer.score(inputs, rows: rows, into: results, arena: context.arena)
        }
    }

    // MARK: Contract, canary, shadow

    /// Scores with a look at the clock; returns the rows that the deadline left time for.
    private func watchedScore(_ batch: ColumnBatch, context: ShardContext) -> Int {
        counts = ModelCounts()
        if let split {
            _ = split.lane.refresh()
            split.decide(batch.columns, rows: batch.count)
        }
        let latency = receipts?.latency
        latency?.clear()
        let deadline = plan.contract.deadlineMicroseconds ?? .max
        let begin = context.clock.monotonicMicroseconds()
        var now = begin
        var start = 0
        while start < batch.count, now - begin < deadline {
            let before = now
            let rows: Int
            if batch.count <= limit {
                rows = batch.count
                score(arguments, start: 0, rows: rows, into: results, context: context)
            } else {
                rows = scoreSlice(from: start, of: batch, context: context)
            }
            now = context.clock.monotonicMicroseconds()
            if let latency { for _ in 0..<rows { latency.append(int: now - before) } }
            if now - begin > deadline { counts.overrunRows += rows }
            start += rows
        }
        for _ in start..<batch.count { standIn() }
        if let split {
            counts.canaryRows = split.isCanary.prefix(start).reduce(0) { $0 + Int($1) }
        }
        if let shadow { compare(shadow, batch, scored: start, context: context) }
        counts.timedOutRows = batch.count - start
        if hasCounts { monitor.add(counts) }
        return start
    }

    /// What a row gets that the model was not asked about.
    private func standIn() {
        switch plan.contract.onTimeout {
        case .values:
            for (column, value) in zip(results, defaults) { column.appendRange(from: value, start: 0, count: 1) }
        case .deadLetter:
            for column in results { column.append(state: RowErrorCode.deadlineExceeded.rawValue) }
        }
    }

    private func compare(_ shadow: ShadowComparison, _ batch: ColumnBatch, scored: Int, context: ShardContext) {
        _ = shadow.lane.refresh()
        guard scored == batch.count else {
            // Late as it is, the batch waits for nothing else.
            counts.shadow.skippedRows = batch.count
            shadow.showNothing(rows: batch.count)
            return
        }
        let scorer = shadow.lane.current.scorer
        for column in shadow.results { column.clear() }
        if batch.count <= limit {
            scorer.score(arguments, rows: batch.count, into: shadow.results, arena: context.arena)
        } else {
            var start = 0
            while start < batch.count {
                let rows = min(limit, batch.count - start)
                cut(start: start, rows: rows)
                scorer.score(sliceInputs, rows: rows, into: sliceResults, arena: context.arena)
                for (column, slice) in zip(shadow.results, sliceResults) {
                    column.appendRange(from: slice, start: 0, count: slice.count)
                }
                start += rows
            }
        }
        counts.shadow = shadow.compare(
            with: results, rows: batch.count, leftOut: split?.isCanary ?? [],
            isReplayed: { context.isReplayed(origin: batch.metadata.origins[$0]) })
        shadow.show(rows: batch.count)
    }
}
