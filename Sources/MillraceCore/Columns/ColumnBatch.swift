/// What every row of a batch carries besides its columns.
public final class RowMetadata {
    public private(set) var capacity = 0
    /// Index into the `RecordTable` of the source batch that the row came from; -1 for rows that a window made.
    public private(set) var origins: UnsafeMutablePointer<Int32>
    /// The event-time watermark (`EventTime`) as it stood *before* this row: a row is judged against the rows before it.
    public private(set) var watermarks: UnsafeMutablePointer<Int64>
    /// What each row does; nil, the usual case, when every row is an insert. Only updating operators call `useKinds`.
    public private(set) var kinds: UnsafeMutablePointer<RowKind>?

    /// The watermark before each row of the row's own partition, where that is ahead of the source's; nil where nobody asks.
    public private(set) var partitionWatermarks: UnsafeMutablePointer<Int64>?

    public init(capacity: Int = 64) {
        self.capacity = capacity
        origins = .allocate(capacity: capacity)
        watermarks = .allocate(capacity: capacity)
    }

    deinit {
        origins.deallocate()
        watermarks.deallocate()
        kinds?.deallocate()
        partitionWatermarks?.deallocate()
    }

    /// The origin of a retraction: its row was judged when it came, so nothing about it becomes a dead letter.
    public static let retracted: Int32 = -2

    /// From now on there are kinds; those of rows that nobody sets are undefined.
    public func useKinds() {
        if kinds == nil { kinds = .allocate(capacity: capacity) }
    }

    /// From now on there are watermarks of partitions; those that nobody sets are undefined.
    public func usePartitionWatermarks() {
        if partitionWatermarks == nil { partitionWatermarks = .allocate(capacity: capacity) }
    }

    @inlinable public func kind(_ row: Int) -> RowKind { kinds.map { $0[row] } ?? .insert }

    /// Room for `rows` rows; keeps the contents.
    public func reserve(_ rows: Int) {
        guard rows > capacity else { return }
        let target = max(rows, capacity * 2)
        let newOrigins = UnsafeMutablePointer<Int32>.allocate(capacity: target)
        newOrigins.update(from: origins, count: capacity)
        origins.deallocate()
        origins = newOrigins
        let newWatermarks = UnsafeMutablePointer<Int64>.allocate(capacity: target)
        newWatermarks.update(from: watermarks, count: capacity)
        watermarks.deallocate()
        watermarks = newWatermarks
        if let old = kinds {
            let new = UnsafeMutablePointer<RowKind>.allocate(capacity: target)
            new.update(from: old, count: capacity)
            old.deallocate()
            kinds = new
        }
        if let old = partitionWatermarks {
            let new = UnsafeMutablePointer<Int64>.allocate(capacity: target)
            new.update(from: old, count: capacity)
            old.deallocate()
            partitionWatermarks = new
        }
        capacity = target
    }

    public func gather(from source: RowMetadata, indices: UnsafePointer<Int32>, count: Int) {
        reserve(count)
        for i in 0..<count {
            origins[i] = source.origins[Int(indices[i])]
            watermarks[i] = source.watermarks[Int(indices[i])]
        }
        if source.kinds != nil || kinds != nil { gatherKinds(from: source, indices: indices, count: count) }
        if let given = source.partitionWatermarks {
            usePartitionWatermarks()
            for i in 0..<count { partitionWatermarks![i] = given[Int(indices[i])] }
        }
    }

    /// Apart, so that append-only batches pay one test a batch.
    @inline(never)
    private func gatherKinds(from source: RowMetadata, indices: UnsafePointer<Int32>, count: Int) {
        useKinds()
        for i in 0..<count { kinds![i] = source.kind(Int(indices[i])) }
    }
}

/// A batch on its way through the operators: whatever one poll returned, one row or thousands.
///
/// Columns and metadata are references: an operator that only drops or reorders columns passes them on without a copy. All
/// columns have `count` rows. Valid until the operator that emitted it is called again.
public final class ColumnBatch {
    public var columns: [Column]
    public var count: Int
    public var metadata: RowMetadata

    public init(columns: [Column], count: Int = 0, metadata: RowMetadata = RowMetadata()) {
        self.columns = columns
        self.count = count
        self.metadata = metadata
    }

    /// An empty batch with a column of its own for every field.
    public convenience init(_ schema: Schema, capacity: Int = 64) {
        self.init(
            columns: schema.fields.map { Column($0.type, capacity: capacity) },
            metadata: RowMetadata(capacity: capacity))
    }

    /// Forgets all rows of all columns.
    public func clear() {
        columns.forEachBorrowed { $0.clear() }
        count = 0
    }

    /// The row as data; for tests and messages.
    public func row(_ index: Int) -> [Value] { columns.map { $0.value(at: index) } }
}

/// Event time: milliseconds since 1970-01-01 00:00:00 UTC, as Flink's watermarks.
public enum EventTime {
    /// No watermark yet.
    public static let none = Int64.min
    /// End of input: every window fires.
    public static let end = Int64.max

    /// Milliseconds of a timestamp cell (microseconds), toward negative infinity.
    @inlinable @inline(__always)
    public static func milliseconds(fromMicroseconds value: Int64) -> Int64 {
        let quotient = value / 1000
        return value % 1000 < 0 ? quotient - 1 : quotient
    }
}
