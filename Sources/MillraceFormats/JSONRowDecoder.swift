import CSimdJSON
import MillraceCore
import MillraceRuntime

struct JSONDecodeOptions {
    var failsOnMissingField: Bool
    var ignoresErrors: Bool
    var form: TimeForm

    init(_ options: FormatOptions) throws(Diagnostic) {
        failsOnMissingField = try options.boolean("fail-on-missing-field")
        ignoresErrors = try options.boolean("ignore-parse-errors")
        let name = try options.choice("timestamp-format.standard", TimeForm.names, default: "SQL")
        form = TimeForm(rawValue: name) ?? .sql
        if failsOnMissingField && ignoresErrors {
            throw Diagnostic(
                "options \"json.fail-on-missing-field\" and \"json.ignore-parse-errors\" exclude each other",
                hint: "Set only one of them to 'true'.")
        }
    }
}

/// One JSON object a message (or an array of objects) to rows; only the planned paths are looked at.
///
/// A message is copied into the arena once, padded; string cells point into that copy. Text behind the object is ignored.
final class JSONRowDecoder: RowDecoder {
    private let options: JSONDecodeOptions
    private let projection: JSONProjection
    private let parser: OpaquePointer
    private let seen: UnsafeMutablePointer<UInt32>
    private let odds: UnsafeMutablePointer<millrace_json_odd>
    private var generation: UInt32 = 0
    private let padding = millrace_json_padding()

    init(_ options: JSONDecodeOptions, fields: [SourceField]) {
        self.options = options
        projection = JSONProjection(fields, form: options.form)
        guard let parser = millrace_json_create() else { preconditionFailure("no memory for a JSON parser") }
        self.parser = parser
        seen = .allocate(capacity: projection.count)
        seen.initialize(repeating: 0, count: projection.count)
        odds = .allocate(capacity: projection.count)
        odds.initialize(repeating: millrace_json_odd(), count: projection.count)
    }

    deinit {
        millrace_json_destroy(parser)
        seen.deallocate()
        odds.deallocate()
    }

    func decode(
        _ messages: UnsafeBufferPointer<ByteRef>, into columns: [Column], origins: inout [Int32],
        failures: inout [DecodeFailure], arena: BatchArena
    ) {
        let base = columns.first?.count ?? 0
        var row = base
        var capacity = base + messages.count
        columns.forEachBorrowed { $0.reserve(capacity) }
        projection.bind(columns)
        for index in 0..<messages.count {
            let message = messages[index]
            let first = JSONRowDecoder.firstByte(message)
            guard first != 0 else { continue }
            if first == 0x5B {
                // Every element takes two bytes or more; the rest of the batch still needs its rows.
                capacity = row + message.count / 2 + messages.count - index
                columns.forEachBorrowed { $0.reserve(capacity) }
                projection.bind(columns)
                if let detail = decodeArray(message, Int32(index), &row, &origins, arena) {
                    failures.append(DecodeFailure(message: Int32(index), detail: detail))
                }
                continue
            }
            if let detail = decodeMessage(message, first, row, arena) {
                if !detail.isEmpty { failures.append(DecodeFailure(message: Int32(index), detail: detail)) }
            } else {
                origins.append(Int32(index))
                row += 1
            }
        }
        projection.finish(columns, base: base, rows: row)
    }

    /// 0 for a message that is absent or blank.
    private static func firstByte(_ message: ByteRef) -> UInt8 {
        var at = 0
        while at < message.count {
            let byte = message.start[at]
            if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return byte == 0 ? 1 : byte }
            at += 1
        }
        return 0
    }

    /// Nil when row `row` has been written, else what is wrong; an empty detail skips the message silently.
    private func decodeMessage(_ message: ByteRef, _ first: UInt8, _ row: Int, _ arena: BatchArena) -> String? {
        guard first == 0x7B else { return options.ignoresErrors ? "" : "expected a JSON object" }
        var status = decodeObject(message, row, arena)
        if status == .malformed {
            var text = JSONText(start: message.start, end: message.start + message.count)
            if (try? text.skip()) != nil, text.peek() != 0 {
                status = decodeObject(ByteRef(start: message.start, count: text.at - message.start), row, arena)
            }
        }
        switch status {
        case .row: return nil
        case .malformed: return options.ignoresErrors ? "" : "malformed JSON"
        case .failed(let detail): return options.ignoresErrors ? "" : detail
        }
    }

    private enum Status: Equatable {
        case row, malformed
        case failed(String)
    }

    private func decodeObject(_ message: ByteRef, _ row: Int, _ arena: BatchArena) -> Status {
        let copy = arena.allocate(message.count + padding)
        copy.update(from: message.start, count: message.count)
        generation &+= 1
        if generation == 0 {
            seen.update(repeating: 0, count: projection.count)
            generation = 1
        }
        var oddCount: Int32 = 0
        var missing: Int32 = -1
        let status = millrace_json_decode(
            parser, copy, message.count, projection.nodes, seen, generation, Int64(row), odds, &oddCount, &missing)
        if status != 0 {
            switch UInt32(status) {
            case MILLRACE_JSON_INVALID_UTF8.rawValue: return .failed("invalid UTF-8")
            case MILLRACE_JSON_NO_MEMORY.rawValue: return .failed("no memory for the message")
            default: return .malformed
            }
        }
        if missing >= 0 && options.failsOnMissingField {
            return .failed("column \"\(projection.names[Int(missing)])\": missing")
        }
        for i in 0..<Int(oddCount) {
            if let failure = convert(odds[i], row, end: copy + message.count, arena) { return failure }
        }
        return .row
    }

    private func convert(
        _ odd: millrace_json_odd, _ row: Int, end: UnsafePointer<UInt8>, _ arena: BatchArena
    ) -> Status? {
        let node = Int(odd.node)
        guard let start = odd.start else { return .malformed }
        var text = JSONText(start: start, end: end)
        do throws(CellFailure) {
            guard let column = projection.column(node) else {
                try text.skip()
                throw .mismatch
            }
            let reader = JSONCellReader(
                form: options.form, ignoresErrors: false, failsOnMissingField: options.failsOnMissingField, arena: arena
            )
            if column.layout == .list {
                var reader = reader
                reader.ignoresErrors = options.ignoresErrors
                try reader.read(&text, into: column, row: row)
                column.allValid = column.allValid && column.isValid(row)
            } else {
                try reader.read(&text, into: column, row: row)
            }
            return nil
        } catch {
            if error == .malformed { return .malformed }
            if options.ignoresErrors {
                millrace_json_write_null(projection.nodes, odd.node, Int64(row))
                return nil
            }
            return .failed("column \"\(projection.names[node])\": expected \(expected(node))")
        }
    }

    private func expected(_ node: Int) -> String {
        if case .row = projection.types[node] { "ROW" } else { "\(projection.types[node])" }
    }

    /// One row an element; all or none. Nil, or what is wrong.
    private func decodeArray(
        _ message: ByteRef, _ index: Int32, _ row: inout Int, _ origins: inout [Int32], _ arena: BatchArena
    ) -> String? {
        let start = row
        let originCount = origins.count
        func fail(_ detail: String) -> String? {
            row = start
            origins.removeLast(origins.count - originCount)
            return options.ignoresErrors ? nil : detail
        }
        var text = JSONText(start: message.start, end: message.start + message.count)
        guard text.take(0x5B) else { return fail("malformed JSON") }
        if text.take(0x5D) { return nil }
        repeat {
            let first = text.peek()
            let begin = text.at
            guard (try? text.skip()) != nil else { return fail("malformed JSON") }
            if let detail = decodeMessage(ByteRef(start: begin, count: text.at - begin), first, row, arena) {
                if detail.isEmpty { continue }
                return fail(detail)
            }
            origins.append(index)
            row += 1
        } while text.take(0x2C)
        return text.take(0x5D) ? nil : fail("malformed JSON")
    }
}
