internal import MillraceCore
internal import MillraceModels
internal import MillraceObservability
internal import MillraceRuntime
internal import Synchronization

/// One model file of a plan: what is loaded now, the operators that score with it, and what has become of newer files.
final class ModelUse: Sendable {
    /// When a changed file is loaded.
    enum Policy: String {
        case auto, signal, off
    }

    /// Index into the plan's models.
    let index: Int
    let role: ModelStatus.Role
    /// The declared model with this file's path.
    let plan: ModelPlan
    let policy: Policy

    /// An operator of a shard that takes up what is offered.
    private struct Consumer {
        let slot: ScorerSlot
        let maxRows: Int
    }
    private struct State {
        var model: (any Model)?
        var consumers: [Consumer] = []
        var change = ModelChange(loaded: nil)
        /// Asked for while the file was being written.
        var isPending = false
        var swaps = 0
        var refusedSwaps = 0
    }
    private let state = Mutex(State())

    init(index: Int, role: ModelStatus.Role, plan: ModelPlan) {
        self.index = index
        self.role = role
        self.plan = plan
        // A provider without a file has nothing that could change.
        policy =
            plan.options["path"] == nil ? .off : Policy(rawValue: plan.options["swap"]?.lowercased() ?? "") ?? .auto
    }

    /// For logs and messages.
    var label: String { role == .live ? plan.name : "\(plan.name) (\(role.rawValue))" }

    var model: (any Model)? { state.withLock { $0.model } }

    var status: (version: String, swaps: Int, refusedSwaps: Int) {
        state.withLock { ($0.model?.version ?? "", $0.swaps, $0.refusedSwaps) }
    }

    // MARK: Operators

    /// A lane for one operator; a model that is swapped in reaches it from now on.
    func lane(maxRows: Int) throws(Diagnostic) -> ScorerLane {
        guard let model else { throw Diagnostic("model \"\(label)\" is not loaded", fault: .bug) }
        let slot = ScorerSlot()
        let first = try scorer(model, maxRows: maxRows)
        state.withLock { $0.consumers.append(Consumer(slot: slot, maxRows: maxRows)) }
        return ScorerLane(first, slot: slot)
    }

    /// Frees what operators have let go of, on the caller's thread.
    func freeRetired() {
        for consumer in state.withLock({ $0.consumers }) { _ = consumer.slot.takeRetired() }
    }

    private func scorer(_ model: any Model, maxRows: Int) throws(Diagnostic) -> ReadyScorer {
        let scorer = try model.makeScorer(inputs: plan.inputs, outputs: plan.outputs, maxRows: maxRows)
        ScorerWarmup.run(scorer, inputs: plan.inputs, outputs: plan.outputs)
        return ReadyScorer(scorer: scorer, version: model.version, contentHash: model.contentHash)
    }

    // MARK: Files

    /// The model that the pipeline starts with.
    ///
    /// - Parameter stamp: of the file before it was read.
    func begin(_ model: any Model, stamp: FileStamp?) {
        state.withLock { state in
            state.model = model
            state.change.adopted(stamp)
        }
    }

    /// True when the file is to be read.
    func isDue(_ stamp: FileStamp?, now: Int64) -> Bool {
        state.withLock { state in
            let isDue = state.change.look(stamp, now: now)
            return isDue || state.isPending
        }
    }

    /// Gives each operator a warmed scorer for its next batch.
    ///
    /// - Throws: when a scorer cannot be made; then everything stays as it was.
    func swap(_ model: any Model, stamp: FileStamp?) throws(Diagnostic) {
        let consumers = state.withLock { $0.consumers }
        var ready: [(ScorerSlot, ReadyScorer)] = []
        for consumer in consumers { ready.append((consumer.slot, try scorer(model, maxRows: consumer.maxRows))) }
        for (slot, scorer) in ready { slot.offer(scorer) }
        let old = state.withLock { state in
            let old = state.model
            state.model = model
            state.change.adopted(stamp)
            state.swaps += 1
            state.isPending = false
            return old
        }
        _ = old
    }

    /// The file has what is loaded already.
    func keep(_ stamp: FileStamp?) {
        state.withLock { state in
            state.change.adopted(stamp)
            state.isPending = false
        }
    }

    func refuse(_ stamp: FileStamp?) {
        state.withLock { state in
            state.change.refuse(stamp)
            state.refusedSwaps += 1
            state.isPending = false
        }
    }

    var isPending: Bool { state.withLock { $0.isPending } }

    /// What was read may be half of two files.
    func retry(isAsked: Bool) {
        if isAsked { state.withLock { $0.isPending = true } }
    }
}
