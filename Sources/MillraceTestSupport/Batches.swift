public import MillraceCore

extension ColumnBatch {
    /// A batch of these rows; strings lie in `arena`. No origins, no watermarks.
    public convenience init(_ schema: Schema, rows: [[Value]], arena: BatchArena) {
        self.init(schema, capacity: max(1, rows.count))
        for row in rows { append(row, arena: arena) }
    }

    /// One row behind the others.
    public func append(_ row: [Value], origin: Int32 = -1, watermark: Int64 = EventTime.none, arena: BatchArena) {
        precondition(row.count == columns.count, "\(row.count) values for \(columns.count) columns")
        for (column, value) in zip(columns, row) { column.append(value, arena: arena) }
        metadata.reserve(count + 1)
        metadata.origins[count] = origin
        metadata.watermarks[count] = watermark
        count += 1
    }

    public var rows: [[Value]] { (0..<count).map(row) }
}

extension Schema {
    /// `Schema(("k", .string), ("v", .integer))`, all nullable.
    public init(_ fields: (String, DataType)...) { self.init(fields.map { Field($0.0, $0.1) }) }
}

extension Value {
    /// A timestamp cell from milliseconds since 1970.
    public static func milliseconds(_ value: Int64) -> Value { .integer(value * 1000) }
    /// A timestamp cell from seconds since 1970.
    public static func seconds(_ value: Double) -> Value { .integer(Int64((value * 1000).rounded()) * 1000) }
}

/// Rows in a stable order, for outputs whose order is not part of the promise.
public func sortedRows(_ rows: [[Value]]) -> [[Value]] {
    rows.map { (key: "\($0)", row: $0) }.sorted { $0.key < $1.key }.map(\.row)
}
