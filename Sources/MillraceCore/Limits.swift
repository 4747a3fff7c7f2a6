/// Every bound of the engine, in one place. Memory never grows past them: a full part makes the shard stop fetching.
public struct Limits: Sendable, Hashable {
    /// Rows one poll of a source may return.
    public var batchRows = 2048
    /// Bytes of one message; a longer one goes to the dead-letter table.
    public var messageBytes = 8 << 20
    /// Rows written but not yet committed, at which the shard stops fetching.
    public var uncommittedRows = 100_000
    /// Bytes of the same.
    public var uncommittedBytes = 64 << 20
    /// Transactions in flight on one connection. More than 2 buys nothing (measured).
    public var transactionsInFlight = 2
    /// (window, key) groups a window operator keeps; a further one is a row error.
    public var windowGroups = 10_000_000
    /// Rows that one OVER, ORDER BY or Top-N keeps; a further one is a row error.
    public var keptRows = 10_000_000
    /// Rows that an OVER on arrival keeps of one key; a further one pushes out the oldest.
    public var keptRowsOfKey = 1_000_000
    /// Rows that a join of two streams keeps, both sides together; a further one is a row error.
    public var joinRows = 10_000_000
    /// Rows of a static table.
    public var staticRows = 10_000_000
    /// Rows a model is given at once.
    public var modelRows = 256
    /// Rows that wait for the answers of a remote model; at this many the shard stops fetching what feeds it.
    public var remoteRows = 10_000
    /// Longest wait between two attempts to reach a broker or database, milliseconds.
    public var retryBackoffMillisecondsMax = 5_000

    public init() {}
}
