import MillraceCore

/// The comparison of two cells, by layout; `order` is negative, zero or positive, and 2 where a NaN forbids one.
enum CellOrder {
    @inline(__always) static func ints(_ a: Int64, _ b: Int64) -> Int { a == b ? 0 : (a < b ? -1 : 1) }
    @inline(__always) static func doubles(_ a: Double, _ b: Double) -> Int {
        a == b ? 0 : (a < b ? -1 : (a > b ? 1 : 2))
    }
}

extension ExpressionCompiler {
    mutating func comparison(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
            guard arguments.count == 2, arguments[0].layout == arguments[1].layout else {
                throw unsupported(function, arguments)
            }
            switch arguments[0].layout {
            case .int64: return compareIntegers(function, arguments, type)
            case .double: return compareDoubles(function, arguments, type)
            case .decimal: return compareDecimals(function, arguments, type)
            case .bytes: return compareBytes(function, arguments, type)
            case .row, .list:
                guard function == .equal || function == .notEqual else { throw unsupported(function, arguments) }
                return emit(type, arguments, p: function == .equal ? 1 : 0) { NestedKernels.equal(Run($0)) }
            }
        case .isDistinctFrom, .isNotDistinctFrom:
            let equal = try comparison(.equal, arguments, .boolean)!
            return emit(type, [equal] + arguments, p: function == .isDistinctFrom ? 1 : 0) {
                let run = Run($0)
                let (equal, a, b) = (run.a, run.b, run.c)
                run.setAllValid()
                let out = run.result
                var bad = false
                for k in 0..<run.rows {
                    let (s, t) = (a.states[k], b.states[k])
                    if s > 1 || t > 1 {
                        out.states[k] = s > 1 ? s : t
                        out.ints[k] = 0
                        bad = true
                    } else {
                        out.ints[k] = (s == 1 && t == 1 ? equal.ints[k] : (s == t ? 1 : 0)) ^ run.p
                    }
                }
                if bad { run.setSomeInvalid() }
            }
        case .inList:
            // x IN (a, b) is x = a OR x = b, also in what NULL and errors do.
            guard let needle = arguments.first, arguments.count > 1 else { throw unsupported(function, arguments) }
            if arguments.count > 4, let found = try literalSet(arguments, type) { return found }
            var equalities: [Operand] = []
            for candidate in arguments.dropFirst() {
                equalities.append(try comparison(.equal, [needle, candidate], .boolean)!)
            }
            if equalities.count == 1 { return equalities[0] }
            return try logic(.or, equalities, type)
        case .nullIf:
            let equal = try comparison(.equal, arguments, .boolean)!
            return nullIf(equal, arguments, type)
        case .greatest, .least:
            guard var best = arguments.first else { throw unsupported(function, arguments) }
            for next in arguments.dropFirst() {
                let isBetter = try comparison(function == .greatest ? .greater : .less, [next, best], .boolean)!
                best = pick(isBetter, next, best, type)
            }
            return best.type == type ? best : copy(best, as: type)
        default: return nil
        }
    }

    private mutating func compareIntegers(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) -> Operand {
        switch function {
        case .equal:
            emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 == $1 ? 1 : 0 } }
        case .notEqual:
            emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 != $1 ? 1 : 0 } }
        case .less:
            emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 < $1 ? 1 : 0 } }
        case .lessOrEqual:
            emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 <= $1 ? 1 : 0 } }
        case .greater:
            emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 > $1 ? 1 : 0 } }
        default:
            emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 >= $1 ? 1 : 0 } }
        }
    }

    private mutating func compareDoubles(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) -> Operand {
        switch function {
        case .equal:
            emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Int64.self) { $0 == $1 ? 1 : 0 } }
        case .notEqual:
            emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Int64.self) { $0 != $1 ? 1 : 0 } }
        case .less:
            emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Int64.self) { $0 < $1 ? 1 : 0 } }
        case .lessOrEqual:
            emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Int64.self) { $0 <= $1 ? 1 : 0 } }
        case .greater:
            emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Int64.self) { $0 > $1 ? 1 : 0 } }
        default:
            emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Int64.self) { $0 >= $1 ? 1 : 0 } }
        }
    }

    /// Which of the orders -1, 0, 1 satisfy the comparison, as bits 0, 1, 2.
    private func accepted(_ function: BuiltinFunction) -> Int64 {
        switch function {
        case .equal: 0b010
        case .notEqual: 0b101
        case .less: 0b001
        case .lessOrEqual: 0b011
        case .greater: 0b100
        default: 0b110
        }
    }

    private mutating func compareDecimals(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) -> Operand {
        let shape = DecimalShape(arguments[0].type, arguments[1].type, .decimal(precision: 38, scale: 0)).packed
        return emit(type, arguments, p: shape, q: accepted(function)) {
            let run = Run($0)
            let shape = DecimalShape(run.p)
            let mask = run.q
            run.map(Int128.self, Int128.self, Int64.self) { a, b, _ in
                mask >> Int64(DecimalMath.compare(a, scale: shape.a, b, scale: shape.b) + 1) & 1
            }
        }
    }

    private mutating func compareBytes(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) -> Operand {
        if function == .equal || function == .notEqual {
            return emit(type, arguments, p: function == .equal ? 0 : 1) {
                let run = Run($0)
                let flip = run.p
                run.map(ByteRef.self, ByteRef.self, Int64.self) { a, b, _ in (a.equals(b) ? 1 : 0) ^ flip }
            }
        }
        return emit(type, arguments, q: accepted(function)) {
            let run = Run($0)
            let mask = run.q
            run.map(ByteRef.self, ByteRef.self, Int64.self) { a, b, _ in mask >> Int64(a.compare(b).signum() + 1) & 1 }
        }
    }

    /// Long lists of literals as a hash table; nil when the list is not made of integers or strings alone.
    private mutating func literalSet(_ arguments: [Operand], _ type: DataType) throws(Diagnostic) -> Operand? {
        switch arguments[0].layout {
        case .int64:
            var values: Set<Int64> = []
            for operand in arguments.dropFirst() {
                guard case .integer(let value)? = operand.literal else { return nil }
                values.insert(value)
            }
            return emit(type, [arguments[0]], object: IntegerSet(values)) {
                let run = Run($0)
                let set = run.object(IntegerSet.self)
                run.map(Int64.self, Int64.self) { value, _ in set.values.contains(value) ? 1 : 0 }
            }
        case .bytes:
            var values: [[UInt8]] = []
            for operand in arguments.dropFirst() {
                switch operand.literal {
                case .string(let value)?: values.append(Array(value.utf8))
                case .bytes(let value)?: values.append(value)
                default: return nil
                }
            }
            return emit(type, [arguments[0]], object: ByteSet(values)) {
                let run = Run($0)
                let set = run.object(ByteSet.self)
                run.map(ByteRef.self, Int64.self) { value, _ in set.contains(value) ? 1 : 0 }
            }
        default: return nil
        }
    }
}

final class IntegerSet {
    let values: Set<Int64>
    init(_ values: Set<Int64>) { self.values = values }
}

/// Constant byte strings in an open hash table.
final class ByteSet {
    private let arena = BatchArena(chunkBytes: 1 << 12)
    private var slots: [ByteRef]
    private let mask: Int

    init(_ values: [[UInt8]]) {
        var size = 16
        while size < values.count * 2 { size *= 2 }
        slots = Array(repeating: .absent, count: size)
        mask = size - 1
        for value in values {
            let ref = arena.copy(value)
            var at = ByteSet.hash(ref) & mask
            while !slots[at].isAbsent { at = (at + 1) & mask }
            slots[at] = ref
        }
    }

    func contains(_ value: ByteRef) -> Bool {
        var at = ByteSet.hash(value) & mask
        while !slots[at].isAbsent {
            if slots[at].equals(value) { return true }
            at = (at + 1) & mask
        }
        return false
    }

    private static func hash(_ value: ByteRef) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for i in 0..<value.count { hash = (hash ^ UInt64(value.start[i])) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: hash >> 16 ^ hash)
    }
}
