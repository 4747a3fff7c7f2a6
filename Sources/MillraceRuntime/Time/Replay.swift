/// How many partitions of a shard's sources are being read again after a restart.
///
/// Event time of all sources stands still until none is: a join or union goes by the minimum of its inputs, so the rows of a
/// source that is at its place would close what the rows of another, still to be read again, belong to.
public final class Replay {
    public internal(set) var partitions = 0
    public init() {}
}
