import MillraceCore

/// A kernel: computes one register for all rows. Gets the address of the evaluator's `Frame`.
///
/// A C function pointer, because a stored Swift closure would cost reference counting for every instruction of every batch.
typealias Kernel = @convention(c) (UnsafeMutableRawPointer) -> Void

/// One step of a compiled expression: plain data, so that the loop over instructions counts no references.
struct Instruction {
    var kernel: Kernel
    var result: Int32
    /// The first three operand registers; all of them stand in the frame's argument table.
    var a: Int32
    var b: Int32
    var c: Int32
    var firstArgument: Int32
    var argumentCount: Int32
    /// Constants of the kernel: scales, widths, units.
    var p: Int64
    var q: Int64
    /// Index of a compiled pattern; -1 for none.
    var object: Int32
}

/// Where the cells of a register are: the pointers of its column, kept flat.
struct Cells {
    var states: UnsafeMutablePointer<UInt8>
    var data: UnsafeMutableRawPointer
    var capacity: Int
    var allValid: Bool
    /// Some state of the column may differ from valid, also behind the current rows.
    var isDirty: Bool

    init(_ column: Column) {
        states = column.states
        data = UnsafeMutableRawPointer(column.ints)
        capacity = column.capacity
        allValid = column.allValid
        isDirty = true
    }

    @inline(__always) var ints: UnsafeMutablePointer<Int64> { data.assumingMemoryBound(to: Int64.self) }
    @inline(__always) var doubles: UnsafeMutablePointer<Double> { data.assumingMemoryBound(to: Double.self) }
    @inline(__always) var decimals: UnsafeMutablePointer<Int128> { data.assumingMemoryBound(to: Int128.self) }
    @inline(__always) var refs: UnsafeMutablePointer<ByteRef> { data.assumingMemoryBound(to: ByteRef.self) }
}

/// What the kernels see while one batch is evaluated.
struct Frame {
    var instruction: Instruction
    var rows: Int
    var cells: UnsafeMutablePointer<Cells>
    var columns: UnsafeMutablePointer<Unmanaged<Column>>
    var arguments: UnsafeMutablePointer<Int32>
    var objects: UnsafeMutablePointer<Unmanaged<AnyObject>>
    var arena: Unmanaged<BatchArena>
    var scratch: Unmanaged<ByteBuffer>
    var watermarks: UnsafeMutablePointer<Int64>
    /// Wall clock of the batch, microseconds; read once when an expression needs it.
    var now: Int64
    var random: UInt64
}

/// A payload that a column can hold, with what stands behind a NULL.
protocol CellPayload {
    static var blank: Self { get }
}
extension Int64: CellPayload { static var blank: Int64 { 0 } }
extension Double: CellPayload { static var blank: Double { 0 } }
extension Int128: CellPayload { static var blank: Int128 { 0 } }
extension ByteRef: CellPayload { static var blank: ByteRef { .empty } }

/// The loops that kernels are made of. Everything inlines, so a kernel becomes one loop over pointers.
struct Run {
    let frame: UnsafeMutablePointer<Frame>

    @inline(__always)
    init(_ raw: UnsafeMutableRawPointer) { frame = raw.assumingMemoryBound(to: Frame.self) }

    @inline(__always) var instruction: Instruction { frame.pointee.instruction }
    @inline(__always) var rows: Int { frame.pointee.rows }
    @inline(__always) var p: Int64 { frame.pointee.instruction.p }
    @inline(__always) var q: Int64 { frame.pointee.instruction.q }
    @inline(__always) var result: Cells { frame.pointee.cells[Int(frame.pointee.instruction.result)] }
    @inline(__always) var a: Cells { frame.pointee.cells[Int(frame.pointee.instruction.a)] }
    @inline(__always) var b: Cells { frame.pointee.cells[Int(frame.pointee.instruction.b)] }
    @inline(__always) var c: Cells { frame.pointee.cells[Int(frame.pointee.instruction.c)] }
    @inline(__always) var arena: BatchArena { frame.pointee.arena.takeUnretainedValue() }
    @inline(__always) var scratch: ByteBuffer { frame.pointee.scratch.takeUnretainedValue() }
    @inline(__always) var argumentCount: Int { Int(frame.pointee.instruction.argumentCount) }
    @inline(__always)
    func argument(_ index: Int) -> Cells {
        frame.pointee.cells[Int(argumentRegister(index))]
    }
    @inline(__always)
    func argumentRegister(_ index: Int) -> Int32 {
        frame.pointee.arguments[Int(frame.pointee.instruction.firstArgument) + index]
    }
    @inline(__always)
    func object<T: AnyObject>(_ type: T.Type) -> T {
        unsafeDowncast(
            frame.pointee.objects[Int(frame.pointee.instruction.object)].takeUnretainedValue(), to: T.self)
    }
    @inline(__always)
    func column(_ register: Int32) -> Column { frame.pointee.columns[Int(register)].takeUnretainedValue() }

    /// Marks the whole result valid.
    @inline(__always)
    func setAllValid() {
        let register = Int(instruction.result)
        if frame.pointee.cells[register].isDirty {
            let cells = frame.pointee.cells[register]
            cells.states.update(repeating: CellState.valid, count: cells.capacity)
            frame.pointee.cells[register].isDirty = false
        }
        frame.pointee.cells[register].allValid = true
    }

    @inline(__always)
    func setSomeInvalid() {
        let register = Int(instruction.result)
        frame.pointee.cells[register].allValid = false
        frame.pointee.cells[register].isDirty = true
    }

    /// Result states of a strict kernel of one operand; true when all are valid.
    @inline(__always)
    func strict1() -> Bool {
        let x = a
        if x.allValid {
            setAllValid()
            return true
        }
        result.states.update(from: x.states, count: rows)
        setSomeInvalid()
        return false
    }

    @inline(__always)
    func strict2() -> Bool {
        let (x, y) = (a, b)
        if x.allValid && y.allValid {
            setAllValid()
            return true
        }
        let states = result.states
        for k in 0..<rows { states[k] = CellState.combine(x.states[k], y.states[k]) }
        setSomeInvalid()
        return false
    }

    /// As `strict2` for all arguments.
    func strictAll() -> Bool {
        var valid = true
        for i in 0..<argumentCount where !argument(i).allValid { valid = false }
        setAllValid()
        if valid { return true }
        let states = result.states
        for i in 0..<argumentCount {
            let x = argument(i)
            if x.allValid { continue }
            for k in 0..<rows { states[k] = CellState.combine(states[k], x.states[k]) }
        }
        setSomeInvalid()
        return false
    }

    /// For bodies that are right on any payload and never fail: computes every row, also behind NULLs.
    @inline(__always)
    func mapDense<A, R>(_: A.Type, _: R.Type, _ body: (A) -> R) {
        _ = strict1()
        let x = a.data.assumingMemoryBound(to: A.self)
        let out = result.data.assumingMemoryBound(to: R.self)
        for k in 0..<rows { out[k] = body(x[k]) }
    }

    @inline(__always)
    func mapDense<A, B, R>(_: A.Type, _: B.Type, _: R.Type, _ body: (A, B) -> R) {
        _ = strict2()
        let x = a.data.assumingMemoryBound(to: A.self)
        let y = b.data.assumingMemoryBound(to: B.self)
        let out = result.data.assumingMemoryBound(to: R.self)
        for k in 0..<rows { out[k] = body(x[k], y[k]) }
    }

    /// Runs the body on valid rows only; it may set the state to NULL or an error.
    @inline(__always)
    func map<A, R: CellPayload>(_: A.Type, _: R.Type, _ body: (A, inout UInt8) -> R) {
        let valid = strict1()
        let x = a.data.assumingMemoryBound(to: A.self)
        each(R.self, valid) { k, state in body(x[k], &state) }
    }

    @inline(__always)
    func map<A, B, R: CellPayload>(_: A.Type, _: B.Type, _: R.Type, _ body: (A, B, inout UInt8) -> R) {
        let valid = strict2()
        let x = a.data.assumingMemoryBound(to: A.self)
        let y = b.data.assumingMemoryBound(to: B.self)
        each(R.self, valid) { k, state in body(x[k], y[k], &state) }
    }

    @inline(__always)
    func map<A, B, C, R: CellPayload>(
        _: A.Type, _: B.Type, _: C.Type, _: R.Type, _ body: (A, B, C, inout UInt8) -> R
    ) {
        let valid = strictAll()
        let x = a.data.assumingMemoryBound(to: A.self)
        let y = b.data.assumingMemoryBound(to: B.self)
        let z = c.data.assumingMemoryBound(to: C.self)
        each(R.self, valid) { k, state in body(x[k], y[k], z[k], &state) }
    }

    /// The result's states are set by a `strict…` call before; `valid` is what it returned.
    @inline(__always)
    func each<R: CellPayload>(_: R.Type, _ valid: Bool, _ body: (Int, inout UInt8) -> R) {
        let states = result.states
        let out = result.data.assumingMemoryBound(to: R.self)
        var bad: UInt8 = 0
        if valid {
            for k in 0..<rows {
                var state = CellState.valid
                let value = body(k, &state)
                if state == CellState.valid {
                    out[k] = value
                } else {
                    states[k] = state
                    out[k] = .blank
                    bad = 1
                }
            }
            if bad != 0 { setSomeInvalid() }
            return
        }
        for k in 0..<rows {
            var state = states[k]
            guard state == CellState.valid else {
                out[k] = .blank
                continue
            }
            let value = body(k, &state)
            states[k] = state
            out[k] = state == CellState.valid ? value : .blank
        }
    }

    /// The bytes that `write` appends, in the arena.
    @inline(__always)
    func text(_ arena: BatchArena, _ scratch: ByteBuffer, _ write: (ByteBuffer) -> Void) -> ByteRef {
        scratch.clear()
        write(scratch)
        return arena.copy(scratch.bytes)
    }

    @inline(__always)
    func text(_ arena: BatchArena, _ string: String) -> ByteRef { arena.copy(string) }
}

/// Code points of UTF-8 text. Bytes that are not UTF-8 count as they begin characters.
enum CodePoints {
    @inline(__always)
    static func count(_ text: ByteRef) -> Int {
        var count = 0
        for i in 0..<text.count where text.start[i] & 0xC0 != 0x80 { count += 1 }
        return count
    }

    /// Byte offset of code point `index` (from 0), or the end.
    @inline(__always)
    static func offset(_ text: ByteRef, _ index: Int) -> Int {
        var at = 0
        var left = index
        while at < text.count, left > 0 {
            at = next(text, at)
            left -= 1
        }
        return at
    }

    @inline(__always)
    static func next(_ text: ByteRef, _ offset: Int) -> Int {
        var at = offset + 1
        while at < text.count, text.start[at] & 0xC0 == 0x80 { at += 1 }
        return at
    }

    @inline(__always)
    static func slice(_ text: ByteRef, _ from: Int, _ to: Int) -> ByteRef {
        ByteRef(start: text.start + from, count: max(0, to - from))
    }

    /// Byte offset of `needle` at or behind `from`; nil when absent.
    static func find(_ needle: ByteRef, in text: ByteRef, from: Int = 0) -> Int? {
        if needle.count == 0 { return from }
        guard text.count - from >= needle.count else { return nil }
        let first = needle.start[0]
        var at = from
        let last = text.count - needle.count
        while at <= last {
            if text.start[at] == first {
                var i = 1
                while i < needle.count, text.start[at + i] == needle.start[i] { i += 1 }
                if i == needle.count { return at }
            }
            at += 1
        }
        return nil
    }
}
