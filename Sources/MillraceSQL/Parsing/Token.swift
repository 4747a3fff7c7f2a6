import MillraceCore

/// One word, literal or sign of a SQL text.
struct Token {
    enum Kind {
        /// A bare word: keyword or name.
        case word
        /// A name in backticks.
        case quotedName
        /// `'…'`, and `U&'…'`.
        case string
        /// `"…"`, a string in Dataflow's spelling.
        case doubleQuotedString
        /// `X'…'`; `text` holds the hexadecimal digits.
        case binary
        case number
        /// `@name` or `?`.
        case parameter
        case sign
        /// Text that is no token; `diagnostic` says why.
        case invalid
        case end
    }

    var kind: Kind
    /// Without quotes and with escapes resolved; signs and words as written.
    var text: String
    /// `text` in upper case for words, else empty.
    var keyword = ""
    var range: SourceRange
    var diagnostic: Diagnostic?

    /// How the token is named in `expected … but found …`.
    var shown: String {
        switch kind {
        case .end: "the end of the text"
        case .string, .doubleQuotedString: "a string"
        case .binary: "a binary string"
        case .quotedName: "`\(text)`"
        default: "\"\(text)\""
        }
    }
}
