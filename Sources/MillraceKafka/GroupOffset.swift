internal import CLibrdkafka
import MillraceCore
import MillraceRuntime

/// An offset of a consumer group with a few words beside it: what a Kafka transaction can carry besides messages.
struct GroupOffset: Sendable {
    struct Place: Hashable, Sendable {
        var group: String
        var partition: SourcePartition
    }
    var place: Place
    var offset: Int64
    /// At most 4 KB (`offset.metadata.max.bytes`).
    var metadata: String
}

extension KafkaClient {
    /// What the group of this consumer has committed, with its metadata; nil where nothing is. Waits for transactions that
    /// are under way.
    func groupOffsets(_ partitions: [SourcePartition], deadline: Deadline) throws(Diagnostic)
        -> [(offset: Int64, metadata: String)?]
    {
        guard !partitions.isEmpty else { return [] }
        while true {
            let list = PartitionList(partitions)
            let code = rd_kafka_committed(
                raw, list.raw, Int32(min(5_000, max(10, deadline.remainingMilliseconds))))
            try serve()
            // A partition's own error, such as a transaction that has not ended, counts as the whole's.
            let own = (0..<list.count).map { list[$0].err }.first { $0 != RD_KAFKA_RESP_ERR_NO_ERROR }
            if code == RD_KAFKA_RESP_ERR_NO_ERROR, own == nil {
                return (0..<list.count).map { i in
                    guard list[i].offset >= 0 else { return nil }
                    let bytes = UnsafeRawBufferPointer(start: list[i].metadata, count: list[i].metadata_size)
                    return (list[i].offset, String(decoding: bytes, as: UTF8.self))
                }
            }
            let failed = own ?? code
            guard isTransient(failed) || failed == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
                deadline.remainingMilliseconds > 0
            else {
                if isTransient(failed) { throw unreachable() }
                throw Diagnostic(
                    "could not read the group offsets of \(events.object): \(describe(failed))",
                    hint: "Check the access rights of the Kafka user to the group.", fault: .external)
            }
            Deadline.pause(milliseconds: 20)
        }
    }
}
