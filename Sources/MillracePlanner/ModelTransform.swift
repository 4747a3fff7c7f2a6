import MillraceCore
import MillraceSQL

/// `CREATE MODEL … TRANSFORM (expression AS feature, …)`: how ML.PREDICT makes a model's inputs of the query's columns.
struct ModelTransform {
    /// In the order written; `*` and plain columns pass columns through, which happens anyway.
    private let items: [(name: String, expression: ExpressionSyntax)]

    var isEmpty: Bool { items.isEmpty }

    /// Nil after an error.
    init?(_ items: [SelectSyntax.Item], log: DiagnosticLog) {
        var found: [(name: String, expression: ExpressionSyntax)] = []
        var isFine = true
        for item in items {
            guard case .expression(let expression, let alias) = item else { continue }
            guard let name = alias?.text ?? expression.derivedName else {
                log.error("a feature of TRANSFORM has no name", at: expression.range, hint: "Write … AS name.")
                isFine = false
                continue
            }
            if found.contains(where: { $0.name == name }) {
                log.error("feature \"\(name)\" of TRANSFORM is there twice", at: alias?.range ?? expression.range)
                isFine = false
            }
            found.append((name, expression))
        }
        guard isFine else { return nil }
        self.items = found
    }

    enum Found {
        case bound(Bound, SourceRange)
        case failed, absent
    }

    /// The feature of this name over the columns of the query. A feature that is a STRUCT, as ML.FEATURE_CROSS and
    /// ML.POLYNOMIAL_EXPAND give it, also has the names of its fields.
    func feature(_ name: String, _ binder: ExpressionBinder) -> Found {
        if let item = items.first(where: { $0.name == name }) {
            guard let bound = binder.bind(item.expression) else { return .failed }
            guard case .row(let fields) = bound.type, fields.count == 1 else {
                return .bound(bound, item.expression.range)
            }
            return .bound(Self.field(bound, 0, fields[0]), item.expression.range)
        }
        for item in items {
            let silent = ExpressionBinder(
                scope: binder.scope, log: DiagnosticLog(), functions: binder.functions, place: binder.place)
            guard let bound = silent.bind(item.expression), case .row(let fields) = bound.type,
                let index = fields.firstIndex(where: { $0.name == name })
            else { continue }
            return .bound(Self.field(bound, index, fields[index]), item.expression.range)
        }
        return .absent
    }

    private static func field(_ row: Bound, _ index: Int, _ field: Field) -> Bound {
        // The parts of a row that is made here need no row.
        if case .call(.rowConstructor, let parts, _) = row.expression {
            return Bound(parts[index], isNullable: field.isNullable)
        }
        return Bound(.field(row.expression, index: index, field.type), isNullable: row.isNullable || field.isNullable)
    }
}
