public import MillraceCore
import MillraceSQL

/// What planning a file gave.
public struct PlanResult: Sendable {
    /// Nil when there is any error.
    public var plan: ExecutionPlan?
    /// Errors and warnings, in the order of their places.
    public var diagnostics: [Diagnostic]
    /// What SHOW statements list, in order.
    public var listings: [[String]]

    public init(plan: ExecutionPlan?, diagnostics: [Diagnostic], listings: [[String]] = []) {
        self.plan = plan
        self.diagnostics = diagnostics
        self.listings = listings
    }
}

/// SQL text -> `ExecutionPlan`. Connects to nothing; knows connectors, formats and models only through the registry.
public struct Planner: Sendable {
    private let registry: Registry
    private let variables: [String: String]
    /// Reads the reference statistics at a path of CREATE MODEL.
    public typealias BaselineReader = @Sendable (String) throws(Diagnostic) -> ModelBaseline
    private let baselines: BaselineReader?

    /// - Parameters:
    ///   - variables: values of `${key}` in WITH options and SET.
    ///   - baselines: nil: `'baseline'` is checked as an option only.
    public init(registry: Registry, variables: [String: String], baselines: BaselineReader? = nil) {
        self.baselines = baselines
        self.registry = registry
        self.variables = variables
    }

    /// Plans a whole file. Every independent error is reported; `name` is the plan's unless SET 'pipeline.name' says otherwise.
    public func plan(_ text: String, name: String) -> PlanResult {
        let parsed = SQLParser.parse(text)
        let binder = ScriptBinder(registry: registry, variables: variables, baselines: baselines)
        binder.bind(parsed.script)
        if parsed.diagnostics.isEmpty { binder.addDrift(pipeline: binder.settings["pipeline.name"] ?? name) }
        var diagnostics = parsed.diagnostics
        diagnostics += binder.log.all.filter { !Self.isConsequence($0, of: parsed.lostNames) }
        if diagnostics.allSatisfy({ $0.severity != .error }), !binder.hasInsert, binder.listings.isEmpty {
            diagnostics.append(
                Diagnostic("the file has no INSERT statement", hint: "Add INSERT INTO sink SELECT … FROM source."))
        }
        var unique: Set<Diagnostic> = []
        diagnostics = diagnostics.filter { unique.insert($0).inserted }
        // Stable: errors at one place keep the order in which they were found.
        diagnostics = diagnostics.enumerated().sorted {
            ($0.element.range.start.offset, $0.offset) < ($1.element.range.start.offset, $1.offset)
        }.map(\.element)
        let hasErrors = diagnostics.contains { $0.severity == .error }
        let most = SQLParser.maximumDiagnostics
        if diagnostics.count > most {
            let hidden = diagnostics[most...].count { $0.severity == .error }
            diagnostics.removeSubrange(most...)
            if hidden > 0 {
                diagnostics.append(
                    Diagnostic("\(hidden) more error\(hidden == 1 ? " is" : "s are") not shown", severity: .note))
            }
        }
        if hasErrors { return PlanResult(plan: nil, diagnostics: diagnostics) }
        let plan = PlanEmitter.emit(
            binder.sinks, name: binder.settings["pipeline.name"] ?? name, settings: binder.settings,
            registry: registry)
        let zoned = SessionZone(rules: binder.zone).apply(plan)
        return PlanResult(plan: zoned, diagnostics: diagnostics, listings: binder.listings)
    }

    /// A CREATE statement that could not be read defined a name: that it is unknown is no error of its own.
    private static func isConsequence(_ diagnostic: Diagnostic, of lostNames: Set<String>) -> Bool {
        guard diagnostic.message.hasPrefix("unknown ") else { return false }
        return lostNames.contains { diagnostic.message.lowercased().hasSuffix("\"\($0.lowercased())\"") }
    }
}
