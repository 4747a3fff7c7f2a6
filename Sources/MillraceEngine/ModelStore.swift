internal import MillraceCore
internal import MillraceModels
internal import MillraceObservability
internal import MillraceRuntime

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

    private static func use(_ role: ModelStatus.Role, at path: String, of model: ModelPlan, _ index: Int) -> ModelUse {
        var other = model
        other.options["path"] = path
        // The pin is on the live file.
        other.options["version"] = nil
        return ModelUse(index: index, role: role, plan: other)
    }

    /// Loads every file; nothing has connected yet.
    func load() throws(Diagnostic) {
        for use in uses {
            let stamp = stamp(use)
            use.begin(try read(use), stamp: stamp)
        }
    }

    /// Reads a file anew and checks it against INPUT and OUTPUT. Nothing uses it yet.
    ///
    /// - Throws: `.user` for a missing, damaged or unsuitable file; `.external` when it cannot be read.
    func read(_ use: ModelUse) throws(Diagnostic) -> any Model {
        do throws(Diagnostic) {
            return try ModelProviders.load(use.plan, baseDirectory: baseDirectory)
        } catch {
            guard use.role != .live else { throw error }
            var placed = error
            placed.message = "\(use.role.rawValue) of \(error.message)"
            throw placed
        }
    }

    /// Of the file as it is now; nil when there is none.
    func stamp(_ use: ModelUse) -> FileStamp? {
        use.plan.options["path"].flatMap { FileStamp(path: Path.resolve($0, from: baseDirectory)) }
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

    /// For the metrics.
    var status: [ModelStatus] {
        uses.map { use in
            let (version, swaps, refused) = use.status
            return ModelStatus(
                model: use.plan.name, role: use.role, version: version, swaps: swaps, refusedSwaps: refused,
                counts: use.role == .live ? monitors[use.index].counts : ModelCounts())
        }
    }
}
