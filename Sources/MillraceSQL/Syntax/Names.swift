public import MillraceCore

/// A name as written, without its quotes.
public struct Identifier: Hashable, Sendable {
    public var text: String
    public var isQuoted: Bool
    public var range: SourceRange
    public init(_ text: String, isQuoted: Bool = false, range: SourceRange) {
        self.text = text
        self.isQuoted = isQuoted
        self.range = range
    }
}

/// A dotted name. A backticked part may itself hold dots; the catalog tries it whole first.
public struct ObjectName: Hashable, Sendable {
    public var parts: [Identifier]
    public init(_ parts: [Identifier]) { self.parts = parts }
    public var range: SourceRange { parts[0].range.through(parts[parts.count - 1].range) }
    /// The parts joined by dots, without quotes.
    public var text: String { parts.map(\.text).joined(separator: ".") }
}

/// A string literal with its place.
public struct StringSyntax: Hashable, Sendable {
    public var text: String
    public var range: SourceRange
    public init(_ text: String, range: SourceRange) {
        self.text = text
        self.range = range
    }
}

/// `'key' = 'value'`.
public struct OptionSyntax: Hashable, Sendable {
    public var key: StringSyntax
    public var value: StringSyntax
    public init(key: StringSyntax, value: StringSyntax) {
        self.key = key
        self.value = value
    }
}

/// A type as written: `DECIMAL(10, 2) NOT NULL`, `ROW<a INT, b STRING>`, `STRUCT<a INT64>`, `TIMESTAMP(3) WITH LOCAL TIME ZONE`.
public struct TypeSyntax: Hashable, Sendable {
    /// Upper case, blanks folded: `DECIMAL`, `TIMESTAMP_LTZ`, `DOUBLE PRECISION`, `ROW`, `ARRAY`. `TIMESTAMP WITH LOCAL TIME
    /// ZONE` arrives as `TIMESTAMP_LTZ`, `STRUCT` as `ROW`, `TIME WITHOUT TIME ZONE` as `TIME`; `INTERVAL DAY TO SECOND` whole.
    public var name: String
    public var parameters: [Int]
    /// Of ROW.
    public var fields: [FieldSyntax]
    /// Of ARRAY, MULTISET (one), MAP (two).
    public var arguments: [TypeSyntax]
    public var isNotNull: Bool
    public var range: SourceRange

    public struct FieldSyntax: Hashable, Sendable {
        public var name: Identifier
        public var type: TypeSyntax
        public init(name: Identifier, type: TypeSyntax) {
            self.name = name
            self.type = type
        }
    }

    public init(
        name: String, parameters: [Int] = [], fields: [FieldSyntax] = [], arguments: [TypeSyntax] = [],
        isNotNull: Bool = false, range: SourceRange
    ) {
        self.name = name
        self.parameters = parameters
        self.fields = fields
        self.arguments = arguments
        self.isNotNull = isNotNull
        self.range = range
    }
}
