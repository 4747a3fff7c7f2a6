import MillraceCore
import MillraceSQL

extension LogicalNode {
    /// Says of columns that lost their event time here, in which line.
    func namingLosses(_ items: [SelectSyntax.Item]) -> LogicalNode {
        guard items.count == columns.count, case .project(let expressions) = kind else { return self }
        var columns = columns
        for (index, item) in items.enumerated() {
            guard case .lost(let reason) = columns[index].time, case .expression(let syntax, _) = item else { continue }
            // A loss further in has its line already.
            if case .column = expressions[index] { continue }
            columns[index].time = .lost("\(reason) (line \(syntax.range.start.line))")
        }
        return LogicalNode(kind, inputs: inputs, columns: columns, object: object)
    }
}
