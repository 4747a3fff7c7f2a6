internal import MillraceCore
internal import MillraceRuntime
internal import Synchronization

/// A source that is only read: nobody is told how far.
final class ReplaySource: Source {
    private let inner: any Source

    init(_ inner: any Source) { self.inner = inner }

    var descriptor: Int32 { inner.descriptor }
    var partitions: [SourcePartition] { inner.partitions }
    var wakeDeadline: Int64? { inner.wakeDeadline }
    func isAtEnd(partition: Int) -> Bool { inner.isAtEnd(partition: partition) }
    func start(from positions: [SourcePosition]) throws(Diagnostic) { try inner.start(from: positions) }
    func poll(into batch: SourceBatch) throws(Diagnostic) -> SourceStatus { try inner.poll(into: batch) }
    func nextOffset(partition: Int) -> Int64 { inner.nextOffset(partition: partition) }
    /// The consumer group's offsets are the running pipeline's.
    func committed(_ positions: [SourcePosition]) {}
    func close() { inner.close() }
}

/// Counts the rows that fail.
final class ReplayObserver: ShardObserver {
    private let state = Mutex<[String: Int]>([:])
    var rejected: [String: Int] { state.withLock { $0 } }

    func polled(source: Int, records: Int) {}
    func wrote(sink: String, rows: Int) {}
    func rejected(_ letter: DeadLetter) { state.withLock { $0[letter.reason.reason, default: 0] += 1 } }
    func committed(rows: Int, latencies: [Int64]) {}
    func advanced(source: Int, watermark: Int64) {}
    func finished(source: Int) {}
    func holds(_ state: [OperatorState], shard: Int) {}
}
