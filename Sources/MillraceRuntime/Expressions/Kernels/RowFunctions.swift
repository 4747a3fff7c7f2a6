import MillraceCore

/// A function that is computed a row at a time over cells as data.
///
/// For functions that are rare or whose work dwarfs the handling of cells (arrays, formats, character sets). A function that
/// runs over every row of a busy stream deserves a kernel of its own.
final class RowFunction {
    /// A NULL argument makes the result NULL without a call.
    let isStrict: Bool
    let body: ([Value]) -> Value

    init(isStrict: Bool = true, _ body: @escaping ([Value]) -> Value) {
        self.isStrict = isStrict
        self.body = body
    }

    static func run(_ run: Run) {
        let function = run.object(RowFunction.self)
        let column = run.column(run.instruction.result)
        column.clear()
        let parts = (0..<run.argumentCount).map { run.column(run.argumentRegister($0)) }
        for k in 0..<run.rows {
            var error: UInt8 = 0
            var hasNull = false
            for i in 0..<parts.count {
                let state = run.argument(i).states[k]
                if state == CellState.null { hasNull = true }
                if state > CellState.valid, error == 0 { error = state }
            }
            if error != 0 {
                column.append(state: error)
            } else if hasNull && function.isStrict {
                column.appendNull()
            } else {
                column.append(function.body(parts.map { $0.value(at: k) }), arena: run.arena)
            }
        }
        run.frame.pointee.cells[Int(run.instruction.result)] = Cells(column)
    }
}

extension Value {
    var text: String {
        if case .string(let text) = self { text } else { "" }
    }
    var number: Int64 {
        if case .integer(let number) = self { number } else { 0 }
    }
    var elements: [Value] {
        if case .array(let elements) = self { elements } else { [] }
    }
    var pairs: [(key: Value, value: Value)] {
        if case .map(let pairs) = self { pairs } else { [] }
    }
    var octets: [UInt8] {
        switch self {
        case .bytes(let bytes): bytes
        case .string(let text): Array(text.utf8)
        default: []
        }
    }
}

extension ExpressionCompiler {
    /// Emits a `RowFunction`.
    mutating func rows(
        _ arguments: [Operand], _ type: DataType, isStrict: Bool = true, _ body: @escaping ([Value]) -> Value
    ) -> Operand {
        emit(type, arguments, object: RowFunction(isStrict: isStrict, body)) { RowFunction.run(Run($0)) }
    }
}
