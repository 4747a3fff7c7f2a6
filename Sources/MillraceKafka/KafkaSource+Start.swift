internal import CLibrdkafka
public import MillraceCore
public import MillraceRuntime

extension KafkaSource {
    public func start(from positions: [SourcePosition]) throws(Diagnostic) {
        let deadline = Deadline(milliseconds: startTimeoutMilliseconds)
        let mine = try listPartitions(deadline: deadline)
        let stored = Dictionary(positions.map { ($0.partition, $0.replayOffset) }) { first, _ in first }
        // Always numbers: an assigned "beginning" makes librdkafka 2.0.2 wait half a second before the first fetch.
        let lows = try client.offsets(mine, at: mine.map { _ in .beginning }, deadline: deadline)
        let highs = try client.offsets(mine, at: mine.map { _ in .end }, deadline: deadline)
        let starts = try startOffsets(mine, stored: stored, lows: lows, highs: highs, deadline: deadline)
        let bounds = try boundOffsets(mine, lows: lows, highs: highs, deadline: deadline)
        for i in mine.indices {
            let start = try inRange(starts[i], mine[i], low: lows[i], high: highs[i])
            add(mine[i], start: start, high: highs[i], bound: bounds.map { $0[i] })
        }
        try assignAll()
        if scan.bound == nil {
            let discovery = PartitionDiscovery(
                client: client, selection: selection, known: mine,
                intervalMicroseconds: max(0, scan.discoveryIntervalMicroseconds))
            discovery.start()
            self.discovery = discovery
        }
    }

    /// Asks which partitions there are; keeps this shard's.
    private func listPartitions(deadline: Deadline) throws(Diagnostic) -> [SourcePartition] {
        var metadata: [String: [Int32]] = [:]
        if selection.pattern != nil {
            metadata = try client.topics(named: nil, deadline: deadline)
            let all = TopicSelection(topics: [], pattern: selection.pattern, shard: 0, shards: 1)
            if all.select(from: metadata).isEmpty {
                guard scan.discoveryIntervalMicroseconds > 0, scan.bound == nil else {
                    throw Diagnostic(
                        "no Kafka topic matches option \"topic-pattern\" of table \"\(name)\"",
                        hint: "The pattern must match the whole name of a topic.", fault: .external)
                }
                log(.warning, "no Kafka topic matches the pattern yet", ["table": name])
            }
        } else {
            for topic in scan.topics {
                if properties.isEmbedded { EmbeddedBroker.ensureTopic(topic, on: properties.bootstrap) }
                let answer = try client.topics(named: topic, deadline: deadline)
                metadata.merge(answer) { _, new in new }
            }
        }
        return selection.select(from: metadata)
    }

    /// Where each partition starts; `scan.startup.mode` decides only for those without a stored position.
    private func startOffsets(
        _ mine: [SourcePartition], stored: [SourcePartition: Int64], lows: [Int64], highs: [Int64], deadline: Deadline
    ) throws(Diagnostic) -> [Int64] {
        var starts = mine.map { stored[$0] }
        let open = mine.indices.filter { starts[$0] == nil }
        guard !open.isEmpty else { return starts.map { $0! } }
        var needGroup: [Int] = []
        switch scan.startup {
        case .earliest: for i in open { starts[i] = lows[i] }
        case .latest: for i in open { starts[i] = highs[i] }
        case .timestamp(let time):
            let found = try client.offsets(
                open.map { mine[$0] }, at: open.map { _ in .timestamp(time) }, deadline: deadline)
            for (i, offset) in zip(open, found) { starts[i] = offset }
        case .specific(let offsets):
            for i in open {
                if let offset = offsets[mine[i].partition] { starts[i] = offset } else { needGroup.append(i) }
            }
        case .groupOffsets: needGroup = open
        }
        let committed = try client.committedOffsets(needGroup.map { mine[$0] }, deadline: deadline)
        for (i, offset) in zip(needGroup, committed) {
            if let offset {
                starts[i] = offset
            } else if properties.offsetReset == "latest" {
                starts[i] = highs[i]
            } else if properties.offsetReset == "error" {
                throw Diagnostic(
                    "the consumer group of table \"\(name)\" has no offset for topic \"\(mine[i].topic)\" partition "
                        + "\(mine[i].partition)",
                    hint: "Set 'properties.auto.offset.reset' to 'earliest' or 'latest', or 'scan.startup.mode'.",
                    fault: .external)
            } else {
                starts[i] = lows[i]
            }
        }
        return starts.map { $0! }
    }

    /// An offset that exists, or what `properties.auto.offset.reset` says instead.
    private func inRange(_ offset: Int64, _ partition: SourcePartition, low: Int64, high: Int64) throws(Diagnostic)
        -> Int64
    {
        if offset >= low, offset <= high { return offset }
        switch properties.offsetReset {
        case "earliest", "latest":
            let start = properties.offsetReset == "earliest" ? low : high
            log(
                .warning, "the offset to read from no longer exists, going on elsewhere",
                ["topic": partition.topic, "partition": String(partition.partition), "offset": String(start)])
            return start
        default: throw outOfRange(partition)
        }
    }

    /// The first offset not delivered, of each partition; nil for a scan without end.
    private func boundOffsets(_ mine: [SourcePartition], lows: [Int64], highs: [Int64], deadline: Deadline)
        throws(Diagnostic) -> [Int64]?
    {
        switch scan.bound {
        case nil: return nil
        case .latest: return highs
        case .timestamp(let time):
            return try client.offsets(mine, at: mine.map { _ in .timestamp(time) }, deadline: deadline)
        case .groupOffsets:
            let committed = try client.committedOffsets(mine, deadline: deadline)
            var bounds: [Int64] = []
            for (partition, offset) in zip(mine, committed) {
                guard let offset else { throw noBound(partition, "the consumer group has no offset for it") }
                bounds.append(offset)
            }
            return bounds
        case .specific(let offsets):
            var bounds: [Int64] = []
            for partition in mine {
                guard let offset = offsets[partition.partition] else {
                    throw noBound(partition, "option \"scan.bounded.specific-offsets\" does not name it")
                }
                bounds.append(offset)
            }
            return bounds
        }
    }

    private func noBound(_ partition: SourcePartition, _ reason: String) -> Diagnostic {
        Diagnostic(
            "topic \"\(partition.topic)\" partition \(partition.partition) of table \"\(name)\" has no end: \(reason)",
            hint: "Choose another 'scan.bounded.mode', for example 'latest-offset'.")
    }

    private func assignAll() throws(Diagnostic) {
        let reading = partitions.indices.filter { !states[$0].isComplete }
        guard !reading.isEmpty else { return }
        let list = PartitionList(reading.map { partitions[$0] }) { states[reading[$0]].next }
        let code = rd_kafka_assign(client.raw, list.raw)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw Diagnostic(
                "could not assign the partitions of table \"\(name)\": \(describe(code))", fault: .external)
        }
    }

    /// Starts reading partitions that came up while running, from their first record.
    func adopt(_ found: [PartitionDiscovery.Found]) throws(Diagnostic) {
        let fresh = found.filter { indices[$0.partition] == nil }
        guard !fresh.isEmpty else { return }
        let list = PartitionList(fresh.map(\.partition)) { fresh[$0].start }
        // The first assignment of a table whose pattern matched nothing must not be an incremental one.
        if partitions.isEmpty {
            let code = rd_kafka_assign(client.raw, list.raw)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw refusedAssignment(describe(code)) }
        } else if let error = rd_kafka_incremental_assign(client.raw, list.raw) {
            let text = String(cString: rd_kafka_error_string(error))
            rd_kafka_error_destroy(error)
            throw refusedAssignment(text)
        }
        for entry in fresh {
            add(entry.partition, start: entry.start, high: entry.end, bound: nil)
            log(
                .info, "reading a new Kafka partition",
                ["topic": entry.partition.topic, "partition": String(entry.partition.partition)])
        }
    }

    private func refusedAssignment(_ reason: String) -> Diagnostic {
        Diagnostic("could not assign new partitions of table \"\(name)\": \(reason)", fault: .external)
    }
}
