internal import CLibrdkafka
import Glibc
import MillraceCore
import MillraceRuntime

/// A point in a partition's history that the broker can turn into an offset.
enum OffsetQuery {
    case beginning, end
    /// The first record at or after, milliseconds since 1970; the end when there is none.
    case timestamp(Int64)
}

/// Codes that pass by themselves while a cluster settles.
func isTransient(_ code: rd_kafka_resp_err_t) -> Bool {
    switch code {
    case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__WAIT_COORD,
        RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR__IN_PROGRESS:
        true
    default: false
    }
}

/// `rd_kafka_topic_partition_list_t` with one owner.
struct PartitionList: ~Copyable {
    let raw: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(_ partitions: some Collection<SourcePartition>, offset: (Int) -> Int64 = { _ in -1001 }) {
        raw = rd_kafka_topic_partition_list_new(Int32(partitions.count))
        for (i, partition) in partitions.enumerated() {
            rd_kafka_topic_partition_list_add(raw, partition.topic, partition.partition).pointee.offset = offset(i)
        }
    }

    deinit { rd_kafka_topic_partition_list_destroy(raw) }

    var count: Int { Int(raw.pointee.cnt) }
    subscript(index: Int) -> rd_kafka_topic_partition_t { raw.pointee.elems[index] }
}

extension KafkaClient {
    /// Partition numbers by topic name, as one metadata answer told; topics with errors are left out.
    ///
    /// - Parameter name: nil lists every topic of the cluster.
    /// - Returns: nil with the code when no answer came.
    func requestTopics(named name: String?, timeoutMilliseconds: Int32)
        -> (topics: [String: [Int32]]?, code: rd_kafka_resp_err_t)
    {
        var handle: OpaquePointer?
        if let name {
            handle = rd_kafka_topic_new(raw, name, nil)
            guard handle != nil else { return ([:], rd_kafka_last_error()) }
        }
        defer { if let handle { rd_kafka_topic_destroy(handle) } }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(raw, name == nil ? 1 : 0, handle, &metadata, timeoutMilliseconds)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else { return (nil, code) }
        defer { rd_kafka_metadata_destroy(metadata) }
        var result: [String: [Int32]] = [:]
        var topicCode = RD_KAFKA_RESP_ERR_NO_ERROR
        for i in 0..<Int(metadata.pointee.topic_cnt) {
            let topic = metadata.pointee.topics[i]
            guard topic.err == RD_KAFKA_RESP_ERR_NO_ERROR, topic.partition_cnt > 0 else {
                topicCode = topic.err
                continue
            }
            result[String(cString: topic.topic)] =
                (0..<Int(topic.partition_cnt)).map { topic.partitions[$0].id }.sorted()
        }
        return (result, topicCode)
    }

    /// As `requestTopics`, tried until the deadline; for start-up, with nothing assigned.
    ///
    /// - Throws: `.external` when the brokers cannot be reached in time or refuse the login; `.user` with the nearest
    ///   name when a named topic does not exist.
    func topics(named name: String?, deadline: Deadline) throws(Diagnostic) -> [String: [Int32]] {
        var unknownAnswers = 0
        while true {
            let (topics, code) = requestTopics(
                named: name, timeoutMilliseconds: Int32(min(1_000, max(10, deadline.remainingMilliseconds))))
            try serve()
            if let topics {
                guard let name, topics[name] == nil else { return topics }
                switch code {
                case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
                    RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, RD_KAFKA_RESP_ERR_NO_ERROR:
                    // A topic that has just been created is unknown for a moment.
                    unknownAnswers += 1
                    if unknownAnswers >= 3 { throw unknownTopic(name) }
                case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
                    throw Diagnostic(
                        "Kafka broker refused access to topic \"\(name)\"",
                        hint: "Grant the Kafka user the right to use the topic.", fault: .external)
                default: break
                }
            }
            guard deadline.remainingMilliseconds > 0 else { throw unreachable() }
            usleep(30_000)
        }
    }

    func unknownTopic(_ name: String) -> Diagnostic {
        let (all, _) = requestTopics(named: nil, timeoutMilliseconds: 2_000)
        return Diagnostic(
            "unknown Kafka topic \"\(name)\"",
            hint: NearestName.hint(name, in: (all ?? [:]).keys.sorted())
                ?? "Create the topic, or check option \"topic\" and \"properties.bootstrap.servers\".", fault: .external
        )
    }

    func unreachable() -> Diagnostic {
        let reason = events.lastReason.isEmpty ? "" : ": \(events.lastReason)"
        return Diagnostic(
            "could not reach the Kafka brokers of \(events.object)\(reason)",
            hint: "Check that the brokers run, and 'properties.bootstrap.servers' and 'properties.security.protocol'.",
            fault: .external)
    }

    func serve() throws(Diagnostic) {
        serveBeforeAssignment()
        if let failure = events.failure { throw failure }
    }

    /// One offset a partition, one round trip a leader broker.
    func offsets(_ partitions: [SourcePartition], at queries: [OffsetQuery], deadline: Deadline) throws(Diagnostic)
        -> [Int64]
    {
        guard !partitions.isEmpty else { return [] }
        while true {
            // ListOffsets knows -2 (beginning) and -1 (end) as timestamps; librdkafka passes them through.
            let list = PartitionList(partitions) { i in
                switch queries[i] {
                case .beginning: -2
                case .end: -1
                case .timestamp(let milliseconds): milliseconds
                }
            }
            var code = rd_kafka_offsets_for_times(
                raw, list.raw, Int32(min(5_000, max(10, deadline.remainingMilliseconds))))
            try serve()
            var result: [Int64] = []
            if code == RD_KAFKA_RESP_ERR_NO_ERROR {
                for i in 0..<list.count {
                    if list[i].err != RD_KAFKA_RESP_ERR_NO_ERROR { code = list[i].err }
                    result.append(list[i].offset)
                }
            }
            if code == RD_KAFKA_RESP_ERR_NO_ERROR {
                return try replaceMissing(result, partitions, queries, deadline)
            }
            guard isTransient(code), deadline.remainingMilliseconds > 0 else {
                if isTransient(code) { throw unreachable() }
                throw Diagnostic("could not read the offsets of \(events.object): \(describe(code))", fault: .external)
            }
            usleep(30_000)
        }
    }

    /// A timestamp beyond the last record has no offset (-1): it means the end.
    private func replaceMissing(
        _ offsets: [Int64], _ partitions: [SourcePartition], _ queries: [OffsetQuery], _ deadline: Deadline
    ) throws(Diagnostic) -> [Int64] {
        let missing = offsets.indices.filter { index in
            if case .timestamp = queries[index] { return offsets[index] < 0 }
            return false
        }
        guard !missing.isEmpty else { return offsets }
        let ends = try self.offsets(
            missing.map { partitions[$0] }, at: missing.map { _ in .end }, deadline: deadline)
        var result = offsets
        for (index, end) in zip(missing, ends) { result[index] = end }
        return result
    }

    /// What the consumer group has committed; nil where nothing is.
    func committedOffsets(_ partitions: [SourcePartition], deadline: Deadline) throws(Diagnostic) -> [Int64?] {
        guard !partitions.isEmpty else { return [] }
        while true {
            let list = PartitionList(partitions)
            let code = rd_kafka_committed(
                raw, list.raw, Int32(min(5_000, max(10, deadline.remainingMilliseconds))))
            try serve()
            if code == RD_KAFKA_RESP_ERR_NO_ERROR {
                var result: [Int64?] = []
                for i in 0..<list.count {
                    let good = list[i].err == RD_KAFKA_RESP_ERR_NO_ERROR && list[i].offset >= 0
                    result.append(good ? list[i].offset : nil)
                }
                return result
            }
            guard isTransient(code), deadline.remainingMilliseconds > 0 else {
                if isTransient(code) { throw unreachable() }
                throw Diagnostic(
                    "could not read the group offsets of \(events.object): \(describe(code))",
                    hint: "Check 'properties.group.id', or choose another 'scan.startup.mode'.", fault: .external)
            }
            usleep(30_000)
        }
    }

    /// Sends offsets to the group without waiting. Errors are of no consequence: they only serve lag monitors.
    func commitAsynchronously(_ offsets: [(partition: SourcePartition, offset: Int64)]) {
        let list = PartitionList(offsets.map(\.partition)) { offsets[$0].offset }
        let code = rd_kafka_commit(raw, list.raw, 1)
        if code != RD_KAFKA_RESP_ERR_NO_ERROR {
            events.log(.debug, "could not commit to the Kafka group", ["error": describe(code)])
        }
    }

    /// As above, again until the group has them or the time is up; for the end. The first request of a client may be refused
    /// because its coordinator is not known yet.
    func commit(_ offsets: [(partition: SourcePartition, offset: Int64)], deadline: Deadline) {
        guard let answers = rd_kafka_queue_new(raw) else { return }
        defer { rd_kafka_queue_destroy(answers) }
        while deadline.remainingMilliseconds > 0 {
            let list = PartitionList(offsets.map(\.partition)) { offsets[$0].offset }
            guard rd_kafka_commit_queue(raw, list.raw, answers, nil, nil) == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
            guard let event = rd_kafka_queue_poll(answers, Int32(deadline.remainingMilliseconds)) else { return }
            let code = rd_kafka_event_error(event)
            rd_kafka_event_destroy(event)
            guard isTransient(code) else { return }
            usleep(20_000)
        }
    }
}

/// A point in monotonic time, for calls that wait at start-up.
struct Deadline {
    private let end: Int64

    init(milliseconds: Int) { end = Deadline.now() + Int64(milliseconds) * 1000 }

    /// 0 when it has passed.
    var remainingMilliseconds: Int { Int(max(0, end - Deadline.now()) / 1000) }

    static func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
