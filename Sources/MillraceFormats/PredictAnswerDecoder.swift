package import MillraceCore

/// The body of a predict answer to columns: `{"predictions": […]}` (row form) or `{"outputs": …}` (column form).
///
/// A prediction that is an object gives values by name; `probabilities_1` also names element 1 of a list `probabilities`. A list
/// gives values by position, a bare value the only output. Lists of one element around a value are seen through. A NaN is
/// an error of its row; another value of the wrong type fails the answer.
package final class PredictAnswerDecoder {
    package struct Fault: Error {
        /// Without values: `answer has 3 predictions for 4 rows`.
        package var detail: String
    }
    private struct Output {
        var name: [UInt8]
        /// `probabilities` of `probabilities_1`.
        var base: [UInt8]
        var element: Int?
        var shown: String
        var takesList: Bool
    }
    private let outputs: [Output]
    private let hasElements: Bool

    /// - Parameter names: of the outputs, as the server calls them.
    package init(_ names: [String], schema: Schema) {
        outputs = zip(names, schema.fields).map { name, field in
            let bytes = Array(name.utf8)
            var output = Output(name: bytes, base: bytes, element: nil, shown: name, takesList: false)
            if case .array = field.type { output.takesList = true }
            if let bar = bytes.lastIndex(of: 0x5F), bar > 0,
                let element = Int(String(decoding: bytes[(bar + 1)...], as: UTF8.self))
            {
                output.base = Array(bytes[..<bar])
                output.element = element
            }
            return output
        }
        hasElements = outputs.contains { $0.element != nil }
    }

    /// Fills `columns`, which are empty, with `rows` rows.
    ///
    /// - Parameter answer: cells may point into it, and into `arena`.
    package func decode(_ answer: ByteRef, rows: Int, into columns: [Column], arena: BatchArena) throws(Fault) {
        for column in columns { column.reserve(rows) }
        var text = JSONText(start: answer.start, end: answer.start + max(0, answer.count))
        var reading = Reading(columns: columns, cells: PredictAnswerDecoder.cells(arena), seen: 0)
        do {
            var isFound = false
            try text.expect(0x7B)
            if !text.take(0x7D) {
                repeat {
                    _ = text.peek()
                    let key = try text.text(arena)
                    try text.expect(0x3A)
                    if !isFound, equals(key, "predictions") {
                        isFound = true
                        try readRows(&text, rows, &reading)
                    } else if !isFound, equals(key, "outputs") {
                        isFound = true
                        if text.peek() == 0x7B {
                            try readColumns(&text, rows, &reading)
                        } else {
                            try readRows(&text, rows, &reading)
                        }
                    } else {
                        try text.skip()
                    }
                } while text.take(0x2C)
                try text.expect(0x7D)
            }
            _ = text.peek()
            guard text.at == text.end else { throw CellFailure.malformed }
            guard isFound else {
                throw Fault(detail: "the answer has neither \"predictions\" nor \"outputs\"")
            }
        } catch let failure as CellFailure {
            switch failure {
            case .malformed: throw Fault(detail: "the answer is no JSON")
            case .mismatch: throw Fault(detail: "a value of the answer does not fit its OUTPUT column")
            }
        } catch let fault as Fault {
            throw fault
        } catch {
            throw Fault(detail: "the answer cannot be read")
        }
        for column in columns { column.count = rows }
    }

    /// The error text that a server gives in the answer, at most 200 bytes; nil without one.
    package static func error(in answer: ByteRef) -> String? {
        var text = JSONText(start: answer.start, end: answer.start + max(0, answer.count))
        let arena = BatchArena(chunkBytes: 1 << 10)
        guard text.take(0x7B) else { return nil }
        repeat {
            _ = text.peek()
            guard let key = try? text.text(arena), text.take(0x3A) else { return nil }
            if equals(key, "error") || equals(key, "message") || equals(key, "detail") {
                if text.peek() == 0x7B {
                    // AI Platform: {"error": {"code": 400, "message": "…", "status": "…"}}.
                    return error(in: ByteRef(start: text.at, count: text.end - text.at))
                }
                guard text.peek() == 0x22, let value = try? text.text(arena) else { return nil }
                return ByteRef(start: value.start, count: min(value.count, 200)).text
            }
            guard (try? text.skip()) != nil else { return nil }
        } while text.take(0x2C)
        return nil
    }

    // MARK: - Forms

    private struct Reading {
        let columns: [Column]
        let cells: JSONCellReader
        /// Outputs that the row has had, as bits of the first 64.
        var seen: UInt64
    }

    private static func cells(_ arena: BatchArena) -> JSONCellReader {
        JSONCellReader(form: .lenient, ignoresErrors: false, failsOnMissingField: false, arena: arena)
    }

    private func readRows(_ text: inout JSONText, _ rows: Int, _ reading: inout Reading) throws {
        var row = 0
        try text.expect(0x5B)
        if !text.take(0x5D) {
            repeat {
                guard row < rows else {
                    row += 1
                    try text.skip()
                    continue
                }
                reading.seen = 0
                try readRow(&text, row, &reading)
                row += 1
            } while text.take(0x2C)
            try text.expect(0x5D)
        }
        guard row == rows else {
            throw Fault(detail: "the answer has \(row) prediction\(row == 1 ? "" : "s") for \(rows) rows")
        }
    }

    private func readRow(_ text: inout JSONText, _ row: Int, _ reading: inout Reading) throws {
        switch text.peek() {
        case 0x7B: try readObject(&text, row, &reading)
        case 0x5B where !(outputs.count == 1 && outputs[0].takesList):
            var place = 0
            try text.expect(0x5B)
            if !text.take(0x5D) {
                repeat {
                    guard place < outputs.count else {
                        throw Fault(
                            detail:
                                "a prediction is a list of more values than the model has OUTPUT columns (\(outputs.count))"
                        )
                    }
                    try readCell(&text, place, row, reading)
                    place += 1
                } while text.take(0x2C)
                try text.expect(0x5D)
            }
            if place < outputs.count { try missing(place) }
        default:
            guard outputs.count == 1 else {
                throw Fault(detail: "a prediction is one value, the model has \(outputs.count) OUTPUT columns")
            }
            try readCell(&text, 0, row, reading)
        }
    }

    private func missing(_ output: Int) throws {
        throw Fault(detail: "a prediction has no value for output \"\(outputs[output].shown)\"")
    }

    private func readObject(_ text: inout JSONText, _ row: Int, _ reading: inout Reading) throws {
        try text.expect(0x7B)
        if !text.take(0x7D) {
            repeat {
                _ = text.peek()
                let key = try text.text(reading.cells.arena)
                try text.expect(0x3A)
                if let output = outputs.firstIndex(where: { matches($0.name, key) }) {
                    try readCell(&text, output, row, reading)
                    mark(output, &reading)
                } else if hasElements, text.peek() == 0x5B, outputs.contains(where: { isElement($0, of: key) }) {
                    try readElements(&text, key, row, &reading)
                } else {
                    try text.skip()
                }
            } while text.take(0x2C)
            try text.expect(0x7D)
        }
        for output in outputs.indices where output < 64 && reading.seen & 1 << UInt64(output) == 0 {
            try missing(output)
        }
    }

    private func mark(_ output: Int, _ reading: inout Reading) {
        if output < 64 { reading.seen |= 1 << UInt64(output) }
    }

    private func readElements(_ text: inout JSONText, _ key: ByteRef, _ row: Int, _ reading: inout Reading) throws {
        var element = 0
        try text.expect(0x5B)
        guard !text.take(0x5D) else { return }
        repeat {
            if let output = outputs.firstIndex(where: { $0.element == element && isElement($0, of: key) }) {
                try readCell(&text, output, row, reading)
                mark(output, &reading)
            } else {
                try text.skip()
            }
            element += 1
        } while text.take(0x2C)
        try text.expect(0x5D)
    }

    /// `{"a": [1, …], "b": [[2, 3], …]}`: one list of all rows an output.
    private func readColumns(_ text: inout JSONText, _ rows: Int, _ reading: inout Reading) throws {
        reading.seen = 0
        try text.expect(0x7B)
        if !text.take(0x7D) {
            repeat {
                _ = text.peek()
                let key = try text.text(reading.cells.arena)
                try text.expect(0x3A)
                let output = outputs.firstIndex { matches($0.name, key) }
                let isSplit = output == nil && hasElements && outputs.contains { isElement($0, of: key) }
                guard output != nil || isSplit else {
                    try text.skip()
                    continue
                }
                var row = 0
                try text.expect(0x5B)
                if !text.take(0x5D) {
                    repeat {
                        if row >= rows {
                            try text.skip()
                        } else if let output {
                            try readCell(&text, output, row, reading)
                        } else {
                            try readElements(&text, key, row, &reading)
                        }
                        row += 1
                    } while text.take(0x2C)
                    try text.expect(0x5D)
                }
                guard row == rows else {
                    throw Fault(detail: "output \"\(key.text)\" of the answer has \(row) values for \(rows) rows")
                }
                if let output { mark(output, &reading) }
            } while text.take(0x2C)
            try text.expect(0x7D)
        }
        for output in outputs.indices where output < 64 && reading.seen & 1 << UInt64(output) == 0 {
            throw Fault(detail: "the answer has no output \"\(outputs[output].shown)\"")
        }
    }

    // MARK: - Cells

    private func readCell(_ text: inout JSONText, _ output: Int, _ row: Int, _ reading: Reading, depth: Int = 0) throws
    {
        let column = reading.columns[output]
        switch text.peek() {
        case 0x5B where !outputs[output].takesList:
            guard depth < 8 else { throw CellFailure.mismatch }
            try text.expect(0x5B)
            try readCell(&text, output, row, reading, depth: depth + 1)
            guard text.take(0x5D) else {
                throw Fault(
                    detail:
                        "output \"\(outputs[output].shown)\" is a list; name its elements \(outputs[output].shown)_0, …, or declare an ARRAY"
                )
            }
        case 0x4E:
            // TensorFlow Serving writes what JSON has no word for.
            try text.literal("NaN")
            notANumber(column, row)
        case 0x49:
            try text.literal("Infinity")
            notANumber(column, row)
        case 0x2D where text.at + 1 < text.end && text.at[1] == 0x49:
            try text.literal("-Infinity")
            notANumber(column, row)
        default:
            do throws(CellFailure) {
                try reading.cells.read(&text, into: column, row: row)
            } catch {
                guard error == .mismatch else { throw error }
                throw Fault(
                    detail: "output \"\(outputs[output].shown)\" of the answer is no \(column.type)")
            }
        }
    }

    private func notANumber(_ column: Column, _ row: Int) {
        column.writeNull(at: row)
        column.states[row] = RowErrorCode.modelNotANumber.rawValue
    }

    private func isElement(_ output: Output, of key: ByteRef) -> Bool {
        output.element != nil && matches(output.base, key)
    }

    private func matches(_ name: [UInt8], _ key: ByteRef) -> Bool { name.elementsEqual(key.buffer) }

    private static func equals(_ key: ByteRef, _ word: StaticString) -> Bool {
        key.equals(ByteRef(start: word.utf8Start, count: word.utf8CodeUnitCount))
    }
    private func equals(_ key: ByteRef, _ word: StaticString) -> Bool { PredictAnswerDecoder.equals(key, word) }
}
