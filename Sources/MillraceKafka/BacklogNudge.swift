internal import CLibrdkafka
import MillraceRuntime

/// Keeps a backlog flowing with librdkafka before 2.2.
///
/// Once its queue is full, such a version stops fetching and looks again when its broker thread wakes for some other
/// reason, at the latest after a second: a reader that empties the queue in 50 ms then waits for the rest (measured: 150,000
/// records a second instead of 1,500,000). A request to the partition's leader wakes the thread. Later versions have
/// `fetch.queue.backoff.ms`.
struct BacklogNudge {
    private static let timeoutMilliseconds: Int32 = 100
    /// The bounds of the queue: `queued.min.messages` and `queued.max.messages.kbytes`.
    private let messages: Int
    private let bytes: Int
    /// Of the records that were polled last.
    private var meanBytes = 1
    private(set) var wasFull = false

    /// Nil for versions that need none.
    init?(messages: Int, kilobytes: Int) {
        guard rd_kafka_version() < 0x0202_0000 else { return nil }
        self.messages = max(messages, 1)
        bytes = max(kilobytes, 1) << 10
    }

    /// True when the reader has come halfway through a queue that had been full, or nearly.
    mutating func isDue(waiting: Int, records: Int, recordBytes: Int) -> Bool {
        if records > 0 { meanBytes = max(1, recordBytes / records) }
        let full = min(messages, bytes / meanBytes)
        if waiting >= full - full / 10 { wasFull = true }
        guard wasFull, waiting < full / 2 else { return false }
        wasFull = false
        return true
    }

    /// Wakes the broker thread. Blocks for a round trip.
    static func wake(_ client: KafkaClient, partition: SourcePartition) {
        var low: Int64 = 0
        var high: Int64 = 0
        _ = rd_kafka_query_watermark_offsets(
            client.raw, partition.topic, partition.partition, &low, &high, timeoutMilliseconds)
    }
}
