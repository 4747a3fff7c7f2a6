import CSimdJSON
import MillraceCore
import MillraceRuntime

/// One CSV line a message to one row; columns go by position in the physical schema.
///
/// An empty field is NULL unless the column is text or an ARRAY. Too few or too many fields are an error, as in Flink; when
/// errors are ignored, missing fields are NULL and a line with too many is left out.
final class CSVRowDecoder: RowDecoder {
    private let dialect: CSVDialect
    private let width: Int
    private let targets: [Target]
    private var fields: [ByteRef] = []

    private struct Target {
        /// Position in the line.
        var position: Int
        /// Element within a ROW field; nil for the whole.
        var element: Int?
        var name: String
    }

    init(_ dialect: CSVDialect, physical: Schema, fields: [SourceField]) throws(Diagnostic) {
        self.dialect = dialect
        width = physical.count
        var targets: [Target] = []
        for field in fields {
            guard case .physical(let path) = field.origin, let top = path.first,
                let position = physical.index(of: top)
            else { continue }
            let name = path.joined(separator: ".")
            var element: Int?
            if path.count > 1 {
                guard path.count == 2, case .row(let members) = physical[position].type,
                    let index = members.firstIndex(where: { $0.name == path[1] })
                else { throw CSVRowDecoder.unreadable(name, field.type) }
                element = index
            }
            try CSVRowDecoder.check(field.type, name, isNested: element != nil)
            targets.append(Target(position: position, element: element, name: name))
        }
        self.targets = targets
    }

    private static func unreadable(_ name: String, _ type: DataType) -> Diagnostic {
        Diagnostic(
            "column \"\(name)\" has type \(type), which CSV cannot read",
            hint: "Declare it as STRING, or use the format 'json'.")
    }

    private static func check(_ type: DataType, _ name: String, isNested: Bool) throws(Diagnostic) {
        switch type {
        case .array, .row:
            if isNested { throw unreadable(name, type) }
            for child in type.childTypes { try check(child, name, isNested: true) }
        case .map, .multiset, .intervalDayTime, .intervalYearMonth: throw unreadable(name, type)
        default: break
        }
    }

    func decode(
        _ messages: UnsafeBufferPointer<ByteRef>, into columns: [Column], origins: inout [Int32],
        failures: inout [DecodeFailure], arena: BatchArena
    ) {
        var row = columns.first?.count ?? 0
        for column in columns { column.reserve(row + messages.count) }
        for index in 0..<messages.count {
            var line = messages[index]
            if line.count > 0, line.start[line.count - 1] == 0x0A { line.count -= 1 }
            if line.count > 0, line.start[line.count - 1] == 0x0D { line.count -= 1 }
            // A blank line is one empty field: too few for most tables, and not worth a dead letter.
            if line.count == 0, width > 1, !dialect.ignoresErrors { continue }
            if dialect.allowsComments, line.count > 0, line.start[0] == 0x23 { continue }
            if let detail = decode(line, into: columns, row: row, arena) {
                if !dialect.ignoresErrors { failures.append(DecodeFailure(message: Int32(index), detail: detail)) }
            } else {
                origins.append(Int32(index))
                row += 1
            }
        }
        for column in columns { column.setCount(row) }
    }

    /// Nil when the row has been written, else what is wrong.
    private func decode(_ line: ByteRef, into columns: [Column], row: Int, _ arena: BatchArena) -> String? {
        guard millrace_utf8_valid(line.start, line.count) != 0 else { return "invalid UTF-8" }
        guard dialect.split(line, into: &fields, arena: arena) else { return "malformed CSV" }
        // Missing fields can be NULL, but nobody knows what a field too many is.
        if fields.count > width || (fields.count < width && !dialect.ignoresErrors) {
            return "expected \(width) fields, found \(fields.count)"
        }
        for (target, column) in zip(targets, columns) {
            guard target.position < fields.count else {
                column.writeNull(at: row)
                continue
            }
            var text = fields[target.position]
            if let element = target.element {
                let elements = dialect.elements(text)
                guard element < elements.count, !(dialect.isNull(text) || text.count == 0) else {
                    column.writeNull(at: row)
                    continue
                }
                text = elements[element]
            }
            if write(text, column, row, arena) { continue }
            guard dialect.ignoresErrors else { return "column \"\(target.name)\": expected \(column.type)" }
            column.writeNull(at: row)
        }
        return nil
    }

    private func write(_ text: ByteRef, _ column: Column, _ row: Int, _ arena: BatchArena) -> Bool {
        if dialect.isNull(text) || (text.count == 0 && !column.type.isCharacter && column.layout != .list) {
            column.writeNull(at: row)
            return true
        }
        switch column.type {
        case .array where text.count == 0:
            column.lists[row] = ListRef(start: Int32(column.children[0].count), count: 0)
            column.states[row] = CellState.valid
            return true
        case .row:
            let elements = dialect.elements(text)
            for (i, child) in column.children.enumerated() {
                if i >= elements.count {
                    child.writeNull(at: row)
                } else if !write(elements[i], child, row, arena) {
                    return false
                }
            }
            column.states[row] = CellState.valid
            return true
        case .array:
            let elements = dialect.elements(text)
            let child = column.children[0]
            let start = child.count
            for element in elements {
                child.reserveNext()
                guard write(element, child, child.count, arena) else { return false }
                child.setCount(child.count + 1)
            }
            column.lists[row] = ListRef(start: Int32(start), count: Int32(elements.count))
            column.states[row] = CellState.valid
            return true
        default:
            return CellText.write(text, to: column, row: row, form: .lenient, arena: arena)
        }
    }
}
