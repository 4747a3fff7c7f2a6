import MillraceCore
import MillraceRuntime

/// Rows to CSV lines (RFC 4180); a field is quoted when it must be.
///
/// NULL is the null literal, or nothing. Decimals keep their scale; the other values stand as in JSON, without quotes.
final class CSVRowEncoder: RowEncoder {
    private let dialect: CSVDialect
    private let columns: [Int]
    private let field = ByteBuffer()

    init(_ dialect: CSVDialect, schema: Schema, columns: [Int]) throws(Diagnostic) {
        self.dialect = dialect
        self.columns = columns
        for index in columns {
            let type = schema[index].type
            switch type {
            case .map, .multiset, .intervalDayTime, .intervalYearMonth:
                throw Diagnostic(
                    "column \"\(schema[index].name)\" has type \(type), which CSV cannot write",
                    hint: "Cast it to STRING, or use the format 'json'.")
            default: break
            }
        }
    }

    func encode(_ batch: ColumnBatch, row: Int, into buffer: ByteBuffer) throws(Diagnostic) {
        for (i, index) in columns.enumerated() {
            if i > 0 { buffer.append(dialect.delimiter) }
            let column = batch.columns[index]
            field.clear()
            write(column, row)
            if column.isValid(row) {
                try appendField(field.bytes, isOnly: columns.count == 1, to: buffer)
            } else if field.count == 0, columns.count == 1, let quote = dialect.quote {
                // Otherwise the line would be blank, and readers skip blank lines.
                buffer.append(quote)
                buffer.append(quote)
            } else {
                buffer.append(field.bytes)
            }
        }
    }

    private func appendField(_ text: ByteRef, isOnly: Bool, to buffer: ByteBuffer) throws(Diagnostic) {
        var needsQuotes = text.count == 0 && isOnly
        var needsEscapes = false
        for i in 0..<text.count {
            let byte = text.start[i]
            if byte == dialect.delimiter || byte == 0x0A || byte == 0x0D { needsQuotes = true }
            if byte == dialect.quote || byte == dialect.escape {
                needsQuotes = true
                needsEscapes = true
            }
        }
        if text.count > 0, text.start[0] == 0x23 && dialect.allowsComments { needsQuotes = true }
        guard needsQuotes else { return buffer.append(text) }
        guard let quote = dialect.quote else {
            guard let escape = dialect.escape else {
                throw Diagnostic(
                    "a value holds a delimiter or line break, and quotes are disabled",
                    hint: "Remove 'csv.disable-quote-character', or set 'csv.escape-character'.")
            }
            for i in 0..<text.count {
                let byte = text.start[i]
                if byte == 0x0A || byte == 0x0D {
                    throw Diagnostic(
                        "a value holds a line break, and quotes are disabled",
                        hint: "Remove 'csv.disable-quote-character'.")
                }
                if byte == dialect.delimiter || byte == escape { buffer.append(escape) }
                buffer.append(byte)
            }
            return
        }
        buffer.append(quote)
        if needsEscapes {
            for i in 0..<text.count {
                let byte = text.start[i]
                if byte == quote { buffer.append(quote) } else if byte == dialect.escape { buffer.append(byte) }
                buffer.append(byte)
            }
        } else {
            buffer.append(text)
        }
        buffer.append(quote)
    }

    /// Appends the unquoted text to `field`.
    private func write(_ column: Column, _ row: Int) {
        guard column.isValid(row) else {
            if let literal = dialect.nullLiteral { for byte in literal { field.append(byte) } }
            return
        }
        switch column.type {
        case .boolean: if column.ints[row] != 0 { field.append("true") } else { field.append("false") }
        case .float: NumberText.appendFloat(column.doubles[row], to: field)
        case .double: NumberText.appendDouble(column.doubles[row], to: field)
        case .decimal(_, let scale): DecimalText.append(column.decimals[row], scale: scale, to: field)
        case .char, .varchar: field.append(column.refs[row])
        case .binary, .varbinary: Base64.append(column.refs[row], to: field)
        case .date, .time, .timestamp, .timestampLTZ:
            JSONOutput.appendTemporal(column, row, form: .lenient, to: field)
        case .row:
            for (i, child) in column.children.enumerated() {
                if i > 0 { appendElementDelimiter() }
                write(child, row)
            }
        case .array:
            let list = column.lists[row]
            for i in Int(list.start)..<Int(list.start + list.count) {
                if i > Int(list.start) { appendElementDelimiter() }
                write(column.children[0], i)
            }
        case .map, .multiset, .null: break
        default: NumberText.appendInteger(column.ints[row], to: field)
        }
    }

    private func appendElementDelimiter() { for byte in dialect.elementDelimiter { field.append(byte) } }
}
