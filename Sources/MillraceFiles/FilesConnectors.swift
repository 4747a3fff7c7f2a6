public import MillraceCore
public import MillraceRuntime

/// The connectors `filesystem`, `print`, `blackhole` and `datagen`.
public enum FilesConnectors {
    public static let descriptors: [ConnectorDescriptor] = [
        ConnectorDescriptor(
            name: "filesystem", roles: [.scan, .sink],
            options: [
                OptionDescriptor("path", .string, isRequired: true, "A file, or a directory of files"),
                OptionDescriptor("sink.rolling-policy.file-size", .memory, "Accepted for Flink's sake"),
                OptionDescriptor("sink.rolling-policy.rollover-interval", .duration, "Accepted for Flink's sake"),
                OptionDescriptor("sink.rolling-policy.check-interval", .duration, "Accepted for Flink's sake"),
                OptionDescriptor(
                    "partition.default-name", default: PartitionPath.defaultName,
                    "PARTITIONED BY: the directory of rows whose key is NULL or empty"),
            ]
                // Flink commits partitions by time and tells others; here a part is whole when the sink closes.
                + [
                    ("auto-compaction", .boolean), ("compaction.file-size", .memory),
                    ("sink.partition-commit.trigger", .choice(["process-time", "partition-time"])),
                    ("sink.partition-commit.delay", .duration), ("sink.partition-commit.watermark-time-zone", .string),
                    ("sink.partition-commit.policy.kind", .string), ("sink.partition-commit.policy.class", .string),
                    ("sink.partition-commit.success-file.name", .string),
                    ("sink.shuffle-by-partition.enable", .boolean),
                    ("partition.time-extractor.kind", .string), ("partition.time-extractor.class", .string),
                    ("partition.time-extractor.timestamp-pattern", .string),
                    ("partition.time-extractor.timestamp-formatter", .string),
                ].map { (name: String, kind: OptionDescriptor.Kind) in
                    OptionDescriptor(name, kind, "Accepted for Flink's sake")
                },
            metadata: [
                .init("file.path", .string), .init("file.name", .string), .init("file.size", .bigInt),
                .init("file.modification-time", .timestampLTZ(precision: 3)),
            ],
            takesFormat: true, isBounded: { _ in true }),
        ConnectorDescriptor(
            name: "print", roles: [.sink],
            options: [
                OptionDescriptor("print-identifier", .string, "Put in front of every line"),
                OptionDescriptor("standard-error", .boolean, default: "false", "Print to standard error"),
            ], changes: .every),
        ConnectorDescriptor(name: "blackhole", roles: [.sink], options: [], changes: .every),
        ConnectorDescriptor(
            name: "datagen", roles: [.scan],
            options: [
                OptionDescriptor("rows-per-second", .integer, default: "10000", "How fast rows come"),
                OptionDescriptor("number-of-rows", .integer, "The table ends after so many"),
            ],
            openPrefixes: ["fields."],
            isBounded: { options in
                options["number-of-rows"] != nil
                    || options.contains {
                        $0.key.hasPrefix("fields.") && $0.key.hasSuffix(".kind") && $0.value == "sequence"
                    }
            }),
    ]

    /// Nil when the connector is not one of this module's.
    /// - Throws: `.user` for a wrong option; that a path is missing is found by `Source.start`.
    public static func makeSource(
        _ plan: SourcePlan, formats: any FormatFactory, limits: Limits, clock: any Clock
    ) throws(Diagnostic) -> (any Source)? {
        switch plan.connector {
        case "filesystem": try FileSource(plan, formats: formats, limits: limits)
        case "datagen": try DatagenSource(plan, limits: limits, clock: clock)
        default: nil
        }
    }

    /// Nil when the connector is not one of this module's. Every sink has a session of its own, durable on submit.
    ///
    /// - Parameter standardOutput: the descriptor that `print` writes to.
    public static func makeSink(
        _ plan: SinkPlan, formats: any FormatFactory, limits: Limits, clock: any Clock, standardOutput: Int32 = 1
    ) throws(Diagnostic) -> (sink: any Sink, session: any SinkSession)? {
        switch plan.connector {
        case "filesystem":
            let sink = try FileSink(plan, formats: formats)
            return (sink, sink)
        case "print":
            let sink = try PrintSink(plan, standardOutput: standardOutput)
            return (sink, sink)
        case "blackhole":
            let sink = BlackholeSink()
            return (sink, sink)
        default: return nil
        }
    }

    /// Writes every dead letter of the pipeline to one file, as JSON lines.
    /// - Throws: when the file cannot be opened for appending.
    public static func makeDeadLetterFile(path: String) throws(Diagnostic) -> any SinkSession {
        try DeadLetterFile(path: path)
    }

    static func integer(_ options: [String: String], _ name: String) throws(Diagnostic) -> Int64? {
        guard let text = options[name] else { return nil }
        guard let value = Int64(text) else {
            throw Diagnostic("option \"\(name)\" is not an integer", hint: "Write a whole number.")
        }
        return value
    }
}
