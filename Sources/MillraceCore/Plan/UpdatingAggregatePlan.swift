/// GROUP BY without a window over a stream: a change for every row that changes a group's result.
public struct UpdatingAggregatePlan: Hashable, Sendable {
    public var keys: [Int]
    /// Empty for DISTINCT, whose rows never change.
    public var aggregates: [AggregateCall]
    /// The input takes rows back.
    public var inputRetracts: Bool
    /// Readers want the row as it was before each update; those that know it by its key do not.
    public var emitsBefore: Bool
    /// A group is forgotten when no row has come to it for so long, by the clock; nil: never.
    public var stateTTLMilliseconds: Int64?

    public init(
        keys: [Int], aggregates: [AggregateCall], inputRetracts: Bool = false, emitsBefore: Bool = true,
        stateTTLMilliseconds: Int64? = nil
    ) {
        self.keys = keys
        self.aggregates = aggregates
        self.inputRetracts = inputRetracts
        self.emitsBefore = emitsBefore
        self.stateTTLMilliseconds = stateTTLMilliseconds
    }
}
