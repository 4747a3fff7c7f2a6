import MillraceCore

extension ExpressionCompiler {
    mutating func json(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? { nil }
}
