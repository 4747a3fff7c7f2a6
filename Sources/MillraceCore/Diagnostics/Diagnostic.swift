/// One error or note for the user.
///
/// `message`: one factual line, lower-case start, no full stop, object kind before the name (`column "price"`).
/// `hint`: how to fix it, a full sentence. Neither holds row values, connection strings or secrets.
public struct Diagnostic: Error, Hashable, Sendable {
    public enum Severity: String, Sendable { case error, warning, note }
    /// Whose fault: their SQL, options or data; the broker's or database's (may pass by itself); ours.
    public enum Fault: Sendable { case user, external, bug }

    public var severity: Severity
    public var fault: Fault
    public var message: String
    public var hint: String?
    /// Where in the SQL file; `SourceRange.none` when it has no place there.
    public var range: SourceRange

    public init(
        _ message: String, at range: SourceRange = .none, hint: String? = nil, fault: Fault = .user,
        severity: Severity = .error
    ) {
        self.message = message
        self.range = range
        self.hint = hint
        self.fault = fault
        self.severity = severity
    }
}

/// Several errors of one file, in the order of their places.
public struct Diagnostics: Error, Sendable {
    public var all: [Diagnostic]
    public init(_ all: [Diagnostic]) { self.all = all }
}

extension Diagnostic {
    /// The text a user sees: place, message, source line with carets under the whole token, hint.
    ///
    /// ```
    /// bids.sql:2:6: error: unknown table "bidz"
    /// 2 | FROM bidz
    ///   |      ^^^^
    /// hint: Did you mean "bids"?
    /// ```
    public func rendered(file: String, source: String) -> String {
        var text = ""
        if range.isNone {
            text = "\(severity.rawValue): \(message)"
        } else {
            text = "\(file):\(range.start.line):\(range.start.column): \(severity.rawValue): \(message)"
            if let line = Self.line(at: range.start.offset, of: source) {
                let number = String(range.start.line)
                let width =
                    range.end.line == range.start.line
                    ? max(1, range.end.column - range.start.column) : max(1, line.count - range.start.column + 1)
                // Tabs stay tabs, so the carets line up under the token in every terminal.
                let indent = line.prefix(range.start.column - 1).map { $0 == "\t" ? "\t" : " " }.joined()
                text += "\n\(number) | \(line)\n\(String(repeating: " ", count: number.count)) | \(indent)"
                text += String(repeating: "^", count: width)
            }
        }
        if let hint { text += "\nhint: \(hint)" }
        return text
    }

    /// The line that holds byte `offset`, without its end. Linear in the line, not in the file, so that many errors of a
    /// large file are rendered fast.
    private static func line(at offset: Int, of source: String) -> String? {
        let bytes = source.utf8
        guard let place = bytes.index(bytes.startIndex, offsetBy: offset, limitedBy: bytes.endIndex) else { return nil }
        let end = bytes[place...].firstIndex(of: 0x0A) ?? bytes.endIndex
        var start = place
        while start > bytes.startIndex, bytes[bytes.index(before: start)] != 0x0A { start = bytes.index(before: start) }
        var line = bytes[start..<end]
        if line.last == 0x0D { line.removeLast() }
        return String(decoding: line, as: UTF8.self)
    }
}
