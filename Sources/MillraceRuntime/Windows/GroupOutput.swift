import MillraceCore

/// Collects the rows of fired groups into batches of at most `rows` and hands each full one on.
final class GroupOutput {
    let batch: ColumnBatch
    private let keyCount: Int
    private let aggregateCount: Int
    private let hasWindow: Bool
    private let rows: Int

    /// Keys, aggregates, then with `timeType` window_start, window_end and window_time.
    init(keys: [DataType], aggregates: [DataType], timeType: DataType?, rows: Int) {
        var types = keys + aggregates
        if let timeType {
            let plain = DataType.timestamp(precision: 3)
            var time = plain
            if case .timestampLTZ = timeType { time = .timestampLTZ(precision: 3) }
            types += [plain, plain, time]
        }
        batch = ColumnBatch(columns: types.map { Column($0) })
        keyCount = keys.count
        aggregateCount = aggregates.count
        hasWindow = timeType != nil
        self.rows = max(1, rows)
    }

    var isFull: Bool { batch.count >= rows }

    /// One group. `watermark`: as it stood before this row's cause.
    func append(
        _ key: Int32, _ record: UnsafeMutableRawPointer, keys: KeyTable, accumulators: Accumulators, start: Int64 = 0,
        end: Int64 = 0, watermark: Int64
    ) {
        keys.append(key, to: batch.columns[0..<keyCount])
        accumulators.append(record, to: batch.columns[keyCount..<keyCount + aggregateCount])
        if hasWindow {
            let base = keyCount + aggregateCount
            batch.columns[base].append(int: start &* 1000)
            batch.columns[base + 1].append(int: end &* 1000)
            batch.columns[base + 2].append(int: (end - 1) &* 1000)
        }
        batch.metadata.reserve(batch.count + 1)
        batch.metadata.origins[batch.count] = -1
        batch.metadata.watermarks[batch.count] = watermark
        batch.count += 1
    }
}
