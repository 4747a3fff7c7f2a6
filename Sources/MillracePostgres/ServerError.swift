import CLibpq
import MillraceCore

/// An error as the server (or libpq, when the connection broke) reported it. Its text may hold row values: never shown.
struct ServerError: Error {
    /// What can be done about it.
    enum Kind {
        /// A row is at fault: find it.
        case data
        /// May pass on this connection (deadlock, full disk, cancelled).
        case transient
        /// The connection is gone or must be made anew.
        case connection
        /// Nothing will change by itself.
        case permanent
    }

    var state: String
    var message: String
    var schema: String?
    var table: String?
    var column: String?
    var constraint: String?

    init(connectionMessage: String) {
        state = ""
        message = connectionMessage
    }

    init(result: OpaquePointer) {
        func field(_ code: UInt8) -> String? {
            guard let text = PQresultErrorField(result, Int32(code)) else { return nil }
            return String(cString: text)
        }
        state = field(UInt8(ascii: "C")) ?? ""
        message = field(UInt8(ascii: "M")) ?? String(cString: PQresultErrorMessage(result))
        schema = field(UInt8(ascii: "s"))
        table = field(UInt8(ascii: "t"))
        column = field(UInt8(ascii: "c"))
        constraint = field(UInt8(ascii: "n"))
    }

    var kind: Kind {
        switch state {
        case "", "57P01", "57P02", "57P03", "25006": return .connection
        case "40001", "40P01", "55P03", "57014", "55006", "25P03": return .transient
        default: break
        }
        switch state.prefix(2) {
        case "21", "22", "23", "44", "P0", "2F", "38", "39": return .data
        case "08": return .connection
        case "53", "58": return .transient
        default: return .permanent
        }
    }

    /// The fence refused the transaction: another run owns the pipeline, or an earlier ticket did not commit.
    var isFence: Bool { state == "23502" && schema == "millrace" && column == "epoch" }

    /// For dead letters and messages: condition and names, never values.
    var sanitized: String {
        var text = "SQLSTATE \(state.isEmpty ? "unknown" : state)"
        if let name = ServerError.conditions[state] { text += " (\(name))" }
        if let constraint { text += ", constraint \"\(constraint)\"" }
        if let column { text += ", column \"\(column)\"" }
        return text
    }

    /// Condition names of PostgreSQL's appendix A for what a row can cause.
    private static let conditions: [String: String] = [
        "21000": "cardinality violation", "22001": "string too long", "22003": "number out of range",
        "22007": "invalid date or time", "22008": "date or time out of range", "22012": "division by zero",
        "22021": "text is not valid UTF-8", "22023": "invalid parameter value", "22P02": "invalid text representation",
        "22P03": "invalid binary representation", "22P05": "character not in the database's encoding",
        "22030": "duplicate JSON key", "22032": "invalid JSON", "23000": "integrity constraint violation",
        "23502": "null in a NOT NULL column", "23503": "foreign key violation", "23505": "unique violation",
        "23514": "check violation", "23P01": "exclusion violation", "44000": "view check option violation",
        "P0001": "raised by a trigger or function", "42501": "permission denied", "42P01": "table does not exist",
        "42703": "column does not exist", "3F000": "schema does not exist", "53100": "disk full",
        "53200": "out of memory", "53300": "too many connections", "40P01": "deadlock", "57014": "query cancelled",
    ]

    /// The error as the user sees it when it stops the pipeline.
    func diagnostic(_ action: String) -> Diagnostic {
        if state.isEmpty {
            return Diagnostic("\(action): connection to PostgreSQL lost", fault: .external)
        }
        // Messages of these classes name objects and roles, never row values.
        let isSafe = ["42", "3F", "3D", "28", "0A", "53", "57", "55"].contains(state.prefix(2))
        return Diagnostic(
            "\(action): \(isSafe ? message : sanitized)",
            hint: state == "42501" ? "Grant the missing privilege to the pipeline's database user." : nil,
            fault: .external)
    }
}
