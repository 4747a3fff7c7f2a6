internal import CLibrdkafka
import CMillraceLinux
import Glibc
import MillraceCore
import MillraceRuntime
import Synchronization

/// One producer whose transactions run on a thread of their own.
///
/// librdkafka's transaction calls wait for the broker, five round trips a transaction, which a shard's thread must not. So a
/// shard hands over units, numbered ascending, and hears through `descriptor` how far they are in Kafka for good. What has
/// gathered while one transaction ran is the next. Idle, the thread sleeps.
///
/// `initialize` comes first, then perhaps `deliver`, then `submit` only.
///
/// - Note: `@unchecked Sendable`: `state` and `newest` guard themselves; `client` and what belongs to transactions is used by
///   the caller until the first `submit`, and from then on by the thread. The exceptions are calls that librdkafka allows
///   from any thread, such as asking for metadata.
final class TransactionalProducer: @unchecked Sendable {
    struct Unit: Sendable {
        var number: Int64
        var block: MessageBlock?
        /// Later units' win over earlier ones'.
        var offsets: [GroupOffset]
    }

    private struct State {
        var waiting: [Unit] = []
        /// Of units that have been delivered, for use again.
        var spares: [MessageBlock] = []
        var failure: Diagnostic?
        var isStopping = false
        var isRunning = false
    }

    let transactionalID: String
    let client: KafkaClient
    /// Becomes readable when `completed` or `failure` has changed.
    let descriptor: Int32
    private let workDescriptor: Int32
    /// The topic whose partitions are looked up beforehand: a first message to an unknown one waits a second.
    private let topic: String
    private let log: Log
    private let state = Mutex(State())
    private let newest = Atomic<Int64>(-1)
    private var thread: NamedThread?
    /// Of a step that is tried again.
    private var lastReason: String?
    private var isClosed = false
    /// Of the thread that runs transactions.
    private let topics: ProducerTopics
    /// Why a message of the running transaction was refused.
    private var refusal: rd_kafka_resp_err_t?

    /// How a transaction may end otherwise than well.
    private enum Failure: Error {
        /// It must be given up; another attempt may succeed.
        case abort(String)
        case final(Diagnostic)
        case stopped
    }

    /// - Throws: `.user` when librdkafka takes the settings together badly.
    init(_ options: TransactionOptions, transactionalID: String, object: String, log: Log) throws(Diagnostic) {
        if options.properties.isEmbedded {
            EmbeddedBroker.ensureTopic(options.topic, on: options.properties.bootstrap)
        }
        self.transactionalID = transactionalID
        topic = options.topic
        self.log = log
        client = try KafkaClient(
            .producer, settings: options.settings(transactionalID: transactionalID),
            events: ClientEvents(object: object, log: log))
        topics = ProducerTopics(client)
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        workDescriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        client.events.onDelivery = { [unowned self] _, _, code in
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT: break
            default: refusal = refusal ?? code
            }
        }
    }

    deinit {
        close()
        _ = Glibc.close(descriptor)
        _ = Glibc.close(workDescriptor)
    }

    // MARK: For the shard

    /// The number of the newest unit that is in Kafka for good; -1 before the first.
    var completed: Int64 { newest.load(ordering: .acquiring) }
    var failure: Diagnostic? { state.withLock { $0.failure } }

    /// Empties the descriptor; call before `completed` is read.
    func clearDescriptor() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }

    /// An empty block, used before if possible.
    func takeBlock() -> MessageBlock { state.withLock { $0.spares.popLast() } ?? MessageBlock() }

    func submit(_ unit: Unit) {
        let starts = state.withLock { state in
            state.waiting.append(unit)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if starts { thread = NamedThread(name: "kafka-tx") { [unowned self] in run() } }
        TransactionalProducer.signal(workDescriptor)
    }

    /// Ends the thread; a transaction under way is left to the broker, or to the next owner of the id, to abort.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        state.withLock { $0.isStopping = true }
        TransactionalProducer.signal(workDescriptor)
        thread?.join()
        thread = nil
        client.events.onDelivery = nil
        topics.removeAll()
        rd_kafka_purge(client.raw, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        client.close()
    }

    private static func signal(_ descriptor: Int32) {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    // MARK: Thread

    private func run() {
        while true {
            let units = state.withLock { state in
                defer { state.waiting.removeAll() }
                return state.isStopping ? [] : state.waiting
            }
            if units.isEmpty {
                if state.withLock({ $0.isStopping }) { return }
                waitForWork()
                continue
            }
            do throws(Failure) {
                try transact(units, until: nil)
            } catch {
                if case .final(let diagnostic) = error { state.withLock { $0.failure = diagnostic } }
                TransactionalProducer.signal(descriptor)
                return
            }
            newest.store(units.last!.number, ordering: .releasing)
            state.withLock { state in
                for unit in units {
                    guard let block = unit.block else { continue }
                    block.clear()
                    state.spares.append(block)
                }
            }
            TransactionalProducer.signal(descriptor)
        }
    }

    private func waitForWork() {
        var watched = [
            pollfd(fd: workDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = Glibc.poll(&watched, 2, -1)
        var count: UInt64 = 0
        _ = read(workDescriptor, &count, 8)
        client.clearDescriptor()
        serve()
    }

    private func serve() { while rd_kafka_poll(client.raw, 0) > 0 {} }

    // MARK: Transactions

    /// Takes the transactional id over: aborts what an earlier owner has left open, and bars it from then on. Waits.
    func initialize(deadline: Deadline) throws(Diagnostic) {
        do throws(Failure) { try initialize(until: deadline) } catch { throw diagnostic(error) }
    }

    /// Runs one transaction and waits for its end; not once `submit` has been called.
    func deliver(_ units: [Unit], deadline: Deadline) throws(Diagnostic) {
        do throws(Failure) { try transact(units, until: deadline) } catch { throw diagnostic(error) }
    }

    private func diagnostic(_ failure: Failure) -> Diagnostic {
        if case .final(let diagnostic) = failure { return diagnostic }
        guard let lastReason, client.requestTopics(named: topic, timeoutMilliseconds: 2_000).topics != nil else {
            return client.unreachable()
        }
        return Diagnostic(
            "the Kafka brokers of \(client.events.object) answer, but not to transactions: \(lastReason)",
            hint:
                "A broker that has none needs 'sink.delivery-guarantee' = 'at-least-once'; a cluster that has just started"
                + " may need a moment.", fault: .external)
    }

    private func initialize(until deadline: Deadline?) throws(Failure) {
        try complete("initialise transactions", until: deadline) { rd_kafka_init_transactions(client.raw, 1_000) }
        while true {
            let (found, code) = client.requestTopics(named: topic, timeoutMilliseconds: 1_000)
            if found?[topic] != nil { break }
            if found != nil, code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
            {
                throw .final(client.unknownTopic(topic))
            }
            try checkEnd(deadline)
            Deadline.pause(milliseconds: 30)
        }
    }

    private func transact(_ units: [Unit], until deadline: Deadline?) throws(Failure) {
        var pause: UInt32 = 50
        while true {
            do throws(Failure) {
                try attempt(units, until: deadline)
                client.events.noteReachable()
                return
            } catch {
                guard case .abort(let reason) = error else { throw error }
                try complete("abort a transaction", until: deadline) { rd_kafka_abort_transaction(client.raw, 1_000) }
                serve()
                if let refusal, TransactionalProducer.isLasting(refusal) {
                    throw .final(
                        Diagnostic(
                            "Kafka refused a message of \(client.events.object): \(describe(refusal))",
                            hint: "Check that the topic exists and its limits (max.message.bytes, authorization).",
                            fault: .external))
                }
                log(
                    .warning, "a Kafka transaction failed, trying again",
                    ["object": client.events.object, "error": reason])
            }
            try checkEnd(deadline)
            Deadline.pause(milliseconds: pause)
            pause = min(2 * pause, 2_000)
        }
    }

    private func attempt(_ units: [Unit], until deadline: Deadline?) throws(Failure) {
        refusal = nil
        try complete("begin a transaction", until: deadline) { rd_kafka_begin_transaction(client.raw) }
        let hasMessages = units.contains { $0.block != nil }
        if hasMessages { Failpoint.reach("kafka-begun") }
        for unit in units { if let block = unit.block { try produce(block) } }
        try sendOffsets(units, until: deadline)
        // A flush wakes the broker's thread, which otherwise looks only every 10 ms whether its partitions have been added
        // to the transaction. After an outage the commit's own waiting is enough.
        var flushes = 0
        while rd_kafka_flush(client.raw, 1) != RD_KAFKA_RESP_ERR_NO_ERROR, flushes < 100 { flushes += 1 }
        if hasMessages { Failpoint.reach("kafka-produced") }
        try complete("commit a transaction", until: deadline) { rd_kafka_commit_transaction(client.raw, 1_000) }
        if hasMessages { Failpoint.reach("kafka-committed") }
    }

    private func produce(_ block: MessageBlock) throws(Failure) {
        var reader: MessageReader
        var target: ProducerTopics.Topic?
        do { reader = try MessageReader(block.bytes) } catch { throw .final(error) }
        while true {
            let next: MessageReader.Message?
            do { next = try reader.next() } catch { throw .final(error) }
            guard let message = next else { return }
            if let name = message.topic { target = topics[name] }
            guard let target else { throw .abort("no topic") }
            var headers: OpaquePointer?
            if !message.headers.isEmpty {
                headers = rd_kafka_headers_new(message.headers.count)
                for (name, value) in message.headers {
                    name.start.withMemoryRebound(to: CChar.self, capacity: max(1, name.count)) {
                        _ = rd_kafka_header_add(
                            headers, $0, max(0, name.count), value.isAbsent ? nil : value.start, max(0, value.count))
                    }
                }
            }
            let code = millrace_kafka_produce(
                client.raw, target.raw, message.partition, message.key.isAbsent ? nil : message.key.start,
                max(0, message.key.count), message.value.isAbsent ? nil : message.value.start,
                max(0, message.value.count), message.timestampMilliseconds, headers, nil)
            if code != RD_KAFKA_RESP_ERR_NO_ERROR {
                if let headers { rd_kafka_headers_destroy(headers) }
                refusal = refusal ?? code
                throw .abort(describe(code))
            }
        }
    }

    private func sendOffsets(_ units: [Unit], until deadline: Deadline?) throws(Failure) {
        var latest: [GroupOffset.Place: GroupOffset] = [:]
        for unit in units { for offset in unit.offsets { latest[offset.place] = offset } }
        for (group, offsets) in Dictionary(grouping: latest.values, by: \.place.group).sorted(by: { $0.key < $1.key }) {
            let list = PartitionList(offsets.map(\.place.partition)) { offsets[$0].offset }
            for (i, offset) in offsets.enumerated() {
                // librdkafka frees it with the list.
                list.raw.pointee.elems[i].metadata = UnsafeMutableRawPointer(strdup(offset.metadata))
                list.raw.pointee.elems[i].metadata_size = offset.metadata.utf8.count
            }
            let metadata = rd_kafka_consumer_group_metadata_new(group)
            defer { rd_kafka_consumer_group_metadata_destroy(metadata) }
            try complete("store positions in group \"\(group)\"", until: deadline) {
                rd_kafka_send_offsets_to_transaction(client.raw, list.raw, metadata, 1_000)
            }
        }
    }

    /// Calls again what may be called again.
    private func complete(_ step: String, until deadline: Deadline?, _ call: () -> OpaquePointer?) throws(Failure) {
        while let error = call() {
            serve()
            let code = rd_kafka_error_code(error)
            let text = "could not \(step): " + String(cString: rd_kafka_error_string(error))
            let (isFatal, mustAbort, mayRetry) = (
                rd_kafka_error_is_fatal(error) != 0, rd_kafka_error_txn_requires_abort(error) != 0,
                rd_kafka_error_is_retriable(error) != 0
            )
            rd_kafka_error_destroy(error)
            if isFatal || !mustAbort && !mayRetry { throw .final(failure(text, code)) }
            if let failure = client.events.failure { throw .final(failure) }
            if mustAbort { throw .abort(text) }
            lastReason = text
            try checkEnd(deadline)
            Deadline.pause(milliseconds: 5)
        }
    }

    private func checkEnd(_ deadline: Deadline?) throws(Failure) {
        if let deadline {
            guard deadline.remainingMilliseconds > 0 else { throw .stopped }
        } else if state.withLock({ $0.isStopping }) {
            throw .stopped
        }
    }

    private func failure(_ text: String, _ code: rd_kafka_resp_err_t) -> Diagnostic {
        switch code {
        case RD_KAFKA_RESP_ERR__FENCED, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
            Diagnostic(
                "another run has taken over the Kafka transactions of \(client.events.object)",
                hint: "Stop one of them, or give this one its own 'sink.transactional-id-prefix' or pipeline name. A"
                    + " transaction that lasted longer than 'properties.transaction.timeout.ms' ends like this, too:"
                    + " start again then.", fault: .external)
        case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            Diagnostic(
                "\(client.events.object): \(text)",
                hint:
                    "Grant the Kafka user Write on transactional id \"\(transactionalID)\" and Read on the groups that"
                    + " begin like it.", fault: .external)
        default: Diagnostic("\(client.events.object): \(text)", fault: .external)
        }
    }

    /// Sending the same again ends the same.
    private static func isLasting(_ code: rd_kafka_resp_err_t) -> Bool {
        switch code {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
            RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
            RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
            true
        default: false
        }
    }
}
