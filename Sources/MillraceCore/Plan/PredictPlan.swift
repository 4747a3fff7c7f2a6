/// Output: input columns, then the model's outputs, then the receipts that were asked for.
public struct PredictPlan: Hashable, Sendable {
    public var model: Int
    /// Input columns bound to the model's INPUT by position; already cast to the INPUT types.
    public var arguments: [Int]
    /// Columns behind the outputs, in this order.
    public var receipts: [PredictReceipt]
    public var contract: PredictContract
    /// With a canary: the input column whose values decide which model scores a row.
    public var canaryKey: Int?
    /// The other CONFIG entries, checked by the planner.
    public var config: [String: String]

    public init(
        model: Int, arguments: [Int], receipts: [PredictReceipt] = [], contract: PredictContract = PredictContract(),
        canaryKey: Int? = nil, config: [String: String] = [:]
    ) {
        self.model = model
        self.arguments = arguments
        self.receipts = receipts
        self.contract = contract
        self.canaryKey = canaryKey
        self.config = config
    }
}

/// A column that says where a prediction comes from.
public struct PredictReceipt: Hashable, Sendable {
    /// The raw value is the CONFIG key that asks for it.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// STRING: the first 16 hexadecimal digits of the content hash. NULL for a row that got its default.
        case version = "version-column"
        /// STRING: the model's name in the catalog.
        case model = "model-column"
        /// STRING: the hexadecimal SHA-256 of the model's file. NULL for a row that got its default.
        case hash = "hash-column"
        /// BIGINT: microseconds that the call took which scored the row, alone or with others. NULL for a row that got its
        /// default.
        case latency = "latency-column"
        /// BOOLEAN: the row got its default because the deadline had passed.
        case timeout = "timeout-column"
        /// Type of the first OUTPUT column: what the shadow model gives there. NULL when it fails on the row.
        case shadow = "shadow-column"
    }
    public var kind: Kind
    public var name: String

    public init(_ kind: Kind, name: String) {
        self.kind = kind
        self.name = name
    }
}

/// How long rows may wait for a model, and what they get when that has passed.
public struct PredictContract: Hashable, Sendable {
    public enum Timeout: Hashable, Sendable {
        /// The row is rejected with `RowErrorCode.deadlineExceeded`.
        case deadLetter
        /// The row goes on with these values, one an OUTPUT column, each of its type or NULL.
        case values([Value])
    }
    /// Counted from the moment the batch reaches the operator, monotonic clock. nil: as long as it takes.
    public var deadlineMicroseconds: Int64?
    public var onTimeout: Timeout
    /// Most rows the model is given at once; nil: the operator's own bound.
    public var batchRows: Int?

    public init(deadlineMicroseconds: Int64? = nil, onTimeout: Timeout = .deadLetter, batchRows: Int? = nil) {
        self.deadlineMicroseconds = deadlineMicroseconds
        self.onTimeout = onTimeout
        self.batchRows = batchRows
    }

    /// Rows at once where there is a deadline and no `batchRows`: it is looked at between them.
    public static let batchRowsWithDeadline = 64
}

/// A second model that scores the same rows; what it says is compared and counted, nothing more.
public struct ShadowPlan: Hashable, Sendable {
    public var path: String
    /// Two numbers disagree when one reaches it and the other does not; nil: numbers only differ.
    public var threshold: Double?

    public init(path: String, threshold: Double? = nil) {
        self.path = path
        self.threshold = threshold
    }
}

/// A second model that scores a share of the keys in place of the first one.
public struct CanaryPlan: Hashable, Sendable {
    public var path: String
    /// 0 to 100.
    public var percent: Double
    /// Column of the scored table; rows with one value stay with one model.
    public var key: String

    public init(path: String, percent: Double, key: String) {
        self.path = path
        self.percent = percent
        self.key = key
    }
}
