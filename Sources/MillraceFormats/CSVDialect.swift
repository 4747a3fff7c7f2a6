import MillraceCore

/// How the fields of a CSV line are told apart (RFC 4180 unless options say otherwise).
struct CSVDialect {
    var delimiter: UInt8
    /// Nil: quotes are ordinary characters.
    var quote: UInt8?
    var escape: UInt8?
    var allowsComments: Bool
    var ignoresErrors: Bool
    /// Between the elements of an ARRAY or ROW; not empty.
    var elementDelimiter: [UInt8]
    var nullLiteral: [UInt8]?

    init(_ options: FormatOptions) throws(Diagnostic) {
        delimiter = try options.character("field-delimiter", default: 0x2C) ?? 0x2C
        let isQuoteDisabled = try options.boolean("disable-quote-character")
        quote = isQuoteDisabled ? nil : try options.character("quote-character", default: 0x22)
        escape = try options.character("escape-character", default: nil)
        allowsComments = try options.boolean("allow-comments")
        ignoresErrors = try options.boolean("ignore-parse-errors")
        elementDelimiter = Array((options.text("array-element-delimiter") ?? ";").utf8)
        nullLiteral = options.text("null-literal").map { Array($0.utf8) }
        if elementDelimiter.isEmpty {
            throw Diagnostic("option \"csv.array-element-delimiter\" is empty", hint: "Write at least one character.")
        }
        if delimiter == quote || delimiter == escape {
            throw Diagnostic(
                "option \"csv.field-delimiter\" is also the quote or escape character",
                hint: "Choose three different characters.")
        }
    }

    func isNull(_ text: ByteRef) -> Bool {
        guard let nullLiteral, nullLiteral.count == text.count else { return false }
        return nullLiteral.elementsEqual(text.buffer)
    }

    /// Cuts a line into its fields; unquoted and unescaped ones point into the line, others into the arena.
    ///
    /// Returns false when a quote is not closed or text stands behind a closing quote.
    func split(_ line: ByteRef, into fields: inout [ByteRef], arena: BatchArena) -> Bool {
        fields.removeAll(keepingCapacity: true)
        let text = line.start
        let end = line.count
        var at = 0
        while true {
            if at < end, let quote, text[at] == quote {
                guard let (field, next) = quoted(text, at + 1, end, quote, arena) else { return false }
                fields.append(field)
                at = next
                while at < end, text[at] == 0x20 { at += 1 }
            } else {
                let start = at
                var isEscaped = false
                while at < end, text[at] != delimiter {
                    if text[at] == escape, at + 1 < end {
                        isEscaped = true
                        at += 1
                    }
                    at += 1
                }
                let raw = ByteRef(start: text + start, count: at - start)
                fields.append(isEscaped ? unescaped(raw, arena) : raw)
            }
            if at == end { return true }
            guard text[at] == delimiter else { return false }
            at += 1
        }
    }

    private func quoted(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ quote: UInt8, _ arena: BatchArena
    ) -> (field: ByteRef, next: Int)? {
        var at = start
        var isPlain = true
        while at < end {
            if text[at] == escape, escape != quote, at + 1 < end {
                isPlain = false
                at += 2
            } else if text[at] == quote {
                guard at + 1 < end, text[at + 1] == quote else { break }
                isPlain = false
                at += 2
            } else {
                at += 1
            }
        }
        guard at < end else { return nil }
        let raw = ByteRef(start: text + start, count: at - start)
        return (isPlain ? raw : unescaped(raw, arena), at + 1)
    }

    /// Without escape characters, doubled quotes single.
    private func unescaped(_ raw: ByteRef, _ arena: BatchArena) -> ByteRef {
        let target = arena.allocate(raw.count)
        var count = 0
        var at = 0
        while at < raw.count {
            let byte = raw.start[at]
            if at + 1 < raw.count, byte == escape || (byte == quote && raw.start[at + 1] == quote) { at += 1 }
            target[count] = raw.start[at]
            count += 1
            at += 1
        }
        return ByteRef(start: target, count: count)
    }

    /// The elements of an ARRAY or ROW field.
    func elements(_ text: ByteRef) -> [ByteRef] {
        var result: [ByteRef] = []
        var start = 0
        var at = 0
        let width = elementDelimiter.count
        while at + width <= text.count {
            if elementDelimiter.elementsEqual(UnsafeBufferPointer(start: text.start + at, count: width)) {
                result.append(ByteRef(start: text.start + start, count: at - start))
                at += width
                start = at
            } else {
                at += 1
            }
        }
        result.append(ByteRef(start: text.start + start, count: text.count - start))
        return result
    }
}
