/// A typed scalar expression over the columns of one input, as plain data.
///
/// The planner has inserted every implicit cast: a kernel finds its operands in the types `BuiltinFunction` says, so two
/// implementations cannot disagree about coercion.
public indirect enum Expression: Hashable, Sendable {
    /// Input column by index.
    case column(Int, DataType)
    case literal(Value, DataType)
    case call(BuiltinFunction, [Expression], DataType)
    /// `isTry`: a value that cannot be cast becomes NULL instead of an error cell.
    case cast(Expression, to: DataType, isTry: Bool)
    /// Searched CASE; a simple CASE arrives as equality conditions. Lazy: only the taken branch counts.
    case conditional([Branch], otherwise: Expression?, DataType)
    /// Field of a ROW; NULL when the row is.
    case field(Expression, index: Int, DataType)

    public struct Branch: Hashable, Sendable {
        public var condition: Expression
        public var result: Expression
        public init(condition: Expression, result: Expression) {
            self.condition = condition
            self.result = result
        }
    }

    public var type: DataType {
        switch self {
        case .column(_, let type), .literal(_, let type), .call(_, _, let type), .field(_, _, let type): type
        case .cast(_, let type, _): type
        case .conditional(_, _, let type): type
        }
    }

    /// The direct operands.
    public var operands: [Expression] {
        switch self {
        case .column, .literal: []
        case .call(_, let arguments, _): arguments
        case .cast(let operand, _, _), .field(let operand, _, _): [operand]
        case .conditional(let branches, let otherwise, _):
            branches.flatMap { [$0.condition, $0.result] } + (otherwise.map { [$0] } ?? [])
        }
    }

    /// The same expression with each input column index sent through `transform`.
    public func mapColumns(_ transform: (Int) -> Int) -> Expression {
        switch self {
        case .column(let index, let type): .column(transform(index), type)
        case .literal: self
        case .call(let function, let arguments, let type):
            .call(function, arguments.map { $0.mapColumns(transform) }, type)
        case .cast(let operand, let type, let isTry): .cast(operand.mapColumns(transform), to: type, isTry: isTry)
        case .field(let operand, let index, let type): .field(operand.mapColumns(transform), index: index, type)
        case .conditional(let branches, let otherwise, let type):
            .conditional(
                branches.map {
                    Branch(condition: $0.condition.mapColumns(transform), result: $0.result.mapColumns(transform))
                },
                otherwise: otherwise?.mapColumns(transform), type)
        }
    }

    /// Every input column the expression reads.
    public var usedColumns: Set<Int> {
        if case .column(let index, _) = self { return [index] }
        return operands.reduce(into: []) { $0.formUnion($1.usedColumns) }
    }
}
