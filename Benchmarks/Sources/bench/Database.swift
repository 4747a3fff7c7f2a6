import CLibpq
import Glibc

/// A connection to PostgreSQL for set-up and for reading what arrived.
final class Database {
    private let raw: OpaquePointer

    /// - Parameter connection: a libpq URI or `key=value` string.
    init(_ connection: String) throws {
        raw = PQconnectdb(connection)
        guard PQstatus(raw) == CONNECTION_OK else {
            defer { PQfinish(raw) }
            throw Failure("could not connect to PostgreSQL: \(Database.text(PQerrorMessage(raw)))")
        }
        try run("SET client_min_messages = warning; SET TimeZone = 'UTC'")
    }

    deinit { PQfinish(raw) }

    private static func text(_ message: UnsafePointer<CChar>?) -> String {
        message.map { String(cString: $0).split(separator: "\n").joined(separator: " ") } ?? "unknown error"
    }

    /// Rows as text, NULL as nil.
    @discardableResult
    func run(_ sql: String) throws -> [[String?]] {
        guard let result = PQexec(raw, sql) else { throw Failure("PostgreSQL: \(Database.text(PQerrorMessage(raw)))") }
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK: break
        default: throw Failure("PostgreSQL: \(Database.text(PQresultErrorMessage(result))) in: \(sql.prefix(200))")
        }
        return (0..<PQntuples(result)).map { row in
            (0..<PQnfields(result)).map { column in
                PQgetisnull(result, row, column) == 1 ? nil : String(cString: PQgetvalue(result, row, column))
            }
        }
    }

    func integer(_ sql: String) throws -> Int64? { try run(sql).first?.first.flatMap { $0 }.flatMap { Int64($0) } }
    func text(_ sql: String) throws -> String? { try run(sql).first?.first ?? nil }
}

/// The parts of a PostgreSQL address, to name another database of the same server and to write it both ways.
struct DatabaseAddress {
    private var parts: [(keyword: String, value: String)] = []

    /// - Parameter text: a libpq URI or `key=value` string; what it leaves out comes from the `PG…` variables.
    init(_ text: String) throws {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(text, &message) else {
            defer { PQfreemem(message) }
            throw Failure("--database: \(message.map { String(cString: $0) } ?? "not an address")")
        }
        defer { PQconninfoFree(options) }
        let defaults = PQconndefaults()
        defer { PQconninfoFree(defaults) }
        func value(_ list: UnsafeMutablePointer<PQconninfoOption>, _ name: String) -> String? {
            var option = list
            while let keyword = option.pointee.keyword {
                if String(cString: keyword) == name { return option.pointee.val.map { String(cString: $0) } }
                option += 1
            }
            return nil
        }
        for name in ["host", "port", "user", "password", "dbname"] {
            let given = value(options, name) ?? defaults.flatMap { value($0, name) }
            if let given, !given.isEmpty { parts.append((name, given)) }
        }
    }

    private func part(_ name: String) -> String? { parts.first { $0.keyword == name }?.value }

    var host: String { part("host") ?? "" }
    var port: Int { part("port").flatMap { Int($0) } ?? 5432 }

    func database(_ name: String) -> DatabaseAddress {
        var copy = self
        copy.parts.removeAll { $0.keyword == "dbname" }
        copy.parts.append(("dbname", name))
        return copy
    }

    /// `host=… port=…`, values quoted at need.
    var keywords: String {
        parts.map { keyword, value in
            let isPlain = value.allSatisfy { $0.isLetter || $0.isNumber || "._-/".contains($0) }
            let escaped = value.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
            return "\(keyword)=" + (isPlain ? value : "'\(escaped)'")
        }.joined(separator: " ")
    }

    /// `postgresql://user:password@host:port/database`.
    var url: String {
        func encoded(_ text: String) -> String {
            text.utf8.map { byte in
                let c = Character(Unicode.Scalar(byte))
                if byte < 128, c.isLetter || c.isNumber || "._-~".contains(c) { return String(c) }
                return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }.joined()
        }
        let user = part("user").map { encoded($0) + (part("password").map { ":" + encoded($0) } ?? "") + "@" } ?? ""
        return "postgresql://\(user)\(encoded(host)):\(port)/\(encoded(part("dbname") ?? "postgres"))"
    }
}
