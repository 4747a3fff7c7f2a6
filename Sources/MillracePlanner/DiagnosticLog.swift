import MillraceCore

/// Collects what the planner finds; a failed part returns nil and has already written here.
final class DiagnosticLog {
    var all: [Diagnostic] = []

    var hasErrors: Bool { all.contains { $0.severity == .error } }

    func error(_ message: String, at range: SourceRange, hint: String? = nil) {
        all.append(Diagnostic(message, at: range, hint: hint))
    }

    func warning(_ message: String, at range: SourceRange, hint: String? = nil) {
        all.append(Diagnostic(message, at: range, hint: hint, severity: .warning))
    }
}
