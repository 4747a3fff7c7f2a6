import MillraceCore

/// Whether a column may drive windows.
enum TimeAttribute: Hashable {
    case none
    /// Declared by WATERMARK, or a window's `window_time`.
    case event
    case processing
    /// A timestamp of tables without WATERMARK: becomes event time when a Dataflow window asks for it.
    case candidate([ScanColumn])
    /// Was event time; the reason completes "column "x" is no event-time attribute: …".
    case lost(String)
}

/// A column of a scanned table, by its place among the declared columns.
struct ScanColumn: Hashable {
    let scan: TableScan
    let column: Int
}

/// Marks `window_start`, `window_end` and `window_time` of a window table function.
struct WindowColumn: Hashable {
    enum Part: Hashable { case start, end, time }
    var part: Part
    /// The window table function the column belongs to.
    var window: WindowIdentity
}

/// One use of a window table function; compared by identity.
final class WindowIdentity: Hashable {
    let kind: WindowKind
    /// Column names of SESSION's PARTITION BY.
    let partitionBy: [String]
    /// The call in the file.
    let range: SourceRange
    init(kind: WindowKind, partitionBy: [String] = [], range: SourceRange) {
        self.kind = kind
        self.partitionBy = partitionBy
        self.range = range
    }
    /// The columns of `partitionBy`.
    func keys(in node: LogicalNode) -> [Int] {
        partitionBy.compactMap { name in node.columns.firstIndex { $0.name == name } }
    }
    static func == (a: WindowIdentity, b: WindowIdentity) -> Bool { a === b }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// An output column of a logical node, with what the binder knows of it beyond its type.
struct OutputColumn {
    var name: String
    var type: DataType
    var isNullable = true
    var time: TimeAttribute = .none
    var window: WindowColumn?
    /// An error was already reported for it: uses stay silent.
    var isBroken = false

    init(
        _ name: String, _ type: DataType, isNullable: Bool = true, time: TimeAttribute = .none,
        window: WindowColumn? = nil, isBroken: Bool = false
    ) {
        self.name = name
        self.type = type
        self.isNullable = isNullable
        self.time = time
        self.window = window
        self.isBroken = isBroken
    }
}

/// One use of a table: the same table with the same options shares one scan.
final class TableScan: Hashable {
    let table: CatalogTable
    let options: [String: String]
    let isBounded: Bool
    /// Over the declared columns (computed ones included).
    var watermark: (plan: WatermarkPlan, isImplicit: Bool)?
    init(table: CatalogTable, options: [String: String], isBounded: Bool) {
        self.table = table
        self.options = options
        self.isBounded = isBounded
    }
    /// What the plan says of it.
    var emittedWatermark: WatermarkPlan? {
        guard var plan = watermark?.plan else { return nil }
        plan.isDefault = watermark?.isImplicit == true
        return plan
    }
    static func == (a: TableScan, b: TableScan) -> Bool { a === b }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// A node of the graph before pruning: every column is there. Nodes are shared by their consumers.
final class LogicalNode {
    enum Kind {
        /// Physical and metadata columns in declared order.
        case scan(TableScan)
        /// Passes through; assigns event time if the scan has a watermark when the plan is emitted.
        case watermark(TableScan)
        /// Passes through; the clock becomes the time of the window behind it.
        case processingTime(column: Int, WindowKind)
        case project([Expression])
        case filter(Expression)
        case staticJoin(JoinPlan)
        /// Input 1 is the scan that is looked up.
        case lookupJoin(JoinPlan)
        case unnest(UnnestPlan)
        /// Columns of both inputs (`semi` and `anti`: of the left one).
        case streamJoin(StreamJoinPlan)
        /// What the changes of bounded input add up to.
        case finalRows
        /// Input columns, the model's outputs, the receipts. The plan's number of the model is set when it is emitted.
        case predict(CatalogModel, PredictPlan)
        case windowAssign(timeColumn: Int, WindowIdentity)
        case windowAggregate(WindowAggregatePlan)
        /// Input columns, a copy of each key, and the number of the grouping set.
        case expand(ExpandPlan)
        case groupAggregate(keys: [Int], aggregates: [AggregateCall])
        /// Input columns, then the calls. `rank`: the only call is this one.
        case over(OverPlan, rank: TimeRank?)
        /// Input columns, then the rank.
        case windowRank(WindowRankPlan)
        /// Input columns, then the rank.
        case topN(TopNPlan)
        case sort(SortPlan)
        case limit(offset: Int, count: Int)
        /// The same over a stream: a change for every row.
        case updatingAggregate(keys: [Int], aggregates: [AggregateCall], ttlMilliseconds: Int64?)
        case union
        case sink(SinkPlan)
    }
    let kind: Kind
    let inputs: [LogicalNode]
    let columns: [OutputColumn]
    let object: String
    /// Ends by itself: all its (non-static) sources do.
    let isBounded: Bool
    /// A scan with WATERMARK is among the (non-static) inputs.
    let hasEventTime: Bool
    /// The clause because of which rows that were given change later; nil: rows are only added.
    let updates: UpdateCause?

    /// - Parameter updates: set by the node that makes changes; others pass on those of the stream they read.
    init(
        _ kind: Kind, inputs: [LogicalNode], columns: [OutputColumn], object: String, updates: UpdateCause? = nil
    ) {
        self.kind = kind
        self.inputs = inputs
        self.columns = columns
        self.object = object
        switch kind {
        // A static side is read to its end first: it gives its final rows.
        case .staticJoin, .lookupJoin: self.updates = updates ?? inputs[0].updates
        case .topN(let top) where top.isFinal: self.updates = nil
        case .finalRows: self.updates = nil
        default: self.updates = updates ?? inputs.lazy.compactMap(\.updates).first
        }
        switch kind {
        case .scan(let scan):
            isBounded = scan.isBounded
            hasEventTime = false
        case .watermark(let scan):
            isBounded = scan.isBounded
            hasEventTime = scan.watermark != nil
        case .staticJoin, .lookupJoin:
            isBounded = inputs[0].isBounded
            hasEventTime = inputs[0].hasEventTime
        default:
            isBounded = inputs.allSatisfy(\.isBounded)
            hasEventTime = inputs.contains(where: \.hasEventTime)
        }
    }

    /// Sources that rows stream from; static and lookup sides are left out.
    var streamScans: [TableScan] {
        switch kind {
        case .scan(let scan): [scan]
        case .staticJoin, .lookupJoin: inputs[0].streamScans
        default: inputs.flatMap(\.streamScans)
        }
    }

    /// A projection that keeps what is known of forwarded columns.
    static func project(
        _ input: LogicalNode, _ items: [(name: String, expression: Expression, isNullable: Bool)], object: String? = nil
    ) -> LogicalNode {
        let columns = items.map { item in
            OutputColumn.projected(item.name, item.expression, isNullable: item.isNullable, from: input.columns)
        }
        return LogicalNode(
            .project(items.map(\.expression)), inputs: [input], columns: columns, object: object ?? input.object)
    }

    /// All columns forwarded, then further ones.
    func appending(_ items: [(name: String, expression: Expression, isNullable: Bool)]) -> LogicalNode {
        let own = columns.indices.map {
            (columns[$0].name, Expression.column($0, columns[$0].type), columns[$0].isNullable)
        }
        return .project(self, own + items)
    }

    /// Some columns forwarded, in the given order, then further ones.
    func selecting(
        _ indices: [Int], appending items: [(name: String, expression: Expression, isNullable: Bool)] = []
    ) -> LogicalNode {
        .project(
            self,
            indices.map { (columns[$0].name, Expression.column($0, columns[$0].type), columns[$0].isNullable) } + items)
    }
}

extension OutputColumn {
    static func projected(
        _ name: String, _ expression: Expression, isNullable: Bool, from input: [OutputColumn]
    ) -> OutputColumn {
        if case .column(let index, _) = expression {
            var column = input[index]
            column.name = name
            return column
        }
        var column = OutputColumn(name, expression.type, isNullable: isNullable)
        if case .call(.processingTime, _, _) = expression { column.time = .processing }
        if expression.type.isTimestamp {
            for index in expression.usedColumns.sorted() where input[index].time == .event {
                column.time = .lost("it is computed from \"\(input[index].name)\" instead of forwarding it")
            }
        }
        return column
    }
}
