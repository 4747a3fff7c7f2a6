/// Which words may not be names without backticks.
///
/// Far fewer than Flink reserves: only those that would make a text ambiguous. `year`, `value`, `timestamp`, `user` and
/// `offset` are fine names.
enum Keywords {
    static let reserved: Set<String> = [
        "ALL", "AND", "ANY", "AS", "BETWEEN", "BY", "CASE", "CAST", "CREATE", "CROSS", "DISTINCT", "DROP", "ELSE",
        "END",
        "ESCAPE", "EXCEPT", "EXISTS", "FALSE", "FETCH", "FOR", "FROM", "FULL", "GROUP", "HAVING", "IN", "INNER",
        "INSERT",
        "INTERSECT", "INTERVAL", "INTO", "IS", "JOIN", "LATERAL", "LEFT", "LIKE", "LIMIT", "NATURAL", "NOT", "NULL",
        "ON",
        "OR", "ORDER", "OUTER", "OVER", "QUALIFY", "RIGHT", "SELECT", "SIMILAR", "SOME", "TABLE", "THEN", "TRUE",
        "UNION",
        "UNNEST", "USING", "VALUES", "WHEN", "WHERE", "WINDOW", "WITH",
    ]

    /// Words that are names, but not aliases without AS, because a clause may start with them.
    static let noBareAlias: Set<String> = [
        "OFFSET", "TABLESAMPLE", "MATCH_RECOGNIZE", "PIVOT", "UNPIVOT", "PARTITION", "MINUS", "FILTER",
    ]

    /// What a misspelt word that was taken for an alias may have meant.
    static let clauses = [
        "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS",
        "UNION",
        "WINDOW", "USING", "QUALIFY", "FETCH", "INTERSECT", "EXCEPT", "NATURAL", "BETWEEN", "LIKE",
    ]

    /// Calls that are written without parentheses.
    static let bareCalls: Set<String> = [
        "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_DATETIME",
    ]

    /// Units of EXTRACT, FLOOR … TO, TIMESTAMPADD and TIMESTAMPDIFF.
    static let timeUnits = [
        "MILLENNIUM", "CENTURY", "DECADE", "YEAR", "ISOYEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "ISODOW", "DOY",
        "DAYOFWEEK", "DAYOFYEAR", "ISOWEEK", "DATE", "TIME", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND",
        "NANOSECOND", "EPOCH",
    ]

    /// First words of statements that are known but not supported.
    static let unsupportedStatements: Set<String> = [
        "ADD", "ALTER", "ANALYZE", "CALL", "COMPILE", "DELETE", "DESC", "DESCRIBE", "DROP", "EXPLAIN", "GRANT", "HELP",
        "LOAD", "MERGE", "QUIT", "REFRESH", "REMOVE", "RESET", "REVOKE", "SHOW", "STOP", "TRUNCATE", "UNLOAD", "UPDATE",
        "UPSERT", "USE",
    ]

    /// What to do instead of a statement that is not supported, by its first two words or its first.
    static let insteadOf: [String: String] = {
        let namespace =
            "A file has one namespace; leave the statement out and name tables without a catalog or database."
        let whole = "A file is planned as a whole; change or remove the CREATE statement itself."
        let upsert = "A pipeline only inserts; with a PRIMARY KEY on the target, a row replaces the one of its key."
        let explain = "Run millrace explain FILE to see tables and plans."
        let builtIn = "Connectors, formats and functions are built in."
        return [
            "USE": namespace, "CREATE CATALOG": namespace, "CREATE SCHEMA": namespace,
            "DROP": whole, "ALTER": whole, "UPDATE": upsert, "DELETE": upsert, "MERGE": upsert, "UPSERT": upsert,
            "TRUNCATE": upsert, "EXPLAIN": explain, "SHOW": explain, "DESCRIBE": explain, "DESC": explain,
            "ADD": builtIn, "LOAD": builtIn, "UNLOAD": builtIn, "REMOVE": builtIn, "CREATE FUNCTION": builtIn,
            "CREATE SYSTEM": builtIn, "RESET": "Remove the SET statement instead.",
            "CREATE EXTERNAL": "Write CREATE TABLE with a connector in its WITH clause.",
            "CREATE MATERIALIZED": "Write CREATE TABLE for the target and INSERT INTO … SELECT … to keep it filled.",
            "CREATE INDEX": "Create the index in the database itself.",
        ]
    }()

    static let statements = ["CREATE", "INSERT", "EXECUTE", "BEGIN", "SET", "SELECT", "WITH", "VALUES"]
}
