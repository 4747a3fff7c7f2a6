internal import CLibrdkafka
public import MillraceCore
public import MillraceRuntime

/// One producer and what it still has to deliver, outside transactions. At least once: a ticket is durable when every message written before
/// it has been acknowledged by all in-sync replicas.
///
/// The producer is idempotent and tries for ever, so an outage costs nothing but time. Positions are not kept here; the
/// source's own group offsets are the only memory of a pipeline whose sinks are all Kafka.
public final class KafkaSinkSession: SinkSession {
    /// What was written between two submits.
    private struct Section {
        var ticket: Int64
        var undelivered: Int
    }

    private let name: String
    private let client: KafkaClient
    private let limits: Limits
    private let log: Log
    let topics: ProducerTopics
    /// Submitted ones, oldest first, then the open one. Entry `i` has the tag `firstTag + i`.
    private var sections: [Section] = [Section(ticket: .max, undelivered: 0)]
    private var firstTag = 0
    private var durable: Int64 = -1
    private var undeliveredRows = 0
    private var undeliveredBytes = 0
    private var failure: Diagnostic?
    private var isClosed = false

    /// - Throws: `.user` for wrong options.
    init(plan: SinkPlan, limits: Limits, log: Log) throws(Diagnostic) {
        name = plan.name
        self.limits = limits
        self.log = log
        var settings: [(name: String, value: String)] = [
            ("linger.ms", "0"), ("socket.nagle.disable", "true"), ("partitioner", "murmur2_random"),
            // The engine bounds what is under way; librdkafka's own bounds only must not be met first.
            ("queue.buffering.max.messages", "10000000"), ("queue.buffering.max.kbytes", "2097151"),
            ("message.timeout.ms", "0"), ("reconnect.backoff.max.ms", "1000"),
        ]
        switch try DeliveryGuarantee(plan) {
        case .atLeastOnce: settings += [("enable.idempotence", "true"), ("acks", "all")]
        case .none: settings += [("acks", "1")]
        case .exactlyOnce: throw Diagnostic("a sink that delivers exactly once needs transactions", fault: .bug)
        }
        let properties = try KafkaProperties(options: plan.options, table: plan.name)
        if properties.isEmbedded {
            for topic in (plan.options["topic"] ?? "").split(separator: ";") {
                EmbeddedBroker.ensureTopic(trim(topic), on: properties.bootstrap)
            }
        }
        settings += properties.values.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        settings += [("bootstrap.servers", properties.bootstrap)]
        let events = ClientEvents(object: "sink \"\(plan.name)\"", log: log)
        client = try KafkaClient(.producer, settings: settings, events: events)
        topics = ProducerTopics(client)
        events.onDelivery = { [unowned self] tag, bytes, code in delivered(tag: tag, bytes: bytes, code: code) }
    }

    deinit { shutDown() }

    // MARK: For the sink

    /// Hands one message to the producer, which copies it; takes `headers` over.
    func produce(
        topic: ProducerTopics.Topic, partition: Int32, key: ByteRef, value: ByteRef, timestampMilliseconds: Int64,
        headers: OpaquePointer?
    ) -> rd_kafka_resp_err_t {
        let open = sections.count - 1
        let code = millrace_kafka_produce(
            client.raw, topic.raw, partition, key.isAbsent ? nil : key.start, max(0, key.count),
            value.isAbsent ? nil : value.start, max(0, value.count), timestampMilliseconds, headers,
            UnsafeMutableRawPointer(bitPattern: firstTag + open))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            if let headers { rd_kafka_headers_destroy(headers) }
            return code
        }
        sections[open].undelivered += 1
        undeliveredRows += 1
        undeliveredBytes += max(0, key.count) + max(0, value.count)
        return code
    }

    /// Called while the queue is served, on the shard's thread.
    private func delivered(tag: Int, bytes: Int, code: rd_kafka_resp_err_t) {
        undeliveredRows -= 1
        undeliveredBytes -= bytes
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            // The section never empties, so its ticket never counts as durable.
            if code != RD_KAFKA_RESP_ERR__PURGE_QUEUE, code != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, failure == nil {
                failure = Diagnostic(
                    "Kafka refused a message of sink \"\(name)\": \(describe(code))",
                    hint: "Check that the topic exists and its limits (max.message.bytes, authorization).",
                    fault: .external)
            }
            return
        }
        client.events.noteReachable()
        let index = tag - firstTag
        if sections.indices.contains(index) { sections[index].undelivered -= 1 }
    }

    // MARK: SinkSession

    public var descriptor: Int32 { client.descriptor }
    public var wantsWrite: Bool { false }
    public var deadline: Int64? { nil }
    public var uncommittedRows: Int { undeliveredRows }
    public var uncommittedBytes: Int { undeliveredBytes }
    /// Sections beyond this many wait for acknowledgements, so that tickets stay few.
    public var canSubmit: Bool { sections.count <= 1_000 }

    public func submit(ticket: Int64, positions: SourceProgress, deadLetters: [DeadLetter])
        throws(Diagnostic)
    {
        sections[sections.count - 1].ticket = ticket
        sections.append(Section(ticket: .max, undelivered: 0))
    }

    public func drive(now: Int64) throws(Diagnostic) -> Int64 {
        client.clearDescriptor()
        while rd_kafka_poll(client.raw, 0) > 0 {}
        if let failure = failure ?? client.events.failure { throw failure }
        var done = 0
        while done < sections.count - 1, sections[done].undelivered == 0 {
            durable = sections[done].ticket
            done += 1
        }
        if done > 0 {
            sections.removeFirst(done)
            firstTag += done
        }
        return durable
    }

    public func close(deadlineMicroseconds: Int64) throws(Diagnostic) {
        guard !isClosed else { return }
        let clock = SystemClock()
        while undeliveredRows > 0, failure == nil, client.events.failure == nil {
            let left = (deadlineMicroseconds - clock.monotonicMicroseconds()) / 1000
            guard left > 0 else { break }
            _ = rd_kafka_poll(client.raw, Int32(min(left, 100)))
        }
        let missing = undeliveredRows
        let reason = failure ?? client.events.failure
        shutDown()
        if let reason { throw reason }
        if missing > 0 {
            throw Diagnostic(
                "\(missing) messages of sink \"\(name)\" were not acknowledged in time",
                hint: "They may or may not be in the topic; a restart sends them again.", fault: .external)
        }
    }

    private func shutDown() {
        guard !isClosed else { return }
        isClosed = true
        client.events.onDelivery = nil
        topics.removeAll()
        rd_kafka_purge(client.raw, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        client.close()
    }
}
