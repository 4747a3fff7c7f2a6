public import MillraceCore
public import MillraceRuntime

/// Keeps everything that reaches it, as data.
public final class CollectingOperator: Operator {
    public private(set) var rows: [[Value]] = []
    /// `metadata.watermarks` of each row.
    public private(set) var rowWatermarks: [Int64] = []
    public private(set) var origins: [Int32] = []
    /// Whether a sink would leave the row out, because it was written before the restart.
    public private(set) var isReplayed: [Bool] = []
    /// What each row does.
    public private(set) var kinds: [RowKind] = []
    /// Every `advance`, in order.
    public private(set) var watermarks: [Int64] = []
    public private(set) var largestBatch = 0

    public init() { super.init(object: "collected") }

    public override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
        largestBatch = max(largestBatch, batch.count)
        // As a sink does: what was written before a restart is not written again.
        for row in 0..<batch.count where !context.isReplayed(origin: batch.metadata.origins[row]) {
            rows.append(batch.row(row))
            rowWatermarks.append(batch.metadata.watermarks[row])
            origins.append(batch.metadata.origins[row])
            isReplayed.append(context.isReplayed(origin: batch.metadata.origins[row]))
            kinds.append(batch.metadata.kind(row))
        }
    }
    public override func advance(to watermark: Int64, port: Int, context: ShardContext) throws(Diagnostic) {
        watermarks.append(watermark)
    }
    /// The rows that a sink would write.
    public var freshRows: [[Value]] { zip(rows, isReplayed).filter { !$1 }.map(\.0) }

    public func clear() {
        rows.removeAll()
        rowWatermarks.removeAll()
        origins.removeAll()
        isReplayed.removeAll()
        kinds.removeAll()
        watermarks.removeAll()
    }
}

/// A row as a source would deliver it.
public struct ScriptedRow: Sendable {
    public var values: [Value]
    public var partition: Int
    public var offset: Int64
    /// The watermark before the row, where no watermark operator makes it.
    public var watermark: Int64
    public var kind: RowKind

    public init(
        _ values: [Value], partition: Int = 0, offset: Int64 = -1, watermark: Int64 = EventTime.none,
        kind: RowKind = .insert
    ) {
        self.kind = kind
        self.values = values
        self.partition = partition
        self.offset = offset
        self.watermark = watermark
    }
}

/// How rows are cut into batches.
public enum Batching: Sendable, CustomStringConvertible {
    case rowByRow, allAtOnce
    case random(seed: UInt64)

    public static let usual: [Batching] = [.rowByRow, .allAtOnce, .random(seed: 1), .random(seed: 2)]

    public var description: String {
        switch self {
        case .rowByRow: "row by row"
        case .allAtOnce: "all at once"
        case .random(let seed): "random batches, seed \(seed)"
        }
    }

    func sizes(_ count: Int) -> [Int] {
        switch self {
        case .rowByRow: return Array(repeating: 1, count: count)
        case .allAtOnce: return count > 0 ? [count] : []
        case .random(let seed):
            var generator = SeededGenerator(seed: seed)
            var sizes: [Int] = []
            var rest = count
            while rest > 0 {
                let size = min(rest, Int.random(in: 1...7, using: &generator))
                sizes.append(size)
                rest -= size
            }
            return sizes
        }
    }
}

/// Drives operators as a shard does: one arena and record table a batch, both overwritten by the next one.
public final class OperatorHarness {
    public let first: Operator
    public let collected = CollectingOperator()
    public let clock: ManualClock
    public let context: ShardContext
    public private(set) var rejected: [(row: [Value], reason: RowErrorCode, object: String, detail: String)] = []
    /// Next offset by partition, for rows that name none.
    public private(set) var nextOffsets: [Int64] = []

    private let schema: Schema
    private let source: SourceBatch

    /// `last` is where results come out.
    public init(
        _ first: Operator, last: Operator? = nil, input: Schema, clock: ManualClock = ManualClock(),
        limits: Limits = Limits()
    ) {
        self.first = first
        self.clock = clock
        schema = input
        let arena = BatchArena(chunkBytes: 1 << 12)
        context = ShardContext(clock: clock, limits: limits, arena: BatchArena(chunkBytes: 1 << 12))
        source = SourceBatch(input, arena: arena)
        (last ?? first).connect(to: collected)
        context.onReject = { [unowned self] (rejection: ShardContext.Rejection) throws(Diagnostic) in
            let row = rejection.origin >= 0 ? self.current[Int(rejection.origin)] : []
            self.rejected.append((row, rejection.reason, rejection.object, rejection.detail))
        }
    }

    private var current: [[Value]] = []

    /// One batch, then `advance` if its rows carried watermarks.
    public func feed(_ rows: [ScriptedRow], port: Int = 0) throws(Diagnostic) {
        // The bytes of the last batch must not be in use any more: overwrite them.
        for _ in 0..<4 { source.arena.allocate(64).update(repeating: 0xEE, count: 64) }
        source.clear()
        context.arena.reset()
        current = rows.map(\.values)
        for (i, row) in rows.enumerated() {
            while nextOffsets.count <= row.partition { nextOffsets.append(0) }
            let offset = row.offset >= 0 ? row.offset : nextOffsets[row.partition]
            nextOffsets[row.partition] = offset + 1
            source.records.append(
                partition: Int32(row.partition), offset: offset, timestamp: .min, key: .absent, value: .absent)
            source.rows.append(row.values, origin: Int32(i), watermark: row.watermark, arena: source.arena)
        }
        if source.rows.metadata.kinds != nil || rows.contains(where: { $0.kind != .insert }) {
            source.rows.metadata.useKinds()
            for (i, row) in rows.enumerated() { source.rows.metadata.kinds![i] = row.kind }
        }
        context.records = source.records
        try first.process(source.rows, port: port, context: context)
        context.records = nil
    }

    public func feed(_ rows: [ScriptedRow], _ batching: Batching, port: Int = 0) throws(Diagnostic) {
        var start = 0
        for size in batching.sizes(rows.count) {
            try feed(Array(rows[start..<start + size]), port: port)
            start += size
        }
    }

    public func advance(to watermark: Int64, port: Int = 0) throws(Diagnostic) {
        try first.advance(to: watermark, port: port, context: context)
    }

    public func end() throws(Diagnostic) { try advance(to: EventTime.end) }

    /// The replay offsets that the operators from `first` on ask for.
    public func replayOffsets(source: Int = 0) -> [Int64] {
        var offsets = nextOffsets
        var queue: [Operator] = [first]
        var seen: Set<ObjectIdentifier> = []
        while let next = queue.popLast() {
            guard seen.insert(ObjectIdentifier(next)).inserted else { continue }
            next.lowerReplayOffsets(&offsets, source: source)
            queue += next.outputs.map(\.target)
        }
        return offsets
    }

    /// What one run gave.
    public struct Outcome: Equatable {
        public var rows: [[Value]]
        public var rejected: [Rejected]
        public struct Rejected: Equatable {
            public var row: [Value]
            public var reason: RowErrorCode
        }
        public init(rows: [[Value]], rejected: [Rejected]) {
            self.rows = rows
            self.rejected = rejected
        }
    }
    public var outcome: Outcome {
        Outcome(rows: collected.rows, rejected: rejected.map { .init(row: $0.row, reason: $0.reason) })
    }
}

/// Runs a case to its end in several batchings and returns the outcome of each: they are to be equal.
public func outcomes(
    _ rows: [ScriptedRow], _ batchings: [Batching] = Batching.usual, make: () throws -> OperatorHarness
) throws -> [(batching: Batching, outcome: OperatorHarness.Outcome)] {
    try batchings.map { batching in
        let harness = try make()
        try harness.feed(rows, batching)
        try harness.end()
        return (batching, harness.outcome)
    }
}
