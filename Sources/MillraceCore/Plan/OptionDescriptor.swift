/// One key of a WITH clause: what the planner checks before anything connects.
public struct OptionDescriptor: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case string, integer, boolean
        /// `5 s`, `200 ms`, `1 min`, `2 h`, `1 d`; a bare number is milliseconds.
        case duration
        /// `128 mb`, `64 kb`; a bare number is bytes.
        case memory
        case choice([String])
    }
    public var name: String
    public var kind: Kind
    public var defaultValue: String?
    public var isRequired: Bool
    /// Never printed: passwords.
    public var isSecret: Bool
    public var documentation: String

    public init(
        _ name: String, _ kind: Kind = .string, default defaultValue: String? = nil, isRequired: Bool = false,
        isSecret: Bool = false, _ documentation: String
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.isRequired = isRequired
        self.isSecret = isSecret
        self.documentation = documentation
    }
}

/// What a connector tells the planner about itself; handed over by the engine, so the planner imports no connector.
public struct ConnectorDescriptor: Hashable, Sendable {
    public enum Role: Hashable, Sendable { case scan, sink, lookup }
    public struct Metadata: Hashable, Sendable {
        public var key: String
        public var type: DataType
        public var isWritable: Bool
        public init(_ key: String, _ type: DataType, isWritable: Bool = false) {
            self.key = key
            self.type = type
            self.isWritable = isWritable
        }
    }
    public var name: String
    /// Other spellings of the same connector (`jdbc` for `postgres`).
    public var aliases: [String]
    public var roles: Set<Role>
    public var options: [OptionDescriptor]
    /// Option prefixes passed through unchecked (`properties.`).
    public var openPrefixes: [String]
    public var metadata: [Metadata]
    /// Takes `format` (and `value.format`, `key.format` if `takesKeyFormat`).
    public var takesFormat: Bool
    public var takesKeyFormat: Bool
    /// A scan may end by itself (file, database table): usable as the static side of a join. Kafka: only with
    /// `scan.bounded.mode`.
    public var isBounded: @Sendable ([String: String]) -> Bool
    /// What it takes as a sink.
    public var changes: SinkChanges

    /// Changes of rows that a sink can take.
    public enum SinkChanges: Hashable, Sendable {
        /// New rows, nothing else.
        case insertOnly
        /// Updates and deletions by the table's PRIMARY KEY.
        case byPrimaryKey
        /// Any, as they come.
        case every
    }

    public init(
        name: String, aliases: [String] = [], roles: Set<Role>, options: [OptionDescriptor],
        openPrefixes: [String] = [], metadata: [Metadata] = [], takesFormat: Bool = false, takesKeyFormat: Bool = false,
        changes: SinkChanges = .insertOnly,
        isBounded: @escaping @Sendable ([String: String]) -> Bool = { _ in false }
    ) {
        self.name = name
        self.aliases = aliases
        self.roles = roles
        self.options = options
        self.openPrefixes = openPrefixes
        self.metadata = metadata
        self.takesFormat = takesFormat
        self.takesKeyFormat = takesKeyFormat
        self.changes = changes
        self.isBounded = isBounded
    }

    public static func == (a: ConnectorDescriptor, b: ConnectorDescriptor) -> Bool { a.name == b.name }
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

public struct FormatDescriptor: Hashable, Sendable {
    public var name: String
    /// Without the `json.` prefix.
    public var options: [OptionDescriptor]
    public init(name: String, options: [OptionDescriptor]) {
        self.name = name
        self.options = options
    }
}

public struct ModelProviderDescriptor: Hashable, Sendable {
    /// The provider of a model that names none: found by the content of its file.
    public static let automatic = "auto"

    public var name: String
    public var options: [OptionDescriptor]
    public init(name: String, options: [OptionDescriptor]) {
        self.name = name
        self.options = options
    }
}

/// Everything the planner may name, put together by the engine.
public struct Registry: Sendable {
    public var connectors: [ConnectorDescriptor]
    public var formats: [FormatDescriptor]
    public var modelProviders: [ModelProviderDescriptor]
    /// Options every table may have (`errors`, `scan.watermark.…`, `late.…`).
    public var tableOptions: [OptionDescriptor]
    /// Options every model with a `path` may have (`shadow.…`, `canary.…`, `swap`).
    public var modelOptions: [OptionDescriptor]

    public init(
        connectors: [ConnectorDescriptor], formats: [FormatDescriptor], modelProviders: [ModelProviderDescriptor],
        tableOptions: [OptionDescriptor] = OptionDescriptor.table,
        modelOptions: [OptionDescriptor] = OptionDescriptor.model
    ) {
        self.modelOptions = modelOptions
        self.connectors = connectors
        self.formats = formats
        self.modelProviders = modelProviders
        self.tableOptions = tableOptions
    }
}

extension OptionDescriptor {
    /// Options that belong to the engine, valid on every source table.
    public static let table: [OptionDescriptor] = [
        OptionDescriptor(
            "errors", .choice(["dead-letter", "fail", "skip"]), default: "dead-letter",
            "What happens to a row that cannot be processed"),
        OptionDescriptor(
            "scan.watermark.emit.strategy", .choice(["on-event", "on-periodic"]), default: "on-event",
            "Accepted for Flink's sake; watermarks are always emitted for every row"),
        OptionDescriptor(
            "scan.watermark.idle-timeout", .duration, default: "1 s",
            "A partition is idle when the consumer stands at its end for this long; 0 never"),
        OptionDescriptor(
            "scan.watermark.idle-advance", .boolean, default: "true",
            "Event time goes on with the wall clock when all partitions are idle"),
        OptionDescriptor("late.lateness", .duration, default: "0 s", "Allowed lateness of windows"),
        OptionDescriptor("scan.parallelism", .integer, "Accepted for Flink's sake; see --shards"),
        OptionDescriptor("sink.parallelism", .integer, "Accepted for Flink's sake; see --shards"),
    ]

    /// Options that belong to the engine, valid on every model whose provider has a `path`.
    public static let model: [OptionDescriptor] = [
        OptionDescriptor(
            "label", .string, "Name of what is predicted: ML.PREDICT gives predicted_<label> in place of the outputs"),
        OptionDescriptor(
            "classes", .string,
            "Comma-separated classes of the label, in the order of the outputs; one output is the probability of the second of two"
        ),
        OptionDescriptor(
            "baseline", .string,
            "File of reference statistics (millrace model baseline): windows of live rows are compared with it"),
        OptionDescriptor("drift.window", .duration, default: "1 h", "Length of the compared windows of event time"),
        OptionDescriptor(
            "drift.table", .string,
            "Table of the file for the comparisons (default: millrace.drift, where the pipeline writes to PostgreSQL)"),
        OptionDescriptor("drift.threshold.l-infinity", .string, "Above it, 0 to 1, a window is an alert"),
        OptionDescriptor("drift.threshold.jensen-shannon", .string, "Above it, 0 to 1, a window is an alert"),
        OptionDescriptor("drift.threshold.missing", .string, "Share of missing values; above it a window is an alert"),
        OptionDescriptor(
            "drift.threshold.out-of-domain", .string,
            "Share of values that the baseline does not know; above it a window is an alert"),
        OptionDescriptor(
            "swap", .choice(["auto", "signal", "off"]), default: "auto",
            "When a changed file is loaded: at once, at SIGHUP, or at the next start"),
        OptionDescriptor(
            "shadow.path", .string,
            "A second model, scored beside this one; what it says is compared and counted, and changes no row"),
        OptionDescriptor(
            "shadow.threshold", .string,
            "Two numbers disagree when one reaches it and the other does not (default: numbers only differ)"),
        OptionDescriptor("canary.path", .string, "A second model, which scores some keys in place of this one"),
        OptionDescriptor("canary.percent", .string, "Share of the keys that the canary scores, 0 to 100"),
        OptionDescriptor(
            "canary.key", .string, "Column of the scored table; rows with one value stay with one model"),
    ]
}
