internal import CLibrdkafka
import CMillraceLinux
import Glibc
import MillraceCore
import MillraceRuntime

/// One librdkafka handle with its queue and the descriptor that tells when the queue has something.
///
/// Owned by one thread, which is the one that serves the queue; `PartitionDiscovery` also asks metadata of it, which
/// librdkafka allows from any thread. Everything is freed by `close`.
final class KafkaClient {
    enum Kind { case consumer, producer }

    let raw: OpaquePointer
    /// The consumer's queue, or the producer's main queue.
    let queue: OpaquePointer
    /// An eventfd that becomes readable when `queue` goes from empty to not empty.
    let descriptor: Int32
    let events: ClientEvents
    private var isOpen = true

    /// - Parameters:
    ///   - settings: librdkafka names; later ones win. Unknown ones among `optional` are left out.
    ///   - events: receives what callbacks report; kept alive by the client.
    init(
        _ kind: Kind, settings: [(name: String, value: String)], optional: [(name: String, value: String)] = [],
        events: ClientEvents
    ) throws(Diagnostic) {
        let conf = rd_kafka_conf_new()!
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in settings
        where rd_kafka_conf_set(conf, name, value, &text, text.count) != RD_KAFKA_CONF_OK {
            rd_kafka_conf_destroy(conf)
            throw Diagnostic("Kafka property \"\(name)\" has an invalid value")
        }
        for (name, value) in optional { _ = rd_kafka_conf_set(conf, name, value, &text, text.count) }
        let opaque = Unmanaged.passUnretained(events).toOpaque()
        rd_kafka_conf_set_opaque(conf, opaque)
        rd_kafka_conf_set_error_cb(conf) { client, code, reason, opaque in
            guard let opaque else { return }
            let events = Unmanaged<ClientEvents>.fromOpaque(opaque).takeUnretainedValue()
            events.note(rd_kafka_resp_err_t(code), reason: reason.map { String(cString: $0) } ?? "", client: client)
        }
        rd_kafka_conf_set_log_cb(conf) { client, level, facility, message in
            // On librdkafka's threads: touches only the log, which is Sendable and never changes.
            guard let client, let opaque = rd_kafka_opaque(client) else { return }
            let events = Unmanaged<ClientEvents>.fromOpaque(opaque).takeUnretainedValue()
            events.log(
                .debug, "librdkafka",
                [
                    "facility": facility.map { String(cString: $0) } ?? "",
                    "text": message.map { String(cString: $0) } ?? "", "level": String(level),
                ])
        }
        if kind == .producer {
            rd_kafka_conf_set_dr_msg_cb(conf) { _, message, opaque in
                guard let opaque, let message else { return }
                let events = Unmanaged<ClientEvents>.fromOpaque(opaque).takeUnretainedValue()
                events.delivered(
                    tag: Int(bitPattern: message.pointee._private),
                    bytes: message.pointee.len + message.pointee.key_len, code: message.pointee.err)
            }
        }
        let type = kind == .consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER
        guard let raw = rd_kafka_new(type, conf, &text, text.count) else {
            rd_kafka_conf_destroy(conf)  // rd_kafka_new keeps it only when it succeeds
            throw Diagnostic(
                "could not create the Kafka client", hint: "librdkafka says: \(cText(text)).", fault: .user)
        }
        if kind == .consumer { rd_kafka_poll_set_consumer(raw) }
        let queue = kind == .consumer ? rd_kafka_queue_get_consumer(raw) : rd_kafka_queue_get_main(raw)
        let descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard let queue, descriptor >= 0 else {
            rd_kafka_destroy(raw)
            throw Diagnostic("could not create an event descriptor: error \(errno)", fault: .external)
        }
        // Before anything is assigned: the descriptor is written only on the change from empty to not empty.
        var one: UInt64 = 1
        rd_kafka_queue_io_event_enable(queue, descriptor, &one, 8)
        self.raw = raw
        self.queue = queue
        self.descriptor = descriptor
        self.events = events
    }

    deinit { close() }

    /// Empties the descriptor; call before the queue is drained.
    @inline(__always)
    func clearDescriptor() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }

    /// Makes the descriptor readable; from any thread.
    func wake() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    /// Serves callbacks of a consumer that has nothing assigned yet. Messages cannot come; errors are noted.
    func serveBeforeAssignment() {
        var slots = [UnsafeMutablePointer<rd_kafka_message_t>?](repeating: nil, count: 16)
        while true {
            let count = rd_kafka_consume_batch_queue(queue, 0, &slots, slots.count)
            guard count > 0 else { return }
            for slot in slots[0..<count] {
                guard let slot else { continue }
                events.note(slot.pointee.err, reason: "", client: raw)
                rd_kafka_message_destroy(slot)
            }
        }
    }

    /// Gives everything back. Messages must have been destroyed before, or this waits for them for ever.
    func close() {
        guard isOpen else { return }
        isOpen = false
        rd_kafka_queue_io_event_enable(queue, -1, nil, 0)
        rd_kafka_queue_destroy(queue)
        rd_kafka_destroy_flags(raw, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
        _ = Glibc.close(descriptor)
    }
}

/// What librdkafka's callbacks report about one client: outages, refusals, deliveries.
///
/// All but `log` is touched only by the thread that serves the client's queue.
final class ClientEvents {
    let log: Log
    /// Names the client in messages: `table "bids"`.
    let object: String
    /// Set once, by an error that cannot pass by itself.
    private(set) var failure: Diagnostic?
    /// Why the last connection attempt failed, as far as known.
    private(set) var lastReason = ""
    private(set) var isDown = false
    /// Of a producer: a message was delivered, or will never be.
    var onDelivery: ((_ tag: Int, _ bytes: Int, _ code: rd_kafka_resp_err_t) -> Void)?

    init(object: String, log: Log) {
        self.object = object
        self.log = log
    }

    func delivered(tag: Int, bytes: Int, code: rd_kafka_resp_err_t) { onDelivery?(tag, bytes, code) }

    /// Judges an error: fails the client, or logs the change to "down" once, or stays quiet (librdkafka retries).
    func note(_ code: rd_kafka_resp_err_t, reason: String, client: OpaquePointer?) {
        switch code {
        case RD_KAFKA_RESP_ERR_NO_ERROR: return
        case RD_KAFKA_RESP_ERR__FATAL:
            var text = [CChar](repeating: 0, count: 512)
            let fatal = rd_kafka_fatal_error(client, &text, text.count)
            fail("Kafka client of \(object) failed for good: \(describe(fatal))", hint: cText(text))
        case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
            fail("Kafka broker refused the login of \(object)", hint: "Check the properties.sasl.… options.")
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            fail(
                "Kafka broker refused \(object): \(describe(code))",
                hint: "Grant the Kafka user the right to use the topic.")
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
            guard !isDown else { return }
            isDown = true
            log(.warning, "Kafka brokers are away, trying again", ["object": object])
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__SSL:
            lastReason = describe(code)
            log(.debug, "Kafka connection lost", ["object": object, "error": lastReason])
        default: log(.debug, "Kafka reports an error", ["object": object, "error": describe(code)])
        }
    }

    /// The brokers answered.
    @inline(__always)
    func noteReachable() { if isDown { becomeReachable() } }

    private func becomeReachable() {
        isDown = false
        log(.info, "Kafka brokers are back", ["object": object])
    }

    func fail(_ message: String, hint: String? = nil) {
        if failure == nil { failure = Diagnostic(message, hint: hint, fault: .external) }
    }
}

/// librdkafka's text for an error code.
func describe(_ code: rd_kafka_resp_err_t) -> String { String(cString: rd_kafka_err2str(code)) }
