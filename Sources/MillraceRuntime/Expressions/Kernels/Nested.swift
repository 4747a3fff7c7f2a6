import MillraceCore

extension ExpressionCompiler {
    mutating func nested(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .rowConstructor:
            guard type.childTypes.count == arguments.count else { throw unsupported(function, arguments) }
            return emit(type, arguments) {
                NestedKernels.build(Run($0)) { cells in .row(cells) }
            }
        case .arrayConstructor:
            return emit(type, arguments) {
                NestedKernels.build(Run($0)) { cells in .array(cells) }
            }
        case .mapConstructor:
            guard arguments.count % 2 == 0 else { throw unsupported(function, arguments) }
            return emit(type, arguments) {
                NestedKernels.build(Run($0)) { cells in
                    .map(stride(from: 0, to: cells.count, by: 2).map { (key: cells[$0], value: cells[$0 + 1]) })
                }
            }
        case .element:
            guard arguments.count == 2, arguments[0].layout == .list else { throw unsupported(function, arguments) }
            if case .array = arguments[0].type {
                guard arguments[1].layout == .int64 else { throw unsupported(function, arguments) }
                return emit(type, arguments) { NestedKernels.element(Run($0)) }
            }
            guard arguments[1].type.layout == arguments[0].type.childTypes[0].layout else {
                throw unsupported(function, arguments)
            }
            return emit(type, arguments) { NestedKernels.lookUp(Run($0)) }
        case .cardinality:
            guard arguments.count == 1, arguments[0].layout == .list else { throw unsupported(function, arguments) }
            return emit(type, arguments) {
                Run($0).map(ListRef.self, Int64.self) { list, _ in Int64(list.count) }
            }
        case .arrayContains:
            guard arguments.count == 2, arguments[0].layout == .list else { throw unsupported(function, arguments) }
            return emit(type, arguments) { NestedKernels.contains(Run($0)) }
        default: return nil
        }
    }
}

/// Kernels over ROW, ARRAY and MAP columns. They work on columns instead of flat cells, and most build cells as data.
enum NestedKernels {
    /// The result's column, emptied; `publish` afterwards.
    private static func begin(_ run: Run) -> Column {
        let column = run.column(run.instruction.result)
        column.clear()
        return column
    }

    private static func publish(_ run: Run, _ column: Column) {
        run.frame.pointee.cells[Int(run.instruction.result)] = Cells(column)
    }

    /// A field is its column; nothing is copied. ROW columns give their children the row's NULL and errors.
    static func field(_ run: Run) {
        let child = run.column(run.instruction.a).children[Int(run.p)]
        run.frame.pointee.columns[Int(run.instruction.result)] = Unmanaged.passUnretained(child)
        publish(run, child)
    }

    /// Not strict in NULL: a part may be NULL. An error of a part is an error of the whole.
    static func build(_ run: Run, _ make: ([Value]) -> Value) {
        let column = begin(run)
        let parts = (0..<run.argumentCount).map { run.column(run.argumentRegister($0)) }
        for k in 0..<run.rows {
            var error: UInt8 = 0
            for i in 0..<parts.count where error == 0 {
                let state = run.argument(i).states[k]
                if state > 1 { error = state }
            }
            if error != 0 {
                column.append(state: error)
            } else {
                column.append(make(parts.map { $0.value(at: k) }), arena: run.arena)
            }
        }
        publish(run, column)
    }

    static func choose(_ run: Run) {
        let column = begin(run)
        let count = run.argumentCount
        for k in 0..<run.rows {
            var i = 0
            var isDone = false
            while i < count, !isDone {
                if i + 1 == count {
                    column.append(run.column(run.argumentRegister(i)).value(at: k), arena: run.arena)
                    isDone = true
                    break
                }
                let condition = run.argument(i)
                if condition.states[k] > 1 {
                    column.append(state: condition.states[k])
                    isDone = true
                } else if condition.states[k] == CellState.valid, condition.ints[k] != 0 {
                    column.append(run.column(run.argumentRegister(i + 1)).value(at: k), arena: run.arena)
                    isDone = true
                }
                i += 2
            }
            if !isDone { column.appendNull() }
        }
        publish(run, column)
    }

    static func coalesce(_ run: Run) {
        let column = begin(run)
        for k in 0..<run.rows {
            var value = Value.null
            for i in 0..<run.argumentCount {
                value = run.column(run.argumentRegister(i)).value(at: k)
                if value != .null { break }
            }
            column.append(value, arena: run.arena)
        }
        publish(run, column)
    }

    /// `p` = 1: equal, 0: not equal.
    static func equal(_ run: Run) {
        let (a, b) = (run.column(run.instruction.a), run.column(run.instruction.b))
        let valid = run.strict2()
        run.each(Int64.self, valid) { k, _ in a.value(at: k) == b.value(at: k) ? run.p : 1 - run.p }
    }

    private static func appendCell(_ column: Column, _ source: Column, _ row: Int) {
        let state = source.states[row]
        guard state == CellState.valid else { return column.append(state: state) }
        switch column.layout {
        case .int64: column.append(int: source.ints[row])
        case .double: column.append(double: source.doubles[row])
        case .decimal: column.append(decimal: source.decimals[row])
        case .bytes: column.append(bytes: source.refs[row])
        case .row, .list: column.appendRange(from: source, start: row, count: 1)
        }
    }

    static func element(_ run: Run) {
        let column = begin(run)
        let (lists, index) = (run.column(run.instruction.a), run.b)
        for k in 0..<run.rows {
            let state = CellState.combine(run.a.states[k], index.states[k])
            guard state == CellState.valid else {
                column.append(state: state)
                continue
            }
            let list = lists.lists[k]
            let at = index.ints[k]
            if at < 1 || at > Int64(list.count) {
                column.appendNull()
            } else {
                appendCell(column, lists.children[0], Int(list.start) + Int(at) - 1)
            }
        }
        publish(run, column)
    }

    private static func same(_ a: Column, _ i: Int, _ b: Column, _ j: Int) -> Bool {
        guard a.states[i] == CellState.valid, b.states[j] == CellState.valid, a.layout == b.layout else { return false }
        switch a.layout {
        case .int64: return a.ints[i] == b.ints[j]
        case .double: return a.doubles[i] == b.doubles[j]
        case .decimal:
            return DecimalMath.compare(
                a.decimals[i], scale: a.type.exactPrecision?.scale ?? 0, b.decimals[j],
                scale: b.type.exactPrecision?.scale ?? 0) == 0
        case .bytes: return a.refs[i].equals(b.refs[j])
        case .row, .list: return a.value(at: i) == b.value(at: j)
        }
    }

    /// Value of a MAP's key.
    static func lookUp(_ run: Run) {
        let column = begin(run)
        let (maps, keys) = (run.column(run.instruction.a), run.column(run.instruction.b))
        for k in 0..<run.rows {
            let state = CellState.combine(run.a.states[k], run.b.states[k])
            guard state == CellState.valid else {
                column.append(state: state)
                continue
            }
            let list = maps.lists[k]
            var found = -1
            for i in Int(list.start)..<Int(list.start + list.count) where found < 0 {
                if same(maps.children[0], i, keys, k) { found = i }
            }
            if found < 0 {
                column.appendNull()
            } else {
                appendCell(column, maps.children[1], found)
            }
        }
        publish(run, column)
    }

    /// (array, element); a NULL element is found among NULLs, a NULL array gives NULL.
    static func contains(_ run: Run) {
        let (lists, elements) = (run.column(run.instruction.a), run.column(run.instruction.b))
        let valid = run.strict1()
        run.each(Int64.self, valid) { k, state in
            let wanted = elements.states[k]
            if wanted > 1 {
                state = wanted
                return 0
            }
            let list = lists.lists[k]
            for i in Int(list.start)..<Int(list.start + list.count) {
                if wanted == CellState.null {
                    if lists.children[0].states[i] == CellState.null { return 1 }
                } else if same(lists.children[0], i, elements, k) {
                    return 1
                }
            }
            return 0
        }
    }

    // MARK: Text

    /// CAST to STRING: `(a, b)`, `[a, b]`, `{k=v}`; NULL inside as `NULL`.
    static func text(_ run: Run) {
        let source = run.column(run.instruction.a)
        let (arena, scratch) = (run.arena, run.scratch)
        let valid = run.strict1()
        run.each(ByteRef.self, valid) { k, _ in
            run.text(arena, scratch) { write(source.value(at: k), source.type, $0) }
        }
    }

    /// CAST to STRING of a value given as data.
    static func text(_ value: Value, _ type: DataType) -> String {
        let out = ByteBuffer()
        write(value, type, out)
        return out.bytes.text
    }

    private static func write(_ value: Value, _ type: DataType, _ out: ByteBuffer) {
        func list(_ open: StaticString, _ close: StaticString, _ count: Int, _ item: (Int) -> Void) {
            out.append(open)
            for i in 0..<count {
                if i > 0 { out.append(", ") }
                item(i)
            }
            out.append(close)
        }
        switch value {
        case .null, .error: out.append("NULL")
        case .integer(let x):
            switch type {
            case .boolean: out.append(x != 0 ? "TRUE" : "FALSE")
            case .date: TimeText.appendDate(x, to: out)
            case .time(let p): TimeText.appendTime(x, fraction: .exactly(p), to: out)
            case .timestamp(let p), .timestampLTZ(let p):
                TimeText.appendTimestamp(x, separator: 0x20, fraction: .exactly(p), to: out)
            case .intervalYearMonth: CastText.appendMonths(x, to: out)
            case .intervalDayTime: CastText.appendDayTime(x, to: out)
            default: NumberText.appendInteger(x, to: out)
            }
        case .double(let x):
            if type == .float { NumberText.appendFloat(x, to: out) } else { NumberText.appendDouble(x, to: out) }
        case .decimal(let x): DecimalText.append(x, scale: type.exactPrecision?.scale ?? 0, to: out)
        case .string(let x): out.append(x)
        case .bytes(let x): for byte in x { out.append(byte) }
        case .row(let cells):
            list("(", ")", cells.count) { write(cells[$0], type.childTypes[$0], out) }
        case .array(let cells):
            list("[", "]", cells.count) { write(cells[$0], type.childTypes[0], out) }
        case .map(let pairs):
            list("{", "}", pairs.count) {
                write(pairs[$0].key, type.childTypes[0], out)
                out.append("=")
                write(pairs[$0].value, type.childTypes[1], out)
            }
        }
    }
}
