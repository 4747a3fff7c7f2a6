import MillraceCore
import MillraceSQL

/// The OVER calls of one SELECT: bound while its expressions are, then made into nodes behind the SELECT's rows.
///
/// A call stands in the expressions as a column at `place + n` until `attach` knows where the nodes put it.
final class OverBinder {
    static let place = 4_000_000

    /// One OVER clause, its names resolved, over the columns of the SELECT's rows.
    struct Window: Hashable {
        var partition: [Expression]
        var order: [Order]
        var frame: Frame?
        struct Order: Hashable {
            var expression: Expression
            var isDescending: Bool
            var nullsFirst: Bool
        }
        enum Frame: Hashable {
            case rows(Int?)
            /// Milliseconds.
            case range(Int64?)
        }
    }

    enum Function: Hashable {
        case rank(WindowRankPlan.Function)
        case aggregate
        case lag(offset: Int)
    }

    struct Call {
        var function: Function
        var aggregate: BoundAggregate?
        /// Of LAG: the value and what stands in for a missing row.
        var argument: Bound?
        var otherwise: Bound?
        var window: Window
        var type: DataType
        var range: SourceRange
        var orderRange: SourceRange
    }

    private let query: QueryBinder
    private let windows: [String: WindowSyntax]
    /// Binds arguments, PARTITION BY and ORDER BY.
    private let rows: ExpressionBinder
    private var log: DiagnosticLog { query.log }
    private(set) var calls: [Call] = []

    static let functionNames: Set<String> = [
        "ROW_NUMBER", "RANK", "DENSE_RANK", "LAG", "LEAD", "NTILE", "PERCENT_RANK", "CUME_DIST", "NTH_VALUE",
    ]

    init(_ query: QueryBinder, _ named: [SelectSyntax.NamedWindowSyntax], rows: ExpressionBinder) {
        self.query = query
        self.rows = rows
        var windows: [String: WindowSyntax] = [:]
        for window in named {
            if windows[window.name.text] != nil {
                query.log.error("WINDOW names \"\(window.name.text)\" twice", at: window.name.range)
            }
            windows[window.name.text] = window.window
        }
        self.windows = windows
    }

    func intercept(_ syntax: ExpressionSyntax) -> ExpressionBinder.Interception {
        guard case .call(let call) = syntax.kind, let over = call.over else { return .passed }
        return bind(call, over, syntax.range).map { .bound($0) } ?? .failed
    }

    // MARK: - Calls

    private func bind(_ call: CallSyntax, _ over: WindowSyntax, _ range: SourceRange) -> Bound? {
        let name = call.name.text.uppercased()
        if name.hasPrefix("ML.") { return rows.preprocessing(call, name, range) }
        guard var window = window(over) else { return nil }
        let orderRange = over.orderBy.first?.expression.range ?? over.range
        var bound = Call(
            function: .aggregate, aggregate: nil, argument: nil, otherwise: nil, window: window, type: .bigInt,
            range: range, orderRange: orderRange)
        var isNullable = false
        switch name {
        case "ROW_NUMBER", "RANK", "DENSE_RANK":
            guard call.arguments.isEmpty else { return fail("\(name) takes no arguments", range) }
            guard over.frame == nil, window.frame == nil else { return fail("\(name) takes no frame", range) }
            bound.function = .rank(WindowRankPlan.Function(rawValue: name) ?? .rowNumber)
        case "LAG":
            guard let offset = bindLag(call, range, &bound) else { return nil }
            guard window.frame == nil else { return fail("LAG takes no frame", range) }
            bound.function = .lag(offset: offset)
            isNullable = true
        case _ where AggregateCallBinder.names.contains(name):
            guard !name.hasPrefix("JSON_") else { return fail("\(name) takes no OVER", range) }
            guard let aggregate = AggregateCallBinder(rows).bind(call, range) else { return nil }
            bound.aggregate = aggregate
            bound.type = aggregate.type
            isNullable = aggregate.isNullable
            if window.frame == nil { window.frame = .range(nil) }
            bound.window = window
            if let moments = OverMoments.Statistic(aggregate) {
                return OverMoments(rows, range) { self.call($0, like: bound) }.bind(moments, aggregate)
            }
        case _ where Self.functionNames.contains(name):
            return fail(
                "\(name) is not supported", range,
                name == "LEAD" ? "A row's later neighbours are not known when it is written; LAG looks back." : nil)
        default:
            return fail("\(name) is not an aggregate and takes no OVER", range)
        }
        calls.append(bound)
        return Bound(.column(Self.place + calls.count - 1, bound.type), isNullable: isNullable)
    }

    /// The column of an aggregate over the frame of `template`; the same one for the same aggregate.
    private func call(_ aggregate: BoundAggregate, like template: Call) -> Bound {
        var call = template
        call.aggregate = aggregate
        call.type = aggregate.type
        let known = calls.firstIndex { other in
            guard let mine = other.aggregate, other.window == call.window, mine.filter == nil, !mine.isDistinct else {
                return false
            }
            return mine.function == aggregate.function && mine.type == aggregate.type
                && mine.argument?.expression == aggregate.argument?.expression
        }
        if known == nil { calls.append(call) }
        return Bound(
            .column(Self.place + (known ?? calls.count - 1), aggregate.type), isNullable: aggregate.function != .count)
    }

    /// LAG(value [, offset [, default]]): its offset.
    private func bindLag(_ call: CallSyntax, _ range: SourceRange, _ bound: inout Call) -> Int? {
        let values = call.arguments.map(\.value)
        guard (1...3).contains(values.count) else {
            return fail("LAG takes 1 to 3 arguments, not \(values.count)", range)
        }
        guard let argument = rows.bind(values[0]) else { return nil }
        bound.argument = argument
        bound.type = argument.type
        var offset = 1
        if values.count > 1 {
            guard case .number(let text) = values[1].kind, let number = Int(text), number >= 0 else {
                return fail("the offset of LAG is a whole number", values[1].range)
            }
            offset = number
        }
        if values.count > 2 {
            guard let otherwise = rows.bind(values[2]) else { return nil }
            guard let type = Coercion.common(argument.type, otherwise.type) else {
                return fail("LAG mixes \(argument.type) and \(otherwise.type)", values[2].range)
            }
            bound.argument = Bound(rows.cast(argument.expression, to: type), isNullable: argument.isNullable)
            bound.otherwise = Bound(rows.cast(otherwise.expression, to: type), isNullable: otherwise.isNullable)
            bound.type = type
        }
        return offset
    }

    private func fail<T>(_ message: String, _ range: SourceRange, _ hint: String? = nil) -> T? {
        log.error(message, at: range, hint: hint)
        return nil
    }

    // MARK: - Windows

    private func window(_ syntax: WindowSyntax) -> Window? {
        var syntax = syntax
        if let name = syntax.name {
            guard let named = windows[name.text] else {
                return fail(
                    "unknown window \"\(name.text)\"", name.range,
                    NearestName.hint(name.text, in: windows.keys.sorted()))
            }
            if !syntax.partitionBy.isEmpty || !syntax.orderBy.isEmpty && !named.orderBy.isEmpty {
                return fail("window \"\(name.text)\" cannot be changed here", syntax.range)
            }
            syntax.partitionBy = named.partitionBy
            if syntax.orderBy.isEmpty { syntax.orderBy = named.orderBy }
            if syntax.frame == nil { syntax.frame = named.frame }
            if let inner = named.name { return fail("a named window refers to \"\(inner.text)\"", inner.range) }
        }
        let place = rows.place
        rows.place = "OVER"
        defer { rows.place = place }
        var result = Window(partition: [], order: [], frame: nil)
        for key in syntax.partitionBy {
            guard let bound = rows.bind(key) else { return nil }
            result.partition.append(bound.expression)
        }
        guard let order = OrderBinder.bind(syntax.orderBy, rows) else { return nil }
        result.order = order
        guard !order.isEmpty else {
            return fail("OVER without ORDER BY is not supported", syntax.range, "Order by a time attribute.")
        }
        if let frame = syntax.frame {
            guard let bound = self.frame(frame, syntax.range) else { return nil }
            result.frame = bound
        }
        return result
    }

    private func frame(_ syntax: WindowSyntax.FrameSyntax, _ range: SourceRange) -> Window.Frame? {
        guard syntax.end == .currentRow else {
            return fail(
                "a frame that does not end with the current row is not supported", range,
                "Write BETWEEN … PRECEDING AND CURRENT ROW.")
        }
        switch syntax.start {
        case .unboundedPreceding: return syntax.isRange ? .range(nil) : .rows(nil)
        case .currentRow: return syntax.isRange ? .range(0) : .rows(0)
        case .following, .unboundedFollowing:
            return fail("a frame that begins behind the current row is not supported", range)
        case .preceding(let distance):
            if syntax.isRange {
                guard case .interval(let text, let from, let to, let isNegative) = distance.kind,
                    let (value, type) = IntervalLiteral.parse(text: text, from: from, to: to, isNegative: isNegative)
                else {
                    return fail("RANGE takes an interval", distance.range, "Write INTERVAL '5' SECOND PRECEDING.")
                }
                guard type == .intervalDayTime, value >= 0 else {
                    return fail("RANGE takes a positive interval of days or less", distance.range)
                }
                return .range(value / 1000)
            }
            guard case .number(let text) = distance.kind, let rows = Int(text), rows >= 0, rows < 1 << 31 else {
                return fail(
                    "ROWS takes a whole number", distance.range, "Write ROWS BETWEEN 5 PRECEDING AND CURRENT ROW.")
            }
            return .rows(rows)
        }
    }

    // MARK: - Nodes

    /// Puts the nodes of all calls behind `node`, whose columns the calls' expressions are over after `place`.
    ///
    /// - Returns: the node, and where expressions find the calls; nil after an error.
    func attach(to node: LogicalNode, place: (Expression) -> Expression) -> (LogicalNode, (Expression) -> Expression)? {
        guard !calls.isEmpty else { return (node, { $0 }) }
        var nodes = OverNodes(query, node)
        var columns: [Int] = []
        for call in calls {
            var placed = call
            placed.window.partition = call.window.partition.map(place)
            for i in placed.window.order.indices {
                placed.window.order[i].expression = place(call.window.order[i].expression)
            }
            placed.argument?.expression = place(call.argument?.expression ?? .literal(.null, .null))
            placed.otherwise?.expression = place(call.otherwise?.expression ?? .literal(.null, .null))
            placed.aggregate?.argument?.expression = place(
                call.aggregate?.argument?.expression ?? .literal(.null, .null))
            placed.aggregate?.filter = call.aggregate?.filter.map(place)
            if let weight = call.aggregate?.weight { placed.aggregate?.weight?.expression = place(weight.expression) }
            guard let column = nodes.add(placed) else { return nil }
            columns.append(column)
        }
        let (result, places) = nodes.finish()
        return (
            result,
            { expression in
                expression.mapColumns { $0 >= Self.place ? places[columns[$0 - Self.place], default: 0] : $0 }
            }
        )
    }
}

/// ORDER BY's keys.
enum OrderBinder {
    static func bind(_ syntax: [OrderSyntax], _ binder: ExpressionBinder) -> [OverBinder.Window.Order]? {
        var result: [OverBinder.Window.Order] = []
        for item in syntax {
            guard let bound = binder.bind(item.expression) else { return nil }
            guard AggregateCallBinder.hasOrder(bound.type) else {
                binder.log.error("ORDER BY does not take \(bound.type)", at: item.expression.range)
                return nil
            }
            // NULL is less than everything, as in Flink.
            result.append(
                .init(
                    expression: bound.expression, isDescending: item.isDescending,
                    nullsFirst: item.nullsFirst ?? !item.isDescending))
        }
        return result
    }
}
