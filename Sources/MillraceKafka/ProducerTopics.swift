internal import CLibrdkafka
import MillraceCore

/// The topics one producer writes to. One thread's; `removeAll` before the client closes.
final class ProducerTopics {
    /// A topic handle with the number of its partitions, once asked for.
    final class Topic {
        let name: String
        let raw: OpaquePointer
        fileprivate var partitions = 0
        fileprivate init(name: String, raw: OpaquePointer) {
            self.name = name
            self.raw = raw
        }
        deinit { rd_kafka_topic_destroy(raw) }
    }

    private let client: KafkaClient
    private var topics: [String: Topic] = [:]

    init(_ client: KafkaClient) { self.client = client }

    subscript(name: String) -> Topic {
        if let known = topics[name] { return known }
        let new = Topic(name: name, raw: rd_kafka_topic_new(client.raw, name, nil))
        topics[name] = new
        return new
    }

    /// How many partitions the topic has; asked once, waiting at most 10 s.
    func partitionCount(_ topic: Topic) throws(Diagnostic) -> Int {
        if topic.partitions == 0 {
            let (found, _) = client.requestTopics(named: topic.name, timeoutMilliseconds: 10_000)
            guard let count = found?[topic.name]?.count, count > 0 else {
                throw Diagnostic(
                    "could not learn the partitions of Kafka topic \"\(topic.name)\" for \(client.events.object)",
                    hint: "Check that the topic exists and the brokers run.", fault: .external)
            }
            topic.partitions = count
        }
        return topic.partitions
    }

    func removeAll() { topics.removeAll() }
}
