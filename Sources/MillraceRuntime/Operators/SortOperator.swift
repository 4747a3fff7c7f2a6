public import MillraceCore

/// ORDER BY. With event time first in the order, rows leave as the watermark passes them; else all leave at the end of the
/// input. Rows that are equal in order leave as they came.
public final class SortOperator: Operator, SizedOperator {
    private let plan: SortPlan
    let limits: Limits
    private let limit: Int
    let input: Schema
    let store = StateStore()
    private let buffer: EventTimeBuffer?
    let rows: RowStore
    private let order: RowOrder
    private let checked: [Int]
    private var kept: [Int32] = []
    private var run: [EventTimeQueue.Entry] = []
    private let output: ColumnBatch
    private let batchRows: Int
    private var watermark = EventTime.none
    private var slots = OffsetSlots()
    private var offsets = ContributingOffsets()

    public init(_ plan: SortPlan, input: Schema, object: String, limits: Limits) {
        self.plan = plan
        limit = limits.keptRows
        self.limits = limits
        self.input = input
        checked = plan.order.map(\.column)
        rows = RowStore(input, store: store)
        buffer = plan.timeColumn.map { [rows, checked] in
            EventTimeBuffer(rows, timeColumn: $0, retention: 0, checked: checked, limits: limits, object: object)
        }
        order = RowOrder(plan.order, rows)
        output = ColumnBatch(input)
        batchRows = max(1, limits.batchRows)
        super.init(object: object)
    }

    /// Rows that wait.
    package var stateSize: StateSize {
        StateSize(rows: rows.count, keys: 0, bytes: store.usedBytes + rows.slotBytes)
    }

    public override var emittedThrough: Int64 { buffer?.newest ?? EventTime.none }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        for row in 0..<batch.count {
            if let buffer, plan.judgesLatenessByRows {
                let watermark = batch.metadata.watermarks[row]
                if watermark > buffer.watermark { try leave(upTo: watermark, buffer, context) }
                try buffer.add(batch, row, context, isStrict: false) { () throws(Diagnostic) in
                    guard buffer.milliseconds(batch, row) <= buffer.newest else { return 0 }
                    try buffer.rejectLate(batch, row, behind: buffer.newest, context)
                    return nil
                }
            } else if let buffer {
                try buffer.add(batch, row, context) { 0 }
            } else {
                try keep(batch, row, context)
            }
        }
        if plan.judgesLatenessByRows, buffer != nil { try flush(context) }
    }

    private func keep(_ batch: ColumnBatch, _ row: Int, _ context: ShardContext) throws(Diagnostic) {
        let origin = batch.metadata.origins[row]
        guard try context.isSound(batch, row, checked, object: object, detail: "column of ORDER BY") else { return }
        guard kept.count < limit else {
            try context.rejectExcess(origin: origin, object: object, limit: limit, of: "rows kept")
            return
        }
        if origin >= 0, let records = context.records {
            let slot = slots.slot(source: context.source, partition: Int(records.partition[Int(origin)]))
            offsets.note(slot, records.offset[Int(origin)])
        }
        kept.append(rows.insert(batch, row))
    }

    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        if let buffer {
            try leave(upTo: watermark, buffer, context)
            try flush(context)
            buffer.passed(watermark)
        } else if watermark == EventTime.end {
            // `sort` is not stable: equal rows keep their order by their places.
            let places = kept.indices.sorted { a, b in
                let order = order.compare(kept[a], kept[b])
                return order == 0 ? a < b : order < 0
            }
            kept = places.map { kept[$0] }
            try flush(context)
            offsets.removeAll()
        }
        self.watermark = max(self.watermark, watermark)
        rows.held?.advance(to: watermark)
        try emit(watermark: watermark, context: context)
    }

    private func leave(upTo watermark: Int64, _ buffer: EventTimeBuffer, _ context: ShardContext) throws(Diagnostic) {
        while buffer.take(upTo: watermark, into: &run) {
            if plan.order.count > 1, run.count > 1 {
                run.sort { a, b in
                    let order = order.compare(a.slot, b.slot)
                    return order == 0 ? a.sequence < b.sequence : order < 0
                }
            }
            for entry in run {
                if buffer.isEmitted(entry.time) { rows.release(entry.slot) } else { kept.append(entry.slot) }
            }
            if kept.count >= batchRows { try flush(context) }
        }
    }

    private func flush(_ context: ShardContext) throws(Diagnostic) {
        var start = 0
        while start < kept.count {
            let part = Array(kept[start..<min(start + batchRows, kept.count)])
            for (index, column) in output.columns.enumerated() { rows.gather(index, part, into: column) }
            output.count = part.count
            output.metadata.reserve(part.count)
            output.metadata.origins.update(repeating: -1, count: part.count)
            output.metadata.watermarks.update(repeating: watermark, count: part.count)
            try emit(output, context: context)
            start += part.count
        }
        for slot in kept { rows.release(slot) }
        kept.removeAll(keepingCapacity: true)
    }

    public override func lowerReplayOffsets(_ offsets: inout [Int64], source: Int) {
        guard rows.held == nil else { return }
        buffer?.lowerReplayOffsets(&offsets, source: source)
        slots.lower(&offsets, source: source, by: self.offsets)
    }

    public override func restore(emittedWatermark: Int64, port: Int) {
        buffer?.restore(emittedWatermark: emittedWatermark)
        super.restore(emittedWatermark: emittedWatermark, port: port)
    }
}
