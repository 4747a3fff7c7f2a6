public import MillraceCore

/// Makes the clock the time of windows: rows carry the moment they came, the watermark stands one millisecond before now.
///
/// Behind it windows over the processing-time column work as they do by event time, and no row is ever late: the column never
/// goes back, even where the clock does. Event time from before it ends here; the end of the input passes.
public final class ProcessingTimeOperator: Operator, TimedOperator {
    private let plan: ProcessingTimePlan
    private let column: Column
    private let output = ColumnBatch(columns: [])
    private let metadata = RowMetadata()
    var combined = EventTime.none
    var newest = EventTime.none
    /// For stored state; nil: not asked for.
    var changes: Changes?
    private let fresh = RowSelection()
    /// Wall clock, microseconds, at which a window may close; nil: not before the next row.
    public internal(set) var nextDeadline: Int64?

    public init(_ plan: ProcessingTimePlan, input: Schema, object: String) {
        self.plan = plan
        column = Column(input[plan.timeColumn].type)
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        guard changes != nil, !context.appliedOffsets.isEmpty else { return try take(batch, context) }
        // What is only read again for others has its windows already.
        fresh.clear()
        for row in 0..<batch.count where !context.isReplayed(origin: batch.metadata.origins[row]) { fresh.append(row) }
        try take(fresh.apply(batch), context)
    }

    private func take(_ batch: ColumnBatch, _ context: ShardContext) throws(Diagnostic) {
        let given = batch.columns[plan.timeColumn]
        let now = EventTime.milliseconds(fromMicroseconds: context.clock.wallMicroseconds())
        metadata.reserve(batch.count)
        column.clear()
        for row in 0..<batch.count {
            var time = given.isValid(row) ? EventTime.milliseconds(fromMicroseconds: given.ints[row]) : now
            if time <= combined { time = combined + 1 }
            newest = max(newest, time)
            column.append(int: newest * 1000)
            metadata.origins[row] = batch.metadata.origins[row]
            metadata.watermarks[row] = combined
        }
        guard batch.count > 0 else { return }
        output.columns = batch.columns
        output.columns[plan.timeColumn] = column
        output.count = batch.count
        output.metadata = metadata
        try emit(output, context: context)
        try advance(beyond: newest, context)
        schedule(after: newest)
    }

    /// The clock shows `now`, microseconds since 1970. Call when `nextDeadline` has come; more often does no harm.
    public func tick(now: Int64, context: ShardContext) throws(Diagnostic) {
        guard nextDeadline != nil, combined != EventTime.end else { return }
        let time = EventTime.milliseconds(fromMicroseconds: now)
        try advance(beyond: time, context)
        schedule(after: time)
    }

    private func advance(beyond time: Int64, _ context: ShardContext) throws(Diagnostic) {
        guard time - 1 > combined else { return }
        combined = time - 1
        try emit(watermark: combined, context: context)
    }

    /// The next boundary of a window that the newest row may be in.
    func schedule(after time: Int64) {
        let next: Int64
        if plan.stepMilliseconds == 0 {
            next = newest + plan.spanMilliseconds
        } else {
            next =
                WindowAssigner.start(time, size: plan.stepMilliseconds, offset: plan.offsetMilliseconds)
                + plan.stepMilliseconds
        }
        nextDeadline = next > time && next <= newest + plan.spanMilliseconds ? next * 1000 : nil
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        guard watermark == EventTime.end else { return }
        combined = EventTime.end
        nextDeadline = nil
        try emit(watermark: watermark, context: context)
    }
}
