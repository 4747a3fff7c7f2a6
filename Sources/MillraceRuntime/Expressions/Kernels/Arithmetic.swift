import Glibc
import MillraceCore

/// How many bits an integer result wraps in, as a shift: 0 for BIGINT.
private func wrapShift(_ type: DataType) -> Int64 {
    switch type {
    case .tinyInt: 56
    case .smallInt: 48
    case .integer: 32
    default: 0
    }
}

@inline(__always)
func wrapped(_ value: Int64, _ shift: Int64) -> Int64 { (value &<< shift) &>> shift }

/// Scales and precision of a decimal operation in one constant.
struct DecimalShape {
    var a: Int
    var b: Int
    var precision: Int
    var scale: Int

    init(_ a: DataType, _ b: DataType, _ result: DataType) {
        self.a = a.exactPrecision?.scale ?? 0
        self.b = b.exactPrecision?.scale ?? 0
        (precision, scale) = result.exactPrecision ?? (38, 0)
    }
    @inline(__always)
    init(_ packed: Int64) {
        a = Int(packed & 255)
        b = Int(packed >> 8 & 255)
        precision = Int(packed >> 16 & 255)
        scale = Int(packed >> 24 & 255)
    }
    var packed: Int64 { Int64(a | b << 8 | precision << 16 | scale << 24) }
}

extension ExpressionCompiler {
    mutating func arithmetic(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .add, .subtract, .multiply, .divide, .modulo:
            guard arguments.count == 2 else { throw unsupported(function, arguments) }
            if type.isDecimal {
                guard arguments[0].layout == .decimal, arguments[1].layout == .decimal else {
                    throw unsupported(function, arguments)
                }
                return decimalArithmetic(function, arguments, type)
            }
            guard arguments[0].layout == type.layout, arguments[1].layout == type.layout else {
                throw unsupported(function, arguments)
            }
            if type.layout == .double { return doubleArithmetic(function, arguments, type) }
            return integerArithmetic(function, arguments, type)
        case .negate:
            switch type.layout {
            case .int64:
                return emit(type, arguments, p: wrapShift(type)) {
                    let run = Run($0)
                    let shift = run.p
                    run.mapDense(Int64.self, Int64.self) { wrapped(0 &- $0, shift) }
                }
            case .double: return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self) { -$0 } }
            case .decimal: return emit(type, arguments) { Run($0).mapDense(Int128.self, Int128.self) { 0 &- $0 } }
            default: return nil
            }
        default: return nil
        }
    }

    private mutating func integerArithmetic(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) -> Operand {
        let shift = wrapShift(type)
        switch (function, shift) {
        case (.add, 0):
            return emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 &+ $1 } }
        case (.subtract, 0):
            return emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 &- $1 } }
        case (.multiply, 0):
            return emit(type, arguments) { Run($0).mapDense(Int64.self, Int64.self, Int64.self) { $0 &* $1 } }
        case (.add, _):
            return emit(type, arguments, p: shift) {
                let run = Run($0)
                let shift = run.p
                run.mapDense(Int64.self, Int64.self, Int64.self) { wrapped($0 &+ $1, shift) }
            }
        case (.subtract, _):
            return emit(type, arguments, p: shift) {
                let run = Run($0)
                let shift = run.p
                run.mapDense(Int64.self, Int64.self, Int64.self) { wrapped($0 &- $1, shift) }
            }
        case (.multiply, _):
            return emit(type, arguments, p: shift) {
                let run = Run($0)
                let shift = run.p
                run.mapDense(Int64.self, Int64.self, Int64.self) { wrapped($0 &* $1, shift) }
            }
        case (.divide, _):
            return emit(type, arguments, p: shift) {
                let run = Run($0)
                let shift = run.p
                run.map(Int64.self, Int64.self, Int64.self) { a, b, state in
                    if b == 0 {
                        state = RowErrorCode.divisionByZero.rawValue
                        return 0
                    }
                    // The least value divided by -1 wraps to itself.
                    return wrapped(a.dividedReportingOverflow(by: b).partialValue, shift)
                }
            }
        default:
            return emit(type, arguments) {
                Run($0).map(Int64.self, Int64.self, Int64.self) { a, b, state in
                    if b == 0 {
                        state = RowErrorCode.divisionByZero.rawValue
                        return 0
                    }
                    return b == -1 ? 0 : a % b
                }
            }
        }
    }

    private mutating func doubleArithmetic(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) -> Operand {
        if type == .float {
            switch function {
            case .add:
                return emit(type, arguments) {
                    Run($0).mapDense(Double.self, Double.self, Double.self) { Double(Float($0) + Float($1)) }
                }
            case .subtract:
                return emit(type, arguments) {
                    Run($0).mapDense(Double.self, Double.self, Double.self) { Double(Float($0) - Float($1)) }
                }
            case .multiply:
                return emit(type, arguments) {
                    Run($0).mapDense(Double.self, Double.self, Double.self) { Double(Float($0) * Float($1)) }
                }
            case .divide:
                return emit(type, arguments) {
                    Run($0).mapDense(Double.self, Double.self, Double.self) { Double(Float($0) / Float($1)) }
                }
            default: break
            }
        }
        switch function {
        case .add: return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Double.self) { $0 + $1 } }
        case .subtract:
            return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Double.self) { $0 - $1 } }
        case .multiply:
            return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Double.self) { $0 * $1 } }
        case .divide:
            return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Double.self) { $0 / $1 } }
        default:
            return emit(type, arguments) { Run($0).mapDense(Double.self, Double.self, Double.self) { fmod($0, $1) } }
        }
    }

    private mutating func decimalArithmetic(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) -> Operand {
        let shape = DecimalShape(arguments[0].type, arguments[1].type, type).packed
        switch function {
        case .add:
            return emit(type, arguments, p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                run.map(Int128.self, Int128.self, Int128.self) { a, b, state in
                    orNull(
                        DecimalMath.add(a, scale: s.a, b, scale: s.b, precision: s.precision, scale: s.scale), &state)
                }
            }
        case .subtract:
            return emit(type, arguments, p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                run.map(Int128.self, Int128.self, Int128.self) { a, b, state in
                    orNull(
                        DecimalMath.subtract(a, scale: s.a, b, scale: s.b, precision: s.precision, scale: s.scale),
                        &state)
                }
            }
        case .multiply:
            return emit(type, arguments, p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                run.map(Int128.self, Int128.self, Int128.self) { a, b, state in
                    orNull(
                        DecimalMath.multiply(a, scale: s.a, b, scale: s.b, precision: s.precision, scale: s.scale),
                        &state)
                }
            }
        case .divide:
            return emit(type, arguments, p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                run.map(Int128.self, Int128.self, Int128.self) { a, b, state in
                    if b == 0 {
                        state = RowErrorCode.divisionByZero.rawValue
                        return 0
                    }
                    return orNull(
                        DecimalMath.divide(a, scale: s.a, b, scale: s.b, precision: s.precision, scale: s.scale),
                        &state)
                }
            }
        default:
            return emit(type, arguments, p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                run.map(Int128.self, Int128.self, Int128.self) { a, b, state in
                    if b == 0 {
                        state = RowErrorCode.divisionByZero.rawValue
                        return 0
                    }
                    return orNull(
                        DecimalMath.remainder(a, scale: s.a, b, scale: s.b, precision: s.precision, scale: s.scale),
                        &state)
                }
            }
        }
    }
}

/// The value, or NULL in its place.
@inline(__always)
func orNull<T: CellPayload>(_ value: T?, _ state: inout UInt8) -> T {
    guard let value else {
        state = CellState.null
        return .blank
    }
    return value
}

/// The value, or an error in its place.
@inline(__always)
func orError<T: CellPayload>(_ value: T?, _ code: RowErrorCode, _ state: inout UInt8) -> T {
    guard let value else {
        state = code.rawValue
        return .blank
    }
    return value
}
