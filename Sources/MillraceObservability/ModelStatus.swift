public import MillraceRuntime

/// One model file of a running pipeline.
public struct ModelStatus: Sendable, Equatable {
    /// What a model file is used for.
    public enum Role: String, Sendable, Hashable {
        /// Answers the rows.
        case live
        /// Answers some keys' rows.
        case canary
        /// Is compared with the one that answers.
        case shadow
    }
    /// The model's name in the SQL file.
    public var model: String
    public var role: Role
    /// Of the file that scores now.
    public var version: String
    /// Newer files taken up since the start, and those that could not be used.
    public var swaps: Int
    public var refusedSwaps: Int
    /// Contract, canary and shadow; with the live one.
    public var counts: ModelCounts

    public init(model: String, role: Role, version: String, swaps: Int, refusedSwaps: Int, counts: ModelCounts) {
        self.model = model
        self.role = role
        self.version = version
        self.swaps = swaps
        self.refusedSwaps = refusedSwaps
        self.counts = counts
    }
}
