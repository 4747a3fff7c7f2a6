public import MillraceCore
public import MillraceRuntime

/// How a pipeline is run; what the command line decides.
public struct PipelineOptions: Sendable {
    /// Threads that share the source's partitions. Some pipelines run on one: see `ShardCount`.
    public var shards = 1
    /// The CPUs that the shards' threads are bound to; empty: the system decides.
    public var cpus = CPUList()
    /// Forget stored positions and start as the options say.
    public var resetState = false
    /// Relative model and file paths start here.
    public var baseDirectory = "."
    public var limits = Limits()
    public var log = Log.silent
    /// The descriptor that `print` tables without 'standard-error' write to.
    public var standardOutput: Int32 = 1
    public var clock: any Clock = SystemClock()

    public init() {}
}
