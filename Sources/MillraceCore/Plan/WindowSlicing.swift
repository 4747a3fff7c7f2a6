/// How a window aggregate puts its results together from slices of time, where the order can be seen: sums of floating
/// point, lists. Only for input that no restart reads again.
public struct WindowSlicing: Hashable, Sendable {
    /// Rows are aggregated in parts before they join their slice: windows of table functions, when every aggregate can.
    public var isPreaggregated: Bool
    /// Slices merge from the newest to the oldest; else the other way round.
    public var mergesNewestFirst: Bool

    public init(isPreaggregated: Bool, mergesNewestFirst: Bool) {
        self.isPreaggregated = isPreaggregated
        self.mergesNewestFirst = mergesNewestFirst
    }
}
