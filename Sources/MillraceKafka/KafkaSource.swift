internal import CLibrdkafka
public import MillraceCore
public import MillraceRuntime

/// Reads the partitions of one shard of a Kafka table, run to completion on the shard's thread.
///
/// Partitions are assigned by hand, without a consumer group: the database holds the positions and fences old owners, so
/// start is instant and no rebalance can happen. Offsets go to the group of `properties.group.id` only for lag monitors
/// and for `group-offsets`. librdkafka reconnects by itself; an outage is logged once.
///
/// Cells and `RecordTable` entries point into librdkafka's memory and are valid until the next `poll` or `close`.
public final class KafkaSource: Source {
    typealias Message = UnsafeMutablePointer<rd_kafka_message_t>

    struct PartitionState {
        /// The offset after the last polled record.
        var next: Int64
        /// The end as last asked for or told.
        var high: Int64
        /// Where the reader stood when the broker said "end"; -1 after a record.
        var endSeen: Int64 = -1
        /// Bounded scans: the first offset not delivered.
        var bound: Int64?
        var isComplete = false

        enum Verdict { case kept, keptAsLast, beyondBound, repeated }

        /// Moves on to the record at `offset`.
        @inline(__always)
        mutating func take(_ offset: Int64, maySkipBack: Bool) -> Verdict {
            if let bound, offset >= bound { return .beyondBound }
            if offset < next, !maySkipBack { return .repeated }
            next = offset + 1
            endSeen = -1
            if let bound, next >= bound { return .keptAsLast }
            return .kept
        }
    }

    let name: String
    let scan: ScanOptions
    let properties: KafkaProperties
    let selection: TopicSelection
    let client: KafkaClient
    let limits: Limits
    let clock: any Clock
    let log: Log
    var rows: MessageRows
    var states: [PartitionState] = []
    var indices: [SourcePartition: Int] = [:]
    var topicNames: [ByteRef] = []
    var discovery: PartitionDiscovery?
    /// How long `start` tries to reach the brokers.
    var startTimeoutMilliseconds = 15_000

    public internal(set) var partitions: [SourcePartition] = []
    public var descriptor: Int32 { client.descriptor }

    /// The messages behind the current batch; entry `i` is record `i`.
    private let slots: UnsafeMutablePointer<Message?>
    private var slotCount = 0
    /// Partition index by partition number of the topic whose handle was met last, and of all met so far.
    private var lastTopic: OpaquePointer?
    private var lastIndices: [Int32] = []
    private var topicIndices: [OpaquePointer: [Int32]] = [:]
    private var incomplete = 0
    private var lastKept: SourcePartition? { lastIndex >= 0 ? partitions[lastIndex] : nil }
    /// Of the record that was kept last.
    private var lastIndex = -1
    private var backlog: BacklogNudge?
    /// Bytes of the records of this poll.
    private var recordBytes = 0
    private var isClosed = false
    /// An outage that `discovery` has been told of.
    private var isAway = false
    /// After an outage: monotonic microseconds at which all partitions should be read again; 0 when there was none.
    private var settledAt: Int64 = 0
    private static let settlingMicroseconds: Int64 = 1_000_000
    /// Durable offsets by partition, -1 for none: the newest, and those that the group has been told of.
    private var durable: [Int64] = []
    private var told: [Int64] = []
    private var hasUntold = false
    private var lastCommit: Int64 = .min

    /// librdkafka's own bounds are 100,000 records of some 400 bytes besides their own, and 64 MB.
    private static let queuedMessages = 50_000
    private static let queuedKilobytes = 32 << 10

    private static let commitIntervalMicroseconds: Int64 = 1_000_000

    /// Checks the options and makes the client; nothing connects before `start`.
    ///
    /// - Parameters:
    ///   - shard: this source takes its share of the partitions, see `shards`.
    ///   - shards: how many sources read the table between them.
    ///   - partitions: those that are read; nil: all.
    /// - Throws: `.user` for options that are wrong, unknown properties, formats.
    public init(
        plan: SourcePlan, formats: any FormatFactory, limits: Limits, clock: any Clock, log: Log, shard: Int = 0,
        shards: Int = 1, partitions only: Set<Int32>? = nil
    ) throws(Diagnostic) {
        precondition(shard >= 0 && shard < shards, "shard \(shard) of \(shards)")
        name = plan.name
        scan = try ScanOptions(options: plan.options)
        properties = try KafkaProperties(options: plan.options, table: plan.name)
        selection = TopicSelection(topics: scan.topics, pattern: scan.pattern, shard: shard, shards: shards, only: only)
        rows = try MessageRows(plan: plan, formats: formats, limits: limits)
        self.limits = limits
        self.clock = clock
        self.log = log
        client = try KafkaSource.makeClient(properties, object: "table \"\(plan.name)\"", log: log)
        backlog = BacklogNudge(
            messages: properties.values["queued.min.messages"].flatMap { Int($0) } ?? Self.queuedMessages,
            kilobytes: properties.values["queued.max.messages.kbytes"].flatMap { Int($0) } ?? Self.queuedKilobytes)
        slots = .allocate(capacity: limits.batchRows)
        slots.initialize(repeating: nil, count: limits.batchRows)
    }

    deinit {
        close()
        slots.deallocate()
    }

    /// - Parameter group: instead of the table's own, to read what transactions have committed in it.
    static func makeClient(
        _ properties: KafkaProperties, object: String, log: Log, group: String? = nil
    ) throws(Diagnostic) -> KafkaClient {
        var settings: [(name: String, value: String)] = [
            // Measured for latency, see the notes on the hot path; the user's own values win.
            ("socket.nagle.disable", "true"), ("fetch.min.bytes", "1"),
            // The embedded broker answers a fetch only after this time.
            ("fetch.wait.max.ms", properties.isEmbedded ? "5" : "100"),
            // What is read ahead of a partition that the shard is behind with, and so most of the memory of a backlog.
            ("queued.min.messages", String(queuedMessages)), ("queued.max.messages.kbytes", String(queuedKilobytes)),
            ("fetch.error.backoff.ms", "50"), ("check.crcs", "true"), ("reconnect.backoff.max.ms", "1000"),
        ]
        settings += properties.values.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        settings += [
            ("bootstrap.servers", properties.bootstrap), ("group.id", group ?? properties.groupID),
            ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"), ("enable.partition.eof", "true"),
            ("auto.offset.reset", properties.offsetReset ?? "error"), ("allow.auto.create.topics", "false"),
        ]
        if group != nil { settings.append(("isolation.level", "read_committed")) }
        var optional: [(name: String, value: String)] = []
        // Known from librdkafka 2.2 on; its default caps a fast reader at 100,000 records a second.
        if properties.values["fetch.queue.backoff.ms"] == nil { optional.append(("fetch.queue.backoff.ms", "10")) }
        return try KafkaClient(
            .consumer, settings: settings, optional: optional, events: ClientEvents(object: object, log: log))
    }

    // MARK: Polling

    public func poll(into batch: SourceBatch) throws(Diagnostic) -> SourceStatus {
        batch.clear()
        destroyMessages()
        if let failure = client.events.failure { throw failure }
        if let discovery {
            let found = discovery.take()
            if !found.isEmpty { try adopt(found) }
            if client.events.isDown != isAway { watchOutage(discovery) }
            if isAway, discovery.takeAnswer() { client.events.noteReachable() }
        }
        if scan.bound != nil, incomplete == 0 { return .finished }
        if batch.records.headers == nil { serveHeaders(of: batch.records) }
        // Before draining: what arrives after the queue was found empty makes the descriptor readable again.
        client.clearDescriptor()
        let capacity = limits.batchRows
        var received = 0
        recordBytes = 0
        var isDrained = false
        while slotCount < capacity, received < 4 * capacity {
            let space = capacity - slotCount
            let got = rd_kafka_consume_batch_queue(client.queue, 0, slots + slotCount, space)
            guard got > 0 else {
                isDrained = true
                break
            }
            received += got
            try take(got, into: batch.records)
        }
        if let failure = client.events.failure { throw failure }
        nudgeBacklog()
        if hasUntold { commitIfDue() }
        if slotCount > 0 {
            rows.fill(batch, messages: UnsafePointer(slots), topicNames: topicNames)
        }
        if scan.bound != nil, incomplete == 0 {
            _ = rd_kafka_assign(client.raw, nil)
            return .finished
        }
        return isDrained ? .drained : .more
    }

    /// Judges the `count` entries behind the kept ones: keeps data, handles errors, frees what is not kept.
    private func take(_ count: Int, into records: RecordTable) throws(Diagnostic) {
        var kept = slotCount
        var failure: Diagnostic?
        records.reserve(slotCount + count)
        let target = RecordPointers(records)
        for i in slotCount..<slotCount + count {
            let message = slots[i]!
            slots[i] = nil
            if message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR {
                if let error = judge(message) { failure = failure ?? error }
                rd_kafka_message_destroy(message)
                continue
            }
            let index = partitionIndex(message)
            guard index >= 0, accept(message.pointee.offset, partition: index) else {
                rd_kafka_message_destroy(message)
                continue
            }
            slots[kept] = message
            recordBytes += message.pointee.len + message.pointee.key_len
            target.set(kept, message, partition: index)
            kept += 1
            lastIndex = index
        }
        records.count = kept
        if kept > slotCount { client.events.noteReachable() }
        slotCount = kept
        if let failure { throw failure }
    }

    private func nudgeBacklog() {
        guard backlog != nil, let partition = lastKept else { return }
        let waiting = Int(rd_kafka_queue_length(client.queue))
        if backlog!.isDue(waiting: waiting, records: slotCount, recordBytes: recordBytes) {
            BacklogNudge.wake(client, partition: partition)
        }
    }

    /// Moves the partition on; false for a record beyond the bound or one that was delivered already.
    @inline(__always)
    private func accept(_ offset: Int64, partition index: Int) -> Bool {
        switch states[index].take(offset, maySkipBack: properties.offsetReset != nil) {
        case .kept: return true
        case .keptAsLast:
            complete(index)
            return true
        case .beyondBound:
            complete(index)
            return false
        case .repeated: return false
        }
    }

    private func complete(_ index: Int) {
        guard !states[index].isComplete else { return }
        states[index].isComplete = true
        incomplete -= 1
    }

    /// Handles an entry that is not a record; returns what must end the pipeline.
    private func judge(_ message: Message) -> Diagnostic? {
        let index = message.pointee.rkt == nil ? -1 : partitionIndex(message)
        switch message.pointee.err {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
            client.events.noteReachable()
            guard index >= 0 else { return nil }
            let end = message.pointee.offset
            states[index].endSeen = end
            states[index].high = max(states[index].high, end)
            if let bound = states[index].bound, end >= bound { complete(index) }
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
            guard index >= 0 else { return nil }
            return outOfRange(partitions[index])
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
            guard index >= 0 else { return nil }
            return Diagnostic(
                "Kafka topic \"\(partitions[index].topic)\" has gone",
                hint: "It was there at the start; create it again or change the pipeline.", fault: .external)
        case let code: client.events.note(code, reason: "", client: client.raw)
        }
        return nil
    }

    func outOfRange(_ partition: SourcePartition) -> Diagnostic {
        Diagnostic(
            "the offset to read from in topic \"\(partition.topic)\" partition \(partition.partition) no longer exists",
            hint: "Kafka has deleted records that were not read yet. Set 'properties.auto.offset.reset' to 'earliest' "
                + "(go on with the oldest record left) or 'latest', or start afresh with --reset-state.",
            fault: .external)
    }

    /// -1 for a partition that is not ours.
    @inline(__always)
    private func partitionIndex(_ message: Message) -> Int {
        let partition = Int(message.pointee.partition)
        if message.pointee.rkt == lastTopic, partition >= 0, partition < lastIndices.count {
            return Int(lastIndices[partition])
        }
        return lookUp(topic: message.pointee.rkt, partition: partition)
    }

    private func lookUp(topic: OpaquePointer?, partition: Int) -> Int {
        guard let topic, partition >= 0 else { return -1 }
        if let known = topicIndices[topic] {
            lastIndices = known
        } else {
            let name = String(cString: rd_kafka_topic_name(topic))
            lastIndices = []
            for (i, candidate) in partitions.enumerated() where candidate.topic == name {
                let number = Int(candidate.partition)
                while lastIndices.count <= number { lastIndices.append(-1) }
                lastIndices[number] = Int32(i)
            }
            topicIndices[topic] = lastIndices
        }
        lastTopic = topic
        return partition < lastIndices.count ? Int(lastIndices[partition]) : -1
    }

    /// Lets dead letters read the headers of this source's records. The table holds the source, never the other way round;
    /// a weak reference would send every retain and release of the source down the slow path.
    private func serveHeaders(of records: RecordTable) {
        records.headers = { record in
            guard record < self.slotCount, let message = self.slots[record] else { return [] }
            var result: [(name: String, value: ByteRef)] = []
            MetadataColumns.forEachHeader(message) { result.append((name: $0.text, value: $1)) }
            return result
        }
    }

    private func destroyMessages() {
        for i in 0..<slotCount {
            rd_kafka_message_destroy(slots[i])
            slots[i] = nil
        }
        slotCount = 0
    }

    // MARK: Positions

    public func nextOffset(partition: Int) -> Int64 { states[partition].next }

    private func watchOutage(_ discovery: PartitionDiscovery) {
        isAway = client.events.isDown
        settledAt = clock.monotonicMicroseconds() + KafkaSource.settlingMicroseconds
        _ = discovery.takeAnswer()
        if isAway { discovery.awaitBrokers() }
    }

    /// True when the reader has everything up to the end that the last fetch told; false while the brokers are away, when
    /// nobody knows.
    ///
    /// With open transactions (`read_committed`) the end is the last stable offset.
    public func isAtEnd(partition: Int) -> Bool {
        if settledAt > 0 {
            if isAway || client.events.isDown || clock.monotonicMicroseconds() < settledAt { return false }
            settledAt = 0
        }
        let state = states[partition]
        if state.endSeen >= 0, properties.readsCommittedOnly { return true }
        var low: Int64 = 0
        var cached: Int64 = -1
        _ = rd_kafka_get_watermark_offsets(
            client.raw, partitions[partition].topic, partitions[partition].partition, &low, &cached)
        return max(state.next, state.endSeen) >= max(state.high, cached)
    }

    /// Takes partitions over; the caller assigns them.
    func add(_ partition: SourcePartition, start: Int64, high: Int64, bound: Int64?) {
        var state = PartitionState(next: start, high: high, bound: bound)
        if let bound, start >= bound { state.isComplete = true } else { incomplete += 1 }
        indices[partition] = partitions.count
        partitions.append(partition)
        states.append(state)
        topicNames.append(topicName(partition.topic))
        topicIndices = [:]
        lastTopic = nil
    }

    private func topicName(_ topic: String) -> ByteRef {
        // One copy a topic; topics never go while the process lives.
        for (i, partition) in partitions.dropLast().enumerated() where partition.topic == topic { return topicNames[i] }
        return .permanent(topic)
    }

    public func committed(_ positions: [SourcePosition]) {
        while durable.count < partitions.count {
            durable.append(-1)
            told.append(-1)
        }
        for (place, position) in positions.enumerated() {
            // Nearly always all partitions in their order: a look into the dictionary hashes the topic's name.
            let isInPlace = place < partitions.count && partitions[place] == position.partition
            guard let index = isInPlace ? place : indices[position.partition] else { continue }
            durable[index] = position.nextOffset
            hasUntold = true
        }
        commitIfDue()
    }

    private func commitIfDue() {
        let now = clock.monotonicMicroseconds()
        guard hasUntold, lastCommit == .min || now - lastCommit >= Self.commitIntervalMicroseconds else { return }
        lastCommit = now
        hasUntold = false
        let moved = partitions.indices.filter { durable[$0] != told[$0] }
        guard !moved.isEmpty else { return }
        client.commitAsynchronously(moved.map { (partition: partitions[$0], offset: durable[$0]) })
        told = durable
    }

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        discovery?.stop()
        // All of them, told or not: the group's answers to the earlier ones were not waited for.
        let offsets = durable.indices.filter { durable[$0] >= 0 }
            .map { (partition: partitions[$0], offset: durable[$0]) }
        if !offsets.isEmpty, !client.events.isDown { client.commit(offsets, deadline: Deadline(milliseconds: 3_000)) }
        destroyMessages()
        client.close()
    }
}
