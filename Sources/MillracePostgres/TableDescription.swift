import MillraceCore

/// A table as the database's catalog knows it.
struct TableDescription {
    struct Column {
        var name: String
        /// Base type, below domains.
        var type: UInt32
        /// `format_type` of the declared type: `numeric(10,2)`, `public.mood`.
        var typeName: String
        var baseTypeName: String
        /// varchar(n), char(n): n; nil without bound.
        var maxCharacters: Int?
        var isNotNull: Bool
        /// Filled by itself when not written.
        var hasDefault: Bool
        var isGenerated: Bool
    }
    /// Quoted and qualified.
    var sqlName: String
    var columns: [Column]
    /// Column sets of unique indexes that ON CONFLICT can name.
    var uniqueSets: [Set<String>]

    /// The column a SQL name means: the same name, else the same in lower case (PostgreSQL folds what is not quoted).
    func column(_ name: String) -> Column? {
        columns.first { $0.name == name } ?? columns.first { $0.name == name.lowercased() }
    }

    /// Reads the catalog; nil when there is no such table. `name` is `table` or `schema.table`.
    static func read(_ name: String, _ connection: Connection) throws(ServerError) -> TableDescription? {
        let parts = split(name)
        for lowercase in [false, true] {
            let table = lowercase ? parts.table.lowercased() : parts.table
            let schema = lowercase ? parts.schema?.lowercased() : parts.schema
            let found = try connection.query(
                """
                SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END
                """, [table, schema])
            if found.rows > 0 {
                let sqlName = found.text(0, 1)!.quotedIdentifier + "." + found.text(0, 2)!.quotedIdentifier
                return try read(oid: found.text(0, 0)!, sqlName: sqlName, connection)
            }
        }
        return nil
    }

    static func split(_ name: String) -> (schema: String?, table: String) {
        let parts = name.split(separator: ".", maxSplits: 1).map { part -> String in
            part.count > 1 && part.hasPrefix("\"") && part.hasSuffix("\"")
                ? String(part.dropFirst().dropLast()) : String(part)
        }
        return parts.count == 2 ? (parts[0], parts[1]) : (nil, parts.first ?? name)
    }

    private static func read(oid: String, sqlName: String, _ connection: Connection) throws(ServerError)
        -> TableDescription
    {
        let columns = try connection.query(
            """
            WITH RECURSIVE base AS (
                SELECT a.attnum, a.atttypid AS type, a.atttypmod AS typmod, false AS notnull FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
                UNION ALL
                SELECT b.attnum, t.typbasetype, CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE b.typmod END,
                    b.notnull OR t.typnotnull
                FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd')
            SELECT a.attname, b.type, pg_catalog.format_type(a.atttypid, a.atttypmod),
                pg_catalog.format_type(b.type, NULL), b.typmod, a.attnotnull OR b.notnull,
                a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a'
            FROM pg_catalog.pg_attribute a JOIN base b USING (attnum) JOIN pg_catalog.pg_type t ON t.oid = b.type
            WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype <> 'd' ORDER BY a.attnum
            """, [oid])
        let indexes = try connection.query(
            """
            SELECT i.indexrelid, a.attname FROM pg_catalog.pg_index i
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])
            WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL
            """, [oid])
        var sets: [String: Set<String>] = [:]
        for row in 0..<indexes.rows { sets[indexes.text(row, 0)!, default: []].insert(indexes.text(row, 1)!) }
        return TableDescription(
            sqlName: sqlName,
            columns: (0..<columns.rows).map { row in
                let type = UInt32(columns.integer(row, 1) ?? 0)
                let modifier = Int(columns.integer(row, 4) ?? -1)
                let isCharacter = type == TypeOID.varchar || type == TypeOID.bpchar
                return Column(
                    name: columns.text(row, 0)!, type: type, typeName: columns.text(row, 2)!,
                    baseTypeName: columns.text(row, 3)!,
                    maxCharacters: isCharacter && modifier >= 4 ? modifier - 4 : nil, isNotNull: columns.flag(row, 5),
                    hasDefault: columns.flag(row, 6), isGenerated: columns.flag(row, 7))
            }, uniqueSets: Array(sets.values))
    }

    /// `CREATE TABLE IF NOT EXISTS` for a table of the plan: PostgreSQL's types for Flink's.
    static func createStatement(_ name: String, schema: Schema, primaryKey: [String]) -> String {
        let parts = split(name)
        let sqlName = (parts.schema.map { $0.quotedIdentifier + "." } ?? "") + parts.table.quotedIdentifier
        var lines = schema.fields.map { field in
            "\(field.name.quotedIdentifier) \(typeName(field.type))"
                + (field.isNullable && !primaryKey.contains(field.name) ? "" : " NOT NULL")
        }
        if !primaryKey.isEmpty {
            lines.append("PRIMARY KEY (\(primaryKey.map(\.quotedIdentifier).joined(separator: ", ")))")
        }
        return "CREATE TABLE IF NOT EXISTS \(sqlName) (\(lines.joined(separator: ", ")))"
    }

    static func typeName(_ type: DataType) -> String {
        switch type {
        case .boolean: "boolean"
        case .tinyInt, .smallInt: "smallint"
        case .integer: "integer"
        case .bigInt: "bigint"
        case .float: "real"
        case .double: "double precision"
        case .decimal(let precision, let scale): "numeric(\(precision), \(scale))"
        case .char(let length): "character(\(length))"
        case .varchar(.max), .null: "text"
        case .varchar(let length): length <= 10_485_760 ? "character varying(\(length))" : "text"
        case .binary, .varbinary: "bytea"
        case .date: "date"
        case .time(let precision): "time(\(min(6, precision)))"
        case .timestamp(let precision): "timestamp(\(min(6, precision)))"
        case .timestampLTZ(let precision): "timestamp(\(min(6, precision))) with time zone"
        case .intervalYearMonth, .intervalDayTime: "interval"
        case .row, .array, .map, .multiset: "jsonb"
        }
    }
}
