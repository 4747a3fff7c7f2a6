import MillraceCore
import MillraceSQL

/// One SELECT with GROUP BY or aggregates: keys, aggregates, windows, HAVING, and the expressions over them.
final class AggregateBinder {
    /// While the aggregates are still being collected, columns of the result stand at these places.
    private enum Place {
        static let aggregates = 1_000_000
        static let window = 2_000_000
    }
    /// Where a window comes from.
    private enum Window {
        /// `GROUP BY TUMBLE(ts, …)`: the time column of the input, and the written call for the auxiliary functions.
        case group(WindowKind, timeColumn: Int, call: CallSyntax, isDataflow: Bool)
        /// `GROUP BY window_start, window_end` of a window table function.
        case function(WindowIdentity)
    }
    private let query: QueryBinder
    private let syntax: SelectSyntax
    private let input: LogicalNode
    private let inputBinder: ExpressionBinder
    private var log: DiagnosticLog { query.log }
    private var keys: [(expression: Expression, isNullable: Bool, name: String)] = []
    private var hasFailedKey = false
    private var window: Window?
    /// Window columns that GROUP BY names.
    private var parts: [WindowColumn.Part: Int] = [:]
    private var aggregates: [(call: AggregateCall, isNullable: Bool)] = []
    /// Columns put behind the input's: keys and arguments that are expressions.
    private var added: [(name: String, expression: Expression, isNullable: Bool)] = []

    init(_ query: QueryBinder, _ syntax: SelectSyntax, _ relation: Relation) {
        self.query = query
        self.syntax = syntax
        input = relation.node
        inputBinder = query.binder(relation.scope, "GROUP BY")
    }

    func bind() -> LogicalNode? {
        var isFine = true
        for grouping in syntax.groupBy {
            guard case .expression(let expression) = grouping else {
                log.error("GROUPING SETS, ROLLUP and CUBE are not supported", at: syntax.range)
                return nil
            }
            if !bindKey(expression) {
                isFine = false
                hasFailedKey = true
            }
        }
        if isFine, !checkWindow() { return nil }
        let binder = query.binder(inputBinder.scope, "SELECT")
        binder.intercept = { [unowned self] in intercept($0) }
        var items: [(name: String, expression: Expression, isNullable: Bool)] = []
        for (position, item) in syntax.items.enumerated() {
            guard case .expression(let expression, let alias) = item else {
                if case .all(_, let range) = item { log.error("* is not allowed beside GROUP BY", at: range) }
                isFine = false
                continue
            }
            if !isFine, window == nil, isWindowCall(expression) { continue }
            guard let bound = binder.bind(expression) else {
                isFine = false
                continue
            }
            items.append(
                (alias?.text ?? expression.derivedName ?? "EXPR$\(position)", bound.expression, bound.isNullable))
        }
        var having: Expression?
        if let clause = syntax.having {
            having = binder.boolean(clause, "HAVING")?.expression
            if having == nil { isFine = false }
        }
        guard isFine else { return nil }
        guard var node = aggregate() else { return nil }
        if let having {
            node = LogicalNode(.filter(placed(having)), inputs: [node], columns: node.columns, object: query.object)
        }
        var result = LogicalNode.project(
            node, items.map { ($0.name, placed($0.expression), $0.isNullable) }, object: query.object)
        if syntax.isDistinct {
            result = query.distinct(result)
        }
        return result
    }

    // MARK: Keys

    private func bindKey(_ expression: ExpressionSyntax) -> Bool {
        var expression = expression
        if case .number(let text) = expression.kind, let position = Int(text) {
            guard position >= 1, position <= syntax.items.count,
                case .expression(let item, _) = syntax.items[position - 1]
            else {
                log.error("GROUP BY \(text) is not a column of the select list", at: expression.range)
                return false
            }
            expression = item
        }
        if case .call(let call) = expression.kind,
            ["TUMBLE", "HOP", "SESSION", "CUMULATE"].contains(call.name.text.uppercased())
        {
            return bindGroupWindow(call, expression.range)
        }
        // An alias of the select list counts where no column has its name.
        if case .name(let names) = expression.kind, names.count == 1,
            !inputBinder.scope.columns.contains(where: { $0.name == names[0].text }),
            let item = syntax.items.lazy.compactMap({ item -> ExpressionSyntax? in
                if case .expression(let e, let alias?) = item, alias.text == names[0].text { e } else { nil }
            }).first, !item.containsAggregate
        {
            expression = item
        }
        guard let bound = inputBinder.bind(expression) else { return false }
        if case .column(let index, _) = bound.expression, let column = input.columns[index].window {
            if case .function(let known)? = window, known != column.window {
                log.error("GROUP BY mixes columns of two windows", at: expression.range)
                return false
            }
            if case .group? = window {
                log.error("GROUP BY has two windows", at: expression.range)
                return false
            }
            window = .function(column.window)
            parts[column.part] = index
            return true
        }
        if !keys.contains(where: { $0.expression == bound.expression }) {
            keys.append((bound.expression, bound.isNullable, expression.derivedName ?? "EXPR$\(keys.count)"))
        }
        return true
    }

    private func bindGroupWindow(_ call: CallSyntax, _ range: SourceRange) -> Bool {
        guard window == nil else {
            log.error("GROUP BY has two windows", at: range)
            return false
        }
        let name = call.name.text.uppercased()
        guard let first = call.arguments.first?.value else {
            log.error("\(name) takes a time column and intervals", at: range)
            return false
        }
        let intervals = call.arguments.dropFirst().map(\.value)
        guard let (kind, isDataflow) = query.windowKind(name, Array(intervals), range, allowsOffset: false) else {
            return false
        }
        guard let bound = inputBinder.bind(first) else { return false }
        guard let column = query.timeColumn(bound, input, first.range, name, isDataflow: isDataflow) else {
            return false
        }
        window = .group(kind, timeColumn: column, call: call, isDataflow: isDataflow)
        return true
    }

    /// All of GROUP BY's list.
    private var groupByRange: SourceRange {
        let places = syntax.groupBy.compactMap {
            if case .expression(let expression) = $0 { expression.range } else { nil }
        }
        guard let first = places.first, let last = places.last else { return syntax.range }
        return first.through(last)
    }

    /// Window or bounded input; anything else would have to be taken back later.
    private func checkWindow() -> Bool {
        if case .function(let identity)? = window {
            guard parts[.start] != nil, parts[.end] != nil else {
                log.error(
                    "GROUP BY has no \(parts[.start] != nil ? "window_end" : "window_start")", at: groupByRange,
                    hint: "A window aggregate groups by window_start and window_end.")
                return false
            }
            for column in identity.partitionBy where !keys.contains(where: { $0.name == column }) {
                log.error(
                    "GROUP BY has no \"\(column)\", which the session window is partitioned by", at: syntax.range)
                return false
            }
            return true
        }
        return true
    }

    // MARK: Expressions over the groups

    private func intercept(_ expression: ExpressionSyntax) -> ExpressionBinder.Interception {
        switch expression.kind {
        case .call(let call):
            let name = call.name.text.uppercased()
            if call.over == nil, ExpressionBinder.aggregateNames.contains(name) {
                return bindAggregate(call, name, expression.range).map { .bound($0) } ?? .failed
            }
            if let (function, part) = auxiliary(name) {
                return bindAuxiliary(call, name, function, part, expression.range).map { .bound($0) } ?? .failed
            }
        case .null, .boolean, .number, .string, .bytes, .temporal, .interval, .timeUnit: return .passed
        default: break
        }
        let silent = ExpressionBinder(
            scope: inputBinder.scope, log: DiagnosticLog(), functions: query.functions, place: "GROUP BY")
        if let bound = silent.bind(expression) {
            if let index = keys.firstIndex(where: { $0.expression == bound.expression }) {
                return .bound(Bound(.column(index, bound.type), isNullable: keys[index].isNullable))
            }
            if case .column(let index, _) = bound.expression, let column = input.columns[index].window,
                case .function(let identity)? = window, identity == column.window
            {
                guard parts[column.part] != nil else {
                    log.error("column \"\(input.columns[index].name)\" is not in GROUP BY", at: expression.range)
                    return .failed
                }
                return .bound(windowBound(column.part))
            }
            if case .name(let names) = expression.kind {
                // A key that failed may have been this column.
                if !hasFailedKey {
                    let name = names.map(\.text).joined(separator: ".")
                    log.error(
                        "column \"\(name)\" is neither in GROUP BY nor in an aggregate", at: expression.range,
                        hint: "Add \(name) to GROUP BY, or take one value of the group, as in MAX(\(name)).")
                }
                return .failed
            }
            // A constant expression needs no group.
            if bound.expression.usedColumns.isEmpty { return .bound(bound) }
        } else if case .name = expression.kind {
            _ = inputBinder.bind(expression)
            return .failed
        }
        return .passed
    }

    private func windowBound(_ part: WindowColumn.Part) -> Bound {
        let type: DataType = part == .time ? windowTimeType : .timestamp(precision: 3)
        return Bound(.column(Place.window + part.place, type), isNullable: false)
    }

    private var timeColumnType: DataType {
        switch window {
        case .group(_, let column, _, _)?: input.columns[column].type
        case .function(let identity)?:
            input.columns.first { $0.window?.window == identity && $0.window?.part == .time }?.type
                ?? .timestamp(precision: 3)
        case nil: .timestamp(precision: 3)
        }
    }

    private var windowTimeType: DataType {
        if case .timestampLTZ = timeColumnType { .timestampLTZ(precision: 3) } else { .timestamp(precision: 3) }
    }

    private func auxiliary(_ name: String) -> (String, WindowColumn.Part)? {
        for function in ["TUMBLE", "HOP", "SESSION"] {
            for (suffix, part) in [("_START", WindowColumn.Part.start), ("_END", .end), ("_ROWTIME", .time)]
            where name == function + suffix { return (function, part) }
        }
        return nil
    }

    private func isWindowCall(_ expression: ExpressionSyntax) -> Bool {
        if case .call(let call) = expression.kind { auxiliary(call.name.text.uppercased()) != nil } else { false }
    }

    /// `TUMBLE_START(ts, INTERVAL …)` must repeat the window; Dataflow's `TUMBLE_START("INTERVAL …")` leaves the time out.
    private func bindAuxiliary(
        _ call: CallSyntax, _ name: String, _ function: String, _ part: WindowColumn.Part, _ range: SourceRange
    ) -> Bound? {
        guard case .group(let kind, let column, let written, _)? = window, written.name.text.uppercased() == function
        else {
            var hint: String?
            if case .group(_, _, let written, _)? = window {
                let other = written.name.text.uppercased()
                hint = "GROUP BY has \(other); write \(other)\(name.dropFirst(function.count))."
            }
            log.error("\(name) needs \(function)(…) in GROUP BY", at: range, hint: hint)
            return nil
        }
        var intervals = call.arguments.map(\.value)
        if intervals.count == written.arguments.count {
            let silent = ExpressionBinder(
                scope: inputBinder.scope, log: DiagnosticLog(), functions: query.functions, place: name)
            guard case .column(column, _)? = silent.bind(intervals.removeFirst())?.expression else {
                log.error("\(name) has another time column than \(function) in GROUP BY", at: range)
                return nil
            }
        }
        guard let (own, _) = query.windowKind(function, intervals, range, allowsOffset: false) else { return nil }
        guard own == kind else {
            log.error(
                "\(name) has other intervals than \(function) in GROUP BY", at: range,
                hint: "Repeat the intervals exactly.")
            return nil
        }
        return windowBound(part)
    }

    // MARK: Aggregates

    private func bindAggregate(_ call: CallSyntax, _ name: String, _ range: SourceRange) -> Bound? {
        inputBinder.place = "the argument of an aggregate"
        defer { inputBinder.place = "GROUP BY" }
        var filter: Expression?
        if let clause = call.filter {
            guard let bound = inputBinder.boolean(clause, "FILTER") else { return nil }
            filter = bound.expression
        }
        var argument: Bound?
        var isStar = false
        if call.arguments.count == 1, case .asterisk = call.arguments[0].value.kind {
            isStar = true
        } else if call.arguments.count == 1 {
            argument = inputBinder.bind(call.arguments[0].value)
            if argument == nil { return nil }
        } else if !(name == "COUNT" && call.arguments.isEmpty) {
            log.error("aggregate \(name) takes 1 argument, not \(call.arguments.count)", at: range)
            return nil
        }
        let function: AggregateCall.Function
        var type: DataType = .bigInt
        switch name {
        case "COUNT":
            function = argument == nil ? .countAll : .count
            if isStar && call.isDistinct {
                log.error("COUNT(DISTINCT *) is not supported", at: range)
                return nil
            }
        case "COUNTIF":
            guard let condition = argument, condition.type == .boolean else {
                log.error("COUNTIF takes BOOLEAN", at: range)
                return nil
            }
            filter = filter.map { .call(.and, [$0, condition.expression], .boolean) } ?? condition.expression
            argument = nil
            function = .countAll
        case "SUM", "AVG":
            guard let bound = argument, bound.type.isNumeric else {
                let given = isStar ? "*" : "\(argument?.type ?? .null)"
                log.error("\(name) takes a number, not \(given)", at: call.arguments.first?.value.range ?? range)
                return nil
            }
            function = name == "SUM" ? .sum : .average
            type = bound.type
            if case .decimal(_, let scale) = bound.type {
                type = .decimal(precision: 38, scale: name == "SUM" ? scale : max(6, scale))
            }
        case "MIN", "MAX":
            guard let bound = argument,
                bound.type.isNumeric || bound.type.isCharacter || bound.type.isTemporal || bound.type == .boolean
                    || bound.type.isInterval || bound.type.isBinary
            else {
                let given = isStar ? "*" : "\(argument?.type ?? .null)"
                log.error("\(name) does not take \(given)", at: call.arguments.first?.value.range ?? range)
                return nil
            }
            function = name == "MIN" ? .minimum : .maximum
            type = bound.type
        default:
            log.error(
                "aggregate \(name) is not supported", at: range,
                hint: "The aggregates are COUNT, SUM, AVG, MIN and MAX.")
            return nil
        }
        let bound = AggregateCall(
            function, argument: argument.map { slot($0.expression, isNullable: $0.isNullable) },
            filter: filter.map { slot($0, isNullable: true) },
            // DISTINCT changes nothing for the extremes.
            isDistinct: call.isDistinct && function != .minimum && function != .maximum, type: type)
        let isCount = function == .count || function == .countAll
        let isNullable =
            !isCount && (argument?.isNullable == true || filter != nil || type.isDecimal || syntax.groupBy.isEmpty)
        let index: Int
        if let known = aggregates.firstIndex(where: { $0.call == bound }) {
            index = known
        } else {
            index = aggregates.count
            aggregates.append((bound, isNullable))
        }
        return Bound(.column(Place.aggregates + index, type), isNullable: isNullable)
    }

    /// The column of the (extended) input that holds an expression.
    private func slot(_ expression: Expression, isNullable: Bool) -> Int {
        if case .column(let index, _) = expression { return index }
        if let known = added.firstIndex(where: { $0.expression == expression }) { return input.columns.count + known }
        added.append((expression.pathName(input.columns) ?? "EXPR$\(added.count)", expression, isNullable))
        return input.columns.count + added.count - 1
    }

    // MARK: The node

    private func aggregate() -> LogicalNode? {
        let keySlots = keys.map { slot($0.expression, isNullable: $0.isNullable) }
        var columns = zip(keys, keySlots).map { key, slot -> OutputColumn in
            var column = OutputColumn(key.name, key.expression.type, isNullable: key.isNullable)
            if slot < input.columns.count, input.columns[slot].time == .event {
                column.time = .lost("a grouping keeps only the time of the window")
            }
            return column
        }
        columns += aggregates.enumerated().map {
            OutputColumn("AGG$\($0.offset)", $0.element.call.type, isNullable: $0.element.isNullable)
        }
        let calls = aggregates.map(\.call)
        switch window {
        case nil:
            let node = added.isEmpty ? input : input.appending(added)
            return query.grouping(node, keys: keySlots, aggregates: calls, columns: columns, cause: updateCause)
        case .group(let kind, let timeColumn, _, _):
            let node = added.isEmpty ? input : input.appending(added)
            return windowed(node, kind, timeColumn, keySlots, calls, columns)
        case .function(let identity):
            // The window table function itself is not needed: the aggregate assigns the windows.
            var absorption = WindowAbsorption(identity)
            let readsWindow = added.contains {
                $0.expression.usedColumns.contains { input.columns[$0].window?.window == identity }
            }
            guard !readsWindow, let (base, timeColumn) = absorption.absorb(input) else {
                return attached(keySlots, calls, columns, identity)
            }
            // `absorb` keeps the input's columns in place and may put the time column behind them.
            let shift = base.columns.count - input.columns.count
            func moved(_ index: Int) -> Int { index < input.columns.count ? index : index + shift }
            let node = added.isEmpty ? base : base.appending(added)
            let moveCalls = calls.map { call in
                var call = call
                call.argument = call.argument.map(moved)
                call.filter = call.filter.map(moved)
                return call
            }
            let result = windowed(
                node, identity.kind, timeColumn, keySlots.map(moved), moveCalls, columns, identity)
            guard let condition = Expression.conjunction(absorption.conditions) else { return result }
            return LogicalNode(
                .filter(condition.mapColumns { columns.count + $0 }), inputs: [result], columns: result.columns,
                object: query.object)
        }
    }

    /// Rows that already carry their window: those of another window aggregate, of a window join, or of a window function
    /// whose columns are read before GROUP BY.
    private func attached(
        _ keySlots: [Int], _ calls: [AggregateCall], _ columns: [OutputColumn], _ identity: WindowIdentity
    ) -> LogicalNode? {
        guard let start = parts[.start], let end = parts[.end] else { return nil }
        let node = added.isEmpty ? input : input.appending(added)
        return windowed(node, .attached(startColumn: start), end, keySlots, calls, columns, identity)
    }

    /// Why the rows change when there is no window.
    private var updateCause: UpdateCause {
        var place = syntax.range
        if case .expression(let expression)? = syntax.groupBy.first { place = expression.range }
        return UpdateCause(
            clause: "\(syntax.groupBy.isEmpty ? "an aggregate" : "GROUP BY") without a window over a stream",
            range: place,
            hint: input.isBounded
                ? "Leave out SET 'execution.runtime-mode' = 'streaming': bounded input then gives its result once, at the end."
                : "Add a window: GROUP BY TUMBLE(ts, INTERVAL '5' SECOND), or FROM TUMBLE(…) with GROUP BY window_start,"
                    + " window_end. Or write to a table that takes changes, such as print.")
    }

    private func windowed(
        _ node: LogicalNode, _ kind: WindowKind, _ timeColumn: Int, _ keySlots: [Int], _ calls: [AggregateCall],
        _ columns: [OutputColumn], _ identity: WindowIdentity? = nil
    ) -> LogicalNode {
        func column(_ name: String, _ type: DataType, _ part: WindowColumn.Part) -> OutputColumn {
            OutputColumn(
                name, type, isNullable: false, time: part == .time ? .event : .none,
                window: identity.map { WindowColumn(part: part, window: $0) })
        }
        let lateness =
            input.streamScans.compactMap { $0.options["late.lateness"].flatMap(OptionValue.microseconds) }.max() ?? 0
        return LogicalNode(
            .windowAggregate(
                WindowAggregatePlan(
                    window: kind, timeColumn: timeColumn, keys: keySlots, aggregates: calls,
                    allowedLatenessMilliseconds: lateness / 1000)),
            inputs: [node],
            columns: columns + [
                column("window_start", .timestamp(precision: 3), .start),
                column("window_end", .timestamp(precision: 3), .end),
                column("window_time", windowTimeType, .time),
            ], object: query.object)
    }

    /// Collected places -> columns of the aggregate node.
    private func placed(_ expression: Expression) -> Expression {
        expression.mapColumns { index in
            if index >= Place.window { return keys.count + aggregates.count + index - Place.window }
            if index >= Place.aggregates { return keys.count + index - Place.aggregates }
            return index
        }
    }
}
