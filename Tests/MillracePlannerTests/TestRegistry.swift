import MillraceCore

/// Made-up connectors that look like the real ones.
enum TestRegistry {
    static let registry = Registry(
        connectors: [
            ConnectorDescriptor(
                name: "kafka", roles: [.scan, .sink],
                options: [
                    OptionDescriptor("topic", .string, isRequired: true, "The topic to read or write"),
                    OptionDescriptor("properties.bootstrap.servers", .string, isRequired: true, "The brokers"),
                    OptionDescriptor(
                        "scan.startup.mode", .choice(["earliest-offset", "latest-offset", "group-offsets"]),
                        default: "group-offsets", "Where to begin"),
                    OptionDescriptor("scan.bounded.mode", .choice(["unbounded", "latest-offset"]), "Where to end"),
                    OptionDescriptor("key.fields", .string, "Columns of the key"),
                ],
                openPrefixes: ["properties."],
                metadata: [
                    .init("offset", .bigInt), .init("partition", .integer),
                    .init("timestamp", .timestampLTZ(precision: 3), isWritable: true),
                    .init("headers", .map(key: .string, value: .bytes), isWritable: true),
                ],
                takesFormat: true, takesKeyFormat: true,
                isBounded: { ($0["scan.bounded.mode"] ?? "unbounded") != "unbounded" }),
            ConnectorDescriptor(
                name: "filesystem", roles: [.scan, .sink],
                options: [OptionDescriptor("path", .string, isRequired: true, "The directory")],
                metadata: [.init("file.name", .string)], takesFormat: true, isBounded: { _ in true }),
            ConnectorDescriptor(
                name: "postgres", aliases: ["jdbc"], roles: [.scan, .sink, .lookup],
                options: [
                    OptionDescriptor("url", .string, isRequired: true, "The database"),
                    OptionDescriptor("table-name", .string, isRequired: true, "The table"),
                    OptionDescriptor("username", .string, "The user"),
                    OptionDescriptor("password", .string, isSecret: true, "The password"),
                    OptionDescriptor("lookup.cache", .choice(["NONE", "PARTIAL", "FULL"]), "What is kept"),
                    OptionDescriptor("sink.buffer-flush.max-rows", .integer, "Accepted for Flink's sake"),
                    OptionDescriptor("sink.buffer-flush.interval", .duration, "Accepted for Flink's sake"),
                    OptionDescriptor("sink.memory", .memory, "Most bytes in flight"),
                ], changes: .byPrimaryKey, isBounded: { _ in true }),
            ConnectorDescriptor(
                name: "print", roles: [.sink],
                options: [
                    OptionDescriptor("print-identifier", .string, "A prefix"),
                    OptionDescriptor("standard-error", .boolean, "Where to"),
                ], changes: .every),
        ],
        formats: [
            FormatDescriptor(
                name: "json",
                options: [
                    OptionDescriptor("ignore-parse-errors", .boolean, "Skip what cannot be read"),
                    OptionDescriptor("timestamp-format.standard", .choice(["SQL", "ISO-8601"]), "Form of times"),
                ]),
            FormatDescriptor(name: "csv", options: [OptionDescriptor("field-delimiter", .string, "Between fields")]),
        ],
        modelProviders: [
            ModelProviderDescriptor(
                name: "xgboost",
                options: [
                    OptionDescriptor("path", .string, isRequired: true, "The model's file"),
                    OptionDescriptor("version", .string, "A name for it"),
                ])
        ])
}
