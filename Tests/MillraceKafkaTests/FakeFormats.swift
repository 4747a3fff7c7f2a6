import MillraceCore
import MillraceRuntime

/// A toy format: `name=value,name=value`; rows separated by `|`; a message with `!` is broken; `-` gives no row.
/// INT columns hold numbers, others text.
struct FakeFormats: FormatFactory {
    func makeDecoder(format: String, part: String?, options: [String: String], physical: Schema, fields: [SourceField])
        throws(Diagnostic) -> any RowDecoder
    { FakeDecoder(fields) }

    func makeEncoder(format: String, part: String?, options: [String: String], schema: Schema, columns: [Int])
        throws(Diagnostic) -> any RowEncoder
    { FakeEncoder(schema: schema, columns: columns) }
}

final class FakeDecoder: RowDecoder {
    private let fields: [SourceField]
    init(_ fields: [SourceField]) { self.fields = fields }

    func decode(
        _ messages: UnsafeBufferPointer<ByteRef>, into columns: [Column], origins: inout [Int32],
        failures: inout [DecodeFailure], arena: BatchArena
    ) {
        for (i, message) in messages.enumerated() where !message.isAbsent {
            let text = message.text
            if text.contains("!") {
                failures.append(DecodeFailure(message: Int32(i), detail: "broken"))
                continue
            }
            for row in text.split(separator: "|") where row != "-" {
                var cells: [String: Substring] = [:]
                for pair in row.split(separator: ",") {
                    let parts = pair.split(separator: "=", maxSplits: 1)
                    if parts.count == 2 { cells[String(parts[0])] = parts[1] }
                }
                for (field, column) in zip(fields, columns) {
                    guard case .physical(let path) = field.origin, let cell = cells[path.last!] else {
                        column.appendNull()
                        continue
                    }
                    if field.type.isInteger {
                        column.append(int: Int64(cell) ?? -1)
                    } else {
                        column.append(bytes: arena.copy(String(cell)))
                    }
                }
                origins.append(Int32(i))
            }
        }
    }
}

final class FakeEncoder: RowEncoder {
    private let schema: Schema
    private let columns: [Int]
    init(schema: Schema, columns: [Int]) {
        self.schema = schema
        self.columns = columns
    }

    func encode(_ batch: ColumnBatch, row: Int, into buffer: ByteBuffer) throws(Diagnostic) {
        for (i, column) in columns.enumerated() {
            if i > 0 { buffer.append(",") }
            buffer.append(schema[column].name + "=")
            switch batch.columns[column].value(at: row) {
            case .integer(let x): buffer.append(String(x))
            case .string("refuse"): throw Diagnostic("column has no representation")
            case .string(let x): buffer.append(x)
            default: buffer.append("null")
            }
        }
    }
}
