import Glibc
import MillraceCore

extension ExpressionCompiler {
    mutating func numbers(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        func double(_ kernel: @escaping Kernel) throws(Diagnostic) -> Kernel {
            guard arguments.allSatisfy({ $0.layout == .double }) else { throw unsupported(function, arguments) }
            return kernel
        }
        switch function {
        case .abs:
            switch type.layout {
            case .int64:
                let shift: Int64 = type == .tinyInt ? 56 : type == .smallInt ? 48 : type == .integer ? 32 : 0
                return emit(type, arguments, p: shift) {
                    let run = Run($0)
                    let shift = run.p
                    run.mapDense(Int64.self, Int64.self) { wrapped($0 < 0 ? 0 &- $0 : $0, shift) }
                }
            case .double: return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self) { Swift.abs($0) } }
            case .decimal:
                return emit(type, arguments) { Run($0).mapDense(Int128.self, Int128.self) { $0 < 0 ? 0 &- $0 : $0 } }
            default: return nil
            }
        case .ceil, .floor: return integral(function, arguments, type)
        case .round, .truncate: return try rounding(function, arguments, type)
        case .sign:
            switch type.layout {
            case .int64: return emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self) { $0.signum() } }
            case .double:
                return emit(type, arguments) {
                    Run($0).mapDense(Double.self, Double.self) { $0 > 0 ? 1 : ($0 < 0 ? -1 : $0 + 0) }
                }
            case .decimal:
                guard let source = arguments[0].type.exactPrecision, let target = type.exactPrecision else {
                    return nil
                }
                return emit(type, arguments, p: Int64(source.scale), q: Int64(target.scale)) {
                    let run = Run($0)
                    let one = DecimalMath.power10(Int(run.q))
                    run.mapDense(Int128.self, Int128.self) { $0 > 0 ? one : ($0 < 0 ? -one : 0) }
                }
            default: return nil
            }
        case .sqrt:
            return emit(type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { $0.squareRoot() } })
        case .exp:
            return emit(type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { Glibc.exp($0) } })
        case .ln:
            return emit(type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { Glibc.log($0) } })
        case .log10:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { JavaMath.log10($0) } })
        case .log2:
            return emit(
                type, arguments,
                try double { Run($0).mapDense(Double.self, Double.self) { Glibc.log($0) / 0.6931471805599453 } })
        case .log:
            if arguments.count == 1 { return try numbers(.ln, arguments, type) }
            return emit(
                type, arguments,
                try double {
                    Run($0).mapDense(Double.self, Double.self, Double.self) { Glibc.log($1) / Glibc.log($0) }
                })
        case .power:
            return emit(
                type, arguments,
                try double { Run($0).mapDense(Double.self, Double.self, Double.self) { Glibc.pow($0, $1) } })
        case .sin:
            return emit(type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { Glibc.sin($0) } })
        case .cos:
            return emit(type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { Glibc.cos($0) } })
        case .tan:
            return emit(type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { Glibc.tan($0) } })
        case .cot:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { 1 / Glibc.tan($0) } })
        case .asin:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { JavaMath.asin($0) } })
        case .acos:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { JavaMath.acos($0) } })
        case .atan:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { JavaMath.atan($0) } })
        case .atan2:
            return emit(
                type, arguments,
                try double { Run($0).mapDense(Double.self, Double.self, Double.self) { JavaMath.atan2($0, $1) } })
        case .sinh:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { JavaMath.sinh($0) } })
        case .cosh:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { JavaMath.cosh($0) } })
        case .tanh:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { JavaMath.tanh($0) } })
        case .degrees:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { $0 * 57.29577951308232 } })
        case .radians:
            return emit(
                type, arguments, try double { Run($0).mapDense(Double.self, Double.self) { $0 * 0.017453292519943295 } }
            )
        case .pi: return try compile(.literal(.double(.pi), .double))
        case .e: return try compile(.literal(.double(2.718281828459045), .double))
        case .rand:
            if case .integer(let seed)? = arguments.first?.literal {
                return emit(type, [], object: JavaRandom(seed: seed)) {
                    let run = Run($0)
                    let random = run.object(JavaRandom.self)
                    run.setAllValid()
                    let out = run.result.doubles
                    for k in 0..<run.rows { out[k] = random.nextDouble() }
                }
            }
            program.needsClock = true
            return emit(type, []) {
                let run = Run($0)
                run.setAllValid()
                let out = run.result.doubles
                for k in 0..<run.rows { out[k] = Double(run.nextRandom() >> 11) * 0x1p-53 }
            }
        case .randInteger:
            program.needsClock = true
            guard let bound = arguments.last else { throw unsupported(function, arguments) }
            if arguments.count == 2, case .integer(let seed)? = arguments[0].literal {
                return emit(type, [bound], object: JavaRandom(seed: seed)) {
                    let run = Run($0)
                    let random = run.object(JavaRandom.self)
                    run.map(Int64.self, Int64.self) { bound, state in
                        guard bound > 0, bound <= 0x7FFF_FFFF else {
                            state = RowErrorCode.invalidArgument.rawValue
                            return 0
                        }
                        return Int64(random.next(below: Int32(bound)))
                    }
                }
            }
            return emit(type, [bound]) {
                let run = Run($0)
                run.map(Int64.self, Int64.self) { bound, state in
                    guard bound > 0 else {
                        state = RowErrorCode.invalidArgument.rawValue
                        return 0
                    }
                    return Int64(run.nextRandom() >> 1) % bound
                }
            }
        default: return nil
        }
    }

    private mutating func integral(_ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType) -> Operand? {
        switch (arguments[0].layout, function) {
        case (.int64, _): return arguments[0]
        case (.double, .ceil):
            return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self) { $0.rounded(.up) } }
        case (.double, _):
            return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self) { $0.rounded(.down) } }
        case (.decimal, _):
            let shape = DecimalShape(arguments[0].type, arguments[0].type, type).packed
            return emit(type, arguments, p: shape, q: function == .ceil ? 1 : -1) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                let (divisor, direction) = (DecimalMath.power10(s.a), Int128(run.q))
                run.map(Int128.self, Int128.self) { value, state in
                    let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
                    let whole = rest != 0 && (rest > 0) == (direction > 0) ? quotient + direction : quotient
                    return orNull(DecimalMath.rescale(whole, from: 0, to: s.scale, precision: s.precision), &state)
                }
            }
        default: return nil
        }
    }

    /// ROUND (half away from zero) and TRUNCATE; the second argument is the number of places, default 0.
    private mutating func rounding(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        let places = arguments.count > 1 ? arguments[1] : try compile(.literal(.integer(0), .integer))
        guard places.layout == .int64 else { throw unsupported(function, arguments) }
        let cuts: Int64 = function == .truncate ? 1 : 0
        let operands = [arguments[0], places]
        switch arguments[0].layout {
        case .int64:
            let shift: Int64 = type == .tinyInt ? 56 : type == .smallInt ? 48 : type == .integer ? 32 : 0
            return emit(type, operands, p: cuts, q: shift) {
                let run = Run($0)
                let (cuts, shift) = (run.p == 1, run.q)
                run.map(Int64.self, Int64.self, Int64.self) { value, places, _ in
                    if places >= 0 { return value }
                    let rounded = Rounding.decimal(Int128(value), scale: 0, places: places, cuts: cuts)
                    return wrapped(Int64(truncatingIfNeeded: rounded), shift)
                }
            }
        case .double:
            return emit(type, operands, p: cuts, q: type == .float ? 1 : 0) {
                let run = Run($0)
                let (cuts, isFloat, scratch) = (run.p == 1, run.q == 1, run.scratch)
                run.map(Double.self, Int64.self, Double.self) { value, places, _ in
                    Rounding.double(value, places: places, cuts: cuts, isFloat: isFloat, scratch: scratch)
                }
            }
        case .decimal:
            let shape = DecimalShape(arguments[0].type, arguments[0].type, type).packed
            return emit(type, operands, p: shape, q: cuts) {
                let run = Run($0)
                let (s, cuts) = (DecimalShape(run.p), run.q == 1)
                run.map(Int128.self, Int64.self, Int128.self) { value, places, state in
                    let rounded = Rounding.decimal(value, scale: s.a, places: places, cuts: cuts)
                    return orNull(DecimalMath.rescale(rounded, from: s.a, to: s.scale, precision: s.precision), &state)
                }
            }
        default: return nil
        }
    }
}

enum Rounding {
    /// The value at its own scale with digits behind `places` zero.
    static func decimal(_ value: Int128, scale: Int, places: Int64, cuts: Bool) -> Int128 {
        let drop = scale - Int(max(-100, min(100, places)))
        if drop <= 0 { return value }
        if drop > 38 { return 0 }
        let unit = DecimalMath.power10(drop)
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: unit)
        let up = !cuts && rest.magnitude >= unit.magnitude - rest.magnitude
        return (up ? quotient + (value < 0 ? -1 : 1) : quotient) &* unit
    }

    /// On the decimal digits that the number prints with, as Java's `BigDecimal.valueOf(double)` sees it.
    static func double(_ value: Double, places: Int64, cuts: Bool, isFloat: Bool, scratch: ByteBuffer) -> Double {
        guard value.isFinite else { return value }
        // Zero has no sign, as in the decimal arithmetic that Flink rounds with.
        if places == 0 { return value.rounded(cuts ? .towardZero : .toNearestOrAwayFromZero) + 0 }
        let magnitude = Swift.abs(value)
        // Beyond this a DOUBLE of 15 or more digits has no digit left to drop.
        if places > 0, magnitude >= 1e15 || places > 300 { return value }
        scratch.clear()
        if isFloat {
            NumberText.appendFloat(value, to: scratch)
        } else {
            NumberText.appendDouble(value, to: scratch)
        }
        let scale = Int(max(0, min(places, 18)))
        guard places <= 18, magnitude < 1e18,
            let unscaled = DecimalText.parse(scratch.bytes, precision: 38, scale: 19)
        else {
            if places > 18 { return value }
            let unit = Glibc.pow(10, -Double(places))
            return (value / unit).rounded(cuts ? .towardZero : .toNearestOrAwayFromZero) * unit + 0
        }
        let rounded = decimal(unscaled, scale: 19, places: places, cuts: cuts)
        scratch.clear()
        DecimalText.append(rounded / DecimalMath.power10(19 - scale), scale: scale, to: scratch)
        return (NumberText.parseDouble(scratch.bytes) ?? value) + 0
    }
}

extension Run {
    /// xorshift64*
    @inline(__always)
    func nextRandom() -> UInt64 {
        var x = frame.pointee.random
        x ^= x >> 12
        x ^= x << 25
        x ^= x >> 27
        frame.pointee.random = x
        return x &* 0x2545_F491_4F6C_DD1D
    }
}
