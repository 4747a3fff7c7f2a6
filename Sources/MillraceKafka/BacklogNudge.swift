internal import CLibrdkafka
import MillraceRuntime

/// Keeps a backlog flowing with librdkafka before 2.2.
///
/// Once its queue holds `queued.min.messages`, such a version stops fetching and looks again when its broker thread wakes
/// for some other reason, at the latest after a second: a reader that empties the queue in 50 ms then waits for the rest
/// (measured: 150,000 records a second instead of 1,500,000). A request to the partition's leader wakes the thread. Later
/// versions have `fetch.queue.backoff.ms`.
struct BacklogNudge {
    private static let high = 90_000
    private static let low = 50_000
    private static let timeoutMilliseconds: Int32 = 100
    private var wasFull = false

    /// Nil for versions that need none.
    init?() {
        guard rd_kafka_version() < 0x0202_0000 else { return nil }
    }

    /// Call after each drain of the queue. Blocks for a round trip about every 50,000 records of a backlog.
    mutating func nudge(_ client: KafkaClient, partition: SourcePartition?) {
        let waiting = rd_kafka_queue_length(client.queue)
        if waiting >= BacklogNudge.high { wasFull = true }
        guard wasFull, waiting < BacklogNudge.low, let partition else { return }
        wasFull = false
        var low: Int64 = 0
        var high: Int64 = 0
        _ = rd_kafka_query_watermark_offsets(
            client.raw, partition.topic, partition.partition, &low, &high, BacklogNudge.timeoutMilliseconds)
    }
}
