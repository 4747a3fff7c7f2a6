import Foundation
import MillraceCore
import MillraceRuntime
import Synchronization

@testable import MillraceKafka

/// A source under test, polled as a shard would: only when its descriptor is readable, or after `more`.
final class SourceHarness {
    let source: KafkaSource
    let batch: SourceBatch
    var rows: [[Value]] = []
    var origins: [String] = []
    var rejected: [(partition: Int32, offset: Int64, reason: RowErrorCode, detail: String)] = []
    var offsets: [Int32: [Int64]] = [:]
    var isFinished = false

    /// Physical columns `a INT, b STRING` unless others are given.
    init(
        _ options: [String: String], physical: [Field] = [Field("a", .integer), Field("b", .string)],
        metadata: [(name: String, type: DataType)] = [], limits: Limits = Limits(), log: Log = .silent, shard: Int = 0,
        shards: Int = 1
    ) throws {
        let schema = Schema(physical)
        let fields =
            physical.map { SourceField(name: $0.name, origin: .physical(path: [$0.name]), type: $0.type) }
            + metadata.map { SourceField(name: "m_" + $0.name, origin: .metadata(key: $0.name), type: $0.type) }
        let plan = SourcePlan(
            name: "bids", connector: "kafka", options: options.merging(["format": "fake"]) { a, _ in a },
            physicalSchema: schema, fields: fields)
        source = try KafkaSource(
            plan: plan, formats: FakeFormats(), limits: limits, clock: SystemClock(), log: log, shard: shard,
            shards: shards)
        batch = SourceBatch(plan.schema, arena: BatchArena())
    }

    deinit { source.close() }

    @discardableResult
    func start(_ positions: [SourcePosition] = []) throws -> Self {
        try source.start(from: positions)
        return self
    }

    func pollOnce() throws -> SourceStatus {
        let status = try source.poll(into: batch)
        for i in 0..<batch.rows.count {
            rows.append(batch.rows.row(i))
            let record = Int(batch.rows.metadata.origins[i])
            origins.append("\(batch.records.partition[record])/\(batch.records.offset[record])")
        }
        for i in 0..<batch.records.count {
            offsets[batch.records.partition[i], default: []].append(batch.records.offset[i])
        }
        for r in batch.rejected {
            let i = Int(r.record)
            rejected.append((batch.records.partition[i], batch.records.offset[i], r.reason, r.detail))
        }
        if case .finished = status { isFinished = true }
        return status
    }

    /// Polls until `done` or the time is over; returns whether it was done.
    @discardableResult
    func run(seconds: Double = 10, until done: (SourceHarness) -> Bool) throws -> Bool {
        let end = Date().addingTimeInterval(seconds)
        var hasMore = true
        while Date() < end {
            if done(self) { return true }
            if isFinished { return done(self) }
            if !hasMore {
                var watched = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
                _ = Foundation.poll(&watched, 1, 100)
            }
            if case .more = try pollOnce() { hasMore = true } else { hasMore = false }
        }
        return done(self)
    }

    var a: [Int64] { rows.map { if case .integer(let x) = $0[0] { x } else { -1 } } }
    var isAtEnd: Bool { source.partitions.indices.allSatisfy(source.isAtEnd) }
}

func position(_ topic: String, _ partition: Int32, next: Int64, replay: Int64? = nil) -> SourcePosition {
    SourcePosition(
        partition: SourcePartition(topic: topic, partition: partition), nextOffset: next, replayOffset: replay ?? next)
}

func text(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Collects log messages.
final class LogRecorder: Sendable {
    private let lines = Mutex<[String]>([])
    var log: Log { Log { [self] level, message, _ in if level > .debug { lines.withLock { $0.append(message) } } } }
    func count(_ part: String) -> Int { lines.withLock { $0.filter { $0.contains(part) }.count } }
}
