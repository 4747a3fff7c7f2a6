internal import MillraceCore

/// A PostgreSQL table of a plan whose rows can be computed again one by one, and how a row is found in it.
struct ReplayTarget {
    let sink: SinkPlan
    /// The stream that its rows come from: index into the plan's sources.
    let source: Int
    /// Columns that find the stored row.
    let keys: [Int]
    /// Columns with the record's partition and offset, where the table has both.
    let place: (partition: Int, offset: Int)?
    let topic: Int?
    /// Column with the version of the model.
    let version: Int?
    /// Columns that are compared.
    let compared: [Int]
    /// Those that are not, with the reason.
    let ignored: [String]
    /// An OVER is on the way: the rows before the first one count.
    let needsHistory: Bool
    /// Each record gives at most one row.
    let isOneToOne: Bool

    /// Why a table cannot be compared.
    struct Refusal: Error {
        let reason: String
    }

    init(_ plan: ExecutionPlan, sink index: Int, node: Int, ignoring: Set<String>) throws(Refusal) {
        sink = plan.sinks[index]
        guard sink.connector == "postgres" else { throw Refusal(reason: "it is no PostgreSQL table") }
        guard !sink.isUpdating else { throw Refusal(reason: "its rows change") }
        let nodes = ReplayTarget.path(plan, to: node)
        guard nodes.contains(where: { if case .predict = plan.nodes[$0].kind { true } else { false } }) else {
            throw Refusal(reason: "no model is behind it")
        }
        var streams: Set<Int> = []
        var needsHistory = false
        var isOneToOne = true
        for node in nodes {
            switch plan.nodes[node].kind {
            case .source(let source): streams.insert(source)
            case .project, .filter, .watermark, .processingTime, .predict, .sink: break
            case .staticJoin, .lookupJoin, .unnest, .windowAssign: isOneToOne = false
            case .over(let over):
                guard over.timeColumn != nil else { throw Refusal(reason: "OVER by processing time is behind it") }
                needsHistory = true
            default: throw Refusal(reason: "its rows are not made from single records (\(plan.nodes[node].object))")
            }
        }
        guard streams.count == 1, let stream = streams.first else {
            throw Refusal(reason: "its rows come from \(streams.count) streams")
        }
        guard plan.sources[stream].connector == "kafka" else {
            throw Refusal(reason: "table \"\(plan.sources[stream].name)\", which it is made from, is no Kafka topic")
        }
        let lineage = sink.schema.fields.indices.map { ColumnLineage.trace(plan, node: node, column: $0) }
        func column(_ key: String) -> Int? { lineage.firstIndex(of: .metadata(source: stream, key: key)) }
        let topic = column("topic")
        if let partition = column("partition"), let offset = column("offset") {
            place = (partition, offset)
            keys = [partition, offset] + (topic.map { [$0] } ?? [])
        } else if !sink.primaryKey.isEmpty, !needsHistory {
            place = nil
            keys = sink.primaryKey.compactMap { [schema = sink.schema] in schema.index(of: $0) }
        } else {
            throw Refusal(
                reason: "its rows cannot be matched with records: it has no columns with their partition and offset "
                    + "(METADATA FROM 'partition' and 'offset')" + (needsHistory ? "" : ", and no PRIMARY KEY"))
        }
        self.topic = topic
        self.needsHistory = needsHistory
        self.isOneToOne = isOneToOne
        source = stream
        version = lineage.firstIndex(of: .receipt(.version)) ?? lineage.firstIndex(of: .receipt(.hash))
        var compared: [Int] = []
        var ignored: [String] = []
        for (index, field) in sink.schema.fields.enumerated() where !keys.contains(index) {
            switch lineage[index] {
            case _ where ignoring.contains(field.name): ignored.append("\(field.name) (--ignore)")
            case .receipt(.latency): ignored.append("\(field.name) (latency)")
            case .receipt(.timeout): ignored.append("\(field.name) (timeout)")
            case .volatile: ignored.append("\(field.name) (another value each time)")
            default: if index != version { compared.append(index) }
            }
        }
        self.compared = compared
        self.ignored = ignored
    }

    /// The nodes between the stream and `node`, ends included; not the other sides of joins with tables.
    private static func path(_ plan: ExecutionPlan, to node: Int) -> Set<Int> {
        var found: Set<Int> = []
        var next = [node]
        while let node = next.popLast() {
            guard found.insert(node).inserted else { continue }
            switch plan.nodes[node].kind {
            case .staticJoin, .lookupJoin: next.append(plan.nodes[node].inputs[0])
            default: next += plan.nodes[node].inputs
            }
        }
        return found
    }

    /// The table as something to look rows up in: keys, then version, then what is compared.
    var lookup: SourcePlan {
        let columns = columns
        return SourcePlan(
            name: sink.name, connector: sink.connector, options: sink.options, physicalSchema: sink.schema,
            fields: columns.map { index in
                let field = sink.schema[index]
                return SourceField(name: field.name, origin: .physical(path: [field.name]), type: field.type)
            }, lookupKeys: Array(keys.indices))
    }

    /// Columns that are read of a stored row.
    var columns: [Int] { keys + (version.map { [$0] } ?? []) + compared }
}
