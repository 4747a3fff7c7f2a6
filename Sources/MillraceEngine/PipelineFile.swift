public import MillraceCore
internal import MillraceFiles
internal import MillraceFormats
internal import MillraceKafka
internal import MillraceModels
internal import MillracePlanner
internal import MillracePostgres

extension Registry {
    /// Every connector, format and model provider of this binary.
    public static let millrace = Registry(
        connectors: [KafkaConnector.descriptor, PostgresConnector.descriptor] + FilesConnectors.descriptors,
        formats: Formats.descriptors, modelProviders: ModelProviders.descriptors)

    /// True when the source ends by itself.
    func isBounded(_ source: SourcePlan) -> Bool {
        connectors.first { $0.name == source.connector }?.isBounded(source.options) ?? false
    }
}

/// A `.sql` file and what became of it.
public struct PipelineFile: Sendable {
    public var path: String
    public var text: String
    /// nil when there are errors.
    public var plan: ExecutionPlan?
    public var diagnostics: [Diagnostic]
    /// What the file's SHOW statements list, in order.
    public var listings: [[String]]

    /// Reads and plans a file. Nothing is connected to.
    ///
    /// - Parameter variables: fill `${key}` in WITH values.
    /// - Throws: `.user` when the file cannot be read; everything in it is reported in `diagnostics`.
    public init(path: String, variables: [String: String]) throws(Diagnostic) {
        self.init(path: path, text: try TextFile.read(path), variables: variables)
    }

    public init(path: String, text: String, variables: [String: String]) {
        self.path = path
        self.text = text
        let directory = Path.directory(path)
        let planner = Planner(registry: .millrace, variables: variables) { (path) throws(Diagnostic) in
            let path = Path.resolve(path, from: directory)
            return try BaselineFile.read(try TextFile.read(path), path: path)
        }
        let result = planner.plan(text, name: Path.baseName(self.path))
        plan = result.plan
        diagnostics = result.diagnostics
        listings = result.listings
    }

    /// Relative paths of models in the file start here.
    public var directory: String { Path.directory(path) }

    /// All diagnostics as the user sees them.
    public func rendered(_ diagnostics: [Diagnostic]) -> String {
        diagnostics.map { $0.rendered(file: path, source: text) }.joined(separator: "\n\n")
    }
}
