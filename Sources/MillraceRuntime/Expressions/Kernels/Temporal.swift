import MillraceCore

extension ExpressionCompiler {
    mutating func temporal(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? { nil }
}
