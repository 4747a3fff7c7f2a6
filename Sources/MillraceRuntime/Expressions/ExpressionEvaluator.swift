public import MillraceCore

/// Evaluates typed expressions over whole batches.
///
/// The expressions become one flat list of instructions over registers: a sub-expression that occurs twice is computed once,
/// an input column is used where it lies, a literal is filled once. Evaluation never throws: an error becomes a cell state
/// (`RowErrorCode`) that strict functions pass on and lazy ones may skip.
///
/// Single-threaded; the columns it returns are valid until the next `evaluate`, their strings until the context's arena is reset.
public final class ExpressionEvaluator {
    private let program: ExpressionCompiler.Program
    private let frame: UnsafeMutablePointer<Frame>
    /// Columns of the registers; input and field registers hold nil.
    private let owned: [Column?]
    private let isOwned: [Bool]
    private let scratch = ByteBuffer()
    private let literals = BatchArena(chunkBytes: 1 << 12)
    private var capacity = 0
    /// Reused by `filter`.
    private var passed: [Int32] = []
    /// What `evaluate` returned last: the same columns, unless the input's are other ones.
    private var results: [Column] = []

    /// Fails with `.user` for a function or cast that is not supported, with `.bug` for operands of a wrong type.
    public init(_ expressions: [Expression]) throws(Diagnostic) {
        program = try ExpressionCompiler.compile(expressions)
        let count = max(program.registers.count, 1)
        owned = program.registers.map { register in
            switch register {
            case .temporary(let type), .literal(_, let type): Column(type, capacity: 1)
            case .input, .view: nil
            }
        }
        isOwned = owned.map { $0 != nil }
        frame = .allocate(capacity: 1)
        let cells = UnsafeMutablePointer<Cells>.allocate(capacity: count)
        let columns = UnsafeMutablePointer<Unmanaged<Column>>.allocate(capacity: count)
        let nothing = Column(.null, capacity: 1)
        for i in 0..<count {
            let column = i < owned.count ? owned[i] ?? nothing : nothing
            (cells + i).initialize(to: Cells(column))
            (columns + i).initialize(to: Unmanaged.passUnretained(column))
        }
        let arguments = UnsafeMutablePointer<Int32>.allocate(capacity: program.arguments.count + 1)
        arguments.initialize(repeating: 0, count: program.arguments.count + 1)
        for (i, argument) in program.arguments.enumerated() { arguments[i] = argument }
        let objects = UnsafeMutablePointer<Unmanaged<AnyObject>>.allocate(capacity: program.objects.count + 1)
        for (i, object) in program.objects.enumerated() {
            (objects + i).initialize(to: Unmanaged.passUnretained(object))
        }
        let blank = Instruction(
            kernel: { _ in }, result: 0, a: 0, b: 0, c: 0, firstArgument: 0, argumentCount: 0, p: 0, q: 0, object: -1)
        frame.initialize(
            to: Frame(
                instruction: blank, rows: 0, cells: cells, columns: columns, arguments: arguments, objects: objects,
                arena: Unmanaged.passUnretained(literals), scratch: Unmanaged.passUnretained(scratch),
                watermarks: UnsafeMutablePointer<Int64>(
                    mutating: UnsafeRawPointer(ByteRef.empty.start)
                        .assumingMemoryBound(to: Int64.self)),
                now: 0, random: 0))
    }

    deinit {
        frame.pointee.cells.deallocate()
        frame.pointee.columns.deallocate()
        frame.pointee.arguments.deallocate()
        frame.pointee.objects.deallocate()
        frame.deallocate()
    }

    /// One column an expression, in order, with `batch.count` rows each.
    ///
    /// A plain column reference gives the input's own `Column`.
    public func evaluate(_ batch: ColumnBatch, context: ShardContext) -> [Column] {
        run(batch, context)
        let rows = batch.count
        var isOld = results.count == program.outputs.count
        for (place, register) in program.outputs.enumerated() {
            let index = Int(register)
            let column = frame.pointee.columns[index]
            if isOwned[index] {
                let allValid = frame.pointee.cells[index].allValid
                column._withUnsafeGuaranteedRef { column in
                    if column.layout != .row { column.count = rows }
                    column.allValid = allValid
                }
            }
            if isOld {
                isOld = results.withBorrowed(place) { Unmanaged.passUnretained($0).toOpaque() } == column.toOpaque()
            }
        }
        if !isOld {
            results = program.outputs.map { frame.pointee.columns[Int($0)].takeUnretainedValue() }
        }
        return results
    }

    /// The rows where the first expression, a BOOLEAN, is TRUE, in order; valid until the next call.
    ///
    /// `onError` gets each row whose predicate is an error instead of a truth value.
    public func filter(
        _ batch: ColumnBatch, context: ShardContext,
        onError: (_ row: Int, _ reason: RowErrorCode) throws(Diagnostic) -> Void
    ) throws(Diagnostic) -> [Int32] {
        run(batch, context)
        let register = Int(program.outputs[0])
        if owned[register] == nil {
            frame.pointee.cells[register] = Cells(frame.pointee.columns[register].takeUnretainedValue())
        }
        let cells = frame.pointee.cells[register]
        let rows = batch.count
        passed.removeAll(keepingCapacity: true)
        passed.reserveCapacity(rows)
        if cells.allValid {
            for k in 0..<rows where cells.ints[k] != 0 { passed.append(Int32(k)) }
            return passed
        }
        for k in 0..<rows {
            let state = cells.states[k]
            if state == CellState.valid {
                if cells.ints[k] != 0 { passed.append(Int32(k)) }
            } else if state != CellState.null {
                try onError(k, RowErrorCode.of(state))
            }
        }
        return passed
    }

    private func run(_ batch: ColumnBatch, _ context: ShardContext) {
        let rows = batch.count
        let frame = frame
        if rows > capacity { grow(rows) }
        let columns = batch.columns
        for (register, place) in program.inputs {
            columns.withBorrowed(place) { column in
                frame.pointee.cells[Int(register)] = Cells(column)
                frame.pointee.columns[Int(register)] = Unmanaged.passUnretained(column)
            }
        }
        frame.pointee.rows = rows
        frame.pointee.arena = Unmanaged.passUnretained(context.arena)
        frame.pointee.watermarks = batch.metadata.watermarks
        if program.needsClock {
            frame.pointee.now = context.clock.wallMicroseconds()
            if frame.pointee.random == 0 { frame.pointee.random = UInt64(bitPattern: frame.pointee.now) | 1 }
        }
        for register in program.nestedLiterals {
            guard case .literal(let value, _) = program.registers[Int(register)] else { continue }
            owned[Int(register)]!.fill(value, rows: rows, arena: context.arena)
            frame.pointee.cells[Int(register)] = Cells(owned[Int(register)]!)
        }
        program.instructions.withUnsafeBufferPointer { instructions in
            for i in 0..<instructions.count {
                frame.pointee.instruction = instructions[i]
                instructions[i].kernel(UnsafeMutableRawPointer(frame))
            }
        }
    }

    /// Room in all registers; only when a batch is larger than every one before.
    private func grow(_ rows: Int) {
        capacity = max(rows, capacity * 2)
        for (index, column) in owned.enumerated() {
            guard let column else { continue }
            switch program.registers[index] {
            case .literal(let value, _):
                guard column.layout != .row && column.layout != .list else { continue }
                column.clear()
                // The bytes of the smaller fill stay in the arena; there are few growths.
                column.fill(value, rows: capacity, arena: literals)
                column.count = 0
                frame.pointee.cells[index] = Cells(column)
            default:
                column.reserve(capacity)
                frame.pointee.cells[index] = Cells(column)
            }
        }
    }
}
