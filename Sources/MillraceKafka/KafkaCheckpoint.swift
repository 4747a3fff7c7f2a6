public import MillraceCore
public import MillraceRuntime

/// Positions in Kafka itself, for pipelines that deliver to Kafka exactly once and keep no positions in a database.
///
/// A source's positions are offsets of the consumer group `<prefix>-<table>`: the offset is where new records begin, its
/// metadata says `millrace 1 <replay offset> <watermark> <emitted watermark>`, so that windows are rebuilt as with a database.
/// They are written in the transactions of the rows, never otherwise; the table's own group serves lag monitors as ever.
/// The group `<prefix>` has one offset, at partition 0 of the sink's topic, which counts the runs: its metadata is
/// `millrace 1 <shards> <fingerprint of the plan>`.
public enum KafkaCheckpoint {
    static func transactionalID(_ prefix: String, shard: Int) -> String { "\(prefix)-\(shard)" }
    private static func group(_ prefix: String, of source: SourceName) -> String { "\(prefix)-\(source)" }
    private static let version = "millrace 1 "
    /// What a reset leaves in place of a position: the options say where the partition starts.
    private static let forgotten = version + "forgotten"

    static func offset(_ position: SourcePosition, of source: SourceName, prefix: String) -> GroupOffset {
        func text(_ time: Int64) -> String { time == EventTime.none ? "-" : String(time) }
        return GroupOffset(
            place: GroupOffset.Place(group: group(prefix, of: source), partition: position.partition),
            offset: position.nextOffset,
            metadata: version
                + "\(position.replayOffset) \(text(position.watermark)) \(text(position.emittedWatermark))")
    }

    /// nil for what is not a position of ours.
    static func position(_ partition: SourcePartition, offset: Int64, metadata: String) -> SourcePosition? {
        guard metadata.hasPrefix(version), metadata != forgotten else { return nil }
        let words = metadata.dropFirst(version.count).split(separator: " ")
        func time(_ word: Substring) -> Int64? { word == "-" ? EventTime.none : Int64(word) }
        guard words.count == 3, let replay = Int64(words[0]), let watermark = time(words[1]),
            let emitted = time(words[2])
        else { return nil }
        return SourcePosition(
            partition: partition, nextOffset: offset, replayOffset: replay, watermark: watermark,
            emittedWatermark: emitted)
    }

    /// What a run leaves for the next one.
    struct RunMark: Equatable {
        var run: Int64
        var shards: Int
        var fingerprint: String

        func offset(_ options: TransactionOptions) -> GroupOffset {
            GroupOffset(
                place: GroupOffset.Place(
                    group: options.prefix, partition: SourcePartition(topic: options.topic, partition: 0)),
                offset: run, metadata: "\(version)\(shards) \(fingerprint)")
        }

        init(run: Int64, shards: Int, fingerprint: String) {
            self.run = run
            self.shards = shards
            self.fingerprint = fingerprint
        }

        init?(offset: Int64, metadata: String) {
            let words = metadata.dropFirst(version.count).split(separator: " ", maxSplits: 1)
            guard metadata.hasPrefix(version), words.count == 2, let shards = Int(words[0]) else { return nil }
            self.init(run: offset, shards: shards, fingerprint: String(words[1]))
        }
    }

    /// Takes over the pipeline: bars every earlier run from committing, and returns the stored positions by source. Waits.
    ///
    /// - Parameters:
    ///   - sessions: one a shard, in their order.
    ///   - sources: the plan's streams.
    /// - Throws: `.user` when `fingerprint` is not the stored one and there are positions; `.external` when Kafka cannot be
    ///   reached within 15 s.
    public static func open(
        _ sessions: [KafkaCheckpointSession], sources: [SourcePlan], fingerprint: String, resetState: Bool, log: Log
    ) throws(Diagnostic) -> [SourceName: [SourcePosition]] {
        let deadline = Deadline(milliseconds: 15_000)
        let (first, options) = (sessions[0], sessions[0].options)
        // The first shard's id decides between two runs that start at once: whoever takes it later makes the other's mark
        // below fail, before that has read or written anything.
        try first.producer.initialize(deadline: deadline)
        let mark = try read(
            [SourcePartition(topic: options.topic, partition: 0)], group: options.prefix, options.properties,
            object: "sink \"\(first.name)\"", log: log, deadline: deadline
        )[0].flatMap { RunMark(offset: $0.offset, metadata: $0.metadata) }
        for session in sessions.dropFirst() { try session.producer.initialize(deadline: deadline) }
        // Shards that the run before had and this one has not.
        for shard in sessions.count..<max(sessions.count, mark?.shards ?? 0) {
            let producer = try TransactionalProducer(
                options, transactionalID: transactionalID(options.prefix, shard: shard),
                object: "sink \"\(first.name)\"", log: log)
            defer { producer.close() }
            try producer.initialize(deadline: deadline)
        }
        // Nothing of an earlier run can be committed any more: what is read now stays true.
        var positions: [SourceName: [SourcePosition]] = [:]
        var offsets: [GroupOffset] = []
        for source in sources {
            let found = try self.positions(of: source, prefix: options.prefix, log: log, deadline: deadline)
            guard !found.isEmpty else { continue }
            if !resetState { positions[source.name] = found }
            // Written again, as they are or as forgotten: partitions that stay quiet would age otherwise.
            for position in found {
                var offset = offset(position, of: source.name, prefix: options.prefix)
                if resetState { offset.metadata = forgotten }
                offsets.append(offset)
            }
        }
        if let mark, mark.fingerprint != fingerprint, !positions.isEmpty {
            throw Diagnostic(
                "Kafka holds positions of a different query under \"\(options.prefix)\"",
                hint: "Restore the query, give the new one another name with SET 'pipeline.name' or another"
                    + " 'sink.transactional-id-prefix', or start once with --reset-state to forget the stored positions."
            )
        }
        let new = RunMark(run: (mark?.run ?? 0) + 1, shards: sessions.count, fingerprint: fingerprint)
        offsets.append(new.offset(options))
        try first.producer.deliver(
            [TransactionalProducer.Unit(number: -1, block: nil, offsets: offsets)], deadline: deadline)
        return positions
    }

    private static func positions(of source: SourcePlan, prefix: String, log: Log, deadline: Deadline)
        throws(Diagnostic) -> [SourcePosition]
    {
        let properties = try KafkaProperties(options: source.options, table: source.name)
        let scan = try ScanOptions(options: source.options)
        let client = try KafkaSource.makeClient(
            properties, object: "table \"\(source.name)\"", log: log, group: group(prefix, of: source.name))
        defer { client.close() }
        var metadata: [String: [Int32]] = [:]
        if scan.pattern != nil {
            metadata = try client.topics(named: nil, deadline: deadline)
        } else {
            for topic in scan.topics {
                if properties.isEmbedded { EmbeddedBroker.ensureTopic(topic, on: properties.bootstrap) }
                metadata.merge(try client.topics(named: topic, deadline: deadline)) { _, new in new }
            }
        }
        let all = TopicSelection(topics: scan.topics, pattern: scan.pattern, shard: 0, shards: 1).select(from: metadata)
        let stored = try client.groupOffsets(all, deadline: deadline)
        return zip(all, stored).compactMap { partition, stored in
            stored.flatMap { position(partition, offset: $0.offset, metadata: $0.metadata) }
        }
    }

    private static func read(
        _ partitions: [SourcePartition], group: String, _ properties: KafkaProperties, object: String, log: Log,
        deadline: Deadline
    ) throws(Diagnostic) -> [(offset: Int64, metadata: String)?] {
        let client = try KafkaSource.makeClient(properties, object: object, log: log, group: group)
        defer { client.close() }
        return try client.groupOffsets(partitions, deadline: deadline)
    }
}
