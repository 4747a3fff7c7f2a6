internal import CLibrdkafka
public import MillraceCore
public import MillraceRuntime

/// Writes rows as Kafka messages: through its session's producer as they are written (`KafkaSinkSession`, whose `submit` only
/// marks up to where a ticket reaches), or into the transaction that the next ticket takes (`KafkaCheckpointSession`,
/// `KafkaOutbox`).
public final class KafkaSink: Sink {
    private enum Partitioner { case byKey, fixed, roundRobin }

    /// Where messages go: to a producer as they are written, or into the next transaction.
    enum Output {
        case direct(KafkaSinkSession)
        case transaction(TransactionBuffer)
    }

    private let name: String
    private let output: Output
    private let topics: ProducerTopics
    private let schema: Schema
    private let valueEncoder: any RowEncoder
    private let keyEncoder: (any RowEncoder)?
    private let topic: String?
    private let topicColumn: Int?
    private let timestampColumn: Int?
    private let headersColumn: Int?
    private let headerListColumn: Int?
    private let partitioner: Partitioner
    private let shard: Int
    private let notNull: [Int]
    private var turn: Int
    private let valueBuffer = ByteBuffer()
    private let keyBuffer = ByteBuffer()

    init(plan: SinkPlan, output: Output, formats: any FormatFactory, shard: Int) throws(Diagnostic) {
        name = plan.name
        self.output = output
        switch output {
        case .direct(let session): topics = session.topics
        case .transaction(let buffer): topics = buffer.topics
        }
        self.shard = shard
        turn = shard
        schema = plan.schema
        let places: [(place: Int, key: MetadataKey?)] = try KafkaSink.places(plan)
        let physical = places.filter { $0.key == nil }.map(\.place)
        let layout = try MessageFormats(
            options: plan.options, columns: Schema(physical.map { plan.schema[$0] }))
        let valuePlaces = physical.filter { !(layout.valueExcludesKey && layout.isKey(plan.schema[$0].name)) }
        valueEncoder = try formats.makeEncoder(
            format: layout.valueFormat, part: layout.valuePart, options: plan.options, schema: plan.schema,
            columns: valuePlaces)
        if let format = layout.keyFormat {
            // The key message knows its columns without the prefix.
            var renamed = plan.schema
            var keyPlaces: [Int] = []
            for field in layout.keyFields {
                guard let place = plan.schema.index(of: field) else { continue }
                renamed.fields[place].name = layout.keyName(field)
                keyPlaces.append(place)
            }
            keyEncoder = try formats.makeEncoder(
                format: format, part: "key", options: plan.options, schema: renamed, columns: keyPlaces)
        } else {
            keyEncoder = nil
        }
        func place(_ key: MetadataKey) -> Int? { places.first { $0.key == key }?.place }
        topicColumn = place(.topic)
        timestampColumn = place(.timestamp)
        headersColumn = place(.headers)
        headerListColumn = place(.headerList)
        let topics = (plan.options["topic"] ?? "").split(separator: ";").map { trim($0) }
        topic = topics.count == 1 ? topics[0] : nil
        guard topic != nil || topicColumn != nil else {
            throw Diagnostic(
                "sink \"\(plan.name)\" does not say which topic to write to",
                hint: "Give one topic in 'topic', or write a column declared as topic STRING METADATA.")
        }
        switch plan.options["sink.partitioner"] ?? "default" {
        case "default": partitioner = .byKey
        case "fixed": partitioner = .fixed
        case "round-robin": partitioner = .roundRobin
        default:
            throw Diagnostic(
                "option \"sink.partitioner\" names a Java class or an unknown partitioner",
                hint: "Use default, fixed or round-robin.")
        }
        notNull = physical.filter { !plan.schema[$0].isNullable }
    }

    private static func places(_ plan: SinkPlan) throws(Diagnostic) -> [(place: Int, key: MetadataKey?)] {
        var result: [(place: Int, key: MetadataKey?)] = []
        for (place, field) in plan.schema.fields.enumerated() {
            guard let name = plan.metadata[field.name] else {
                result.append((place, nil))
                continue
            }
            guard let key = MetadataKey(rawValue: name), key.isWritable else {
                throw Diagnostic(
                    "metadata key \"\(name)\" of sink \"\(plan.name)\" cannot be written", at: plan.range,
                    hint: "Declare the column VIRTUAL, so that it is only read.")
            }
            guard key.fits(field.type) else {
                throw Diagnostic(
                    "metadata column \"\(field.name)\" cannot be \(field.type)", at: plan.range,
                    hint: "Declare it as \(key.type).")
            }
            result.append((place, key))
        }
        return result
    }

    public func write(_ batch: ColumnBatch, reject: (_ row: Int, RowErrorCode, _ detail: String) -> Void)
        throws(Diagnostic)
    {
        rows: for row in 0..<batch.count {
            for place in notNull where batch.columns[place].states[row] == CellState.null {
                reject(row, .notNullViolation, "column \"\(schema[place].name)\"")
                continue rows
            }
            valueBuffer.clear()
            keyBuffer.clear()
            do {
                try valueEncoder.encode(batch, row: row, into: valueBuffer)
                if let keyEncoder { try keyEncoder.encode(batch, row: row, into: keyBuffer) }
            } catch {
                reject(row, .rejectedBySink, error.message)
                continue
            }
            guard let topic = target(batch, row) else {
                reject(row, .rejectedBySink, "metadata column \"topic\" is NULL")
                continue
            }
            guard try send(batch, row, to: topic) else {
                reject(row, .limitExceeded, "message of \(valueBuffer.count) bytes is longer than message.max.bytes")
                continue
            }
        }
    }

    /// False for a message that is too long.
    private func send(_ batch: ColumnBatch, _ row: Int, to topic: ProducerTopics.Topic) throws(Diagnostic) -> Bool {
        let key = keyEncoder == nil ? ByteRef.absent : keyBuffer.bytes
        switch output {
        case .transaction(let buffer):
            guard
                buffer.append(
                    topic: topic.name, partition: try partition(topic), key: key, value: valueBuffer.bytes,
                    timestampMilliseconds: timestamp(batch, row))
            else { return false }
            if let headers = headers(batch, row) {
                for i in headers.range where headers.names.isValid(i) {
                    buffer.appendHeader(
                        headers.names.refs[i], headers.values.isValid(i) ? headers.values.refs[i] : .absent)
                }
            }
            return true
        case .direct(let session):
            let code = session.produce(
                topic: topic, partition: try partition(topic), key: key, value: valueBuffer.bytes,
                timestampMilliseconds: timestamp(batch, row), headers: headerList(batch, row))
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR: return true
            case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return false
            default:
                throw Diagnostic("could not write to Kafka sink \"\(name)\": \(describe(code))", fault: .external)
            }
        }
    }

    private func target(_ batch: ColumnBatch, _ row: Int) -> ProducerTopics.Topic? {
        if let topicColumn, batch.columns[topicColumn].isValid(row) {
            return topics[batch.columns[topicColumn].refs[row].text]
        }
        return topic.map { topics[$0] }
    }

    /// -1 lets librdkafka choose by key (murmur2, as the Java client).
    private func partition(_ topic: ProducerTopics.Topic) throws(Diagnostic) -> Int32 {
        switch partitioner {
        case .byKey: return -1
        case .fixed: return Int32(shard % (try topics.partitionCount(topic)))
        case .roundRobin:
            turn &+= 1
            return Int32(turn % (try topics.partitionCount(topic)))
        }
    }

    /// 0: now.
    private func timestamp(_ batch: ColumnBatch, _ row: Int) -> Int64 {
        guard let timestampColumn, batch.columns[timestampColumn].isValid(row) else { return 0 }
        return EventTime.milliseconds(fromMicroseconds: batch.columns[timestampColumn].ints[row])
    }

    /// The row's header names and values, and which of their cells; nil: none.
    private func headers(_ batch: ColumnBatch, _ row: Int) -> (names: Column, values: Column, range: Range<Int>)? {
        let (column, isMap): (Column, Bool)
        if let headersColumn {
            (column, isMap) = (batch.columns[headersColumn], true)
        } else if let headerListColumn {
            (column, isMap) = (batch.columns[headerListColumn], false)
        } else {
            return nil
        }
        guard column.isValid(row), column.lists[row].count > 0 else { return nil }
        let start = Int(column.lists[row].start)
        return (
            isMap ? column.children[0] : column.children[0].children[0],
            isMap ? column.children[1] : column.children[0].children[1],
            start..<start + Int(column.lists[row].count)
        )
    }

    /// A new header list, or nil; who produces with it gives it away.
    private func headerList(_ batch: ColumnBatch, _ row: Int) -> OpaquePointer? {
        guard let (names, values, range) = headers(batch, row) else { return nil }
        let list = rd_kafka_headers_new(range.count)
        for i in range where names.isValid(i) {
            let name = names.refs[i]
            let value: ByteRef? = values.isValid(i) ? values.refs[i] : nil
            name.start.withMemoryRebound(to: CChar.self, capacity: name.count) {
                _ = rd_kafka_header_add(list, $0, name.count, value?.start, value?.count ?? 0)
            }
        }
        return list
    }
}
