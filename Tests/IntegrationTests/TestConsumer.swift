import CLibrdkafka
import Foundation

/// Reads a whole topic, as a consumer would that has only just come.
enum TestConsumer {
    struct Message {
        var key: String?
        var value: String
        var partition: Int32
        var offset: Int64
    }

    struct Failed: Error { let reason: String }

    /// Every message up to the present ends of the partitions.
    ///
    /// - Parameter isCommitted: false also gives those of transactions that were aborted or are still open.
    static func read(_ topic: String, of bootstrap: String, partitions: Int = 1, isCommitted: Bool = true) throws
        -> [Message]
    {
        let conf = rd_kafka_conf_new()!
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in [
            ("bootstrap.servers", bootstrap), ("group.id", "reader-" + unique()), ("log_level", "0"),
            ("isolation.level", isCommitted ? "read_committed" : "read_uncommitted"), ("enable.partition.eof", "true"),
            ("enable.auto.commit", "false"), ("fetch.wait.max.ms", "20"),
        ] { _ = rd_kafka_conf_set(conf, name, value, &text, text.count) }
        guard let raw = rd_kafka_new(RD_KAFKA_CONSUMER, conf, &text, text.count) else {
            throw Failed(reason: "no consumer")
        }
        defer { rd_kafka_destroy(raw) }
        rd_kafka_poll_set_consumer(raw)
        let list = rd_kafka_topic_partition_list_new(Int32(partitions))!
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in 0..<Int32(partitions) {
            rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = 0
        }
        guard rd_kafka_assign(raw, list) == RD_KAFKA_RESP_ERR_NO_ERROR else { throw Failed(reason: "not assigned") }
        var result: [Message] = []
        var ended = Set<Int32>()
        let deadline = Date().addingTimeInterval(30)
        while ended.count < partitions {
            guard Date() < deadline else { throw Failed(reason: "no end of \(topic) within 30 s") }
            guard let message = rd_kafka_consumer_poll(raw, 200) else { continue }
            defer { rd_kafka_message_destroy(message) }
            let m = message.pointee
            if m.err == RD_KAFKA_RESP_ERR__PARTITION_EOF { ended.insert(m.partition) }
            guard m.err == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            func text(_ start: UnsafeMutableRawPointer?, _ count: Int) -> String {
                String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
            }
            result.append(
                Message(
                    key: m.key == nil ? nil : text(m.key, m.key_len), value: text(m.payload, m.len),
                    partition: m.partition, offset: m.offset))
        }
        return result
    }
}
