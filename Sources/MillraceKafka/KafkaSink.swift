internal import CLibrdkafka
public import MillraceCore
public import MillraceRuntime

/// Writes rows as Kafka messages through its session's producer.
///
/// Messages go out as they are written; `KafkaSinkSession.submit` only marks up to where a ticket reaches.
public final class KafkaSink: Sink {
    private enum Partitioner { case byKey, fixed, roundRobin }

    private let name: String
    private let session: KafkaSinkSession
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

    init(plan: SinkPlan, session: KafkaSinkSession, formats: any FormatFactory, shard: Int) throws(Diagnostic) {
        name = plan.name
        self.session = session
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
            guard let handle = topicHandle(batch, row) else {
                reject(row, .rejectedBySink, "metadata column \"topic\" is NULL")
                continue
            }
            let code = session.produce(
                topic: handle, partition: try partition(handle), key: keyEncoder == nil ? .absent : keyBuffer.bytes,
                value: valueBuffer.bytes, timestampMilliseconds: timestamp(batch, row), headers: headers(batch, row))
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR: break
            case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
                reject(row, .limitExceeded, "message of \(valueBuffer.count) bytes is longer than message.max.bytes")
            default:
                throw Diagnostic("could not write to Kafka sink \"\(name)\": \(describe(code))", fault: .external)
            }
        }
    }

    private func topicHandle(_ batch: ColumnBatch, _ row: Int) -> KafkaSinkSession.Topic? {
        if let topicColumn, batch.columns[topicColumn].isValid(row) {
            return session.topic(batch.columns[topicColumn].refs[row].text)
        }
        return topic.map(session.topic)
    }

    /// -1 lets librdkafka choose by key (murmur2, as the Java client).
    private func partition(_ topic: KafkaSinkSession.Topic) throws(Diagnostic) -> Int32 {
        switch partitioner {
        case .byKey: return -1
        case .fixed: return Int32(shard % (try session.partitionCount(topic)))
        case .roundRobin:
            turn &+= 1
            return Int32(turn % (try session.partitionCount(topic)))
        }
    }

    /// 0: now.
    private func timestamp(_ batch: ColumnBatch, _ row: Int) -> Int64 {
        guard let timestampColumn, batch.columns[timestampColumn].isValid(row) else { return 0 }
        return EventTime.milliseconds(fromMicroseconds: batch.columns[timestampColumn].ints[row])
    }

    /// A new header list, or nil; who produces with it gives it away.
    private func headers(_ batch: ColumnBatch, _ row: Int) -> OpaquePointer? {
        let (column, isMap): (Column, Bool)
        if let headersColumn {
            (column, isMap) = (batch.columns[headersColumn], true)
        } else if let headerListColumn {
            (column, isMap) = (batch.columns[headerListColumn], false)
        } else {
            return nil
        }
        guard column.isValid(row), column.lists[row].count > 0 else { return nil }
        let names = isMap ? column.children[0] : column.children[0].children[0]
        let values = isMap ? column.children[1] : column.children[0].children[1]
        let list = rd_kafka_headers_new(Int(column.lists[row].count))
        let start = Int(column.lists[row].start)
        for i in start..<start + Int(column.lists[row].count) where names.isValid(i) {
            let name = names.refs[i]
            let value: ByteRef? = values.isValid(i) ? values.refs[i] : nil
            name.start.withMemoryRebound(to: CChar.self, capacity: name.count) {
                _ = rd_kafka_header_add(list, $0, name.count, value?.start, value?.count ?? 0)
            }
        }
        return list
    }
}
