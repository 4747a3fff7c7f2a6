internal import CLibrdkafka
public import MillraceCore
public import MillraceRuntime

extension KafkaConnector {
    /// Creates a topic with one replica a partition; for tests, demos and `millrace` commands. Waits for the answer.
    ///
    /// One that exists already stays as it is and is no error.
    /// - Throws: `.external` when the broker cannot be reached or refuses.
    public static func createTopic(
        _ name: String, partitions: Int, options: [String: String], timeoutMilliseconds: Int = 10_000
    ) throws(Diagnostic) {
        let properties = try KafkaProperties(options: options, table: "admin")
        let client = try KafkaSource.makeClient(properties, object: "topic \"\(name)\"", log: .silent)
        defer { client.close() }
        var text = [CChar](repeating: 0, count: 512)
        guard let topic = rd_kafka_NewTopic_new(name, Int32(partitions), 1, &text, text.count),
            let answers = rd_kafka_queue_new(client.raw)
        else { throw Diagnostic("could not create Kafka topic \"\(name)\": \(cText(text))") }
        defer {
            rd_kafka_NewTopic_destroy(topic)
            rd_kafka_queue_destroy(answers)
        }
        var topics: [OpaquePointer?] = [topic]
        rd_kafka_CreateTopics(client.raw, &topics, 1, nil, answers)
        guard let event = rd_kafka_queue_poll(answers, Int32(clamping: timeoutMilliseconds)) else {
            throw client.unreachable()
        }
        defer { rd_kafka_event_destroy(event) }
        var code = rd_kafka_event_error(event)
        if let result = rd_kafka_event_CreateTopics_result(event) {
            var count = 0
            if let list = rd_kafka_CreateTopics_result_topics(result, &count), count > 0 {
                code = rd_kafka_topic_result_error(list[0])
            }
        }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS else {
            throw Diagnostic("could not create Kafka topic \"\(name)\": \(describe(code))", fault: .external)
        }
    }

    /// Every partition of a source's topics, with the first offset it has and the one after its last.
    ///
    /// - Throws: `.external` when the brokers cannot be reached within `timeoutMilliseconds` or a topic is unknown.
    public static func offsets(plan: SourcePlan, timeoutMilliseconds: Int = 10_000) throws(Diagnostic) -> [(
        partition: SourcePartition, low: Int64, high: Int64
    )] {
        let scan = try ScanOptions(options: plan.options)
        let properties = try KafkaProperties(options: plan.options, table: plan.name)
        let client = try KafkaSource.makeClient(properties, object: "table \"\(plan.name)\"", log: .silent)
        defer { client.close() }
        let deadline = Deadline(milliseconds: timeoutMilliseconds)
        var metadata: [String: [Int32]] = [:]
        if scan.pattern != nil { metadata = try client.topics(named: nil, deadline: deadline) }
        for topic in scan.topics {
            metadata.merge(try client.topics(named: topic, deadline: deadline)) { _, new in new }
        }
        let all = TopicSelection(topics: scan.topics, pattern: scan.pattern, shard: 0, shards: 1).select(from: metadata)
        let lows = try client.offsets(all, at: all.map { _ in .beginning }, deadline: deadline)
        let highs = try client.offsets(all, at: all.map { _ in .end }, deadline: deadline)
        return all.indices.map { (all[$0], lows[$0], highs[$0]) }
    }
}
