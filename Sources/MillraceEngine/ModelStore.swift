internal import MillraceCore
internal import MillraceModels
internal import MillraceRuntime
internal import Synchronization

/// What a model file is used for.
enum ModelRole: String, Hashable, Sendable {
    /// Answers the rows.
    case live
    /// Answers some keys' rows.
    case canary
    /// Is compared with the one that answers.
    case shadow
}

/// One model file of a plan: what is loaded now, and the operators that score with it.
final class ModelUse: Sendable {
    /// Index into the plan's models.
    let index: Int
    let role: ModelRole
    /// The declared model with this file's path.
    let plan: ModelPlan

    /// An operator of a shard that takes up what is offered.
    private struct Consumer {
        let slot: ScorerSlot
        let maxRows: Int
    }
    private struct State {
        var model: (any Model)?
        var consumers: [Consumer] = []
    }
    private let state = Mutex(State())

    init(index: Int, role: ModelRole, plan: ModelPlan) {
        self.index = index
        self.role = role
        self.plan = plan
    }

    /// For logs and messages.
    var label: String { role == .live ? plan.name : "\(plan.name) (\(role.rawValue))" }

    var model: (any Model)? { state.withLock { $0.model } }

    /// Reads the file anew. Nothing is in use until `adopt`.
    ///
    /// - Throws: `.user` for a missing, damaged or unsuitable file; `.external` when it cannot be read.
    func read(baseDirectory: String) throws(Diagnostic) -> any Model {
        try ModelProviders.load(plan, baseDirectory: baseDirectory)
    }

    /// Uses the model: each operator gets a warmed scorer for its next batch.
    ///
    /// - Throws: when a scorer cannot be made; then everything stays as it was.
    func adopt(_ model: any Model) throws(Diagnostic) {
        let consumers = state.withLock { $0.consumers }
        var ready: [(ScorerSlot, ReadyScorer)] = []
        for consumer in consumers { ready.append((consumer.slot, try scorer(model, maxRows: consumer.maxRows))) }
        for (slot, scorer) in ready { slot.offer(scorer) }
        state.withLock { $0.model = model }
    }

    /// A lane for one operator; `adopt` reaches it from now on.
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
}

/// The models of a running pipeline.
final class ModelStore: Sendable {
    let uses: [ModelUse]
    /// One for each of the plan's models.
    let monitors: [ModelMonitor]
    private let baseDirectory: String

    init(_ plan: ExecutionPlan, baseDirectory: String) {
        uses = ModelStore.uses(of: plan)
        monitors = plan.models.map { _ in ModelMonitor() }
        self.baseDirectory = baseDirectory
    }

    /// Every model file that a plan names.
    static func uses(of plan: ExecutionPlan) -> [ModelUse] {
        var uses: [ModelUse] = []
        for (index, model) in plan.models.enumerated() {
            uses.append(ModelUse(index: index, role: .live, plan: model))
            if let canary = model.canary { uses.append(use(.canary, at: canary.path, of: model, index)) }
            if let shadow = model.shadow { uses.append(use(.shadow, at: shadow.path, of: model, index)) }
        }
        return uses
    }

    private static func use(_ role: ModelRole, at path: String, of model: ModelPlan, _ index: Int) -> ModelUse {
        var other = model
        other.options["path"] = path
        // The pin is on the live file.
        other.options["version"] = nil
        return ModelUse(index: index, role: role, plan: other)
    }

    /// Loads every file; nothing has connected yet.
    func load() throws(Diagnostic) {
        for use in uses { try use.adopt(try use.read(baseDirectory: baseDirectory)) }
    }

    /// The model, if another process evaluates it.
    func remote(_ index: Int) -> (any RemoteModel)? {
        uses.first { $0.index == index && $0.role == .live }?.model as? any RemoteModel
    }

    /// Scorers for one operator of a shard.
    func lanes(_ predict: PredictPlan, maxRows: Int) throws(Diagnostic) -> PredictLanes {
        var live: ScorerLane?
        var canary: ScorerLane?
        var shadow: ScorerLane?
        for use in uses where use.index == predict.model {
            let lane = try use.lane(maxRows: maxRows)
            switch use.role {
            case .live: live = lane
            case .canary: canary = lane
            case .shadow: shadow = lane
            }
        }
        guard let live else { throw Diagnostic("model \(predict.model) is not in the plan", fault: .bug) }
        return PredictLanes(live: live, canary: canary, shadow: shadow)
    }
}
