import MillraceCore

extension ExpressionCompiler {
    /// CAST and TRY_CAST. What cannot be converted is `castFailed`, with `isTry` NULL; a number out of a DECIMAL is NULL.
    mutating func cast(_ source: Operand, to type: DataType, isTry: Bool) throws(Diagnostic) -> Operand {
        var operand = try plainCast(source, to: type)
        guard isTry else { return operand }
        if operand.register == source.register { operand = copy(operand, as: type) }
        switch type.layout {
        case .row, .list: return emit(type, [operand]) { NestedCast.forgive(Run($0)) }
        default: return emit(type, [operand]) { CastKernels.forgive(Run($0)) }
        }
    }

    private func unsupportedCast(_ from: DataType, _ to: DataType) -> Diagnostic {
        Diagnostic("cast from type \(from) to type \(to) is not supported")
    }

    private mutating func plainCast(_ source: Operand, to type: DataType) throws(Diagnostic) -> Operand {
        let from = source.type
        if from == type { return source }
        if from == .null || source.literal == .some(.null) { return try compile(.literal(.null, type)) }
        var operand: Operand
        switch (from, type) {
        case (_, .boolean): operand = try castToBoolean(source)
        case (_, .tinyInt), (_, .smallInt), (_, .integer), (_, .bigInt): operand = try castToInteger(source, type)
        case (_, .float), (_, .double): operand = try castToDouble(source, type)
        case (_, .decimal): operand = try castToDecimal(source, type)
        case (_, .char), (_, .varchar): operand = try castToText(source, type)
        case (_, .binary), (_, .varbinary): operand = try castToBinary(source, type)
        case (_, .date), (_, .time), (_, .timestamp), (_, .timestampLTZ): operand = try castToTemporal(source, type)
        case (.integer, .intervalYearMonth), (.bigInt, .intervalYearMonth): operand = source
        case (.array, .array), (.row, .row), (.map, .map), (.multiset, .multiset):
            operand = try castNested(source, type)
        default: throw unsupportedCast(from, type)
        }
        operand.type = type
        operand.literal = operand.register == source.register ? source.literal : nil
        return operand
    }

    private mutating func castToBoolean(_ source: Operand) throws(Diagnostic) -> Operand {
        switch source.layout {
        case .int64 where source.type.isInteger || source.type == .boolean:
            emit(.boolean, [source]) { Run($0).mapDense(Int64.self, Int64.self) { $0 != 0 ? 1 : 0 } }
        case .double: emit(.boolean, [source]) { Run($0).mapDense(Double.self, Int64.self) { $0 != 0 ? 1 : 0 } }
        case .decimal: emit(.boolean, [source]) { Run($0).mapDense(Int128.self, Int64.self) { $0 != 0 ? 1 : 0 } }
        case .bytes where source.type.isCharacter:
            emit(.boolean, [source]) {
                Run($0).map(ByteRef.self, Int64.self) { text, state in
                    orError(CastText.boolean(text), .castFailed, &state)
                }
            }
        default: throw unsupportedCast(source.type, .boolean)
        }
    }

    private mutating func castToInteger(_ source: Operand, _ type: DataType) throws(Diagnostic) -> Operand {
        let width: Int64 =
            switch type {
            case .tinyInt: 8
            case .smallInt: 16
            case .integer: 32
            default: 64
            }
        switch source.layout {
        case .int64:
            switch source.type {
            case .boolean, .tinyInt, .smallInt, .integer, .bigInt, .intervalYearMonth, .intervalDayTime: break
            default: throw unsupportedCast(source.type, type)
            }
            let sourceWidth: Int64 =
                switch source.type {
                case .boolean, .tinyInt: 8
                case .smallInt: 16
                case .integer, .intervalYearMonth: 32
                default: 64
                }
            if sourceWidth <= width { return source }
            return emit(type, [source], p: 64 - width) {
                let run = Run($0)
                let shift = run.p
                run.mapDense(Int64.self, Int64.self) { wrapped($0, shift) }
            }
        case .double:
            return emit(type, [source], p: width) {
                let run = Run($0)
                let width = run.p
                run.mapDense(Double.self, Int64.self) { CastNumber.integer($0, width: width) }
            }
        case .decimal:
            let scale = source.type.exactPrecision?.scale ?? 0
            return emit(type, [source], p: 64 - width, q: Int64(scale)) {
                let run = Run($0)
                let shift = run.p
                let divisor = DecimalMath.power10(Int(run.q))
                run.mapDense(Int128.self, Int64.self) { wrapped(Int64(truncatingIfNeeded: $0 / divisor), shift) }
            }
        case .bytes where source.type.isCharacter:
            return emit(type, [source], p: 64 - width) {
                let run = Run($0)
                let shift = run.p
                run.map(ByteRef.self, Int64.self) { text, state in
                    guard let value = CastText.integer(text), wrapped(value, shift) == value else {
                        state = RowErrorCode.castFailed.rawValue
                        return 0
                    }
                    return value
                }
            }
        default: throw unsupportedCast(source.type, type)
        }
    }

    private mutating func castToDouble(_ source: Operand, _ type: DataType) throws(Diagnostic) -> Operand {
        let operand: Operand
        switch source.layout {
        case .int64 where source.type.isInteger || source.type == .boolean:
            if type == .float {
                return emit(type, [source]) { Run($0).mapDense(Int64.self, Double.self) { Double(Float($0)) } }
            }
            return emit(type, [source]) { Run($0).mapDense(Int64.self, Double.self) { Double($0) } }
        case .double:
            if source.type == .float { return source }
            operand = source
        case .decimal:
            operand = emit(type, [source], p: Int64(source.type.exactPrecision?.scale ?? 0)) {
                let run = Run($0)
                let (scale, scratch) = (Int(run.p), run.scratch)
                run.map(Int128.self, Double.self) { value, _ in
                    CastNumber.double(value, scale: scale, scratch: scratch)
                }
            }
        case .bytes where source.type.isCharacter:
            operand = emit(type, [source]) {
                Run($0).map(ByteRef.self, Double.self) { text, state in
                    orError(NumberText.parseDouble(CastText.trimmed(text)), .castFailed, &state)
                }
            }
        default: throw unsupportedCast(source.type, type)
        }
        guard type == .float else { return operand }
        return emit(type, [operand]) { Run($0).mapDense(Double.self, Double.self) { Double(Float($0)) } }
    }

    private mutating func castToDecimal(_ source: Operand, _ type: DataType) throws(Diagnostic) -> Operand {
        let shape = DecimalShape(source.type, source.type, type).packed
        switch source.layout {
        case .int64 where source.type.isInteger || source.type == .boolean:
            return emit(type, [source], p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                run.map(Int64.self, Int128.self) { value, state in
                    orNull(DecimalMath.rescale(Int128(value), from: 0, to: s.scale, precision: s.precision), &state)
                }
            }
        case .double:
            // A FLOAT counts with the digits of its DOUBLE.
            return emit(type, [source], p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                let scratch = run.scratch
                run.map(Double.self, Int128.self) { value, state in
                    scratch.clear()
                    NumberText.appendDouble(value, to: scratch)
                    return orNull(DecimalText.parse(scratch.bytes, precision: s.precision, scale: s.scale), &state)
                }
            }
        case .decimal:
            return emit(type, [source], p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                run.map(Int128.self, Int128.self) { value, state in
                    orNull(DecimalMath.rescale(value, from: s.a, to: s.scale, precision: s.precision), &state)
                }
            }
        case .bytes where source.type.isCharacter:
            return emit(type, [source], p: shape) {
                let run = Run($0)
                let s = DecimalShape(run.p)
                run.map(ByteRef.self, Int128.self) { text, state in
                    orError(
                        DecimalText.parse(CastText.trimmed(text), precision: s.precision, scale: s.scale),
                        .castFailed, &state)
                }
            }
        default: throw unsupportedCast(source.type, type)
        }
    }

    private mutating func castToText(_ source: Operand, _ type: DataType) throws(Diagnostic) -> Operand {
        var operand: Operand
        let from = source.type
        switch from {
        case .char, .varchar: operand = source
        case .binary, .varbinary:
            operand = emit(.string, [source]) {
                let run = Run($0)
                let arena = run.arena
                run.map(ByteRef.self, ByteRef.self) { bytes, _ in CastText.repaired(bytes, arena) }
            }
        case .boolean:
            operand = emit(.string, [source]) {
                let run = Run($0)
                let (yes, no) = (constant("TRUE"), constant("FALSE"))
                run.mapDense(Int64.self, ByteRef.self) { $0 != 0 ? yes : no }
            }
        case .tinyInt, .smallInt, .integer, .bigInt:
            operand = emit(.string, [source]) {
                let run = Run($0)
                let (arena, scratch) = (run.arena, run.scratch)
                run.map(Int64.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) { NumberText.appendInteger(value, to: $0) }
                }
            }
        case .double:
            operand = emit(.string, [source]) {
                let run = Run($0)
                let (arena, scratch) = (run.arena, run.scratch)
                run.map(Double.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) { NumberText.appendDouble(value, to: $0) }
                }
            }
        case .float:
            operand = emit(.string, [source]) {
                let run = Run($0)
                let (arena, scratch) = (run.arena, run.scratch)
                run.map(Double.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) { NumberText.appendFloat(value, to: $0) }
                }
            }
        case .decimal(_, let scale):
            operand = emit(.string, [source], p: Int64(scale)) {
                let run = Run($0)
                let (arena, scratch, scale) = (run.arena, run.scratch, Int(run.p))
                run.map(Int128.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) { DecimalText.append(value, scale: scale, to: $0) }
                }
            }
        case .date:
            operand = emit(.string, [source]) {
                let run = Run($0)
                let (arena, scratch) = (run.arena, run.scratch)
                run.map(Int64.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) { TimeText.appendDate(value, to: $0) }
                }
            }
        case .time(let precision):
            operand = emit(.string, [source], p: Int64(precision)) {
                let run = Run($0)
                let (arena, scratch, digits) = (run.arena, run.scratch, Int(run.p))
                run.map(Int64.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) { TimeText.appendTime(value, fraction: .exactly(digits), to: $0) }
                }
            }
        case .timestamp(let precision), .timestampLTZ(let precision):
            operand = emit(.string, [source], p: Int64(precision)) {
                let run = Run($0)
                let (arena, scratch, digits) = (run.arena, run.scratch, Int(run.p))
                run.map(Int64.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) {
                        TimeText.appendTimestamp(value, separator: 0x20, fraction: .exactly(digits), to: $0)
                    }
                }
            }
        case .intervalYearMonth:
            operand = emit(.string, [source]) {
                let run = Run($0)
                let (arena, scratch) = (run.arena, run.scratch)
                run.map(Int64.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) { CastText.appendMonths(value, to: $0) }
                }
            }
        case .intervalDayTime:
            operand = emit(.string, [source]) {
                let run = Run($0)
                let (arena, scratch) = (run.arena, run.scratch)
                run.map(Int64.self, ByteRef.self) { value, _ in
                    run.text(arena, scratch) { CastText.appendDayTime(value, to: $0) }
                }
            }
        case .row, .array, .map, .multiset:
            operand = emit(.string, [source]) { NestedKernels.text(Run($0)) }
        case .null: operand = source
        }
        switch type {
        case .varchar(.max): return operand
        case .varchar(let length):
            if case .varchar(let has) = operand.type, has <= length { return operand }
            if case .char(let has) = operand.type, has <= length { return operand }
            return emit(type, [operand], p: Int64(length)) {
                let run = Run($0)
                let length = Int(run.p)
                run.map(ByteRef.self, ByteRef.self) { text, _ in
                    text.count <= length ? text : CodePoints.slice(text, 0, CodePoints.offset(text, length))
                }
            }
        case .char(let length):
            return emit(type, [operand], p: Int64(length)) {
                let run = Run($0)
                let (length, arena, scratch) = (Int(run.p), run.arena, run.scratch)
                run.map(ByteRef.self, ByteRef.self) { text, _ in
                    let count = CodePoints.count(text)
                    if count >= length { return CodePoints.slice(text, 0, CodePoints.offset(text, length)) }
                    return run.text(arena, scratch) {
                        $0.append(text)
                        for _ in count..<length { $0.append(0x20) }
                    }
                }
            }
        default: return operand
        }
    }

    private mutating func castToBinary(_ source: Operand, _ type: DataType) throws(Diagnostic) -> Operand {
        guard source.layout == .bytes else { throw unsupportedCast(source.type, type) }
        switch type {
        case .binary(let length), .varbinary(let length):
            if length == .max { return copy(source, as: type) }
            var pads = false
            if case .binary = type { pads = true }
            return emit(type, [source], p: Int64(length), q: pads ? 1 : 0) {
                let run = Run($0)
                let (length, pads, arena) = (Int(run.p), run.q == 1, run.arena)
                run.map(ByteRef.self, ByteRef.self) { bytes, _ in
                    if bytes.count >= length { return ByteRef(start: bytes.start, count: length) }
                    guard pads else { return bytes }
                    let out = arena.allocate(length)
                    out.update(repeating: 0, count: length)
                    out.update(from: bytes.start, count: bytes.count)
                    return ByteRef(start: out, count: length)
                }
            }
        default: throw unsupportedCast(source.type, type)
        }
    }

    private mutating func castToTemporal(_ source: Operand, _ type: DataType) throws(Diagnostic) -> Operand {
        /// Microseconds that the target's precision cannot hold are cut.
        func unit(_ precision: Int) -> Int64 {
            var unit: Int64 = 1
            for _ in 0..<max(0, 6 - precision) { unit *= 10 }
            return unit
        }
        let from = source.type
        if from.isCharacter {
            let kernel: Kernel
            var step: Int64 = 1
            switch type {
            case .date:
                kernel = {
                    Run($0).map(ByteRef.self, Int64.self) { text, state in
                        orError(CastText.date(text), .castFailed, &state)
                    }
                }
            case .time(let precision):
                step = unit(precision)
                kernel = {
                    let run = Run($0)
                    let unit = run.p
                    run.map(ByteRef.self, Int64.self) { text, state in
                        let value = orError(CastText.time(text), .castFailed, &state)
                        return value - value % unit
                    }
                }
            case .timestampLTZ(let precision):
                step = unit(precision)
                kernel = {
                    let run = Run($0)
                    let unit = run.p
                    run.map(ByteRef.self, Int64.self) { text, state in
                        let value = orError(CastText.timestamp(text), .castFailed, &state)
                        return CivilTime.floorDivide(value, unit) * unit
                    }
                }
            case .timestamp(let precision):
                step = unit(precision)
                kernel = {
                    let run = Run($0)
                    let unit = run.p
                    run.map(ByteRef.self, Int64.self) { text, state in
                        let value = orError(CastText.timestamp(text), .castFailed, &state)
                        return CivilTime.floorDivide(value, unit) * unit
                    }
                }
            default: throw unsupportedCast(from, type)
            }
            return emit(type, [source], p: step, kernel)
        }
        switch (from, type) {
        case (.date, .timestamp), (.date, .timestampLTZ):
            return emit(type, [source]) {
                Run($0).mapDense(Int64.self, Int64.self) { $0 &* CivilTime.dayMicroseconds }
            }
        case (.timestamp, .date), (.timestampLTZ, .date):
            return emit(type, [source]) {
                Run($0).mapDense(Int64.self, Int64.self) { CivilTime.floorDivide($0, CivilTime.dayMicroseconds) }
            }
        case (.timestamp, .time(let precision)), (.timestampLTZ, .time(let precision)):
            return emit(type, [source], p: unit(precision)) {
                let run = Run($0)
                let unit = run.p
                run.mapDense(Int64.self, Int64.self) {
                    let time = CivilTime.split($0).time
                    return time - time % unit
                }
            }
        case (.timestamp(let had), .timestamp(let precision)), (.timestamp(let had), .timestampLTZ(let precision)),
            (.timestampLTZ(let had), .timestamp(let precision)), (.timestampLTZ(let had), .timestampLTZ(let precision)),
            (.time(let had), .time(let precision)):
            // The session zone is UTC, so both kinds of timestamp have the same number.
            if precision >= had || precision >= 6 { return source }
            return emit(type, [source], p: unit(precision)) {
                let run = Run($0)
                let unit = run.p
                run.mapDense(Int64.self, Int64.self) { CivilTime.floorDivide($0, unit) &* unit }
            }
        case (.time, .timestamp), (.time, .timestampLTZ): return source
        default: throw unsupportedCast(from, type)
        }
    }

    private mutating func castNested(_ source: Operand, _ type: DataType) throws(Diagnostic) -> Operand {
        guard source.type.childTypes.count == type.childTypes.count else { throw unsupportedCast(source.type, type) }
        let cast = try NestedCast(from: source.type, to: type)
        return emit(type, [source], object: cast) { NestedCast.run(Run($0)) }
    }
}

/// The bytes of a literal in the program text; they live for ever.
@inline(__always)
func constant(_ text: StaticString) -> ByteRef { ByteRef(start: text.utf8Start, count: text.utf8CodeUnitCount) }

enum CastKernels {
    /// Errors become NULL; values stay.
    static func forgive(_ run: Run) {
        let a = run.a
        let column = run.column(run.instruction.result)
        let bytes: Int
        switch column.layout {
        case .int64, .double: bytes = 8
        case .decimal, .bytes: bytes = 16
        case .row, .list: return
        }
        run.result.data.copyMemory(from: a.data, byteCount: bytes * run.rows)
        run.setAllValid()
        guard !a.allValid else { return }
        let states = run.result.states
        for k in 0..<run.rows { states[k] = a.states[k] == CellState.valid ? CellState.valid : CellState.null }
        run.setSomeInvalid()
    }
}

enum CastNumber {
    /// Java's narrowing: toward zero, saturated at 32 or 64 bits, NaN as 0; below 32 bits the low bits of the INT.
    @inline(__always)
    static func integer(_ value: Double, width: Int64) -> Int64 {
        if value.isNaN { return 0 }
        if width == 64 {
            if value >= 9.223372036854775807e18 { return .max }
            return value <= -9.223372036854775808e18 ? .min : Int64(value)
        }
        if value >= 2_147_483_647 { return wrapped(2_147_483_647, 64 - width) }
        return wrapped(value <= -2_147_483_648 ? -2_147_483_648 : Int64(value), 64 - width)
    }

    /// The nearest DOUBLE.
    static func double(_ value: Int128, scale: Int, scratch: ByteBuffer) -> Double {
        // Both sides are exact, so one division rounds once.
        if scale <= 22, value.magnitude < 1 << 53 {
            return Double(Int64(truncatingIfNeeded: value)) / tens(scale)
        }
        scratch.clear()
        DecimalText.append(value, scale: scale, to: scratch)
        return NumberText.parseDouble(scratch.bytes) ?? .nan
    }

    @inline(__always)
    private static func tens(_ scale: Int) -> Double { Double(DecimalMath.power10(scale)) }
}
