/// The rows of each partition between two ranks, by an order in which rows may come late: Top-N, deduplication that keeps the
/// last row, ORDER BY with LIMIT. Output: input columns, then the rank if it is asked for.
public struct TopNPlan: Hashable, Sendable {
    public var function: WindowRankPlan.Function
    /// PARTITION BY; NULL is a key like any other.
    public var keys: [Int]
    /// Empty: by arrival.
    public var order: [SortKey]
    /// Among rows that are equal in order the last one comes first.
    public var prefersNewest: Bool
    /// The ranks that are given, from 1; `last` nil: all from `first` on.
    public var first: Int
    public var last: Int?
    public var emitsRank: Bool
    /// The input takes rows back.
    public var inputRetracts: Bool
    /// An update of the input moves its row in one step: only what has changed in the end is given.
    public var movesRows: Bool
    /// Readers want the row as it was before each update; those that know it by its key do not.
    public var emitsBefore: Bool
    /// Rows are given once, at the end of the input, and never change.
    public var isFinal: Bool
    /// A partition is forgotten when its rows have not changed for so long, by the clock; nil: never.
    public var stateTTLMilliseconds: Int64?

    public init(
        _ function: WindowRankPlan.Function = .rowNumber, keys: [Int] = [], order: [SortKey],
        prefersNewest: Bool = false,
        first: Int = 1, last: Int? = nil, emitsRank: Bool = true, inputRetracts: Bool = false, movesRows: Bool = false,
        emitsBefore: Bool = true, isFinal: Bool = false, stateTTLMilliseconds: Int64? = nil
    ) {
        self.function = function
        self.keys = keys
        self.order = order
        self.prefersNewest = prefersNewest
        self.first = first
        self.last = last
        self.emitsRank = emitsRank
        self.inputRetracts = inputRetracts
        self.movesRows = movesRows
        self.emitsBefore = emitsBefore
        self.isFinal = isFinal
        self.stateTTLMilliseconds = stateTTLMilliseconds
    }

    /// Each row's rank matters, not only which rows are there.
    public var tracksRanks: Bool { emitsRank && first != last || first > 1 }
}
