/// A place in a SQL file. Lines and columns count from 1; a column is a character (extended grapheme cluster).
public struct TextPosition: Hashable, Sendable, Comparable {
    /// UTF-8 bytes from the start of the file.
    public var offset: Int
    public var line: Int
    public var column: Int

    public init(offset: Int, line: Int, column: Int) {
        self.offset = offset
        self.line = line
        self.column = column
    }
    public static func < (a: TextPosition, b: TextPosition) -> Bool { a.offset < b.offset }
}

/// A half-open part of a SQL file, `[start, end)`.
public struct SourceRange: Hashable, Sendable {
    public var start: TextPosition
    public var end: TextPosition

    public init(start: TextPosition, end: TextPosition) {
        self.start = start
        self.end = end
    }
    /// From the start of this to the end of `other`.
    public func through(_ other: SourceRange) -> SourceRange { SourceRange(start: start, end: other.end) }

    public static let none = SourceRange(
        start: TextPosition(offset: 0, line: 0, column: 0), end: TextPosition(offset: 0, line: 0, column: 0))
    public var isNone: Bool { start.line == 0 }
}
