import MillraceCore

/// Turns expression trees into instructions over registers.
struct ExpressionCompiler {
    enum Register {
        /// Column of the batch.
        case input(Int, DataType)
        case literal(Value, DataType)
        case temporary(DataType)
        /// A column inside another one (ROW field).
        case view(DataType)
    }

    struct Program {
        var registers: [Register] = []
        var instructions: [Instruction] = []
        var arguments: [Int32] = []
        var objects: [AnyObject] = []
        var inputs: [(register: Int32, column: Int)] = []
        var nestedLiterals: [Int32] = []
        var outputs: [Int32] = []
        var needsClock = false
    }

    /// A compiled operand.
    struct Operand {
        var register: Int32
        var type: DataType
        /// Its value, when it is a literal.
        var literal: Value?

        var layout: Layout { type.layout }
        /// The text of a literal; nil for other operands and NULL.
        var text: String? {
            if case .string(let text)? = literal { text } else { nil }
        }
    }

    var program = Program()
    private var known: [Expression: Operand] = [:]

    static func compile(_ expressions: [Expression]) throws(Diagnostic) -> Program {
        var compiler = ExpressionCompiler()
        for expression in expressions {
            var operand = try compiler.compile(expression)
            // An intermediate may keep a narrower type; what leaves has the column type that was asked for.
            if compiler.columnType(operand.register) != expression.type {
                operand = compiler.copy(operand, as: expression.type)
            }
            compiler.program.outputs.append(operand.register)
        }
        return compiler.program
    }

    // MARK: Trees

    mutating func compile(_ expression: Expression) throws(Diagnostic) -> Operand {
        if let operand = known[expression] { return operand }
        let operand: Operand
        switch expression {
        case .column(let index, let type):
            let register = newRegister(.input(index, type))
            program.inputs.append((register, index))
            operand = Operand(register: register, type: type)
        case .literal(let value, let type):
            let register = newRegister(.literal(value, type))
            if type.layout == .row || type.layout == .list { program.nestedLiterals.append(register) }
            operand = Operand(register: register, type: type, literal: value)
        case .field(let parent, let index, let type):
            let row = try compile(parent)
            guard row.layout == .row else { throw Diagnostic("field access on type \(row.type)", fault: .bug) }
            let register = newRegister(.view(type))
            append(register, [row], p: Int64(index), object: nil) { NestedKernels.field(Run($0)) }
            operand = Operand(register: register, type: type)
        case .cast(let source, let type, let isTry):
            operand = try cast(try compile(source), to: type, isTry: isTry)
        case .conditional(let branches, let otherwise, let type):
            var operands: [Operand] = []
            for branch in branches {
                operands.append(try compile(branch.condition))
                operands.append(try compile(branch.result))
            }
            if let otherwise { operands.append(try compile(otherwise)) }
            for (i, result) in operands.enumerated() where i % 2 == 1 || i + 1 == operands.count {
                // A bare NULL has no layout of its own.
                if result.type == .null { operands[i] = try cast(result, to: type, isTry: false) }
            }
            operand = conditional(operands, type)
        case .call(let function, let arguments, let type):
            var operands: [Operand] = []
            for argument in arguments { operands.append(try compile(argument)) }
            operand = try call(function, operands, type)
        }
        if expression.isRepeatable { known[expression] = operand }
        return operand
    }

    private mutating func call(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand {
        if let operand = try arithmetic(function, arguments, type) { return operand }
        if let operand = try comparison(function, arguments, type) { return operand }
        if let operand = try logic(function, arguments, type) { return operand }
        if let operand = try numbers(function, arguments, type) { return operand }
        if let operand = try strings(function, arguments, type) { return operand }
        if let operand = try patterns(function, arguments, type) { return operand }
        if let operand = try hashes(function, arguments, type) { return operand }
        if let operand = try temporal(function, arguments, type) { return operand }
        if let operand = try json(function, arguments, type) { return operand }
        if let operand = try nested(function, arguments, type) { return operand }
        if let operand = try collections(function, arguments, type) { return operand }
        if let operand = try moreText(function, arguments, type) { return operand }
        if let operand = try bitmap(function, arguments, type) { return operand }
        throw unsupported(function, arguments)
    }

    func unsupported(_ function: BuiltinFunction, _ arguments: [Operand]) -> Diagnostic {
        let types = arguments.map(\.type.description).joined(separator: ", ")
        return Diagnostic("function \(function.rawValue)(\(types)) is not supported yet", fault: .user)
    }

    // MARK: Emission

    private func columnType(_ register: Int32) -> DataType {
        switch program.registers[Int(register)] {
        case .input(_, let type), .literal(_, let type), .temporary(let type), .view(let type): type
        }
    }

    mutating func newRegister(_ register: Register) -> Int32 {
        program.registers.append(register)
        return Int32(program.registers.count - 1)
    }

    mutating func emit(
        _ type: DataType, _ arguments: [Operand], p: Int64 = 0, q: Int64 = 0, object: AnyObject? = nil,
        _ kernel: @escaping Kernel
    ) -> Operand {
        let register = newRegister(.temporary(type))
        append(register, arguments, p: p, q: q, object: object, kernel)
        return Operand(register: register, type: type)
    }

    private mutating func append(
        _ result: Int32, _ arguments: [Operand], p: Int64 = 0, q: Int64 = 0, object: AnyObject?,
        _ kernel: @escaping Kernel
    ) {
        var index: Int32 = -1
        if let object {
            index = Int32(program.objects.count)
            program.objects.append(object)
        }
        func register(_ i: Int) -> Int32 { i < arguments.count ? arguments[i].register : 0 }
        program.instructions.append(
            Instruction(
                kernel: kernel, result: result, a: register(0), b: register(1), c: register(2),
                firstArgument: Int32(program.arguments.count), argumentCount: Int32(arguments.count), p: p, q: q,
                object: index))
        program.arguments.append(contentsOf: arguments.map(\.register))
    }

    /// A column of its own with the operand's cells.
    mutating func copy(_ operand: Operand, as type: DataType) -> Operand {
        conditional([operand], type)
    }
}

extension Expression {
    /// False when evaluating it twice gives two values.
    fileprivate var isRepeatable: Bool {
        if case .call(let function, _, _) = self {
            switch function {
            case .rand, .randInteger, .uuid: return false
            default: break
            }
        }
        return operands.allSatisfy(\.isRepeatable)
    }
}
