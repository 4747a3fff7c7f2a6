/// Reference statistics of the rows a model was trained on, column by column: what a window of live rows is compared with.
public struct ModelBaseline: Hashable, Sendable {
    /// A text and its share of the values that are not missing.
    public struct Share: Hashable, Sendable {
        public var text: String
        public var share: Double
        public init(text: String, share: Double) {
            self.text = text
            self.share = share
        }
    }

    public enum Distribution: Hashable, Sendable {
        /// Buckets `(-inf, splits[0])`, `[splits[0], splits[1])`, …, `[last, +inf)` with the shares of the values in them.
        case numbers(splits: [Double], shares: [Double], minimum: Double, maximum: Double)
        /// The most frequent texts. `isComplete`: there was no other.
        case texts([Share], isComplete: Bool)
    }

    public struct Column: Hashable, Sendable {
        public var name: String
        /// Share of the rows without a value.
        public var missingShare: Double
        public var distribution: Distribution
        public init(name: String, missingShare: Double, distribution: Distribution) {
            self.name = name
            self.missingShare = missingShare
            self.distribution = distribution
        }
    }

    /// Rows they were taken from.
    public var rows: Int
    public var columns: [Column]

    public init(rows: Int, columns: [Column]) {
        self.rows = rows
        self.columns = columns
    }

    /// The column of a name, in any case.
    public func column(_ name: String) -> Column? {
        columns.first { $0.name.lowercased() == name.lowercased() }
    }
}
