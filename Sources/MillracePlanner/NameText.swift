internal import MillraceSQL

/// Names as they are written in SQL, for statements that commands print.
public enum NameText {
    /// Between backticks when it has to be.
    public static func identifier(_ name: String) -> String { SQLPrinter.identifier(name) }

    /// A text between quotes.
    public static func string(_ text: String) -> String { SQLPrinter.string(text) }
}
