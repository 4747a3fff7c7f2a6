import MillraceCore
import MillraceSQL

extension QueryBinder {
    func tableFunction(_ call: CallSyntax, _ range: SourceRange) -> LogicalNode? {
        let name = call.name.text.uppercased()
        switch name {
        case "TUMBLE", "HOP", "CUMULATE", "SESSION": return windowFunction(name, call, range)
        case "ML_PREDICT", "ML.PREDICT": return predict(call, range, bindsByName: name == "ML.PREDICT")
        default:
            log.error(
                "unknown table function \"\(call.name.text)\"", at: call.name.range,
                hint: NearestName.hint(
                    name, in: ["TUMBLE", "HOP", "CUMULATE", "SESSION", "ML_PREDICT", "ML.PREDICT", "TABLE"]))
            return nil
        }
    }

    /// Arguments by position or by name; nil after an error.
    func arguments(_ call: CallSyntax, _ names: [String], required: Int, _ range: SourceRange) -> [ExpressionSyntax?]? {
        let function = call.name.text.uppercased()
        var values = [ExpressionSyntax?](repeating: nil, count: names.count)
        for (position, argument) in call.arguments.enumerated() {
            if let name = argument.name {
                guard let index = names.firstIndex(of: name.text.uppercased()) else {
                    log.error(
                        "\(function) has no argument \"\(name.text)\"", at: name.range,
                        hint: NearestName.hint(name.text, in: names)
                            ?? "The arguments are \(names.joined(separator: ", ")).")
                    return nil
                }
                values[index] = argument.value
            } else {
                guard position < names.count else {
                    log.error("\(function) takes at most \(names.count) arguments", at: argument.value.range)
                    return nil
                }
                values[position] = argument.value
            }
        }
        for index in 0..<required where values[index] == nil {
            log.error(
                "\(function) has no argument \(names[index])", at: range,
                hint: "It is called as \(function)(\(names[..<required].joined(separator: ", "))).")
            return nil
        }
        return values
    }

    /// `TABLE t`, `(SELECT …)` or a plain name.
    func tableArgument(_ syntax: ExpressionSyntax) -> (
        node: LogicalNode, scope: Scope, partitionBy: [ExpressionSyntax]
    )? {
        let table: TableSyntax
        var partition: [ExpressionSyntax] = []
        switch syntax.kind {
        case .tableArgument(let inner, let partitionBy):
            table = inner
            partition = partitionBy
        case .scalarQuery(let query): table = TableSyntax(.query(query), range: syntax.range)
        case .name(let parts): table = TableSyntax(.name(ObjectName(parts), options: []), range: syntax.range)
        default:
            log.error("expected TABLE name or a query in parentheses", at: syntax.range)
            return nil
        }
        return self.table(table).map { ($0.node, $0.scope, partition) }
    }

    private func windowFunction(_ name: String, _ call: CallSyntax, _ range: SourceRange) -> LogicalNode? {
        let sizes: [String] =
            switch name {
            case "TUMBLE": ["SIZE", "OFFSET"]
            case "HOP": ["SLIDE", "SIZE", "OFFSET"]
            case "CUMULATE": ["STEP", "SIZE", "OFFSET"]
            default: ["GAP"]
            }
        let required = 2 + (name == "TUMBLE" || name == "SESSION" ? 1 : 2)
        // Dataflow's later spelling: SESSION(t, DESCRIPTOR(ts), DESCRIPTOR(key), gap).
        var call = call
        var keys: [Identifier] = []
        if name == "SESSION", call.arguments.count == 4, case .descriptor(let columns) = call.arguments[2].value.kind {
            keys = columns
            call.arguments.remove(at: 2)
        }
        guard let values = arguments(call, ["DATA", "TIMECOL"] + sizes, required: required, range),
            let data = values[0],
            let timecol = values[1]
        else { return nil }
        guard let (node, scope, written) = tableArgument(data) else { return nil }
        let partitionBy = written + keys.map { ExpressionSyntax(.name([$0]), range: $0.range) }
        guard case .descriptor(let columns) = timecol.kind, columns.count == 1 else {
            log.error("\(name) takes DESCRIPTOR(column) as its second argument", at: timecol.range)
            return nil
        }
        guard let (kind, isDataflow) = windowKind(name, values[2...].compactMap { $0 }, range, allowsOffset: true)
        else {
            return nil
        }
        let binder = binder(scope, name)
        guard let bound = binder.name(columns),
            let column = timeColumn(bound, node, columns[0].range, name, isDataflow: isDataflow)
        else { return nil }
        var partitions: [String] = []
        for syntax in partitionBy {
            guard let key = binder.bind(syntax) else { return nil }
            guard case .column(let index, _) = key.expression else {
                log.error("PARTITION BY takes columns", at: syntax.range)
                return nil
            }
            partitions.append(node.columns[index].name)
        }
        let identity = WindowIdentity(kind: kind, partitionBy: partitions, range: range)
        let timed = clocked(node, column, kind)
        let time: TimeAttribute = node.columns[column].time == .processing ? .processing : .event
        var output = node.columns.map { column in
            var column = column
            if column.time == .event { column.time = .lost("\(name) keeps only window_time as event time") }
            if case .candidate = column.time { column.time = .lost("\(name) keeps only window_time as event time") }
            column.window = nil
            return column
        }
        let timeType: DataType =
            if case .timestampLTZ = node.columns[column].type { .timestampLTZ(precision: 3) } else {
                .timestamp(precision: 3)
            }
        output += [
            OutputColumn(
                "window_start", .timestamp(precision: 3), isNullable: false,
                window: WindowColumn(part: .start, window: identity)),
            OutputColumn(
                "window_end", .timestamp(precision: 3), isNullable: false,
                window: WindowColumn(part: .end, window: identity)),
            OutputColumn(
                "window_time", timeType, isNullable: false, time: time,
                window: WindowColumn(part: .time, window: identity)),
        ]
        return LogicalNode(
            .windowAssign(timeColumn: column, identity), inputs: [timed], columns: output, object: node.object)
    }

    /// The node, behind the clock when `column` is a processing-time attribute.
    func clocked(_ node: LogicalNode, _ column: Int, _ kind: WindowKind) -> LogicalNode {
        guard node.columns[column].time == .processing else { return node }
        return LogicalNode(
            .processingTime(column: column, kind), inputs: [node], columns: node.columns, object: node.object)
    }

    /// A window's shape from its intervals, in Flink's argument order and with Flink's checks.
    func windowKind(
        _ name: String, _ intervals: [ExpressionSyntax], _ range: SourceRange, allowsOffset: Bool
    ) -> (WindowKind, isDataflow: Bool)? {
        var values: [Int64] = []
        var isDataflow = false
        let needed = name == "TUMBLE" || name == "SESSION" ? 1 : 2
        let most = needed + (allowsOffset && name != "SESSION" ? 1 : 0)
        guard (needed...most).contains(intervals.count) else {
            let example = (["time"] + (0..<needed).map { _ in "INTERVAL '5' SECOND" }).joined(separator: ", ")
            log.error(
                "\(name) takes \(needed) interval\(needed == 1 ? "" : "s"), not \(intervals.count)", at: range,
                hint: allowsOffset ? nil : "It is called as \(name)(\(example)).")
            return nil
        }
        for syntax in intervals {
            let parsed: (Int64, DataType)?
            switch syntax.kind {
            case .string(let text, _):
                isDataflow = true
                parsed = IntervalLiteral.dataflow(text)
            case .interval(let text, let from, let to, let isNegative):
                parsed = IntervalLiteral.parse(text: text, from: from, to: to, isNegative: isNegative)
            case .unary(.minus, let inner):
                if case .interval(let text, let from, let to, let isNegative) = inner.kind {
                    parsed = IntervalLiteral.parse(text: text, from: from, to: to, isNegative: !isNegative)
                } else {
                    parsed = nil
                }
            default: parsed = nil
            }
            guard let (value, type) = parsed else {
                log.error(
                    "\(name) takes an interval", at: syntax.range,
                    hint: "Write INTERVAL '5' SECOND or \"INTERVAL 5 SECOND\".")
                return nil
            }
            guard type == .intervalDayTime else {
                log.error(
                    "\(name) does not take months and years", at: syntax.range, hint: "Use an interval of days or less."
                )
                return nil
            }
            guard value % 1000 == 0 else {
                log.error("\(name) takes whole milliseconds", at: syntax.range)
                return nil
            }
            if values.count < needed, value <= 0 {
                log.error("the interval of \(name) is not positive", at: syntax.range)
                return nil
            }
            values.append(value / 1000)
        }
        let offset = values.count > needed ? values[needed] : 0
        let limit = name == "CUMULATE" ? values[needed - 1] : values[0]
        guard abs(offset) < limit else {
            log.error(
                "the offset of \(name) is not smaller than its \(name == "HOP" ? "slide" : "size")",
                at: intervals[needed].range)
            return nil
        }
        switch name {
        case "TUMBLE": return (.tumble(sizeMilliseconds: values[0], offsetMilliseconds: offset), isDataflow)
        case "SESSION": return (.session(gapMilliseconds: values[0]), isDataflow)
        default:
            let first = name == "HOP" ? "slide" : "step"
            // The older group window is not made of whole slides.
            guard values[1] % values[0] == 0 || name == "HOP" && !allowsOffset && values[0] < values[1] else {
                let isReversed = values[0] % values[1] == 0
                log.error(
                    "the size of \(name) is not a multiple of its \(first)", at: intervals[1].range,
                    hint: isReversed ? "The \(first) comes before the size." : nil)
                return nil
            }
            return name == "HOP"
                ? (
                    .hop(slideMilliseconds: values[0], sizeMilliseconds: values[1], offsetMilliseconds: offset),
                    isDataflow
                )
                : (
                    .cumulate(stepMilliseconds: values[0], sizeMilliseconds: values[1], offsetMilliseconds: offset),
                    isDataflow
                )
        }
    }

    /// The event-time column a window goes by. A Dataflow window makes a table's timestamp event time.
    func timeColumn(
        _ bound: Bound, _ node: LogicalNode, _ range: SourceRange, _ function: String, isDataflow: Bool
    ) -> Int? {
        guard case .column(let index, let type) = bound.expression else {
            log.error(
                "\(function) takes a time column, not an expression", at: range,
                hint: "Make a computed column in CREATE TABLE and declare its WATERMARK.")
            return nil
        }
        let column = node.columns[index]
        let what = "column \"\(column.name)\""
        guard type.isTimestamp else {
            let isConvertible = type.isInteger || type.isCharacter
            log.error(
                "\(function) takes an event-time attribute; \(what) is \(type)", at: range,
                hint: isConvertible
                    ? "Add \(TableScanBinder.timeColumn(from: column.name, type)) and a WATERMARK FOR it to CREATE TABLE."
                    : nil)
            return nil
        }
        switch column.time {
        case .event: return index
        case .processing: return index
        case .lost(let reason):
            log.error("\(what) is no event-time attribute: \(reason)", at: range)
        case .candidate(let places):
            if isDataflow {
                for place in places {
                    if let known = place.scan.watermark, known.plan.rowtimeColumn != place.column {
                        log.error("table \"\(place.scan.table.name)\" already has another event time", at: range)
                        return nil
                    }
                    guard place.scan.watermark == nil else { continue }
                    place.scan.watermark = (
                        TableScanBinder.plan(
                            place.scan, rowtime: place.column, expression: .column(place.column, type), bound: 0),
                        true
                    )
                    log.all.append(
                        Diagnostic(
                            "table \"\(place.scan.table.name)\" has no WATERMARK; its column \"\(column.name)\" is event time without delay",
                            at: range, hint: "Declare a WATERMARK in CREATE TABLE to allow rows out of order.",
                            severity: .note))
                }
                return index
            }
            log.error(
                "\(what) is no event-time attribute: table \"\(places[0].scan.table.name)\" declares no WATERMARK",
                at: range,
                hint: "Add WATERMARK FOR \(column.name) AS \(column.name) - INTERVAL '5' SECOND to its CREATE TABLE.")
        case .none:
            log.error(
                "\(what) is no event-time attribute", at: range,
                hint: column.name == "window_start" || column.name == "window_end"
                    ? "The event time of a window's result is window_time: select it and add it to GROUP BY."
                    : "Declare a WATERMARK for it in CREATE TABLE and forward it unchanged.")
        }
        return nil
    }
}
