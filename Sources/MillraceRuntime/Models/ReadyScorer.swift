internal import Synchronization

/// A scorer that has been made and warmed, with what a receipt says of its model.
///
/// Made on one thread, used on another: only one of them has it at a time.
public final class ReadyScorer: @unchecked Sendable {
    public let scorer: any Scorer
    /// `Model.version`, `Model.contentHash`.
    public let version: String
    public let contentHash: String

    public init(scorer: any Scorer, version: String, contentHash: String) {
        self.scorer = scorer
        self.version = version
        self.contentHash = contentHash
    }
}

/// Where a loader leaves a new scorer for the operator that uses the old one, and finds the old one afterwards.
///
/// The operator looks once a batch, which costs an atomic load. It never frees a model: that may unmap megabytes.
public final class ScorerSlot: Sendable {
    private struct State {
        var next: ReadyScorer?
        var retired: [ReadyScorer] = []
    }
    private let isWaiting = Atomic<Bool>(false)
    private let state = Mutex(State())

    public init() {}

    /// Leaves a scorer for the next batch; one that was not taken yet is dropped here, on the loader's thread.
    public func offer(_ next: ReadyScorer) {
        let dropped = state.withLock { state in
            let dropped = state.next
            state.next = next
            return dropped
        }
        isWaiting.store(true, ordering: .releasing)
        _ = dropped
    }

    /// The scorers that operators have let go of, to be freed by the caller.
    public func takeRetired() -> [ReadyScorer] {
        state.withLock { state in
            let retired = state.retired
            state.retired = []
            return retired
        }
    }

    @inline(__always)
    var hasNext: Bool { isWaiting.load(ordering: .acquiring) }

    /// The waiting scorer in place of `current`.
    func exchange(_ current: ReadyScorer) -> ReadyScorer {
        isWaiting.store(false, ordering: .releasing)
        return state.withLock { state in
            guard let next = state.next else { return current }
            state.next = nil
            state.retired.append(current)
            return next
        }
    }
}

/// One model as an operator sees it: the scorer it uses until a newer one waits in the slot.
public final class ScorerLane {
    private(set) var current: ReadyScorer
    let slot: ScorerSlot?

    /// - Parameter slot: nil for a model that is never swapped.
    public init(_ first: ReadyScorer, slot: ScorerSlot? = nil) {
        current = first
        self.slot = slot
    }

    /// Between two batches. True when another model scores from now on.
    @inline(__always)
    func refresh() -> Bool {
        guard let slot, slot.hasNext else { return false }
        current = slot.exchange(current)
        return true
    }
}

/// The models behind one ML_PREDICT on one shard.
public struct PredictLanes {
    public var live: ScorerLane
    public var canary: ScorerLane?
    public var shadow: ScorerLane?

    public init(live: ScorerLane, canary: ScorerLane? = nil, shadow: ScorerLane? = nil) {
        self.live = live
        self.canary = canary
        self.shadow = shadow
    }
}
