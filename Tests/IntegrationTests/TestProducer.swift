import CLibrdkafka
import Foundation

/// Writes raw records to a broker: any bytes, keys and headers, to a chosen partition.
///
/// - Note: `@unchecked Sendable`: librdkafka's handles may be used from any thread, and nothing else changes after `init`.
final class TestProducer: @unchecked Sendable {
    private let raw: OpaquePointer
    private let topic: OpaquePointer

    struct Failed: Error { let reason: String }

    init(_ bootstrap: String, topic name: String) throws {
        let conf = rd_kafka_conf_new()!
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in [
            ("bootstrap.servers", bootstrap), ("linger.ms", "1"), ("log_level", "0"), ("enable.idempotence", "true"),
        ] { _ = rd_kafka_conf_set(conf, name, value, &text, text.count) }
        guard let raw = rd_kafka_new(RD_KAFKA_PRODUCER, conf, &text, text.count) else {
            throw Failed(reason: "no producer")
        }
        self.raw = raw
        topic = rd_kafka_topic_new(raw, name, nil)
    }

    deinit {
        rd_kafka_topic_destroy(topic)
        rd_kafka_destroy(raw)
    }

    /// `value` nil: a tombstone.
    func send(_ value: [UInt8]?, key: [UInt8]? = nil, partition: Int32, headers: [(name: String, value: String)] = [])
        throws
    {
        var list: OpaquePointer?
        if !headers.isEmpty {
            list = rd_kafka_headers_new(headers.count)
            for header in headers {
                _ = rd_kafka_header_add(list, header.name, -1, header.value, header.value.utf8.count)
            }
        }
        let code = millrace_kafka_produce(
            raw, topic, partition, key, key?.count ?? 0, value, value?.count ?? 0, 0, list, nil)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw Failed(reason: String(cString: rd_kafka_err2str(code)))
        }
    }

    func send(_ value: String, partition: Int32 = 0) throws { try send(Array(value.utf8), partition: partition) }

    /// Waits until all of it is in the topic.
    func flush() throws {
        guard rd_kafka_flush(raw, 20_000) == RD_KAFKA_RESP_ERR_NO_ERROR else { throw Failed(reason: "flush timed out") }
    }
}
