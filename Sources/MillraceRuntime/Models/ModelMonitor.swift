internal import Synchronization

/// What has become of a model's rows, summed over shards and uses.
public struct ModelCounts: Sendable, Equatable {
    /// Rows whose model had not begun when the deadline passed.
    public var timedOutRows = 0
    /// Rows whose result came after the deadline and was kept, because the model had begun before it.
    public var overrunRows = 0
    /// Rows that the canary scored.
    public var canaryRows = 0
    public var shadow = ShadowCounts()

    public init() {}
}

/// A shadow compared with the model that answers.
public struct ShadowCounts: Sendable, Equatable {
    /// Rows that both scored.
    public var comparedRows = 0
    /// Rows that only the shadow failed on.
    public var failedRows = 0
    /// Rows that the shadow was not asked about, because the deadline had passed.
    public var skippedRows = 0
    /// Rows with an output that differs in text, truth or whole number, or stands on the other side of the threshold.
    public var disagreedRows = 0
    /// Over the numeric outputs of the compared rows; what is not finite is left out.
    public var numbers = 0
    public var absoluteDifferenceSum = 0.0
    public var absoluteDifferenceMax = 0.0

    public var absoluteDifferenceMean: Double { numbers > 0 ? absoluteDifferenceSum / Double(numbers) : 0 }

    public init() {}

    mutating func add(_ other: ShadowCounts) {
        comparedRows += other.comparedRows
        failedRows += other.failedRows
        skippedRows += other.skippedRows
        disagreedRows += other.disagreedRows
        numbers += other.numbers
        absoluteDifferenceSum += other.absoluteDifferenceSum
        absoluteDifferenceMax = max(absoluteDifferenceMax, other.absoluteDifferenceMax)
    }
}

/// Collects the counts of one model; operators report once a batch, and only where a contract, canary or shadow is.
public final class ModelMonitor: Sendable {
    private let state = Mutex(ModelCounts())

    public init() {}

    public var counts: ModelCounts { state.withLock { $0 } }

    public func add(_ counts: ModelCounts) {
        state.withLock { state in
            state.timedOutRows += counts.timedOutRows
            state.overrunRows += counts.overrunRows
            state.canaryRows += counts.canaryRows
            state.shadow.add(counts.shadow)
        }
    }
}
