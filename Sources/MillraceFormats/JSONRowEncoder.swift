import MillraceCore
import MillraceRuntime

struct JSONEncodeOptions {
    enum NullKey { case fail, drop, literal(String) }
    var form: TimeForm
    var nullKey: NullKey
    var plainDecimals: Bool
    var omitsNulls: Bool

    init(_ options: FormatOptions) throws(Diagnostic) {
        let name = try options.choice("timestamp-format.standard", TimeForm.names, default: "SQL")
        form = TimeForm(rawValue: name) ?? .sql
        plainDecimals = try options.boolean("encode.decimal-as-plain-number")
        omitsNulls = try options.boolean("encode.ignore-null-fields")
        nullKey =
            switch try options.choice("map-null-key.mode", ["FAIL", "DROP", "LITERAL"], default: "FAIL") {
            case "DROP": .drop
            case "LITERAL": .literal(options.text("map-null-key.literal") ?? "null")
            default: .fail
            }
    }
}

/// Rows to JSON objects as Flink writes them: every column, NULL as `null`, no blanks.
final class JSONRowEncoder: RowEncoder {
    private let options: JSONEncodeOptions
    private let columns: [Int]
    private let names: [Name]
    private let shapes: [Shape]

    /// `"name":`, escaped; owns its bytes.
    private final class Name {
        let bytes: ByteRef
        init(_ name: String) {
            let buffer = ByteBuffer()
            var name = name
            name.withUTF8 { text in
                if let base = text.baseAddress {
                    JSONOutput.appendString(ByteRef(start: base, count: text.count), to: buffer)
                } else {
                    buffer.append("\"\"")
                }
            }
            buffer.append(0x3A)
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: buffer.count)
            copy.update(from: buffer.start, count: buffer.count)
            bytes = ByteRef(start: copy, count: buffer.count)
        }
        deinit { bytes.start.deallocate() }
    }

    /// The names within a nested type, laid out once.
    private final class Shape {
        let names: [Name]
        let children: [Shape]
        init(_ type: DataType) {
            if case .row(let fields) = type { names = fields.map { Name($0.name) } } else { names = [] }
            children = type.childTypes.map(Shape.init)
        }
    }

    init(_ options: JSONEncodeOptions, schema: Schema, columns: [Int]) throws(Diagnostic) {
        self.options = options
        self.columns = columns
        for index in columns { try JSONRowEncoder.check(schema[index].type, column: schema[index].name) }
        names = columns.map { Name(schema[$0].name) }
        shapes = columns.map { Shape(schema[$0].type) }
    }

    private static func check(_ type: DataType, column: String) throws(Diagnostic) {
        switch type {
        case .map(let key, _), .multiset(let key):
            if !key.isCharacter {
                throw Diagnostic(
                    "column \"\(column)\" has a map with keys of type \(key), which JSON cannot write",
                    hint: "Cast the keys to STRING.")
            }
        case .intervalDayTime, .intervalYearMonth:
            throw Diagnostic(
                "column \"\(column)\" has type \(type), which JSON cannot write", hint: "Cast it to BIGINT or STRING.")
        default: break
        }
        for child in type.childTypes { try check(child, column: column) }
    }

    func encode(_ batch: ColumnBatch, row: Int, into buffer: ByteBuffer) throws(Diagnostic) {
        buffer.append(0x7B)
        var isFirst = true
        for i in 0..<columns.count {
            let column = batch.columns[columns[i]]
            if options.omitsNulls && !column.isValid(row) { continue }
            if !isFirst { buffer.append(0x2C) }
            isFirst = false
            buffer.append(names[i].bytes)
            try write(column, row, shapes[i], buffer)
        }
        buffer.append(0x7D)
    }

    /// One column's value alone.
    func encodeValue(_ batch: ColumnBatch, column: Int, row: Int, into buffer: ByteBuffer) throws(Diagnostic) {
        try write(batch.columns[columns[column]], row, shapes[column], buffer)
    }

    /// The columns' values as a list.
    func encodeList(_ batch: ColumnBatch, row: Int, into buffer: ByteBuffer) throws(Diagnostic) {
        buffer.append(0x5B)
        for i in 0..<columns.count {
            if i > 0 { buffer.append(0x2C) }
            try write(batch.columns[columns[i]], row, shapes[i], buffer)
        }
        buffer.append(0x5D)
    }

    private func write(_ column: Column, _ row: Int, _ shape: Shape, _ buffer: ByteBuffer) throws(Diagnostic) {
        guard column.isValid(row) else { return buffer.append("null") }
        switch column.type {
        case .boolean:
            if column.ints[row] != 0 { buffer.append("true") } else { buffer.append("false") }
        case .tinyInt, .smallInt, .integer, .bigInt, .intervalYearMonth, .intervalDayTime:
            NumberText.appendInteger(column.ints[row], to: buffer)
        case .float, .double:
            let value = column.doubles[row]
            if !value.isFinite { buffer.append(0x22) }
            if column.type == .float {
                NumberText.appendFloat(value, to: buffer)
            } else {
                NumberText.appendDouble(value, to: buffer)
            }
            if !value.isFinite { buffer.append(0x22) }
        case .decimal(_, let scale):
            JSONOutput.appendDecimal(column.decimals[row], scale: scale, plain: options.plainDecimals, to: buffer)
        case .char, .varchar: JSONOutput.appendString(column.refs[row], to: buffer)
        case .binary, .varbinary:
            buffer.append(0x22)
            Base64.append(column.refs[row], to: buffer)
            buffer.append(0x22)
        case .date, .time, .timestamp, .timestampLTZ:
            buffer.append(0x22)
            JSONOutput.appendTemporal(column, row, form: options.form, to: buffer)
            buffer.append(0x22)
        case .row:
            buffer.append(0x7B)
            var isFirst = true
            for i in 0..<column.children.count {
                if options.omitsNulls && !column.children[i].isValid(row) { continue }
                if !isFirst { buffer.append(0x2C) }
                isFirst = false
                buffer.append(shape.names[i].bytes)
                try write(column.children[i], row, shape.children[i], buffer)
            }
            buffer.append(0x7D)
        case .array:
            let list = column.lists[row]
            buffer.append(0x5B)
            for i in Int(list.start)..<Int(list.start + list.count) {
                if i > Int(list.start) { buffer.append(0x2C) }
                try write(column.children[0], i, shape.children[0], buffer)
            }
            buffer.append(0x5D)
        case .map, .multiset: try writeMap(column, row, shape, buffer)
        case .null: buffer.append("null")
        }
    }

    private func writeMap(_ column: Column, _ row: Int, _ shape: Shape, _ buffer: ByteBuffer) throws(Diagnostic) {
        let list = column.lists[row]
        buffer.append(0x7B)
        var isFirst = true
        for i in Int(list.start)..<Int(list.start + list.count) {
            let keys = column.children[0]
            if !keys.isValid(i), case .drop = options.nullKey { continue }
            if !isFirst { buffer.append(0x2C) }
            isFirst = false
            if keys.isValid(i) {
                JSONOutput.appendString(keys.refs[i], to: buffer)
            } else if case .literal(var text) = options.nullKey {
                text.withUTF8 { bytes in
                    let key = bytes.baseAddress.map { ByteRef(start: $0, count: bytes.count) } ?? .empty
                    JSONOutput.appendString(key, to: buffer)
                }
            } else {
                throw Diagnostic(
                    "a map key is NULL", hint: "Set 'json.map-null-key.mode' to 'DROP' or 'LITERAL'.")
            }
            buffer.append(0x3A)
            try write(column.children[1], i, shape.children[1], buffer)
        }
        buffer.append(0x7D)
    }
}
