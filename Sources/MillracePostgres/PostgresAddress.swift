/// Where a database is and who connects. Prints without the password; equal addresses share one connection a shard.
public struct PostgresAddress: Hashable, Sendable, CustomStringConvertible {
    /// A libpq URI or `key=value` string; empty leaves everything to the `PG…` environment variables.
    let connection: String
    let username: String?
    let password: String?

    /// - Parameter url: `postgresql://user@host:port/database?sslmode=require`, the JDBC form of the same
    ///   (`jdbc:postgresql://…`), or libpq's `host=… dbname=…`. What it leaves out comes from the `PG…` variables.
    public init(url: String, username: String? = nil, password: String? = nil) {
        connection = url.hasPrefix("jdbc:") ? PostgresAddress.fromJDBC(String(url.dropFirst(5))) : url
        self.username = username
        self.password = password
    }

    /// The address in a table's options; the options `username` and `password` win over the URL.
    public init(options: [String: String]) {
        self.init(url: options["url"] ?? "", username: options["username"], password: options["password"])
    }

    public var description: String { "PostgreSQL address" }

    /// JDBC driver properties that libpq does not know and that change nothing here.
    private static let ignoredProperties: Set<String> = [
        "rewriteBatchedInserts", "reWriteBatchedInserts", "stringtype", "prepareThreshold", "binaryTransfer",
        "defaultRowFetchSize", "tcpKeepAlive", "socketTimeout", "loginTimeout", "autosave", "loggerLevel",
        "preparedStatementCacheQueries", "preparedStatementCacheSizeMiB", "assumeMinServerVersion", "sslfactory",
    ]

    private static func fromJDBC(_ url: String) -> String {
        guard url.hasPrefix("postgresql:") else { return url }
        var rest = url.dropFirst("postgresql:".count)
        // `jdbc:postgresql:database` and `jdbc:postgresql:/` name a database on the default host.
        if !rest.hasPrefix("//") { rest = "///" + rest.drop { $0 == "/" } }
        guard let mark = rest.firstIndex(of: "?") else { return "postgresql:" + rest }
        var parameters: [String] = []
        for pair in rest[rest.index(after: mark)...].split(separator: "&") {
            let name = pair.prefix { $0 != "=" }
            let value = pair.dropFirst(name.count + 1)
            switch name {
            case "currentSchema": parameters.append("options=-csearch_path%3D\(value)")
            case "ApplicationName": parameters.append("application_name=\(value)")
            case "connectTimeout": parameters.append("connect_timeout=\(value)")
            case "ssl": if value != "false" { parameters.append("sslmode=require") }
            default: if !ignoredProperties.contains(String(name)) { parameters.append(String(pair)) }
            }
        }
        let query = parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&")
        return "postgresql:" + rest[..<mark] + query
    }

    /// libpq's keywords and values; earlier entries give way to what the URL says, later ones win over it.
    func parameters(connectTimeoutSeconds: Int) -> [(keyword: String, value: String)] {
        var list: [(keyword: String, value: String)] = [
            ("fallback_application_name", "millrace"), ("connect_timeout", String(connectTimeoutSeconds)),
            ("keepalives_idle", "15"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "30000"), ("client_encoding", "UTF8"),
        ]
        if !connection.isEmpty { list.append(("dbname", connection)) }
        if let username { list.append(("user", username)) }
        if let password { list.append(("password", password)) }
        list.append(("client_encoding", "UTF8"))
        return list
    }
}
