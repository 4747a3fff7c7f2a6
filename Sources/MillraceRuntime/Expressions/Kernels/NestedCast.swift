import MillraceCore

/// A cast of ROW, ARRAY, MAP or MULTISET: the cast of every child, over all its cells at once.
final class NestedCast {
    /// One for each child that changes its type; nil for the others.
    private let children: [ExpressionEvaluator?]

    init(from: DataType, to: DataType) throws(Diagnostic) {
        var children: [ExpressionEvaluator?] = []
        for (old, new) in zip(from.childTypes, to.childTypes) {
            if old == new {
                children.append(nil)
            } else {
                children.append(try ExpressionEvaluator([.cast(.column(0, old), to: new, isTry: false)]))
            }
        }
        self.children = children
    }

    /// An element that cannot be cast makes the whole value an error.
    static func run(_ run: Run) {
        let cast = run.object(NestedCast.self)
        let source = run.column(run.instruction.a)
        let target = run.column(run.instruction.result)
        target.clear()
        var cells: [Column] = []
        for (child, evaluator) in zip(source.children, cast.children) {
            guard let evaluator else {
                cells.append(child)
                continue
            }
            let rows = source.layout == .row ? run.rows : child.count
            cells.append(evaluator.evaluate(ColumnBatch(columns: [child], count: rows), arena: run.arena)[0])
        }
        for k in 0..<run.rows {
            var state = run.a.states[k]
            if state == CellState.valid {
                if source.layout == .row {
                    for child in cells { state = worse(state, child, k..<k + 1) }
                } else {
                    let list = source.lists[k]
                    for child in cells { state = worse(state, child, Int(list.start)..<Int(list.start + list.count)) }
                }
            }
            guard state == CellState.valid else {
                target.append(state: state)
                continue
            }
            if source.layout == .row {
                target.appendRow()
                for (to, from) in zip(target.children, cells) { to.appendRange(from: from, start: k, count: 1) }
            } else {
                let list = source.lists[k]
                let start = Int32(target.children[0].count)
                for (to, from) in zip(target.children, cells) {
                    to.appendRange(from: from, start: Int(list.start), count: Int(list.count))
                }
                target.append(list: ListRef(start: start, count: list.count))
            }
        }
        run.frame.pointee.cells[Int(run.instruction.result)] = Cells(target)
    }

    private static func worse(_ state: UInt8, _ column: Column, _ rows: Range<Int>) -> UInt8 {
        for row in rows where column.states[row] > CellState.valid { return column.states[row] }
        return state
    }

    /// Errors become NULL.
    static func forgive(_ run: Run) {
        let source = run.column(run.instruction.a)
        let target = run.column(run.instruction.result)
        target.clear()
        for k in 0..<run.rows {
            if run.a.states[k] == CellState.valid {
                target.appendRange(from: source, start: k, count: 1)
            } else {
                target.appendNull()
            }
        }
        run.frame.pointee.cells[Int(run.instruction.result)] = Cells(target)
    }
}
