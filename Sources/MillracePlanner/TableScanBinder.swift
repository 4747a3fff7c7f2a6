import MillraceCore
import MillraceSQL

/// The columns of a table as its users see them: casts of metadata, computed columns, event time.
struct TableScanBinder {
    let functions: FunctionTable
    let log: DiagnosticLog

    /// Scan, projections, watermark. Errors go to `log`; broken columns stay in place.
    func bind(_ scan: TableScan) -> LogicalNode {
        let table = scan.table
        let leaf = Self.leaf(scan)
        var node = leaf
        var hasCast = false
        var items: [(name: String, expression: Expression, isNullable: Bool)] = []
        for case .metadata(let field, _, let source, _, _) in table.columns where field.type != source {
            hasCast = true
        }
        if hasCast {
            for (index, column) in Self.stored(table).enumerated() {
                switch column {
                case .metadata(let field, _, let source, _, _):
                    items.append((field.name, Coercion.cast(.column(index, source), to: field.type), field.isNullable))
                case .physical(let field): items.append((field.name, .column(index, field.type), field.isNullable))
                case .computed: break
                }
            }
            node = .project(node, items, object: table.name)
        }
        var broken: Set<Int> = []
        if table.columns.contains(where: { if case .computed = $0 { true } else { false } }) {
            let binder = ExpressionBinder(
                scope: Scope(
                    columns: node.columns, relations: [.init(alias: table.name, columns: node.columns.indices)]),
                log: log, functions: functions, place: "a computed column")
            items = []
            var stored = 0
            for (index, column) in table.columns.enumerated() {
                if case .computed(let expression, let name) = column {
                    if let bound = binder.bind(expression) {
                        items.append((name.text, bound.expression, bound.isNullable))
                    } else {
                        broken.insert(index)
                        items.append((name.text, .literal(.null, .null), true))
                    }
                } else {
                    let field = node.columns[stored]
                    items.append((field.name, .column(stored, field.type), field.isNullable))
                    stored += 1
                }
            }
            node = .project(node, items, object: table.name)
        }
        var columns = node.columns
        for index in broken { columns[index].isBroken = true }
        if let declared = table.watermark { scan.watermark = watermark(declared, scan, columns).map { ($0, false) } }
        for index in columns.indices where columns[index].type.isTimestamp && columns[index].time == .none {
            if table.watermark == nil { columns[index].time = .candidate([ScanColumn(scan: scan, column: index)]) }
        }
        if let rowtime = scan.watermark?.plan.rowtimeColumn { columns[rowtime].time = .event }
        return LogicalNode(.watermark(scan), inputs: [node], columns: columns, object: table.name)
    }

    static func stored(_ table: CatalogTable) -> [CatalogTable.Column] {
        table.columns.filter { if case .computed = $0 { false } else { true } }
    }

    static func leaf(_ scan: TableScan) -> LogicalNode {
        let columns = stored(scan.table).compactMap { column -> OutputColumn? in
            switch column {
            case .physical(let field): OutputColumn(field.name, field.type, isNullable: field.isNullable)
            case .metadata(let field, _, let source, _, _):
                OutputColumn(field.name, source, isNullable: field.isNullable)
            case .computed: nil
            }
        }
        return LogicalNode(.scan(scan), inputs: [], columns: columns, object: scan.table.name)
    }

    private func watermark(
        _ syntax: CreateTableSyntax.Watermark, _ scan: TableScan, _ columns: [OutputColumn]
    ) -> WatermarkPlan? {
        let name = syntax.column.map(\.text).joined(separator: ".")
        let place = syntax.column[0].range.through(syntax.column[syntax.column.count - 1].range)
        guard syntax.column.count == 1, let index = columns.firstIndex(where: { $0.name == name }) else {
            log.error(
                "the watermark's column \"\(name)\" is not in table \"\(scan.table.name)\"", at: place,
                hint: syntax.column.count > 1
                    ? "Make a computed column of the field and use that."
                    : NearestName.hint(name, in: columns.map(\.name)))
            return nil
        }
        let column = columns[index]
        if column.isBroken { return nil }
        let precision: Int? =
            switch column.type {
            case .timestamp(let precision), .timestampLTZ(let precision): precision
            default: nil
            }
        guard let precision, precision <= 3 else {
            log.error(
                "the watermark's column \"\(name)\" is \(column.type), not TIMESTAMP(3) or TIMESTAMP_LTZ(3)", at: place,
                hint: precision == nil
                    ? "Make a computed column and use that: \(Self.timeColumn(from: name, column.type))."
                    : "Declare it with precision 3.")
            return nil
        }
        let binder = ExpressionBinder(
            scope: Scope(columns: columns, relations: [.init(alias: scan.table.name, columns: columns.indices)]),
            log: log,
            functions: functions, place: "WATERMARK")
        guard let bound = binder.bind(syntax.expression) else { return nil }
        guard bound.type.isTimestamp else {
            log.error("the watermark is \(bound.type), not a timestamp", at: syntax.expression.range)
            return nil
        }
        var delay: Int64 = 0
        if case .call(.subtractInterval, let operands, _) = bound.expression, operands.count == 2,
            case .literal(.integer(let value), .intervalDayTime) = operands[1]
        {
            delay = value
        }
        return Self.plan(scan, rowtime: index, expression: bound.expression, bound: delay)
    }

    /// A computed column that turns milliseconds or text into a time.
    static func timeColumn(from name: String, _ type: DataType) -> String {
        type.isNumeric ? "event_time AS TO_TIMESTAMP_LTZ(\(name), 3)" : "event_time AS TO_TIMESTAMP(\(name))"
    }

    /// Idle rules come from the table's options. A bounded source never goes on with the wall clock.
    static func plan(_ scan: TableScan, rowtime: Int, expression: Expression, bound: Int64) -> WatermarkPlan {
        let idle = scan.options["scan.watermark.idle-timeout"].flatMap(OptionValue.microseconds) ?? 1_000_000
        let advances = scan.options["scan.watermark.idle-advance"].flatMap(OptionValue.boolean) ?? true
        return WatermarkPlan(
            rowtimeColumn: rowtime, expression: expression, idleTimeoutMicroseconds: idle,
            advancesWhenIdle: advances && !scan.isBounded, boundMicroseconds: bound)
    }
}
