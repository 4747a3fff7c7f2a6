/// When a window gives results besides the one at its end: `table.exec.emit.*`. What it gives are changes.
public struct WindowEmitPlan: Hashable, Sendable {
    /// Before the end: 0 for every row, else the period by the clock, milliseconds; nil: never.
    public var earlyMilliseconds: Int64?
    /// After the end, while the allowed lateness lasts: as above; nil: for every row.
    public var lateMilliseconds: Int64?

    public init(earlyMilliseconds: Int64? = nil, lateMilliseconds: Int64? = nil) {
        self.earlyMilliseconds = earlyMilliseconds
        self.lateMilliseconds = lateMilliseconds
    }
}
