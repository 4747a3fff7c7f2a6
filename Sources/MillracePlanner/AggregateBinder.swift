import MillraceCore
import MillraceSQL

/// One SELECT with GROUP BY or aggregates: keys, aggregates, windows, HAVING, and the expressions over them.
final class AggregateBinder {
    /// While the aggregates are still being collected, columns of the result stand at these places.
    private enum Place {
        static let aggregates = 1_000_000
        static let window = 2_000_000
        /// Which grouping set a row belongs to.
        static let ordinal = 3_000_000
        /// Calls with OVER, which their own binder places.
        static let over = OverBinder.place
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
    private var grouping = GroupingSets()
    private lazy var wholeWindows = findWholeWindows()

    init(_ query: QueryBinder, _ syntax: SelectSyntax, _ relation: Relation) {
        self.query = query
        self.syntax = syntax
        input = relation.node
        inputBinder = query.binder(relation.scope, "GROUP BY")
    }

    func bind() -> LogicalNode? {
        var isFine = true
        for element in syntax.groupBy {
            guard let sets = bindGroups(element) else {
                isFine = false
                hasFailedKey = true
                continue
            }
            grouping.combine(sets)
        }
        if isFine, !checkWindow() { return nil }
        if isFine {
            grouping.finish(keys: keys.count)
            for index in keys.indices where grouping.isOptional(index) { keys[index].isNullable = true }
        }
        let binder = query.binder(inputBinder.scope, "SELECT")
        // Inside of OVER stand keys and aggregates, but no further OVER.
        let overRows = query.binder(inputBinder.scope, "SELECT")
        overRows.intercept = { [unowned self] in intercept($0) }
        let over = OverBinder(query, syntax.windows, rows: overRows)
        binder.intercept = { [unowned self] expression in
            if case .call(let call) = expression.kind, call.over != nil { return over.intercept(expression) }
            return intercept(expression)
        }
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
        guard let (rows, attached) = query.overRows(syntax, node, over, binder, place: { placed($0) }) else {
            return nil
        }
        var result = LogicalNode.project(
            rows, items.map { ($0.name, attached(placed($0.expression)), $0.isNullable) }, object: query.object)
        if syntax.isDistinct {
            result = query.distinct(result)
        }
        return result
    }

    // MARK: Keys

    /// The sets that one element of GROUP BY stands for, nil after an error.
    private func bindGroups(_ element: SelectSyntax.Grouping) -> [GroupingSets.Members]? {
        func members(_ expressions: [ExpressionSyntax]) -> GroupingSets.Members? {
            let bound = expressions.map(bindKey)
            let keys = bound.compactMap { $0 }
            return keys.count == bound.count ? keys : nil
        }
        func lists(_ written: [[ExpressionSyntax]]) -> [GroupingSets.Members]? {
            let bound = written.map(members)
            let lists = bound.compactMap { $0 }
            return lists.count == bound.count ? lists : nil
        }
        switch element {
        case .expression(let expression): return members([expression]).map { [$0] }
        case .groupingSets(let written): return lists(written)
        case .rollup(let written): return lists(written).map(GroupingSets.rollup)
        case .cube(let written):
            guard written.count <= GroupingSets.cubeKeysMax else {
                log.error("CUBE takes at most \(GroupingSets.cubeKeysMax) keys", at: syntax.range)
                return nil
            }
            return lists(written).map(GroupingSets.cube)
        }
    }

    /// Windows of which GROUP BY names both bounds. One bound alone is a key like any other.
    private func findWholeWindows() -> Set<WindowIdentity> {
        let silent = ExpressionBinder(
            scope: inputBinder.scope, log: DiagnosticLog(), functions: query.functions, place: "GROUP BY")
        var parts: [WindowIdentity: Set<WindowColumn.Part>] = [:]
        for element in syntax.groupBy {
            let expressions: [ExpressionSyntax] =
                switch element {
                case .expression(let expression): [expression]
                case .groupingSets(let lists), .rollup(let lists), .cube(let lists): lists.flatMap { $0 }
                }
            for expression in expressions {
                guard case .name = expression.kind, case .column(let index, _)? = silent.bind(expression)?.expression,
                    let column = input.columns[index].window
                else { continue }
                parts[column.window, default: []].insert(column.part)
            }
        }
        return Set(parts.filter { $0.value.isSuperset(of: [.start, .end]) }.keys)
    }

    private func bindKey(_ expression: ExpressionSyntax) -> GroupingSets.Member? {
        var expression = expression
        if case .number(let text) = expression.kind, let position = Int(text) {
            guard position >= 1, position <= syntax.items.count,
                case .expression(let item, _) = syntax.items[position - 1]
            else {
                log.error("GROUP BY \(text) is not a column of the select list", at: expression.range)
                return nil
            }
            expression = item
        }
        if case .call(let call) = expression.kind,
            ["TUMBLE", "HOP", "SESSION", "CUMULATE"].contains(call.name.text.uppercased())
        {
            return bindGroupWindow(call, expression.range) ? .groupWindow : nil
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
        guard let bound = inputBinder.bind(expression) else { return nil }
        if case .column(let index, _) = bound.expression, let column = input.columns[index].window,
            wholeWindows.contains(column.window) || !input.isBounded
        {
            if case .function(let known)? = window, known != column.window {
                log.error("GROUP BY mixes columns of two windows", at: expression.range)
                return nil
            }
            if case .group? = window {
                log.error("GROUP BY has two windows", at: expression.range)
                return nil
            }
            window = .function(column.window)
            parts[column.part] = index
            return .window(column.part)
        }
        if let known = keys.firstIndex(where: { $0.expression == bound.expression }) { return .key(known) }
        keys.append((bound.expression, bound.isNullable, expression.derivedName ?? "EXPR$\(keys.count)"))
        return .key(keys.count - 1)
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
        for part in parts.keys where !grouping.isInEverySet(.window(part)) {
            log.error("a grouping set leaves a column of the window out", at: syntax.range)
            return false
        }
        if case .group? = window, !grouping.isInEverySet(.groupWindow) {
            log.error("a grouping set leaves the window out", at: syntax.range)
            return false
        }
        if case .function(let identity)? = window {
            guard parts[.start] != nil, parts[.end] != nil else {
                log.error(
                    "GROUP BY has no \(parts[.start] != nil ? "window_end" : "window_start")", at: groupByRange,
                    hint: "A window aggregate groups by window_start and window_end.")
                return false
            }
            for column in identity.partitionBy {
                if let key = keys.firstIndex(where: { $0.name == column }), grouping.isInEverySet(.key(key)) {
                    continue
                }
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
            if call.over == nil, AggregateCallBinder.names.contains(name) {
                return bindAggregate(call, expression.range).map { .bound($0) } ?? .failed
            }
            if name == "GROUPING" || name == "GROUPING_ID" {
                return bindGrouping(call, name, expression.range).map { .bound($0) } ?? .failed
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
            for (suffix, part) in [
                ("_START", WindowColumn.Part.start), ("_END", .end), ("_ROWTIME", .time), ("_PROCTIME", .time),
            ]
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

    private func bindAggregate(_ call: CallSyntax, _ range: SourceRange) -> Bound? {
        guard let aggregate = AggregateCallBinder(inputBinder).bind(call, range) else { return nil }
        let bound = aggregate.call { slot($0, isNullable: $1) }
        let isCount = [.count, .countAll, .collect, .jsonArrayAgg, .jsonObjectAgg].contains(bound.function)
        let isNullable = aggregate.isNullable || !isCount && (syntax.groupBy.isEmpty || grouping.hasSets)
        let index: Int
        if let known = aggregates.firstIndex(where: { $0.call == bound }) {
            index = known
        } else {
            index = aggregates.count
            aggregates.append((bound, isNullable))
        }
        return Bound(.column(Place.aggregates + index, bound.type), isNullable: isNullable)
    }

    /// `GROUPING(a)`, `GROUPING(a, b)`, `GROUPING_ID(a, b)`: a bit for each key, 1 where the row's set leaves it out.
    private func bindGrouping(_ call: CallSyntax, _ name: String, _ range: SourceRange) -> Bound? {
        var indices: [Int] = []
        for argument in call.arguments {
            guard let bound = inputBinder.bind(argument.value) else { return nil }
            guard let index = keys.firstIndex(where: { $0.expression == bound.expression }) else {
                log.error("\(name) takes keys of GROUP BY", at: argument.value.range)
                return nil
            }
            indices.append(index)
        }
        guard !indices.isEmpty else {
            log.error("\(name) takes at least one key of GROUP BY", at: range)
            return nil
        }
        return Bound(grouping.bits(of: indices, ordinal: .column(Place.ordinal, .integer)), isNullable: false)
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
        var keySlots = keys.map { slot($0.expression, isNullable: $0.isNullable) }
        var columns = zip(keys, keySlots).map { key, slot -> OutputColumn in
            var column = OutputColumn(key.name, key.expression.type, isNullable: key.isNullable)
            if slot < input.columns.count, input.columns[slot].time == .event {
                column.time = .lost("a grouping keeps only the time of the window")
            }
            return column
        }
        if grouping.hasSets { columns.append(OutputColumn(GroupingSets.ordinalName, .integer, isNullable: false)) }
        columns += aggregates.enumerated().map {
            OutputColumn("AGG$\($0.offset)", $0.element.call.type, isNullable: $0.element.isNullable)
        }
        let calls = aggregates.map(\.call)
        switch window {
        case nil:
            let node = expanded(added.isEmpty ? input : input.appending(added), &keySlots)
            return query.grouping(node, keys: keySlots, aggregates: calls, columns: columns, cause: updateCause)
        case .group(let kind, let timeColumn, _, _):
            let timed = query.clocked(input, timeColumn, kind)
            let node = expanded(added.isEmpty ? timed : timed.appending(added), &keySlots)
            return windowed(node, kind, timeColumn, keySlots, calls, columns)
        case .function(let identity):
            // The window table function itself is not needed: the aggregate assigns the windows.
            var absorption = WindowAbsorption(identity)
            let readsWindow = added.contains {
                $0.expression.usedColumns.contains { input.columns[$0].window?.window == identity }
            }
            // Not when something in between reads the window's columns: then the rows carry them.
            guard !readsWindow, let (base, timeColumn) = absorption.absorb(input) else {
                return attached(&keySlots, calls, columns, identity)
            }
            // `absorb` keeps the input's columns in place and may put the time column behind them.
            let shift = base.columns.count - input.columns.count
            func moved(_ index: Int) -> Int { index < input.columns.count ? index : index + shift }
            keySlots = keySlots.map(moved)
            let node = expanded(added.isEmpty ? base : base.appending(added), &keySlots)
            let moveCalls = calls.map { $0.mapColumns(moved) }
            let result = windowed(node, identity.kind, timeColumn, keySlots, moveCalls, columns, identity)
            guard let condition = Expression.conjunction(absorption.conditions) else { return result }
            return LogicalNode(
                .filter(condition.mapColumns { columns.count + $0 }), inputs: [result], columns: result.columns,
                object: query.object)
        }
    }

    /// With grouping sets: each row once for every set, keys that a set leaves out as NULL.
    private func expanded(_ node: LogicalNode, _ keySlots: inout [Int]) -> LogicalNode {
        guard grouping.hasSets else { return node }
        var columns = node.columns
        for slot in keySlots {
            var column = node.columns[slot]
            column.isNullable = true
            column.time = .none
            column.window = nil
            columns.append(column)
        }
        columns.append(OutputColumn(GroupingSets.ordinalName, .integer, isNullable: false))
        let expand = ExpandPlan(keys: keySlots, sets: grouping.kept)
        keySlots = Array(node.columns.count..<columns.count)
        return LogicalNode(.expand(expand), inputs: [node], columns: columns, object: query.object)
    }

    /// Rows that already carry their window: those of another window aggregate, of a window join, or of a window function
    /// whose columns are read before GROUP BY.
    private func attached(
        _ keySlots: inout [Int], _ calls: [AggregateCall], _ columns: [OutputColumn], _ identity: WindowIdentity
    ) -> LogicalNode? {
        guard let start = parts[.start], let end = parts[.end] else { return nil }
        let time = input.columns.firstIndex {
            $0.window?.window == identity && $0.window?.part == .time && !$0.isNullable
        }
        let node = expanded(added.isEmpty ? input : input.appending(added), &keySlots)
        return windowed(
            node, .attached(startColumn: start, endColumn: end), time ?? end, keySlots, calls, columns, identity)
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
        // Older group windows, SESSION and aggregates that cannot be merged have one phase in Flink, and so has what follows
        // on a window without keys.
        let unmergeable: Set<AggregateCall.Function> = [.firstValue, .lastValue, .jsonArrayAgg, .jsonObjectAgg]
        var addsInParts = identity != nil && !calls.contains { unmergeable.contains($0.function) }
        if case .session = kind { addsInParts = false }
        if keySlots.isEmpty, node.isBehindKeylessWindow { addsInParts = false }
        let isFunction = identity != nil
        let identity = identity ?? WindowIdentity(kind: kind, range: syntax.range)
        func column(_ name: String, _ type: DataType, _ part: WindowColumn.Part) -> OutputColumn {
            let time: TimeAttribute = node.columns[timeColumn].time == .processing ? .processing : .event
            return OutputColumn(
                name, type, isNullable: false, time: part == .time ? time : .none,
                window: WindowColumn(part: part, window: identity))
        }
        var lateness =
            input.streamScans.compactMap { $0.options["late.lateness"].flatMap(OptionValue.microseconds) }.max() ?? 0
        var cause: UpdateCause?
        var emission: WindowEmitPlan?
        if case .group = window, node.columns[timeColumn].time != .processing, let emit = query.emission.plan(kind) {
            emission = emit.plan
            lateness = emit.latenessMilliseconds * 1000
            cause = UpdateCause(
                clause: "a window with table.exec.emit", range: windowRange,
                hint: "Leave the setting out, or write to a table that takes changes, such as print.")
        }
        let slicing =
            lateness == 0 && emission == nil
            ? WindowSlicing.of(kind, isFunction: isFunction, isPreaggregated: addsInParts, calls, node) : nil
        var plan = WindowAggregatePlan(
            window: kind, timeColumn: timeColumn, keys: keySlots, aggregates: calls,
            allowedLatenessMilliseconds: lateness / 1000, addsInParts: addsInParts, slicing: slicing)
        plan.emit = emission
        var time = column("window_time", windowTimeType, .time)
        if emission != nil { time.time = .lost("a window with table.exec.emit changes its rows") }
        return LogicalNode(
            .windowAggregate(plan), inputs: [node],
            columns: columns + [
                column("window_start", .timestamp(precision: 3), .start),
                column("window_end", .timestamp(precision: 3), .end), time,
            ], object: query.object, updates: cause)
    }

    private var windowRange: SourceRange {
        if case .group(_, _, let call, _) = window { call.name.range } else { syntax.range }
    }

    /// Collected places -> columns of the aggregate node.
    private func placed(_ expression: Expression) -> Expression {
        let keyColumns = keys.count + (grouping.hasSets ? 1 : 0)
        return expression.mapColumns { index in
            if index >= Place.over { return index }
            if index >= Place.ordinal { return keys.count }
            if index >= Place.window { return keyColumns + aggregates.count + index - Place.window }
            if index >= Place.aggregates { return keyColumns + index - Place.aggregates }
            return index
        }
    }
}

extension LogicalNode {
    /// Whether all rows come from one window aggregate without keys, through projections and filters.
    fileprivate var isBehindKeylessWindow: Bool {
        if case .windowAggregate(let aggregate) = kind { return aggregate.keys.isEmpty }
        return inputs.count == 1 && inputs[0].isBehindKeylessWindow
    }
}
