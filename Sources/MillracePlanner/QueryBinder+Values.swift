import MillraceCore
import MillraceSQL

extension QueryBinder {
    /// One row without columns, for VALUES and SELECT without FROM.
    func oneRow() -> LogicalNode {
        let connector = ConnectorDescriptor(name: "datagen", roles: [.scan], options: [], isBounded: { _ in true })
        let table = CatalogTable(
            name: "VALUES", range: .none, columns: [], watermark: nil, primaryKey: [], optionSyntax: [],
            connector: connector, options: ["number-of-rows": "1"],
            definition: CreateTableSyntax(name: ObjectName([Identifier("VALUES", range: .none)]), columns: []))
        let scan = TableScan(table: table, options: table.options, isBounded: true)
        return LogicalNode(.scan(scan), inputs: [], columns: [], object: table.name)
    }

    /// `VALUES (a, b), (c, d)`: one projection a row, joined by UNION ALL, columns of the rows' common types.
    func values(_ rows: [[ExpressionSyntax]], _ range: SourceRange) -> LogicalNode? {
        let binder = binder(Scope(columns: []), "VALUES")
        var isFine = true
        var bound: [[Bound]] = []
        for row in rows {
            let cells = row.map { binder.bind($0) }
            if row.count != rows[0].count {
                log.error(
                    "VALUES has rows of \(rows[0].count) and of \(row.count) values", at: row.first?.range ?? range)
                isFine = false
            }
            if cells.contains(where: { $0 == nil }) { isFine = false }
            bound.append(cells.compactMap { $0 })
        }
        guard isFine, let first = bound.first else { return nil }
        var columns = first.enumerated().map { index, cell in
            OutputColumn("EXPR$\(index)", cell.type, isNullable: cell.isNullable)
        }
        for (row, cells) in bound.enumerated().dropFirst() {
            for (index, cell) in cells.enumerated() {
                guard let type = Coercion.leastRestrictive(columns[index].type, cell.type) else {
                    log.error(
                        "VALUES has \(columns[index].type) and \(cell.type) in column \(index + 1)",
                        at: rows[row][index].range, hint: "Write a CAST.")
                    return nil
                }
                columns[index] = OutputColumn(
                    columns[index].name, type, isNullable: columns[index].isNullable || cell.isNullable)
            }
        }
        let source = oneRow()
        let inputs = bound.map { cells in
            LogicalNode.project(
                source,
                zip(columns, cells).map { ($0.name, Coercion.cast($1.expression, to: $0.type), $0.isNullable) },
                object: object)
        }
        if inputs.count == 1 { return inputs[0] }
        return LogicalNode(.union, inputs: inputs, columns: columns, object: object)
    }
}
