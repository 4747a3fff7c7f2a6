import MillraceCore

extension ExpressionCompiler {
    mutating func logic(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .and, .or:
            if arguments.count == 1 { return arguments[0] }
            let decisive: Int64 = function == .or ? 1 : 0
            return emit(type, arguments, p: decisive) { LogicKernels.connect(Run($0)) }
        case .not: return emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self) { $0 ^ 1 } }
        case .isNull, .isNotNull:
            return emit(type, arguments, p: function == .isNull ? 1 : 0) {
                LogicKernels.test(Run($0)) { state, _ in state == CellState.null }
            }
        case .isUnknown, .isNotUnknown:
            return emit(type, arguments, p: function == .isUnknown ? 1 : 0) {
                LogicKernels.test(Run($0)) { state, _ in state == CellState.null }
            }
        case .isTrue, .isNotTrue:
            return emit(type, arguments, p: function == .isTrue ? 1 : 0) {
                LogicKernels.test(Run($0)) { state, value in state == CellState.valid && value != 0 }
            }
        case .isFalse, .isNotFalse:
            return emit(type, arguments, p: function == .isFalse ? 1 : 0) {
                LogicKernels.test(Run($0)) { state, value in state == CellState.valid && value == 0 }
            }
        case .coalesce:
            if arguments.count == 1 { return copy(arguments[0], as: type) }
            if type.layout == .row || type.layout == .list {
                return emit(type, arguments) { NestedKernels.coalesce(Run($0)) }
            }
            switch type.layout {
            case .int64: return emit(type, arguments) { LogicKernels.coalesce(Run($0), Int64.self) }
            case .double: return emit(type, arguments) { LogicKernels.coalesce(Run($0), Double.self) }
            case .decimal: return emit(type, arguments) { LogicKernels.coalesce(Run($0), Int128.self) }
            default: return emit(type, arguments) { LogicKernels.coalesce(Run($0), ByteRef.self) }
            }
        default: return nil
        }
    }

    /// (condition, result)... [otherwise], as one instruction.
    mutating func conditional(_ operands: [Operand], _ type: DataType) -> Operand {
        switch type.layout {
        case .int64: emit(type, operands) { LogicKernels.choose(Run($0), Int64.self) }
        case .double: emit(type, operands) { LogicKernels.choose(Run($0), Double.self) }
        case .decimal: emit(type, operands) { LogicKernels.choose(Run($0), Int128.self) }
        case .bytes: emit(type, operands) { LogicKernels.choose(Run($0), ByteRef.self) }
        case .row, .list: emit(type, operands) { NestedKernels.choose(Run($0)) }
        }
    }

    /// `a` where the condition is TRUE, `b` where it is FALSE; strict in all three (GREATEST, LEAST).
    mutating func pick(_ condition: Operand, _ a: Operand, _ b: Operand, _ type: DataType) -> Operand {
        switch type.layout {
        case .int64:
            emit(type, [condition, a, b]) {
                Run($0).map(Int64.self, Int64.self, Int64.self, Int64.self) { c, a, b, _ in c != 0 ? a : b }
            }
        case .double:
            emit(type, [condition, a, b]) {
                Run($0).map(Int64.self, Double.self, Double.self, Double.self) { c, a, b, _ in c != 0 ? a : b }
            }
        case .decimal:
            emit(type, [condition, a, b]) {
                Run($0).map(Int64.self, Int128.self, Int128.self, Int128.self) { c, a, b, _ in c != 0 ? a : b }
            }
        default:
            emit(type, [condition, a, b]) {
                Run($0).map(Int64.self, ByteRef.self, ByteRef.self, ByteRef.self) { c, a, b, _ in c != 0 ? a : b }
            }
        }
    }

    mutating func nullIf(_ equal: Operand, _ arguments: [Operand], _ type: DataType) -> Operand {
        let operands = [equal] + arguments
        switch type.layout {
        case .int64: return emit(type, operands) { LogicKernels.nullIf(Run($0), Int64.self) }
        case .double: return emit(type, operands) { LogicKernels.nullIf(Run($0), Double.self) }
        case .decimal: return emit(type, operands) { LogicKernels.nullIf(Run($0), Int128.self) }
        default: return emit(type, operands) { LogicKernels.nullIf(Run($0), ByteRef.self) }
        }
    }
}

enum LogicKernels {
    /// AND (`p` = 0) and OR (`p` = 1): `p` decides; else errors win over NULL, NULL over the other value.
    static func connect(_ run: Run) {
        let decisive = run.p
        let n = run.rows
        var valid = true
        for i in 0..<run.argumentCount where !run.argument(i).allValid { valid = false }
        run.setAllValid()
        let out = run.result
        if valid {
            let (x, y) = (run.argument(0).ints, run.argument(1).ints)
            if decisive == 0 {
                for k in 0..<n { out.ints[k] = x[k] & y[k] }
            } else {
                for k in 0..<n { out.ints[k] = x[k] | y[k] }
            }
            for i in 2..<max(2, run.argumentCount) {
                let z = run.argument(i).ints
                if decisive == 0 {
                    for k in 0..<n { out.ints[k] &= z[k] }
                } else {
                    for k in 0..<n { out.ints[k] |= z[k] }
                }
            }
            return
        }
        for k in 0..<n {
            out.ints[k] = decisive ^ 1
            out.states[k] = CellState.valid
        }
        for i in 0..<run.argumentCount {
            let x = run.argument(i)
            for k in 0..<n {
                if out.states[k] == CellState.valid && out.ints[k] == decisive { continue }
                let state = x.states[k]
                if state == CellState.valid {
                    guard x.ints[k] == decisive else { continue }
                    out.ints[k] = decisive
                    out.states[k] = CellState.valid
                } else {
                    out.states[k] = CellState.combine(out.states[k], state)
                }
            }
        }
        for k in 0..<n where out.states[k] != CellState.valid { out.ints[k] = 0 }
        run.setSomeInvalid()
    }

    /// A predicate on state and truth value that is never NULL; `p` = 0 negates. Errors stay errors.
    @inline(__always)
    static func test(_ run: Run, _ body: (UInt8, Int64) -> Bool) {
        let a = run.a
        let isBoolean = run.column(run.instruction.a).layout == .int64
        run.setAllValid()
        let out = run.result
        let flip = run.p ^ 1
        var bad = false
        for k in 0..<run.rows {
            let state = a.allValid ? CellState.valid : a.states[k]
            if state > 1 {
                out.states[k] = state
                out.ints[k] = 0
                bad = true
            } else {
                out.ints[k] = (body(state, isBoolean ? a.ints[k] : 0) ? 1 : 0) ^ flip
            }
        }
        if bad { run.setSomeInvalid() }
    }

    @inline(__always)
    static func choose<T: CellPayload>(_ run: Run, _: T.Type) {
        let count = run.argumentCount
        let out = run.result.data.assumingMemoryBound(to: T.self)
        let states = run.result.states
        run.setAllValid()
        var bad = false
        if count == 1 {
            let a = run.a
            out.update(from: a.data.assumingMemoryBound(to: T.self), count: run.rows)
            if !a.allValid {
                states.update(from: a.states, count: run.rows)
                run.setSomeInvalid()
            }
            return
        }
        for k in 0..<run.rows {
            var i = 0
            var state = CellState.null
            var value = T.blank
            while i < count {
                if i + 1 == count {
                    let other = run.argument(i)
                    state = other.states[k]
                    value = other.data.assumingMemoryBound(to: T.self)[k]
                    break
                }
                let condition = run.argument(i)
                let truth = condition.states[k]
                if truth > 1 {
                    state = truth
                    break
                }
                if truth == CellState.valid && condition.ints[k] != 0 {
                    let taken = run.argument(i + 1)
                    state = taken.states[k]
                    value = taken.data.assumingMemoryBound(to: T.self)[k]
                    break
                }
                i += 2
            }
            if state == CellState.valid {
                out[k] = value
            } else {
                out[k] = .blank
                states[k] = state
                bad = true
            }
        }
        if bad { run.setSomeInvalid() }
    }

    @inline(__always)
    static func coalesce<T: CellPayload>(_ run: Run, _: T.Type) {
        let count = run.argumentCount
        let out = run.result.data.assumingMemoryBound(to: T.self)
        let states = run.result.states
        run.setAllValid()
        var bad = false
        for k in 0..<run.rows {
            var state = CellState.null
            var i = 0
            while i < count {
                let cells = run.argument(i)
                state = cells.states[k]
                if state != CellState.null {
                    out[k] = state == CellState.valid ? cells.data.assumingMemoryBound(to: T.self)[k] : .blank
                    break
                }
                i += 1
            }
            if state != CellState.valid {
                if state == CellState.null { out[k] = .blank }
                states[k] = state
                bad = true
            }
        }
        if bad { run.setSomeInvalid() }
    }

    /// (equal, a, b)
    @inline(__always)
    static func nullIf<T: CellPayload>(_ run: Run, _: T.Type) {
        let (equal, a, b) = (run.a, run.b, run.c)
        let out = run.result.data.assumingMemoryBound(to: T.self)
        let states = run.result.states
        run.setAllValid()
        var bad = false
        for k in 0..<run.rows {
            var state = a.states[k]
            if b.states[k] > 1 && state <= 1 { state = b.states[k] }
            if state == CellState.valid, equal.states[k] == CellState.valid, equal.ints[k] != 0 {
                state = CellState.null
            }
            if state == CellState.valid {
                out[k] = a.data.assumingMemoryBound(to: T.self)[k]
            } else {
                out[k] = .blank
                states[k] = state
                bad = true
            }
        }
        if bad { run.setSomeInvalid() }
    }
}
