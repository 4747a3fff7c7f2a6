/// What the front end hands to the runtime: a graph of nodes as plain data. Nothing here knows SQL text or threads.
///
/// Nodes stand in topological order: inputs have smaller indices. `schema` is each node's output.
public struct ExecutionPlan: Hashable, Sendable {
    /// Names the state in the database; the file's base name unless `SET 'pipeline.name'` says otherwise.
    public var name: String
    public var sources: [SourcePlan] = []
    public var models: [ModelPlan] = []
    public var sinks: [SinkPlan] = []
    public var nodes: [PlanNode] = []
    /// `SET 'key' = 'value'` statements.
    public var settings: [String: String] = [:]

    public init(name: String) { self.name = name }
}

public struct PlanNode: Hashable, Sendable {
    public var kind: NodeKind
    /// Indices of the input nodes, by port.
    public var inputs: [Int]
    public var schema: Schema
    /// The SQL object the user knows it by (table, view, model, sink), for dead letters, metrics and explain.
    public var object: String

    public init(_ kind: NodeKind, inputs: [Int], schema: Schema, object: String) {
        self.kind = kind
        self.inputs = inputs
        self.schema = schema
        self.object = object
    }
}

public enum NodeKind: Hashable, Sendable {
    /// Rows of `sources[index]`, the source's `fields` as columns.
    case source(Int)
    /// One output column an expression.
    case project([Expression])
    /// Keeps rows whose predicate is TRUE.
    case filter(Expression)
    /// Assigns event time: per-partition maximum of `expression` (a timestamp), combined by minimum. Passes rows through.
    case watermark(WatermarkPlan)
    /// Takes the clock for the time of the windows behind it. Passes rows through.
    case processingTime(ProcessingTimePlan)
    /// Port 0 probes; port 1 is bounded, read to its end before the stream starts, and kept in memory.
    case staticJoin(JoinPlan)
    /// Port 0 probes `sources[lookup]` by key, through the connector.
    case lookupJoin(JoinPlan, lookup: Int)
    case unnest(UnnestPlan)
    /// Ports 0 (left) and 1 (right), both streams.
    case streamJoin(StreamJoinPlan)
    /// What the changes of bounded input add up to, at the end.
    case finalRows
    case predict(PredictPlan)
    /// Window TVF without aggregation: input columns, then window_start, window_end, window_time.
    case windowAssign(timeColumn: Int, WindowKind)
    /// The same of SESSION: rows leave when their session has ended.
    case sessionAssign(SessionAssignPlan)
    /// Keys, aggregates, then window_start, window_end, window_time; one row a group when the window fires.
    case windowAggregate(WindowAggregatePlan)
    /// GROUP BY without a window: final result at the end of bounded input. Keys, then aggregates.
    case groupAggregate(keys: [Int], aggregates: [AggregateCall])
    /// Each row once for every grouping set: input columns, the keys (NULL where the set leaves one out), the set's number.
    case expand(ExpandPlan)
    /// Input columns, then one column a call.
    case over(OverPlan)
    /// Input columns, then the rank.
    case windowRank(WindowRankPlan)
    case sort(SortPlan)
    /// Drops the first `offset` rows, passes `count`, drops the others.
    case limit(offset: Int, count: Int)
    /// GROUP BY without a window over a stream. Keys, then aggregates.
    case updatingAggregate(UpdatingAggregatePlan)
    /// Rows of all inputs, equal schemas; event time is the minimum of the inputs'.
    case union
    case topN(TopNPlan)
    /// Writes to `sinks[index]`.
    case sink(Int)
}

public struct WatermarkPlan: Hashable, Sendable {
    public var rowtimeColumn: Int
    /// Over the node's input; TIMESTAMP or TIMESTAMP_LTZ. Its value is the watermark, no extra millisecond.
    public var expression: Expression
    /// `scan.watermark.idle-timeout`, microseconds; 0 = never idle.
    public var idleTimeoutMicroseconds: Int64
    /// Event time goes on with the wall clock when all partitions are idle.
    public var advancesWhenIdle: Bool
    /// How far the expression stays behind the rowtime (its INTERVAL), microseconds; bounds the idle advance.
    public var boundMicroseconds: Int64
    /// The table declares no WATERMARK; a Dataflow window made its column event time.
    public var isDefault = false

    public init(
        rowtimeColumn: Int, expression: Expression, idleTimeoutMicroseconds: Int64 = 1_000_000,
        advancesWhenIdle: Bool = true, boundMicroseconds: Int64 = 0
    ) {
        self.rowtimeColumn = rowtimeColumn
        self.expression = expression
        self.idleTimeoutMicroseconds = idleTimeoutMicroseconds
        self.advancesWhenIdle = advancesWhenIdle
        self.boundMicroseconds = boundMicroseconds
    }
}

/// Windows by the clock. They may close at `offset + n * step`, at the latest `span` after a row.
public struct ProcessingTimePlan: Hashable, Sendable {
    public var timeColumn: Int
    /// 0: sessions, which close `span` after their last row.
    public var stepMilliseconds: Int64
    public var offsetMilliseconds: Int64
    public var spanMilliseconds: Int64

    public init(timeColumn: Int, window: WindowKind) {
        self.timeColumn = timeColumn
        (stepMilliseconds, offsetMilliseconds, spanMilliseconds) =
            switch window {
            case .tumble(let size, let offset): (size, offset, size)
            case .hop(let slide, let size, let offset): (slide, offset, size)
            case .cumulate(let step, let size, let offset): (step, offset, size)
            case .session(let gap): (0, 0, gap)
            case .attached: (0, 0, 0)
            }
    }
}

/// Output: probe columns, then build (or lookup) columns; probe columns alone for `semi` and `anti`. Not `right` or `full`.
public struct JoinPlan: Hashable, Sendable {
    public var kind: JoinKind
    /// Equal-typed key columns, pairwise. NULL never matches. Empty: every pair is a candidate (cross join).
    public var probeKeys: [Int]
    public var buildKeys: [Int]
    /// Further condition over the output schema.
    public var residual: Expression?

    public init(kind: JoinKind, probeKeys: [Int], buildKeys: [Int], residual: Expression? = nil) {
        self.kind = kind
        self.probeKeys = probeKeys
        self.buildKeys = buildKeys
        self.residual = residual
    }
}

/// Window shapes; all times in milliseconds, windows `[start, end)`, aligned to the epoch plus offset.
public enum WindowKind: Hashable, Sendable {
    case tumble(sizeMilliseconds: Int64, offsetMilliseconds: Int64)
    case hop(slideMilliseconds: Int64, sizeMilliseconds: Int64, offsetMilliseconds: Int64)
    case cumulate(stepMilliseconds: Int64, sizeMilliseconds: Int64, offsetMilliseconds: Int64)
    case session(gapMilliseconds: Int64)
    /// The bounds are columns of each row already: a window over the results of a window.
    case attached(startColumn: Int, endColumn: Int)
}

public struct WindowAggregatePlan: Hashable, Sendable {
    public var window: WindowKind
    /// Event-time column, TIMESTAMP or TIMESTAMP_LTZ; window_time gets its type (precision 3).
    public var timeColumn: Int
    public var keys: [Int]
    public var aggregates: [AggregateCall]
    /// `'late.lateness'`, or with `emit` `table.exec.emit.allow-lateness`; milliseconds.
    public var allowedLatenessMilliseconds: Int64
    /// DOUBLE and FLOAT values are added in the order in which Flink's two-phase aggregates add them, so that sums have the
    /// same last digits.
    public var addsInParts: Bool
    /// nil: rows fold into their windows as they come.
    public var slicing: WindowSlicing?
    /// Results are given before the window's end, or corrected after it.
    public var emit: WindowEmitPlan?
    /// With `emit`: readers want the row as it was before each update.
    public var emitsBefore = true

    public init(
        window: WindowKind, timeColumn: Int, keys: [Int], aggregates: [AggregateCall],
        allowedLatenessMilliseconds: Int64 = 0, addsInParts: Bool = false, slicing: WindowSlicing? = nil
    ) {
        self.window = window
        self.timeColumn = timeColumn
        self.keys = keys
        self.aggregates = aggregates
        self.allowedLatenessMilliseconds = allowedLatenessMilliseconds
        self.addsInParts = addsInParts
        self.slicing = slicing
    }
}

/// GROUPING SETS, ROLLUP and CUBE, before the aggregate.
public struct ExpandPlan: Hashable, Sendable {
    public var keys: [Int]
    /// For each set which of the keys it keeps. Numbered from 0.
    public var sets: [[Bool]]

    public init(keys: [Int], sets: [[Bool]]) {
        self.keys = keys
        self.sets = sets
    }
}

public struct AggregateCall: Hashable, Sendable {
    public enum Function: String, Hashable, Sendable, CaseIterable {
        case countAll, count, sum, average, minimum, maximum
        /// Population (n) and sample (n - 1, NULL for one value), of the argument's type family.
        case stddevPop, stddevSamp, varPop, varSamp
        /// Texts in order of arrival, joined by `separator`.
        case listAgg
        /// The first and the last value that is not NULL, in order of arrival.
        case firstValue, lastValue
        /// ARRAY in order of arrival, NULLs included; MULTISET.
        case arrayAgg, collect
        /// DOUBLE, or ARRAY<DOUBLE> for several `percentages`; each value counts `weight` times.
        case percentile
        /// AUC(score, label). `weight` is the row's class: 1, or 2^32 for the negative one; see `AreaUnderCurve`.
        case areaUnderCurve
        /// Over items that are JSON already, `[value]` and `{"key":value}`: an array in order of arrival, an object by keys.
        case jsonArrayAgg, jsonObjectAgg
    }
    public var function: Function
    /// Input column; nil for COUNT(*).
    public var argument: Int?
    /// BOOLEAN input column: only rows where it is TRUE count.
    public var filter: Int?
    public var isDistinct: Bool
    public var type: DataType
    /// Of LISTAGG.
    public var separator: String
    /// Of PERCENTILE, from 0 to 1.
    public var percentages: [Double] = []
    /// Of PERCENTILE: integer input column, how often each value counts; nil: once.
    public var weight: Int?

    /// Input columns that are read.
    public var columns: [Int] { [argument, filter, weight].compactMap { $0 } }

    /// The same call over other columns.
    public func mapColumns(_ place: (Int) -> Int) -> AggregateCall {
        var call = self
        call.argument = argument.map(place)
        call.filter = filter.map(place)
        call.weight = weight.map(place)
        return call
    }

    public init(
        _ function: Function, argument: Int?, filter: Int? = nil, isDistinct: Bool = false, type: DataType,
        separator: String = ","
    ) {
        self.separator = separator
        self.function = function
        self.argument = argument
        self.filter = filter
        self.isDistinct = isDistinct
        self.type = type
    }
}

/// Where a source column's values come from.
public enum FieldOrigin: Hashable, Sendable {
    /// A value (or key) column of the message, by path: `["payload", "amount"]` is a leaf of a ROW.
    case physical(path: [String])
    /// A connector's metadata key: `offset`, `timestamp`, `headers`.
    case metadata(key: String)
}

public struct SourceField: Hashable, Sendable {
    public var name: String
    public var origin: FieldOrigin
    public var type: DataType
    public var isNullable: Bool

    public init(name: String, origin: FieldOrigin, type: DataType, isNullable: Bool = true) {
        self.name = name
        self.origin = origin
        self.type = type
        self.isNullable = isNullable
    }
}

public enum ErrorPolicy: String, Hashable, Sendable, CaseIterable { case deadLetter = "dead-letter", fail, skip }

public struct SourcePlan: Hashable, Sendable {
    /// The table's name, as dead letters and offsets carry it.
    public var name: String
    public var connector: String
    /// Checked against the connector's descriptor, variables filled in. Format options keep their prefix (`json.…`).
    public var options: [String: String]
    /// Every physical column as declared (CSV goes by position; nested fields included).
    public var physicalSchema: Schema
    /// Only the columns the plan needs, leaves of ROWs where possible; the produced columns, in order.
    public var fields: [SourceField]
    /// Read to its end before the stream starts (the build side of a static join).
    public var isStatic: Bool
    /// Key columns of a lookup join, as indices into `fields`; nil for a scan.
    public var lookupKeys: [Int]?
    public var errors: ErrorPolicy
    public var primaryKey: [String]
    /// Columns of PARTITIONED BY: named by a file's directories, not in the file.
    public var partitionKeys: [String]

    public init(
        name: String, connector: String, options: [String: String], physicalSchema: Schema, fields: [SourceField],
        isStatic: Bool = false, lookupKeys: [Int]? = nil, errors: ErrorPolicy = .deadLetter, primaryKey: [String] = [],
        partitionKeys: [String] = []
    ) {
        self.name = name
        self.connector = connector
        self.options = options
        self.physicalSchema = physicalSchema
        self.fields = fields
        self.isStatic = isStatic
        self.lookupKeys = lookupKeys
        self.errors = errors
        self.primaryKey = primaryKey
        self.partitionKeys = partitionKeys
    }

    /// The produced columns as a schema.
    public var schema: Schema {
        Schema(fields.map { Field($0.name, $0.type, isNullable: $0.isNullable) })
    }
}

public struct SinkPlan: Hashable, Sendable {
    public var name: String
    public var connector: String
    public var options: [String: String]
    /// Columns written, in the order of the node's columns: physical ones, then writable metadata.
    public var schema: Schema
    /// Metadata keys of the columns behind `schema`'s physical ones: name of the column -> connector key.
    public var metadata: [String: String]
    public var primaryKey: [String]
    /// Columns of PARTITIONED BY.
    public var partitionKeys: [String]
    /// Rows come with kinds: updates and deletions by `primaryKey`.
    public var isUpdating: Bool
    /// Where the table name stands in the SQL file, for errors found when the database is asked.
    public var range: SourceRange

    public init(
        name: String, connector: String, options: [String: String], schema: Schema, metadata: [String: String] = [:],
        primaryKey: [String] = [], partitionKeys: [String] = [], isUpdating: Bool = false, range: SourceRange = .none
    ) {
        self.name = name
        self.connector = connector
        self.options = options
        self.schema = schema
        self.metadata = metadata
        self.primaryKey = primaryKey
        self.partitionKeys = partitionKeys
        self.isUpdating = isUpdating
        self.range = range
    }
}

public struct ModelPlan: Hashable, Sendable {
    public var name: String
    public var provider: String
    public var options: [String: String]
    public var inputs: Schema
    public var outputs: Schema
    public var shadow: ShadowPlan?
    public var canary: CanaryPlan?
    public var range: SourceRange

    public init(
        name: String, provider: String, options: [String: String], inputs: Schema, outputs: Schema,
        shadow: ShadowPlan? = nil, canary: CanaryPlan? = nil, range: SourceRange = .none
    ) {
        self.shadow = shadow
        self.canary = canary
        self.name = name
        self.provider = provider
        self.options = options
        self.inputs = inputs
        self.outputs = outputs
        self.range = range
    }
}
