internal import CLibrdkafka
public import MillraceCore
import MillraceRuntime

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
}
