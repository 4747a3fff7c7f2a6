internal import CLibrdkafka
import Glibc
public import MillraceCore
import Synchronization

/// A Kafka broker inside this process, for demos and tests: librdkafka's mock cluster on a local port.
///
/// Any Kafka client can reach it (`kcat -b`). Not for data that matters: it keeps at most about 5 MB a partition, in
/// memory; answers a fetch only after the client's `fetch.wait.max.ms`; cannot look offsets up by time; and does not
/// isolate transactions.
///
/// - Note: `@unchecked Sendable`: librdkafka's handles may be used from any thread; `topics` is behind its own lock.
public final class EmbeddedBroker: @unchecked Sendable {
    /// `host:port`, for `properties.bootstrap.servers`.
    public let bootstrapServers: String
    let cluster: OpaquePointer
    /// A producer whose brokers are the mock cluster, which it owns.
    private let producer: OpaquePointer
    /// Topic handles for producing, by name.
    private let topics = Mutex<[String: TopicHandle]>([:])

    private struct TopicHandle: @unchecked Sendable { let raw: OpaquePointer }

    /// Partitions of topics that come into being by being used.
    static let defaultPartitions = 4

    /// - Parameter topics: created at once; others come into being with 4 partitions when a table or producer uses them.
    /// - Throws: `.external` when no local port can be had.
    public convenience init(topics: [(name: String, partitions: Int)]) throws(Diagnostic) {
        try self.init(topics: topics, brokers: 1)
    }

    init(topics: [(name: String, partitions: Int)], brokers: Int) throws(Diagnostic) {
        let conf = rd_kafka_conf_new()!
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in [
            ("test.mock.num.brokers", String(brokers)), ("linger.ms", "0"), ("message.max.bytes", "67108864"),
            ("socket.nagle.disable", "true"), ("partitioner", "murmur2_random"), ("log_level", "0"),
            ("queue.buffering.max.messages", "1000000"), ("allow.auto.create.topics", "true"),
        ] where rd_kafka_conf_set(conf, name, value, &text, text.count) != RD_KAFKA_CONF_OK {
            rd_kafka_conf_destroy(conf)
            throw Diagnostic("could not set up the embedded broker: property \"\(name)\"", fault: .bug)
        }
        guard let producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, &text, text.count) else {
            rd_kafka_conf_destroy(conf)
            throw Diagnostic("could not start the embedded broker", hint: cText(text), fault: .external)
        }
        guard let cluster = rd_kafka_handle_mock_cluster(producer) else {
            rd_kafka_destroy(producer)
            throw Diagnostic("could not start the embedded broker", fault: .external)
        }
        self.producer = producer
        self.cluster = cluster
        bootstrapServers = String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
        for topic in topics { createTopic(topic.name, partitions: topic.partitions) }
        Self.registry.withLock { $0.running[bootstrapServers] = WeakBroker(self) }
    }

    deinit {
        Self.registry.withLock { _ = $0.running.removeValue(forKey: bootstrapServers) }
        topics.withLock { for topic in $0.values { rd_kafka_topic_destroy(topic.raw) } }
        // The mock cluster goes with its handle.
        rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        rd_kafka_destroy(producer)
    }

    // MARK: Registry

    private struct WeakBroker: @unchecked Sendable {
        weak var broker: EmbeddedBroker?
        init(_ broker: EmbeddedBroker) { self.broker = broker }
    }
    private struct Registry {
        var running: [String: WeakBroker] = [:]
        var shared: EmbeddedBroker?
    }
    private static let registry = Mutex<Registry>(Registry())

    /// The broker behind `'properties.bootstrap.servers' = 'embedded'`: one a process, made at the first call, never ended.
    public static func shared() throws(Diagnostic) -> EmbeddedBroker {
        if let running = registry.withLock({ $0.shared }) { return running }
        let broker = try EmbeddedBroker(topics: [])
        // Made outside the lock, because its init registers it; the loser of a race is thrown away.
        return registry.withLock {
            if let first = $0.shared { return first }
            $0.shared = broker
            return broker
        }
    }

    /// True when `bootstrap` is the address of an embedded broker of this process.
    static func owns(_ bootstrap: String) -> Bool { find(bootstrap) != nil }

    private static func find(_ bootstrap: String) -> EmbeddedBroker? {
        registry.withLock { $0.running[bootstrap]?.broker }
    }

    /// Creates the topic if it is not there.
    static func ensureTopic(_ name: String, on bootstrap: String) {
        find(bootstrap)?.createTopic(name, partitions: defaultPartitions)
    }

    // MARK: Use

    /// Creates a topic; one that exists already stays as it is.
    public func createTopic(_ name: String, partitions: Int) {
        _ = rd_kafka_mock_topic_create(cluster, name, Int32(partitions), 1)
    }

    /// Sends one record; returns before it is there (`flush` waits). Any thread.
    ///
    /// - Parameters:
    ///   - key: nil: no key. Also chooses the partition (murmur2, as the Java client) when `partition` is nil.
    ///   - value: nil: a tombstone.
    ///   - timestampMilliseconds: since 1970; nil: now.
    /// - Throws: `.external` when the record is too long or the broker has ended.
    public func produce(
        topic: String, key: [UInt8]? = nil, value: [UInt8]?, timestampMilliseconds: Int64? = nil,
        partition: Int32? = nil, headers: [(name: String, value: [UInt8]?)] = []
    ) throws(Diagnostic) {
        let handle = topics.withLock { topics in
            if let known = topics[topic] { return known }
            let new = TopicHandle(raw: rd_kafka_topic_new(producer, topic, nil))
            topics[topic] = new
            return new
        }
        while true {
            var list: OpaquePointer?
            if !headers.isEmpty {
                list = rd_kafka_headers_new(headers.count)
                for header in headers {
                    // nil gives a null header; librdkafka copies the bytes.
                    _ = rd_kafka_header_add(
                        list, header.name, -1, header.value, header.value.map { $0.count } ?? 0)
                }
            }
            let code = millrace_kafka_produce(
                producer, handle.raw, partition ?? -1, key, key?.count ?? 0, value, value?.count ?? 0,
                timestampMilliseconds ?? 0, list, nil)
            if code == RD_KAFKA_RESP_ERR_NO_ERROR { return }
            if let list { rd_kafka_headers_destroy(list) }
            guard code == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
                throw Diagnostic("could not produce to topic \"\(topic)\": \(describe(code))", fault: .external)
            }
            usleep(1_000)
        }
    }

    /// Waits until every produced record is in its partition; false when time ran out first.
    @discardableResult
    public func flush(timeoutMilliseconds: Int = 10_000) -> Bool {
        rd_kafka_flush(producer, Int32(clamping: timeoutMilliseconds)) == RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Takes the broker away from its clients, or brings it back; connections are cut. For fault tests.
    public func setReachable(_ isReachable: Bool) {
        if isReachable {
            _ = rd_kafka_mock_broker_set_up(cluster, 1)
        } else {
            _ = rd_kafka_mock_broker_set_down(cluster, 1)
        }
    }
}
