import CLibrdkafka
import Glibc
import Synchronization

/// Sends events to one topic. Not for several threads.
final class Producer {
    private let raw: OpaquePointer
    private let topic: OpaquePointer
    private let failures = Failures()

    /// Messages that did not arrive.
    final class Failures: Sendable {
        let count = Atomic<Int>(0)
    }

    var failed: Int { failures.count.load(ordering: .relaxed) }

    /// - Parameter isBulk: gather large batches rather than send at once.
    init(bootstrap: String, topic name: String, isBulk: Bool) throws {
        let conf = rd_kafka_conf_new()
        var message = [CChar](repeating: 0, count: 512)
        for (option, value) in [
            ("bootstrap.servers", bootstrap), ("linger.ms", isBulk ? "10" : "0"), ("batch.size", "1000000"),
            ("queue.buffering.max.messages", "2000000"), ("queue.buffering.max.kbytes", "1048576"),
            ("socket.nagle.disable", "true"), ("acks", "1"), ("log_level", "0"),
        ] {
            guard rd_kafka_conf_set(conf, option, value, &message, message.count) == RD_KAFKA_CONF_OK else {
                throw Failure("librdkafka: \(Producer.text(message))")
            }
        }
        rd_kafka_conf_set_opaque(conf, Unmanaged.passUnretained(failures).toOpaque())
        rd_kafka_conf_set_dr_msg_cb(conf) { _, message, opaque in
            guard let message, message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR, let opaque else { return }
            Unmanaged<Failures>.fromOpaque(opaque).takeUnretainedValue().count.add(1, ordering: .relaxed)
        }
        guard let raw = rd_kafka_new(RD_KAFKA_PRODUCER, conf, &message, message.count) else {
            throw Failure("librdkafka: \(Producer.text(message))")
        }
        self.raw = raw
        topic = rd_kafka_topic_new(raw, name, nil)
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(raw, 0, topic, &metadata, 10_000)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw Failure("the broker at \(bootstrap) does not answer: \(String(cString: rd_kafka_err2str(code)))")
        }
        rd_kafka_metadata_destroy(metadata)
    }

    deinit {
        rd_kafka_topic_destroy(topic)
        rd_kafka_destroy(raw)
    }

    func send(_ event: (value: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer), partition: Int) throws {
        while true {
            let code = rd_kafka_produce(
                topic, Int32(partition), RD_KAFKA_MSG_F_COPY,
                UnsafeMutableRawPointer(mutating: event.value.baseAddress!),
                event.value.count, event.key.baseAddress, event.key.count, nil)
            if code == 0 { return }
            guard rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
                throw Failure("could not produce: \(String(cString: rd_kafka_err2str(rd_kafka_last_error())))")
            }
            rd_kafka_poll(raw, 10)
        }
    }

    /// Takes delivery reports, without waiting.
    func serve() { rd_kafka_poll(raw, 0) }

    /// Waits until all is in the topic.
    func flush() throws {
        guard rd_kafka_flush(raw, 120_000) == RD_KAFKA_RESP_ERR_NO_ERROR, failed == 0 else {
            throw Failure("\(failed) events did not reach the broker")
        }
    }

    /// Removes a topic; a broker that cannot is left as it is.
    func deleteTopic(_ name: String) {
        guard let queue = rd_kafka_queue_new(raw) else { return }
        defer { rd_kafka_queue_destroy(queue) }
        var request = rd_kafka_DeleteTopic_new(name)
        defer { rd_kafka_DeleteTopic_destroy(request) }
        rd_kafka_DeleteTopics(raw, &request, 1, nil, queue)
        if let event = rd_kafka_queue_poll(queue, 5000) { rd_kafka_event_destroy(event) }
    }

    private static func text(_ message: [CChar]) -> String {
        String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Of the library that this program and `millrace` load.
var librdkafkaVersion: String { String(cString: rd_kafka_version_str()) }
