/// SESSION windows of which every row is kept: input columns, then window_start, window_end and window_time.
public struct SessionAssignPlan: Hashable, Sendable {
    /// Event-time column, TIMESTAMP or TIMESTAMP_LTZ.
    public var timeColumn: Int
    /// PARTITION BY; NULL is a key like any other.
    public var keys: [Int]
    public var gapMilliseconds: Int64

    public init(timeColumn: Int, keys: [Int], gapMilliseconds: Int64) {
        self.timeColumn = timeColumn
        self.keys = keys
        self.gapMilliseconds = gapMilliseconds
    }
}
