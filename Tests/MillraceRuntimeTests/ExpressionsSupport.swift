import MillraceCore
import MillraceRuntime

final class StillClock: Clock {
    func wallMicroseconds() -> Int64 { 1_704_067_200_123_456 }
    func monotonicMicroseconds() -> Int64 { 0 }
}

/// A typed value for a table of cases.
struct Cell: Sendable {
    var value: Value
    var type: DataType
    static func int(_ x: Int64) -> Cell { Cell(value: .integer(x), type: .integer) }
    static func big(_ x: Int64) -> Cell { Cell(value: .integer(x), type: .bigInt) }
    static func dbl(_ x: Double) -> Cell { Cell(value: .double(x), type: .double) }
    static func str(_ x: String) -> Cell { Cell(value: .string(x), type: .string) }
    static func bool(_ x: Bool) -> Cell { Cell(value: .boolean(x), type: .boolean) }
    static func dec(_ x: Int128, _ p: Int, _ s: Int) -> Cell {
        Cell(value: .decimal(x), type: .decimal(precision: p, scale: s))
    }
    static func null(_ type: DataType) -> Cell { Cell(value: .null, type: type) }
    static func error(_ code: RowErrorCode, _ type: DataType) -> Cell { Cell(value: .error(code), type: type) }
    /// TIMESTAMP(3) from text.
    static func ts(_ x: String) -> Cell { Cell(value: .integer(micros(x)), type: .timestamp(precision: 3)) }
    static func date(_ x: String) -> Cell {
        Cell(value: .integer(TimeText.parseDate(BatchArena().copyForEver(x))!), type: .date)
    }
}

func micros(_ text: String) -> Int64 {
    TimeText.parseTimestamp(BatchArena().copyForEver(text), separator: .blank, zone: .none)!
}

extension BatchArena {
    /// The bytes leak, so that they outlive the arena.
    func copyForEver(_ text: String) -> ByteRef {
        let bytes = Array(text.utf8)
        let start = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count + 1)
        for (i, byte) in bytes.enumerated() { start[i] = byte }
        return ByteRef(start: start, count: bytes.count)
    }
}

/// Lives for ever, because results borrow from its arena.
func makeContext() -> ShardContext {
    let context = ShardContext(clock: StillClock())
    _ = Unmanaged.passRetained(context)
    return context
}

func batch(of rows: [[Value]], types: [DataType], arena: BatchArena) -> ColumnBatch {
    // The cells borrow from the arena, which has to outlive every test.
    _ = Unmanaged.passRetained(arena)
    let batch = ColumnBatch(Schema(types.enumerated().map { Field("c\($0.offset)", $0.element) }))
    for row in rows { for (column, value) in zip(batch.columns, row) { column.append(value, arena: arena) } }
    batch.count = rows.count
    batch.metadata.reserve(max(rows.count, 1))
    for i in 0..<rows.count {
        batch.metadata.origins[i] = Int32(i)
        batch.metadata.watermarks[i] = Int64(i) * 1000
    }
    return batch
}

/// The call over one row of columns, with the arguments at `literals` as literals.
func evaluate(_ function: BuiltinFunction, _ cells: [Cell], _ type: DataType, literals: Set<Int>) throws -> Value {
    let arguments = cells.enumerated().map { index, cell in
        literals.contains(index) ? Expression.literal(cell.value, cell.type) : .column(index, cell.type)
    }
    return try evaluate(.call(function, arguments, type), cells)
}

func evaluate(_ expression: Expression, _ cells: [Cell]) throws -> Value {
    let context = makeContext()
    let input = batch(of: [cells.map(\.value)], types: cells.map(\.type), arena: BatchArena())
    let evaluator = try ExpressionEvaluator([expression])
    return withExtendedLifetime(input) { evaluator.evaluate(input, context: context)[0].value(at: 0) }
}
