public import MillraceCore
public import MillraceRuntime

/// What the engine knows of Kafka: the options of its tables, and how to make their ends.
public enum KafkaConnector {
    public static let descriptor = ConnectorDescriptor(
        name: "kafka", roles: [.scan, .sink], options: options, openPrefixes: ["properties."],
        metadata: MetadataKey.allCases.map {
            ConnectorDescriptor.Metadata($0.rawValue, $0.type, isWritable: $0.isWritable)
        },
        takesFormat: true, takesKeyFormat: true,
        isBounded: { ($0["scan.bounded.mode"] ?? "unbounded") != "unbounded" })

    private static let options: [OptionDescriptor] = [
        OptionDescriptor("topic", .string, "Topic to read or write; reading takes a list separated by ';'"),
        OptionDescriptor(
            "topic-pattern", .string, "Regular expression over whole topic names to read; instead of topic"),
        OptionDescriptor(
            "properties.bootstrap.servers", .string, isRequired: true,
            "Brokers as host:port, separated by commas; 'embedded' is a broker inside this process, for demos"),
        OptionDescriptor(
            "properties.group.id", .string,
            "Consumer group that offsets are committed to for lag monitors; default millrace-<table>"),
        OptionDescriptor("properties.sasl.password", .string, isSecret: true, "Password for SASL PLAIN and SCRAM"),
        OptionDescriptor(
            "properties.sasl.jaas.config", .string, isSecret: true, "Java login line; user name and password are taken"),
        OptionDescriptor("properties.ssl.key.password", .string, isSecret: true, "Password of the private key"),
        OptionDescriptor(
            "properties.ssl.keystore.password", .string, isSecret: true, "Password of the PKCS#12 key store"),
        OptionDescriptor("properties.ssl.key.pem", .string, isSecret: true, "Private key as PEM text"),
        OptionDescriptor(
            "value.fields-include", .choice(["ALL", "EXCEPT_KEY"]), default: "ALL",
            "Whether the key's columns are also in the value"),
        OptionDescriptor(
            "value.column", .string,
            "A ROW column that stands for the whole message, as payload does in Dataflow SQL; else one column a field"),
        OptionDescriptor("key.fields", .string, "Columns in the message key, separated by ';'"),
        OptionDescriptor(
            "key.fields-prefix", .string, default: "",
            "Prefix of the key's columns in the table that the key message does not have; needs EXCEPT_KEY"),
        OptionDescriptor(
            "scan.startup.mode",
            .choice(["group-offsets", "earliest-offset", "latest-offset", "timestamp", "specific-offsets"]),
            default: "group-offsets", "Where partitions without a stored position start"),
        OptionDescriptor(
            "scan.startup.timestamp-millis", .integer, "Start for mode timestamp, milliseconds since 1970"),
        OptionDescriptor(
            "scan.startup.specific-offsets", .string,
            "Start for mode specific-offsets: partition:0,offset:42;partition:1,offset:300"),
        OptionDescriptor(
            "scan.bounded.mode",
            .choice(["unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets"]),
            default: "unbounded", "Where reading ends; latest-offset is the end at the start"),
        OptionDescriptor("scan.bounded.timestamp-millis", .integer, "End for mode timestamp, milliseconds since 1970"),
        OptionDescriptor(
            "scan.bounded.specific-offsets", .string,
            "End for mode specific-offsets, exclusive: partition:0,offset:42;partition:1,offset:300"),
        OptionDescriptor(
            "scan.topic-partition-discovery.interval", .duration, default: "5 min",
            "How often new partitions are looked for; 0 never"),
        OptionDescriptor(
            "sink.partitioner", .choice(["default", "fixed", "round-robin"]), default: "default",
            "default: by key, as the Java client; fixed: one partition a shard; round-robin"),
        OptionDescriptor(
            "sink.delivery-guarantee", .choice(["at-least-once", "exactly-once", "none"]),
            default: "at-least-once",
            "exactly-once writes in Kafka transactions: some milliseconds more until a row is seen"),
        OptionDescriptor(
            "sink.transactional-id-prefix", .string,
            "Begins the transactional ids of exactly-once and the groups of its positions; default: millrace-, pipeline's name"
        ),
    ]

    /// The source of one shard. Does not connect; see `KafkaSource.init`.
    public static func makeSource(
        plan: SourcePlan, formats: any FormatFactory, limits: Limits, clock: any Clock, log: Log, shard: Int = 0,
        shards: Int = 1, partitions: Set<Int32>? = nil
    ) throws(Diagnostic) -> KafkaSource {
        try KafkaSource(
            plan: plan, formats: formats, limits: limits, clock: clock, log: log, shard: shard, shards: shards,
            partitions: partitions)
    }

    /// A sink with a session, and so a producer, of its own. Does not wait for the brokers.
    public static func makeSink(
        plan: SinkPlan, formats: any FormatFactory, limits: Limits, log: Log, shard: Int = 0
    ) throws(Diagnostic) -> (sink: KafkaSink, session: KafkaSinkSession) {
        let session = try KafkaSinkSession(plan: plan, limits: limits, log: log)
        return (try KafkaSink(plan: plan, output: .direct(session), formats: formats, shard: shard), session)
    }

    /// True for a sink with 'sink.delivery-guarantee' = 'exactly-once'.
    public static func isExactlyOnce(_ plan: SinkPlan) -> Bool {
        plan.connector == "kafka" && (try? DeliveryGuarantee(plan)) == .exactlyOnce
    }

    /// The session of one shard for all its exactly-once sinks, when no database keeps the positions. Does not connect.
    public static func makeCheckpointSession(
        plan: SinkPlan, pipeline: String, limits: Limits, clock: any Clock, log: Log, shard: Int = 0
    ) throws(Diagnostic) -> KafkaCheckpointSession {
        try KafkaCheckpointSession(
            plan: plan, pipeline: pipeline, shard: shard, limits: limits, clock: clock, log: log)
    }

    /// An exactly-once sink beside a database that keeps the positions, for one shard. Does not connect.
    public static func makeOutbox(
        plan: SinkPlan, pipeline: String, clock: any Clock, log: Log, shard: Int = 0
    ) throws(Diagnostic) -> KafkaOutbox {
        try KafkaOutbox(plan: plan, pipeline: pipeline, shard: shard, clock: clock, log: log)
    }

    /// Exactly-once sinks of a pipeline without a database: one transaction needs one cluster. Does not connect.
    ///
    /// - Parameter sources: the plan's streams.
    public static func checkTransactions(sinks: [SinkPlan], sources: [SourcePlan], pipeline: String) throws(Diagnostic)
    {
        guard let first = sinks.first else { return }
        let options = try TransactionOptions(first, pipeline: pipeline)
        for sink in sinks.dropFirst() {
            let other = try TransactionOptions(sink, pipeline: pipeline)
            guard other.prefix == options.prefix, other.properties.bootstrap == options.properties.bootstrap,
                other.properties.values == options.properties.values
            else {
                throw Diagnostic(
                    "sinks \"\(first.name)\" and \"\(sink.name)\" cannot share a Kafka transaction", at: sink.range,
                    hint:
                        "Give them the same 'properties.…' and 'sink.transactional-id-prefix', or use 'at-least-once'.")
            }
        }
        for source in sources {
            guard source.connector == "kafka",
                try KafkaProperties(options: source.options, table: source.name).bootstrap
                    == options.properties.bootstrap
            else {
                throw Diagnostic(
                    "sink \"\(first.name)\" delivers exactly once, but table \"\(source.name)\" is not in its Kafka cluster",
                    at: first.range,
                    hint:
                        "Positions are committed with the rows: read from the same 'properties.bootstrap.servers', add a"
                        + " PostgreSQL sink, which then keeps them, or use 'at-least-once'.")
            }
        }
    }

    /// Checks a sink's options beyond what the planner can. Does not connect.
    public static func check(plan: SinkPlan, pipeline: String) throws(Diagnostic) {
        let properties = try KafkaProperties(options: plan.options, table: plan.name)
        let physical = plan.schema.fields.filter { plan.metadata[$0.name] == nil }
        _ = try MessageFormats(options: plan.options, columns: Schema(physical))
        guard try DeliveryGuarantee(plan) == .exactlyOnce else { return }
        let options = try TransactionOptions(plan, pipeline: pipeline)
        guard properties.values["transactional.id"] == nil else {
            throw Diagnostic(
                "sink \"\(plan.name)\" names its transactional id itself", at: plan.range,
                hint: "Every shard needs its own: give 'sink.transactional-id-prefix' instead.")
        }
        // librdkafka compares settings, such as two timeouts, only when a client is made; nothing connects yet.
        let client = try KafkaClient(
            .producer, settings: options.settings(transactionalID: options.prefix),
            events: ClientEvents(object: "sink \"\(plan.name)\"", log: .silent))
        client.close()
    }

    /// Checks a source's options beyond what the planner can: offset lists, properties, combinations. Does not connect.
    public static func check(plan: SourcePlan) throws(Diagnostic) {
        _ = try ScanOptions(options: plan.options)
        _ = try MessageFormats(options: plan.options, columns: plan.physicalSchema)
        _ = try KafkaProperties(options: plan.options, table: plan.name)
    }

    /// Connects and checks that a source's topics exist, for `millrace check --connect`.
    ///
    /// - Returns: topics with the number of their partitions, by name.
    /// - Throws: `.external` when the brokers cannot be reached within `timeoutMilliseconds`, refuse, or a topic is unknown.
    @discardableResult
    public static func checkTopics(plan: SourcePlan, log: Log = .silent, timeoutMilliseconds: Int = 10_000)
        throws(Diagnostic) -> [(topic: String, partitions: Int)]
    {
        let scan = try ScanOptions(options: plan.options)
        return try checkTopics(
            scan.topics, pattern: scan.pattern, options: plan.options, object: "table \"\(plan.name)\"",
            table: plan.name, log: log, timeoutMilliseconds: timeoutMilliseconds)
    }

    /// The same for a sink.
    @discardableResult
    public static func checkTopics(plan: SinkPlan, log: Log = .silent, timeoutMilliseconds: Int = 10_000)
        throws(Diagnostic) -> [(topic: String, partitions: Int)]
    {
        let topics = (plan.options["topic"] ?? "").split(separator: ";").map { trim($0) }
        return try checkTopics(
            topics, pattern: nil, options: plan.options, object: "sink \"\(plan.name)\"", table: plan.name, log: log,
            timeoutMilliseconds: timeoutMilliseconds)
    }

    private static func checkTopics(
        _ topics: [String], pattern: String?, options: [String: String], object: String, table: String, log: Log,
        timeoutMilliseconds: Int
    ) throws(Diagnostic) -> [(topic: String, partitions: Int)] {
        let properties = try KafkaProperties(options: options, table: table)
        let client = try KafkaSource.makeClient(properties, object: object, log: log)
        defer { client.close() }
        let deadline = Deadline(milliseconds: timeoutMilliseconds)
        let selection = TopicSelection(topics: topics, pattern: pattern, shard: 0, shards: 1)
        var metadata: [String: [Int32]] = [:]
        if pattern != nil {
            metadata = try client.topics(named: nil, deadline: deadline)
        } else {
            for topic in topics {
                if properties.isEmbedded { EmbeddedBroker.ensureTopic(topic, on: properties.bootstrap) }
                metadata.merge(try client.topics(named: topic, deadline: deadline)) { _, new in new }
            }
        }
        let found = selection.select(from: metadata)
        guard !found.isEmpty || topics.isEmpty && pattern == nil else {
            throw Diagnostic(
                "no Kafka topic matches option \"topic-pattern\" of \(object)",
                hint: "The pattern must match the whole name of a topic.", fault: .external)
        }
        return Dictionary(grouping: found, by: \.topic).map { (topic: $0.key, partitions: $0.value.count) }
            .sorted { $0.topic < $1.topic }
    }
}
