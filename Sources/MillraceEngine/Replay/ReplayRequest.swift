/// What `millrace replay` is asked for.
public struct ReplayRequest: Sendable {
    /// A place in a partition.
    public struct Place: Hashable, Sendable {
        public var partition: Int32
        public var offset: Int64

        /// `partition:offset`; nil for other text.
        public init?(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let partition = Int32(parts[0]), let offset = Int64(parts[1]), partition >= 0,
                offset >= 0
            else { return nil }
            self.partition = partition
            self.offset = offset
        }
    }

    /// From where rows are read that only build history.
    public enum History: Hashable, Sendable {
        /// The oldest record of each partition.
        case earliest
        case places([Place])
    }

    /// The first records to compare; partitions without one are left out.
    public var from: [Place]
    /// The first records not to compare any more; without one a partition is read to its end at the start.
    public var to: [Place] = []
    public var history: History?
    /// Tables to compare; empty: all that hold predictions.
    public var tables: [String] = []
    /// Columns that are not compared.
    public var ignored: Set<String> = []
    /// DOUBLE and FLOAT values are equal when they differ by no more than this, times their size where that is above 1;
    /// 0: to the last bit.
    public var tolerance = 0.0

    public init(from: [Place]) { self.from = from }
}

/// What a replay came to.
public struct ReplayReport: Sendable {
    /// One table that predictions are stored in.
    public struct Table: Sendable, Equatable {
        public var name: String
        /// Rows computed anew.
        public var rows = 0
        public var equal = 0
        public var different = 0
        /// Computed and not stored.
        public var missing = 0
        /// Stored, of records in the range, and not computed; nil when that cannot be told.
        public var unexpected: Int?
        /// Rows that another version of the model scored, by that version; "" for rows that got their default.
        public var otherVersions: [String: Int] = [:]
        /// Columns that were left out, with the reason.
        public var ignored: [String] = []

        public var isConfirmed: Bool { equal == rows && (unexpected ?? 0) == 0 }
    }
    public var tables: [Table] = []
    /// Tables of the pipeline that were not compared, and why.
    public var skipped: [(name: String, reason: String)] = []
    /// Rows that failed in the replay, by reason.
    public var rejected: [String: Int] = [:]

    /// Every row was computed again as it is stored.
    public var isConfirmed: Bool { tables.allSatisfy(\.isConfirmed) }
}
