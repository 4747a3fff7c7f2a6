import MillraceCore
import MillraceEngine
import MillraceFormats
import MillraceModels
import MillraceRuntime

/// The operators of a planned pipeline without its connectors: messages go in, rows come out at the last operator.
final class Chain {
    let plan: ExecutionPlan
    let source: SourceBatch
    let context: ShardContext
    let last = LastBatch()
    private let decoder: any RowDecoder
    private let head: Operator
    private var origins: [Int32] = []
    private var failures: [DecodeFailure] = []

    /// The sink's batch, for checking.
    final class LastBatch: Operator {
        var rows = 0
        var batch: ColumnBatch?
        init() { super.init(object: "result") }
        override func process(_ batch: ColumnBatch, port: Int, context: ShardContext) throws(Diagnostic) {
            rows += batch.count
            self.batch = batch
        }
        override func advance(to watermark: Int64, port: Int, context: ShardContext) {}
    }

    init(_ sql: String, modelDirectory: String = ".") throws {
        let file = PipelineFile(path: "benchmark.sql", text: sql, variables: [:])
        guard let plan = file.plan else {
            print(file.rendered(file.diagnostics))
            fail("plan")
        }
        self.plan = plan
        let limits = Limits()
        let input = plan.sources[0]
        context = ShardContext(clock: SystemClock(), limits: limits)
        source = SourceBatch(input.schema, arena: BatchArena())
        decoder = try Formats().makeDecoder(
            format: "json", part: nil, options: input.options, physical: input.physicalSchema, fields: input.fields)
        var operators: [Operator] = []
        for node in plan.nodes {
            func schema() -> Schema { plan.nodes[node.inputs[0]].schema }
            switch node.kind {
            case .project(let expressions):
                operators.append(try ProjectOperator(expressions, schema: node.schema, object: node.object))
            case .filter(let predicate): operators.append(try FilterOperator(predicate, object: node.object))
            case .watermark(let watermark):
                operators.append(
                    try WatermarkOperator(watermark, partitions: 1, isBounded: true, object: node.object))
            case .windowAggregate(let aggregate):
                operators.append(
                    try WindowAggregateOperator(aggregate, input: schema(), object: node.object, limits: limits))
            case .predict(let predict):
                let model = plan.models[predict.model]
                let loaded = try ModelProviders.load(model, baseDirectory: modelDirectory)
                let scorer = try loaded.makeScorer(
                    inputs: model.inputs, outputs: model.outputs, maxRows: limits.modelRows)
                operators.append(
                    PredictOperator(
                        predict, input: schema(), outputs: model.outputs, scorer: scorer, version: loaded.version,
                        object: node.object, limits: limits))
            case .sink: operators.append(last)
            default: operators.append(Operator(object: node.object))
            }
        }
        for (index, node) in plan.nodes.enumerated() {
            for input in node.inputs { operators[input].connect(to: operators[index]) }
        }
        head = operators[0]
        context.onReject = { (rejection: ShardContext.Rejection) throws(Diagnostic) in
            print(rejection.detail)
            fail("rejected")
        }
    }

    /// Decodes a batch into `source.rows`; returns its rows.
    func decode(_ messages: [ByteRef], firstOffset: Int64 = 0) -> Int {
        source.clear()
        context.arena.reset()
        origins.removeAll(keepingCapacity: true)
        for (i, message) in messages.enumerated() {
            source.records.append(
                partition: 0, offset: firstOffset + Int64(i), timestamp: .min, key: .absent, value: message)
        }
        decoder.decode(
            source.records.values, into: source.rows.columns, origins: &origins, failures: &failures,
            arena: source.arena)
        source.rows.count = origins.count
        source.rows.metadata.reserve(origins.count)
        for (row, origin) in origins.enumerated() {
            source.rows.metadata.origins[row] = origin
            source.rows.metadata.watermarks[row] = EventTime.none
        }
        return failures.isEmpty ? origins.count : -1
    }

    /// Encodes `source.rows`.
    func makeEncoder() throws(Diagnostic) -> any RowEncoder {
        let schema = plan.sources[0].schema
        return try Formats().makeEncoder(
            format: "json", part: nil, options: [:], schema: schema, columns: Array(schema.fields.indices))
    }

    /// Sends what was decoded through the operators.
    func process() throws(Diagnostic) {
        context.records = source.records
        try head.process(source.rows, port: 0, context: context)
    }
}
