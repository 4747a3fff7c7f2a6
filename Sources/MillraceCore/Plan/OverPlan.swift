/// Aggregates over the rows around each row. Output: input columns, then one column a call, frame by frame.
///
/// With a time column rows leave as `emission` says. Without one they leave at once, in order of arrival (processing time).
public struct OverPlan: Hashable, Sendable {
    /// When a row of event time has its results.
    public enum Emission: String, Hashable, Sendable, CaseIterable {
        /// When the watermark passes it, in event-time order; a row at or behind the watermark is late.
        case watermark
        /// At once, from the rows of its frame that have come before it. No row is late.
        case arrival = "on-arrival"
    }
    /// Event-time column; nil: processing time.
    public var timeColumn: Int?
    /// PARTITION BY; NULL is a key like any other.
    public var keys: [Int]
    public var frames: [OverFrame]
    /// With bounded frames a row is late only behind a row of its key that has left, as in Flink; not for input that a restart
    /// reads again. False: behind the watermark.
    public var judgesLatenessByKey: Bool
    public var emission: Emission
    /// On arrival: a row sees no rows that are as much older or more, in frames that no interval bounds. Nil: for ever.
    public var stateTTLMilliseconds: Int64?

    /// All rows of a key come from one partition of the source, so each partition's rows go by their own watermark.
    public var isPartitionLocal = false

    public init(
        timeColumn: Int?, keys: [Int], frames: [OverFrame], judgesLatenessByKey: Bool = false,
        emission: Emission = .watermark, stateTTLMilliseconds: Int64? = nil
    ) {
        self.timeColumn = timeColumn
        self.keys = keys
        self.frames = frames
        self.judgesLatenessByKey = judgesLatenessByKey
        self.emission = emission
        self.stateTTLMilliseconds = stateTTLMilliseconds
    }

    /// Every frame ends somewhere before its row.
    public var isBounded: Bool {
        frames.allSatisfy { frame in
            switch frame.extent {
            case .rows(let preceding): preceding != nil
            case .range(let preceding): preceding != nil
            }
        }
    }

    /// Rows leave at once, by event time.
    public var isOnArrival: Bool { timeColumn != nil && emission == .arrival }

    /// State goes away with time alone, so that a restart can rebuild it from a part of the input.
    public var isReplayable: Bool { retentionMilliseconds != nil }

    /// How long a row is needed after the watermark has passed it; nil: time alone does not say.
    public var retentionMilliseconds: Int64? {
        guard timeColumn != nil else { return nil }
        var longest: Int64 = 0
        for frame in frames {
            guard let span = spanMilliseconds(frame.extent) else { return nil }
            longest = max(longest, span)
        }
        return longest
    }

    /// A row sees rows that are older by as much at the most; nil: of any age.
    public func spanMilliseconds(_ extent: OverFrame.Extent) -> Int64? {
        if case .range(let preceding?) = extent { return preceding }
        return isOnArrival ? stateTTLMilliseconds.map { max(0, $0 - 1) } : nil
    }
}

/// Calls over the same frame, which ends with the current row (in RANGE frames: with the rows of its time).
public struct OverFrame: Hashable, Sendable {
    public enum Extent: Hashable, Sendable {
        /// The current row and `preceding` rows before it; nil: all of them.
        case rows(preceding: Int?)
        /// Rows not older than the current one by more than this; nil: all of them.
        case range(precedingMilliseconds: Int64?)
    }
    public var extent: Extent
    public var calls: [OverCall]

    public init(_ extent: Extent, calls: [OverCall]) {
        self.extent = extent
        self.calls = calls
    }
}

public enum OverCall: Hashable, Sendable {
    case aggregate(AggregateCall)
    /// The value `offset` rows before the frame's last; `otherwise` (a column of the current row, or NULL) when there is none.
    case lag(argument: Int, offset: Int, otherwise: Int?, type: DataType)

    public var type: DataType {
        switch self {
        case .aggregate(let call): call.type
        case .lag(_, _, _, let type): type
        }
    }

    /// The same call over other columns.
    public func mapColumns(_ place: (Int) -> Int) -> OverCall {
        switch self {
        case .aggregate(let call): return .aggregate(call.mapColumns(place))
        case .lag(let argument, let offset, let otherwise, let type):
            return .lag(argument: place(argument), offset: offset, otherwise: otherwise.map(place), type: type)
        }
    }

    /// Columns that are read.
    public var columns: [Int] {
        switch self {
        case .aggregate(let call): call.columns
        case .lag(let argument, _, let otherwise, _): [argument] + (otherwise.map { [$0] } ?? [])
        }
    }
}

public struct SortKey: Hashable, Sendable {
    public var column: Int
    public var isDescending: Bool
    public var nullsFirst: Bool

    public init(column: Int, isDescending: Bool, nullsFirst: Bool) {
        self.column = column
        self.isDescending = isDescending
        self.nullsFirst = nullsFirst
    }
}

/// ROW_NUMBER, RANK or DENSE_RANK within a window, final when the window closes. Output: input columns, then the rank.
public struct WindowRankPlan: Hashable, Sendable {
    public enum Function: String, Hashable, Sendable {
        case rowNumber = "ROW_NUMBER", rank = "RANK", denseRank = "DENSE_RANK"
    }
    public var function: Function
    /// Bounds of each row's window, TIMESTAMP.
    public var startColumn: Int
    public var endColumn: Int
    /// PARTITION BY, the window's bounds among them.
    public var keys: [Int]
    public var order: [SortKey]
    /// Ranks beyond this are not asked for; nil: all are.
    public var last: Int?
    /// Among rows that are equal in order the last one comes first (deduplication that keeps the last row).
    public var prefersNewest: Bool

    public init(
        _ function: Function, startColumn: Int, endColumn: Int, keys: [Int], order: [SortKey], last: Int? = nil,
        prefersNewest: Bool = false
    ) {
        self.function = function
        self.startColumn = startColumn
        self.endColumn = endColumn
        self.keys = keys
        self.order = order
        self.last = last
        self.prefersNewest = prefersNewest
    }
}

/// ORDER BY.
public struct SortPlan: Hashable, Sendable {
    /// The event-time column that comes first in the order: rows leave as the watermark passes them. Nil: all rows leave at the
    /// end of the input.
    public var timeColumn: Int?
    public var order: [SortKey]
    /// A row is late only behind a row that has left, as in Flink; not for input that a restart reads again. False: behind the
    /// watermark.
    public var judgesLatenessByRows: Bool

    public init(timeColumn: Int?, order: [SortKey], judgesLatenessByRows: Bool = false) {
        self.timeColumn = timeColumn
        self.order = order
        self.judgesLatenessByRows = judgesLatenessByRows
    }
}
