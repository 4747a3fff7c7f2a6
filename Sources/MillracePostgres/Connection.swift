import CLibpq
import Glibc
import MillraceCore

/// Rows of a finished query; frees libpq's result.
final class QueryResult {
    let raw: OpaquePointer
    init(_ raw: OpaquePointer) { self.raw = raw }
    deinit { PQclear(raw) }

    var rows: Int { Int(PQntuples(raw)) }
    var columns: Int { Int(PQnfields(raw)) }
    func isNull(_ row: Int, _ column: Int) -> Bool { PQgetisnull(raw, Int32(row), Int32(column)) == 1 }
    func text(_ row: Int, _ column: Int) -> String? {
        isNull(row, column) ? nil : String(cString: PQgetvalue(raw, Int32(row), Int32(column)))
    }
    func integer(_ row: Int, _ column: Int) -> Int64? { text(row, column).flatMap { Int64($0) } }
    func flag(_ row: Int, _ column: Int) -> Bool { text(row, column) == "t" }
    /// The value's bytes; valid as long as the result.
    func bytes(_ row: Int, _ column: Int) -> ByteRef {
        let length = Int(PQgetlength(raw, Int32(row), Int32(column)))
        guard !isNull(row, column) else { return .absent }
        guard length > 0 else { return .empty }
        let start = UnsafeRawPointer(PQgetvalue(raw, Int32(row), Int32(column))).assumingMemoryBound(to: UInt8.self)
        return ByteRef(start: start, count: length)
    }
}

/// One libpq connection; closed with its last reference. Single-threaded.
final class Connection {
    let raw: OpaquePointer
    private init(_ raw: OpaquePointer) {
        self.raw = raw
        // Notices ("relation already exists, skipping") would go to stderr.
        PQsetNoticeReceiver(raw, { _, _ in }, nil)
    }
    deinit { PQfinish(raw) }

    private static func withParameters<R>(
        _ address: PostgresAddress,
        _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> R
    ) -> R {
        let list = address.parameters(connectTimeoutSeconds: 10)
        let owned = list.map { (strdup($0.keyword), strdup($0.value)) }
        defer {
            for pair in owned {
                free(pair.0)
                free(pair.1)
            }
        }
        let keywords = owned.map { UnsafePointer($0.0) } + [nil]
        let values = owned.map { UnsafePointer($0.1) } + [nil]
        return keywords.withUnsafeBufferPointer { k in
            values.withUnsafeBufferPointer { v in body(k.baseAddress!, v.baseAddress!) }
        }
    }

    /// What every session of ours sets, as one query.
    ///
    /// A generic plan from the first execution on: by default the server plans a prepared statement anew five times before
    /// it settles for one, which the first rows of a run and of each rare sink would wait for.
    func settings(commitsSynchronously: Bool) -> String {
        var settings = [
            ("TimeZone", "UTC"), ("DateStyle", "ISO"), ("IntervalStyle", "iso_8601"),
            ("synchronous_commit", commitsSynchronously ? "on" : "off"),
        ]
        if PQserverVersion(raw) >= 120_000 { settings.append(("plan_cache_mode", "force_generic_plan")) }
        return "SELECT "
            + settings.map { "pg_catalog.set_config('\($0.0)', '\($0.1)', false)" }.joined(separator: ", ")
    }

    /// Connects and waits. The session speaks UTC.
    static func connect(_ address: PostgresAddress, commitsSynchronously: Bool = true) throws(Diagnostic) -> Connection
    {
        guard let raw = withParameters(address, { PQconnectdbParams($0, $1, 1) }) else {
            throw Diagnostic("out of memory for a PostgreSQL connection", fault: .external)
        }
        let connection = Connection(raw)
        guard PQstatus(raw) == CONNECTION_OK else { throw connection.connectDiagnostic() }
        do {
            try connection.run(connection.settings(commitsSynchronously: commitsSynchronously))
        } catch {
            throw error.diagnostic("could not set up the PostgreSQL session")
        }
        return connection
    }

    /// Begins to connect without waiting; goes on with `PQconnectPoll`.
    static func start(_ address: PostgresAddress) -> Connection? {
        withParameters(address, { PQconnectStartParams($0, $1, 1) }).map { Connection($0) }
    }

    /// Why the connection failed: the server's words, without host, address or password.
    var connectMessage: String {
        let text = String(cString: PQerrorMessage(raw))
        // libpq puts advice behind the reason, indented.
        let line = text.split(separator: "\n").last { !$0.hasPrefix("\t") }.map(String.init) ?? "unknown error"
        for marker in ["FATAL:  ", "failed: ", "error: "] {
            var rest = line[...]
            var tail: Substring?
            while let start = rest.firstRange(ofText: marker) {
                tail = rest[start...].dropFirst(marker.count)
                rest = tail!
            }
            if let tail { return String(tail) }
        }
        // Messages about the connection string itself may quote it.
        return text.utf8.contains(UInt8(ascii: "\"")) && PQstatus(raw) == CONNECTION_BAD && PQsocket(raw) < 0
            ? "the address is not valid" : line
    }

    /// Wrong password, unknown role or database: waiting does not help.
    var isRefusedForGood: Bool {
        let text = connectMessage
        if text.contains("starting up") || text.contains("shutting down") { return false }
        return text.contains("authentication failed") || text.contains("pg_hba.conf") || text.contains("does not exist")
            || text.contains("not permitted to log in")
    }

    func connectDiagnostic() -> Diagnostic {
        let name = PQdb(raw).map { String(cString: $0) } ?? ""
        let object = name.isEmpty || name.contains("=") || name.contains("/") ? "" : " database \"\(name)\""
        let text = connectMessage
        var hint = "Check the table's 'url', 'username' and 'password', or the PGHOST, PGPORT, PGUSER variables."
        if text.contains("database") && text.contains("does not exist") { hint = "Create the database first." }
        if text.contains("Connection refused") || text.contains("No such file") {
            hint = "Is PostgreSQL running there? `millrace demo` starts a private one."
        }
        return Diagnostic("could not connect to PostgreSQL\(object): \(text)", hint: hint, fault: .external)
    }

    var isBroken: Bool { PQstatus(raw) == CONNECTION_BAD }
    var error: ServerError { ServerError(connectionMessage: String(cString: PQerrorMessage(raw))) }

    /// One or several statements without parameters; waits.
    @discardableResult
    func run(_ sql: String) throws(ServerError) -> QueryResult { try check(PQexec(raw, sql)) }

    /// One statement with text parameters; waits. `isBinary` asks for binary results.
    @discardableResult
    func query(_ sql: String, _ parameters: [String?] = [], isBinary: Bool = false) throws(ServerError) -> QueryResult {
        let owned = parameters.map { $0.map { strdup($0) } }
        defer { for text in owned { free(text ?? nil) } }
        let values = owned.map { text in (text ?? nil).map { UnsafePointer<CChar>($0) } }
        let result = values.withUnsafeBufferPointer {
            PQexecParams(raw, sql, Int32(parameters.count), nil, $0.baseAddress, nil, nil, isBinary ? 1 : 0)
        }
        return try check(result)
    }

    /// Statements sent together, with text parameters; waits once. They are one transaction unless they say otherwise; the
    /// first that fails ends it.
    func pipeline(_ statements: [(sql: String, parameters: [String?])]) throws(ServerError) -> [QueryResult] {
        try pipeline { raw in
            for statement in statements {
                let owned = statement.parameters.map { $0.map { strdup($0) } }
                defer { for text in owned { free(text ?? nil) } }
                let values = owned.map { text in (text ?? nil).map { UnsafePointer<CChar>($0) } }
                let sent = values.withUnsafeBufferPointer {
                    PQsendQueryParams(raw, statement.sql, Int32(values.count), nil, $0.baseAddress, nil, nil, 0)
                }
                if sent != 1 { return false }
            }
            return true
        }
    }

    /// Sends what `send` sends up to one sync, and waits for the results.
    @discardableResult
    func pipeline(_ send: (OpaquePointer) -> Bool) throws(ServerError) -> [QueryResult] {
        guard PQenterPipelineMode(raw) == 1, send(raw), PQpipelineSync(raw) == 1 else { throw error }
        var results: [QueryResult] = []
        var failure: ServerError?
        while true {
            guard let result = PQgetResult(raw) else {
                if isBroken { throw error }
                continue
            }
            if PQresultStatus(result) == PGRES_PIPELINE_SYNC {
                PQclear(result)
                break
            }
            do { results.append(try check(result)) } catch { failure = failure ?? error }
        }
        PQexitPipelineMode(raw)
        if let failure { throw failure }
        return results
    }

    func check(_ result: OpaquePointer?) throws(ServerError) -> QueryResult {
        guard let result else { throw error }
        let owned = QueryResult(result)
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE, PGRES_EMPTY_QUERY: return owned
        default: throw isBroken ? error : ServerError(result: result)
        }
    }
}

extension Substring {
    /// Where `text` begins first; Foundation's `range(of:)` is not at hand.
    func firstRange(ofText text: String) -> Index? {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(text) { return index }
            index = self.index(after: index)
        }
        return nil
    }
}

extension String {
    /// The name as an SQL identifier.
    var quotedIdentifier: String {
        "\"" + split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
    /// The text as an SQL literal.
    var quotedLiteral: String {
        "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
