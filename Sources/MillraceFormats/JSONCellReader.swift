import MillraceCore

/// JSON values of any shape to cells of any type, by Flink's rules. The slow path behind `JSONRowDecoder`.
struct JSONCellReader {
    var form: TimeForm
    /// A mismatch becomes NULL, at the innermost value it concerns.
    var ignoresErrors: Bool
    /// A ROW within without one of its fields is a mismatch.
    var failsOnMissingField: Bool
    var arena: BatchArena

    /// Reads one value into `row` of `column`, which is within its capacity.
    func read(_ text: inout JSONText, into column: Column, row: Int, depth: Int = 0) throws(CellFailure) {
        guard depth < JSONText.depthMax else { throw .malformed }
        let first = text.peek()
        var rest = text
        do {
            try readValue(&text, first, into: column, row: row, depth: depth)
        } catch {
            guard error == .mismatch, ignoresErrors else { throw error }
            try rest.skip(depth: depth)
            text = rest
            column.writeNull(at: row)
        }
    }

    private func readValue(
        _ text: inout JSONText, _ first: UInt8, into column: Column, row: Int, depth: Int
    ) throws(CellFailure) {
        switch first {
        case 0x6E:
            try text.literal("null")
            column.writeNull(at: row)
        case 0x22:
            let body = try text.text(arena)
            try check(CellText.write(body, to: column, row: row, form: form, arena: arena))
        case 0x74, 0x66:
            if first == 0x74 { try text.literal("true") } else { try text.literal("false") }
            if column.type == .boolean {
                column.ints[row] = first == 0x74 ? 1 : 0
            } else if column.type.isCharacter {
                column.refs[row] = arena.copy(first == 0x74 ? "true" : "false")
            } else {
                throw .mismatch
            }
            column.states[row] = CellState.valid
        case 0x7B: try readObject(&text, into: column, row: row, depth: depth)
        case 0x5B: try readArray(&text, into: column, row: row, depth: depth)
        default:
            let number = try text.number()
            try check(CellText.writeNumber(number, to: column, row: row, form: form, arena: arena))
        }
    }

    private func check(_ isWritten: Bool) throws(CellFailure) { guard isWritten else { throw .mismatch } }

    private func readCompact(_ text: inout JSONText, into column: Column, row: Int) throws(CellFailure) {
        column.refs[row] = try text.compact(arena)
        column.states[row] = CellState.valid
    }

    private func readObject(
        _ text: inout JSONText, into column: Column, row: Int, depth: Int
    ) throws(CellFailure) {
        switch column.type {
        case .char, .varchar: try readCompact(&text, into: column, row: row)
        case .row(let fields): try readRow(&text, fields, into: column, row: row, depth: depth)
        case .map, .multiset:
            let (keys, values) = (column.children[0], column.children[1])
            var elements: [(key: ByteRef, value: JSONText)] = []
            try text.expect(0x7B)
            if !text.take(0x7D) {
                repeat {
                    _ = text.peek()
                    let key = try text.text(arena)
                    try text.expect(0x3A)
                    elements.append((key, text))
                    try text.skip(depth: depth + 1)
                } while text.take(0x2C)
                try text.expect(0x7D)
            }
            // Nested lists append to the children's children only, so these cells stay together.
            let start = keys.count
            for var element in elements {
                keys.reserveNext()
                try check(CellText.write(element.key, to: keys, row: keys.count, form: form, arena: arena))
                values.reserveNext()
                try read(&element.value, into: values, row: values.count, depth: depth + 1)
                keys.setCount(keys.count + 1)
                values.setCount(values.count + 1)
            }
            column.lists[row] = ListRef(start: Int32(start), count: Int32(keys.count - start))
            column.states[row] = CellState.valid
        default: throw .mismatch
        }
    }

    private func readRow(
        _ text: inout JSONText, _ fields: [Field], into column: Column, row: Int, depth: Int
    ) throws(CellFailure) {
        var isSeen = [Bool](repeating: false, count: fields.count)
        try text.expect(0x7B)
        if !text.take(0x7D) {
            repeat {
                _ = text.peek()
                let key = try text.text(arena)
                try text.expect(0x3A)
                if let index = fields.firstIndex(where: { matches($0.name, key) }), !isSeen[index] {
                    isSeen[index] = true
                    try read(&text, into: column.children[index], row: row, depth: depth + 1)
                } else {
                    try text.skip(depth: depth + 1)
                }
            } while text.take(0x2C)
            try text.expect(0x7D)
        }
        for index in fields.indices where !isSeen[index] {
            if failsOnMissingField { throw .mismatch }
            column.children[index].writeNull(at: row)
        }
        column.states[row] = CellState.valid
    }

    private func matches(_ name: String, _ key: ByteRef) -> Bool { name.utf8.elementsEqual(key.buffer) }

    private func readArray(
        _ text: inout JSONText, into column: Column, row: Int, depth: Int
    ) throws(CellFailure) {
        switch column.type {
        case .char, .varchar: try readCompact(&text, into: column, row: row)
        case .array:
            let elements = column.children[0]
            let start = elements.count
            try text.expect(0x5B)
            if !text.take(0x5D) {
                repeat {
                    elements.reserveNext()
                    try read(&text, into: elements, row: elements.count, depth: depth + 1)
                    elements.setCount(elements.count + 1)
                } while text.take(0x2C)
                try text.expect(0x5D)
            }
            column.lists[row] = ListRef(start: Int32(start), count: Int32(elements.count - start))
            column.states[row] = CellState.valid
        default: throw .mismatch
        }
    }
}
