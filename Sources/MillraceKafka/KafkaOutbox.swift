import Glibc
public import MillraceCore
public import MillraceRuntime

/// A Kafka sink of a pipeline whose rows and positions commit in a database: its messages are stored there with them, and
/// relayed in Kafka transactions once they are durable.
///
/// Each such transaction also stores how far it has come, as an offset of a consumer group that is named as the
/// transactional id. So after a crash the messages that are still in the database are sent from that offset on
/// (`recover`): none is lost, and none is sent twice. They are relayed from memory; the database only reads them to the next
/// run.
public final class KafkaOutbox: SinkSession, Outbox {
    public let sink: String
    private let options: TransactionOptions
    private let producer: TransactionalProducer
    private let buffer: TransactionBuffer
    private let clock: any Clock
    private let log: Log
    private let object: String
    /// In the database but not durable yet as far as known, oldest first.
    private var held: [(sequence: Int64, block: MessageBlock)] = []
    private var heldRows = 0
    private var heldBytes = 0
    private var pending = PendingTransactions()
    private var isClosed = false
    /// Tells one database's sequences from another's; set by `recover`, and before rows are written.
    public var incarnation = ""

    init(plan: SinkPlan, pipeline: String, shard: Int, clock: any Clock, log: Log) throws(Diagnostic) {
        sink = plan.name
        options = try TransactionOptions(plan, pipeline: pipeline)
        object = "sink \"\(plan.name)\""
        producer = try TransactionalProducer(
            options, transactionalID: "\(options.prefix)-\(plan.name)-\(shard)", object: object, log: log)
        buffer = TransactionBuffer(producer, options.properties)
        self.clock = clock
        self.log = log
    }

    deinit { shutDown() }

    public func makeSink(_ plan: SinkPlan, formats: any FormatFactory, shard: Int) throws(Diagnostic) -> KafkaSink {
        try KafkaSink(plan: plan, output: .transaction(buffer), formats: formats, shard: shard)
    }

    // MARK: Outbox

    public func take(sequence: Int64) -> (messages: Int, bytes: ByteRef)? {
        guard let block = buffer.take() else { return nil }
        held.append((sequence, block))
        heldRows += block.count
        heldBytes += block.bytes.count
        return (block.count, block.bytes)
    }

    public func release(through sequence: Int64) {
        var count = 0
        while count < held.count, held[count].sequence <= sequence {
            let (sequence, block) = held[count]
            heldRows -= block.count
            heldBytes -= block.bytes.count
            pending.append(number: sequence, block: block)
            producer.submit(unit(sequence, block))
            count += 1
        }
        if count > 0 { held.removeFirst(count) }
    }

    public var relayed: Int64 { producer.completed }

    private func unit(_ sequence: Int64, _ block: MessageBlock?) -> TransactionalProducer.Unit {
        let place = GroupOffset.Place(
            group: producer.transactionalID, partition: SourcePartition(topic: options.topic, partition: 0))
        return TransactionalProducer.Unit(
            number: sequence, block: block,
            offsets: [GroupOffset(place: place, offset: sequence + 1, metadata: "millrace 1 \(incarnation)")])
    }

    /// Connects, and sends what an earlier run had stored in the database and not relayed yet. Waits; before the first row is
    /// written.
    ///
    /// - Parameter messages: what is stored for this sink and shard, ascending.
    /// - Returns: how many messages were still to be sent.
    /// - Throws: `.external` when Kafka cannot be reached within 15 s or refuses.
    public func recover(_ messages: [(sequence: Int64, bytes: [UInt8])]) throws(Diagnostic) -> Int {
        let deadline = Deadline(milliseconds: 15_000)
        // First: from here on the earlier run can commit nothing, so what is read next stays true.
        try producer.initialize(deadline: deadline)
        guard !messages.isEmpty else { return 0 }
        let client = try KafkaSource.makeClient(
            options.properties, object: object, log: log, group: producer.transactionalID)
        defer { client.close() }
        let stored = try client.groupOffsets(
            [SourcePartition(topic: options.topic, partition: 0)], deadline: deadline)[0]
        var next: Int64 = 0
        if let stored, stored.metadata == "millrace 1 \(incarnation)" { next = stored.offset }
        var units: [TransactionalProducer.Unit] = []
        var count = 0
        for (sequence, bytes) in messages where sequence >= next {
            let block = MessageBlock()
            try block.load(bytes)
            count += block.count
            units.append(unit(sequence, block))
        }
        if !units.isEmpty { try producer.deliver(units, deadline: deadline) }
        return count
    }

    // MARK: SinkSession

    public var followsCheckpoint: Bool { true }
    public var descriptor: Int32 { producer.descriptor }
    public var wantsWrite: Bool { false }
    public var deadline: Int64? { nil }
    public var uncommittedRows: Int { pending.rows + heldRows + buffer.rows }
    public var uncommittedBytes: Int { pending.bytes + heldBytes + buffer.bytes }
    public var canSubmit: Bool { true }

    /// Its messages travel with the database's transaction, see `take`.
    public func submit(ticket: Int64, positions: SourceProgress, deadLetters: [DeadLetter]) throws(Diagnostic) {}

    public func drive(now: Int64) throws(Diagnostic) -> Int64 {
        guard !isClosed else { return .max }
        producer.clearDescriptor()
        pending.remove(through: producer.completed)
        if let failure = producer.failure { throw failure }
        return .max
    }

    /// What is not in Kafka in time is sent by the next run: it lies in the database.
    public func close(deadlineMicroseconds: Int64) throws(Diagnostic) {
        guard !isClosed else { return }
        defer { shutDown() }
        while true {
            let now = clock.monotonicMicroseconds()
            _ = try drive(now: now)
            guard pending.count > 0 else { return }
            guard now < deadlineMicroseconds else {
                return log(
                    .warning, "messages are stored in the database but not in Kafka yet, the next start sends them",
                    ["sink": sink, "messages": String(pending.rows)])
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
