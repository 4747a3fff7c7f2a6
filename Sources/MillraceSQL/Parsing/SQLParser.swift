public import MillraceCore

/// What a SQL file holds, with everything that is wrong in it.
public struct ParseResult: Sendable {
    /// The statements that could be read.
    public var script: ScriptSyntax
    /// In the order of their places. Warnings too: look at `severity`.
    public var diagnostics: [Diagnostic]
    /// Names that CREATE statements which could not be read may have defined.
    public var lostNames: Set<String> = []

    public init(script: ScriptSyntax, diagnostics: [Diagnostic]) {
        self.script = script
        self.diagnostics = diagnostics
    }
}

/// Reads SQL text into its syntax tree. Flink's dialect, with the spellings of Dataflow SQL and BigQuery ML.
///
/// Any text is safe: nesting beyond `maximumNesting` and trees deeper than `maximumHeight` are errors.
public enum SQLParser {
    /// Parentheses, sub-queries and the like inside each other.
    public static let maximumNesting = 200
    /// Levels of the tree; a chain of operators such as `a OR b OR c` adds one each.
    public static let maximumHeight = 500
    /// Errors reported of one file.
    public static let maximumDiagnostics = 100

    /// Reads a file of statements. After an error it goes on behind the next `;`.
    public static func parse(_ text: String) -> ParseResult {
        var parser = Parser(text)
        let script = parser.parseScript()
        var result = ParseResult(script: script, diagnostics: parser.diagnostics)
        result.lostNames = parser.lostNames
        return result
    }

    /// Reads one query; nil when it has an error.
    public static func parseQuery(_ text: String) -> (QuerySyntax?, [Diagnostic]) {
        var parser = Parser(text)
        do throws(Diagnostic) {
            let query = try parser.parseQuery()
            parser.accept(";")
            try parser.expectEnd()
            return (query, parser.diagnostics)
        } catch {
            return (nil, parser.diagnostics + [error])
        }
    }

    /// Reads one scalar expression; nil when it has an error.
    public static func parseExpression(_ text: String) -> (ExpressionSyntax?, [Diagnostic]) {
        var parser = Parser(text)
        do throws(Diagnostic) {
            let expression = try parser.parseExpression()
            try parser.expectEnd()
            return (expression, parser.diagnostics)
        } catch {
            return (nil, parser.diagnostics + [error])
        }
    }
}
