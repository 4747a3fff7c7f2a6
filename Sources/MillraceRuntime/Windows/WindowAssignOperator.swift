public import MillraceCore

/// A window TVF without aggregation: input columns, then window_start, window_end and window_time; a row for each window.
///
/// Late rows are kept and get their windows, closed or not. HOP gives a row's windows by ascending start.
public final class WindowAssignOperator: Operator {
    private let timeColumn: Int
    private let assigner: WindowAssigner
    private let bounds: [Column]
    private let output = ColumnBatch(columns: [])
    private let selection: [Column]
    private let metadata = RowMetadata()
    private var rows: [Int32] = []
    private var windows: [(start: Int64, end: Int64)] = []

    /// - Throws: `.user` for SESSION, whose windows are known only to an aggregate.
    public init(timeColumn: Int, _ window: WindowKind, input: Schema, object: String) throws(Diagnostic) {
        if case .session = window {
            throw Diagnostic(
                "SESSION window without aggregation is not supported",
                hint: "Group by window_start and window_end, or use TUMBLE or HOP.")
        }
        self.timeColumn = timeColumn
        assigner = WindowAssigner(kind: window)
        var time = DataType.timestamp(precision: 3)
        if case .timestampLTZ = input[timeColumn].type { time = .timestampLTZ(precision: 3) }
        bounds = [Column(.timestamp(precision: 3)), Column(.timestamp(precision: 3)), Column(time)]
        selection = input.fields.map { Column($0.type) }
        super.init(object: object)
    }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        let time = batch.columns[timeColumn]
        rows.removeAll(keepingCapacity: true)
        for column in bounds { column.clear() }
        for row in 0..<batch.count {
            guard try context.hasEventTime(time, row, origin: batch.metadata.origins[row], object: object) else {
                continue
            }
            windows.removeAll(keepingCapacity: true)
            try assigner.forEach(EventTime.milliseconds(fromMicroseconds: time.ints[row])) {
                (start, end) throws(Diagnostic) in windows.append((start, end))
            }
            if windows.count > 1 { windows.sort { ($0.start, $0.end) < ($1.start, $1.end) } }
            for (start, end) in windows {
                rows.append(Int32(row))
                bounds[0].append(int: start &* 1000)
                bounds[1].append(int: end &* 1000)
                bounds[2].append(int: (end - 1) &* 1000)
            }
        }
        var isIdentity = rows.count == batch.count
        if isIdentity { for i in rows.indices where Int(rows[i]) != i { isIdentity = false } }
        if isIdentity {
            output.columns = batch.columns + bounds
            output.metadata = batch.metadata
        } else {
            rows.withUnsafeBufferPointer { indices in
                guard let base = indices.baseAddress else { return }
                for (column, source) in zip(selection, batch.columns) {
                    column.gather(from: source, indices: base, count: indices.count)
                }
                metadata.gather(from: batch.metadata, indices: base, count: indices.count)
            }
            output.columns = selection + bounds
            output.metadata = metadata
        }
        output.count = rows.count
        try emit(output, context: context)
    }
}
