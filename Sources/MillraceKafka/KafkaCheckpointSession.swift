import Glibc
public import MillraceCore
public import MillraceRuntime

/// Rows and source positions of one shard in Kafka transactions: exactly once without a database.
///
/// A ticket is one transaction, or part of one: its messages, and the positions as offsets of consumer groups of their own
/// (`KafkaCheckpoint`). All sinks of the shard share one producer.
public final class KafkaCheckpointSession: SinkSession {
    /// Of the sink that names the cluster.
    let name: String
    let options: TransactionOptions
    let producer: TransactionalProducer
    private let buffer: TransactionBuffer
    private let limits: Limits
    private let clock: any Clock
    private var pending = PendingTransactions()
    private var lastTicket: Int64 = -1
    /// All that this shard has submitted, by place: stored again before Kafka forgets it.
    private var stored: [GroupOffset.Place: GroupOffset] = [:]
    private var lastComplete: Int64
    private var isClosed = false

    /// Kafka forgets an offset that has not been stored for `offsets.retention.minutes`, seven days unless set.
    private static let refreshMicroseconds: Int64 = 3_600_000_000

    /// - Parameter plan: the first of the sinks that share the session; it names the cluster.
    init(plan: SinkPlan, pipeline: String, shard: Int, limits: Limits, clock: any Clock, log: Log) throws(Diagnostic) {
        name = plan.name
        options = try TransactionOptions(plan, pipeline: pipeline)
        producer = try TransactionalProducer(
            options, transactionalID: KafkaCheckpoint.transactionalID(options.prefix, shard: shard),
            object: "sink \"\(plan.name)\"", log: log)
        buffer = TransactionBuffer(producer, options.properties)
        self.limits = limits
        self.clock = clock
        lastComplete = clock.monotonicMicroseconds()
    }

    deinit { shutDown() }

    /// One more sink of the same pipeline and cluster.
    public func makeSink(_ plan: SinkPlan, formats: any FormatFactory, shard: Int) throws(Diagnostic) -> KafkaSink {
        try KafkaSink(plan: plan, output: .transaction(buffer), formats: formats, shard: shard)
    }

    // MARK: SinkSession

    public var descriptor: Int32 { producer.descriptor }
    public var wantsWrite: Bool { false }
    public var deadline: Int64? { nil }
    public var uncommittedRows: Int { pending.rows + buffer.rows }
    public var uncommittedBytes: Int { pending.bytes + buffer.bytes }
    public var canSubmit: Bool { pending.count < limits.transactionsInFlight }

    public func submit(ticket: Int64, positions: SourceProgress, deadLetters: [DeadLetter]) throws(Diagnostic) {
        let offsets = positions.flatMap { source, list in
            list.map { KafkaCheckpoint.offset($0, of: source, prefix: options.prefix) }
        }
        for offset in offsets { stored[offset.place] = offset }
        lastTicket = ticket
        hand(block: buffer.take(), offsets: offsets)
    }

    private func hand(block: MessageBlock?, offsets: [GroupOffset]) {
        pending.append(number: lastTicket, block: block)
        producer.submit(TransactionalProducer.Unit(number: lastTicket, block: block, offsets: offsets))
    }

    public func drive(now: Int64) throws(Diagnostic) -> Int64 {
        guard !isClosed else { return producer.completed }
        producer.clearDescriptor()
        let completed = producer.completed
        pending.remove(through: completed)
        if let failure = producer.failure { throw failure }
        if now - lastComplete >= KafkaCheckpointSession.refreshMicroseconds, pending.count == 0, !stored.isEmpty {
            lastComplete = now
            hand(block: nil, offsets: Array(stored.values))
        }
        return completed
    }

    public func close(deadlineMicroseconds: Int64) throws(Diagnostic) {
        guard !isClosed else { return }
        defer { shutDown() }
        while true {
            let now = clock.monotonicMicroseconds()
            _ = try drive(now: now)
            guard pending.count > 0 else { return }
            guard now < deadlineMicroseconds else {
                throw Diagnostic(
                    "Kafka did not confirm the last transactions in time",
                    hint: "Nothing is lost: the next start reads from the stored positions.", fault: .external)
            }
            var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            _ = Glibc.poll(&watched, 1, 100)
        }
    }

    private func shutDown() {
        guard !isClosed else { return }
        isClosed = true
        buffer.topics.removeAll()
        producer.close()
    }
}
