public import MillraceCore
public import MillraceRuntime

/// The `postgres` connector: what the planner may ask for, and how the engine gets its ends.
public enum PostgresConnector {
    public static let name = "postgres"

    public static let descriptor = ConnectorDescriptor(
        name: name, aliases: ["jdbc", "postgresql"], roles: [.scan, .sink, .lookup],
        options: [
            OptionDescriptor(
                "url", .string,
                "postgresql://user@host:port/database?sslmode=…, or jdbc:postgresql://…; what it omits comes from PG… variables"
            ),
            OptionDescriptor("table-name", .string, isRequired: true, "Table or schema.table in the database"),
            OptionDescriptor("username", .string, "Database user; wins over the URL"),
            OptionDescriptor(
                "password", .string, isSecret: true, "Its password; PGPASSWORD or a pgpass file is better"),
            OptionDescriptor("driver", .string, "Accepted for Flink's sake"),
            OptionDescriptor("create-table", .boolean, default: "false", "Create the table if it does not exist"),
            OptionDescriptor(
                "sink.commit", .choice(["sync", "async"]), default: "sync",
                "async: do not wait for the disk; a crash of the server may cost the last commits and stops the run"),
            OptionDescriptor("connection.max-retry-timeout", .duration, default: "60 s", "Accepted for Flink's sake"),
            OptionDescriptor(
                "sink.buffer-flush.max-rows", .integer, "Accepted for Flink's sake; batches adapt to load"),
            OptionDescriptor("sink.buffer-flush.interval", .duration, "Accepted for Flink's sake; nothing waits"),
            OptionDescriptor("sink.max-retries", .integer, "Accepted for Flink's sake; the sink retries until it can"),
            OptionDescriptor("scan.fetch-size", .integer, "Accepted for Flink's sake; rows stream"),
            OptionDescriptor("scan.auto-commit", .boolean, "Accepted for Flink's sake"),
            OptionDescriptor(
                "lookup.cache", .choice(["NONE", "PARTIAL", "FULL"]), default: "NONE",
                "Keep rows found (PARTIAL), or the whole table (FULL), in memory"),
            OptionDescriptor(
                "lookup.partial-cache.max-rows", .integer, default: "100000", "Keys kept; the oldest used goes"),
            OptionDescriptor(
                "lookup.partial-cache.expire-after-write", .duration, "A key is asked for again after this"),
            OptionDescriptor(
                "lookup.partial-cache.expire-after-access", .duration, "A key not used for this long goes"),
            OptionDescriptor(
                "lookup.partial-cache.cache-missing-key", .boolean, default: "true", "Remember keys without a row"),
            OptionDescriptor("lookup.cache-missing-key", .boolean, "The same, shorter"),
            OptionDescriptor(
                "lookup.full-cache.periodic-reload.interval", .duration, "Read the whole table again this often"),
            OptionDescriptor(
                "lookup.max-retries", .integer, default: "3", "Attempts to reach the database for a lookup"),
        ], changes: .byPrimaryKey, isBounded: { _ in true })

    /// The database of a sink, scan or lookup table: sinks with equal addresses share one session a shard.
    public static func address(_ options: [String: String]) -> PostgresAddress { PostgresAddress(options: options) }

    /// One session a shard and database; `sinks` are those it will carry ('sink.commit' is async only if all say so).
    ///
    /// - Parameter mayCommitAsynchronously: false where a commit that is lost later would have been told to others already.
    public static func makeSinkSession(
        sinks: [SinkPlan], shard: Int, mayCommitAsynchronously: Bool = true, limits: Limits = Limits(),
        clock: any Clock = SystemClock(), log: Log = .silent
    ) throws(Diagnostic) -> PostgresSession {
        let isAsynchronous =
            mayCommitAsynchronously && !sinks.isEmpty && sinks.allSatisfy { $0.options["sink.commit"] == "async" }
        return try PostgresSession(
            address: PostgresAddress(options: sinks.first?.options ?? [:]), shard: shard,
            commitsSynchronously: !isAsynchronous, limits: limits, clock: clock, log: log)
    }

    public static func makeSink(_ plan: SinkPlan, in session: PostgresSession) throws(Diagnostic) -> PostgresSink {
        try session.makeSink(plan)
    }

    public static func makeSource(_ plan: SourcePlan, limits: Limits = Limits()) -> PostgresScanSource {
        PostgresScanSource(plan, limits: limits)
    }

    public static func makeLookup(
        _ plan: SourcePlan, limits: Limits = Limits(), clock: any Clock = SystemClock()
    ) throws(Diagnostic) -> PostgresLookup {
        try PostgresLookup(plan, limits: limits, clock: clock)
    }

    /// Asks the databases what the plan needs of them: reachable, tables there, columns fit. Changes nothing.
    public static func check(plan: ExecutionPlan) -> [Diagnostic] {
        var found: [Diagnostic] = []
        for sink in plan.sinks where isOurs(sink.connector) {
            do throws(Diagnostic) {
                let connection = try Connection.connect(PostgresAddress(options: sink.options))
                _ = try SinkBinding(sink, connection, mayCreate: false)
            } catch {
                found.append(error)
            }
        }
        for source in plan.sources where isOurs(source.connector) {
            do throws(Diagnostic) {
                let connection = try Connection.connect(PostgresAddress(options: source.options))
                _ = try describe(source, connection)
            } catch {
                found.append(error)
            }
        }
        return found
    }

    private static func isOurs(_ connector: String) -> Bool {
        connector == name || descriptor.aliases.contains(connector)
    }

    /// The table behind a source, its columns checked.
    static func describe(_ plan: SourcePlan, _ connection: Connection) throws(Diagnostic)
        -> (table: TableDescription, decoders: [FieldDecoder])
    {
        let name = plan.options["table-name"] ?? plan.name
        let found: TableDescription?
        do {
            found = try TableDescription.read(name, connection)
        } catch {
            throw error.diagnostic("could not describe table \"\(name)\"")
        }
        guard let found else { throw missingTable(name) }
        var decoders: [FieldDecoder] = []
        for field in plan.fields { decoders.append(try FieldDecoder(field, table: found, tableName: name)) }
        return (found, decoders)
    }

    static func missingTable(_ name: String) -> Diagnostic {
        Diagnostic(
            "table \"\(name)\" does not exist in the database",
            hint: "Check 'table-name' (schema.table) and the database in 'url'.")
    }
}
