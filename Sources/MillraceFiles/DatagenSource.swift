import MillraceCore
import MillraceRuntime

/// Made-up rows: sequences or random values, at most `rows-per-second`.
///
/// The offset is the row number; a row's values depend only on it, so a restart goes on where it stopped.
final class DatagenSource: Source {
    private let fields: [DatagenField]
    private let rowsPerSecond: Int64
    private let end: Int64?
    private let limits: Limits
    private let clock: any Clock
    private var next: Int64 = 0
    private var first: Int64 = 0
    private var startTime: Int64 = 0
    private(set) var wakeDeadline: Int64?
    let partitions: [SourcePartition]

    init(_ plan: SourcePlan, limits: Limits, clock: any Clock) throws(Diagnostic) {
        rowsPerSecond = try FilesConnectors.integer(plan.options, "rows-per-second") ?? 10_000
        guard rowsPerSecond > 0 else {
            throw Diagnostic("option \"rows-per-second\" is not positive", hint: "Write a number above 0.")
        }
        var end = try FilesConnectors.integer(plan.options, "number-of-rows")
        var made: [DatagenField] = []
        for field in plan.fields {
            guard case .physical(let path) = field.origin else {
                throw Diagnostic("connector \"datagen\" has no metadata for column \"\(field.name)\"")
            }
            made.append(try DatagenField(path.joined(separator: "."), field.type, plan.options))
        }
        // Columns the query does not read still end the table.
        for field in plan.physicalSchema.fields where plan.options["fields.\(field.name).kind"] == "sequence" {
            let whole = try DatagenField(field.name, field.type, plan.options)
            if let count = whole.count { end = min(end ?? .max, count) }
        }
        fields = made
        self.end = end
        self.limits = limits
        self.clock = clock
        partitions = [SourcePartition(topic: plan.name, partition: 0)]
    }

    var descriptor: Int32 { -1 }
    func isAtEnd(partition: Int) -> Bool { end.map { next >= $0 } ?? false }
    func nextOffset(partition: Int) -> Int64 { next }
    func committed(_ positions: [SourcePosition]) {}
    func close() {}

    func start(from positions: [SourcePosition]) throws(Diagnostic) {
        next = positions.first { $0.partition == partitions[0] }?.replayOffset ?? 0
        first = next
        startTime = clock.monotonicMicroseconds()
    }

    func poll(into batch: SourceBatch) throws(Diagnostic) -> SourceStatus {
        batch.clear()
        wakeDeadline = nil
        let left = end.map { max(0, $0 - next) } ?? .max
        if left == 0 { return .finished }
        let elapsed = max(0, clock.monotonicMicroseconds() - startTime)
        // Split, so the product stays small: whole seconds and the rest.
        let due = elapsed / 1_000_000 * rowsPerSecond + elapsed % 1_000_000 * rowsPerSecond / 1_000_000 + 1
        let allowed = first + due - next
        guard allowed > 0 else {
            let wait = next - first
            wakeDeadline =
                startTime + (wait / rowsPerSecond) * 1_000_000
                + (wait % rowsPerSecond * 1_000_000 + rowsPerSecond - 1) / rowsPerSecond
            return .drained
        }
        let rows = Int(min(allowed, left, Int64(limits.batchRows)))
        let now = clock.wallMicroseconds()
        for (field, column) in zip(fields, batch.rows.columns) {
            for row in 0..<rows { field.append(next + Int64(row), now: now, to: column, arena: batch.arena) }
        }
        batch.rows.count = rows
        batch.rows.metadata.reserve(rows)
        for row in 0..<rows {
            batch.rows.metadata.origins[row] = Int32(row)
            batch.records.append(
                partition: 0, offset: next + Int64(row), timestamp: .min, key: .absent, value: .absent)
        }
        next += Int64(rows)
        return .more
    }
}
