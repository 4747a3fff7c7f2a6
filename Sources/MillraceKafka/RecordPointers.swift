internal import CLibrdkafka
import MillraceCore
import MillraceRuntime

/// The memory of a `RecordTable` in local variables, for a loop over messages. Valid until the table grows.
struct RecordPointers {
    private let partition: UnsafeMutablePointer<Int32>
    private let offset: UnsafeMutablePointer<Int64>
    private let timestamp: UnsafeMutablePointer<Int64>
    private let key: UnsafeMutablePointer<ByteRef>
    private let value: UnsafeMutablePointer<ByteRef>

    init(_ records: RecordTable) {
        partition = records.partition
        offset = records.offset
        timestamp = records.timestamp
        key = records.key
        value = records.value
    }

    /// Record `row` is `message`, of the partition with this index.
    @inline(__always)
    func set(_ row: Int, _ message: KafkaSource.Message, partition index: Int) {
        partition[row] = Int32(truncatingIfNeeded: index)
        offset[row] = message.pointee.offset
        timestamp[row] = RecordPointers.microseconds(message)
        key[row] = RecordPointers.bytes(message.pointee.key, message.pointee.key_len)
        value[row] = RecordPointers.bytes(message.pointee.payload, message.pointee.len)
    }

    @inline(__always)
    private static func microseconds(_ message: KafkaSource.Message) -> Int64 {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let milliseconds = rd_kafka_message_timestamp(message, &type)
        let (microseconds, overflow) = milliseconds.multipliedReportingOverflow(by: 1000)
        return type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && milliseconds >= 0 && !overflow ? microseconds : .min
    }

    @inline(__always)
    private static func bytes(_ start: UnsafeMutableRawPointer?, _ count: Int) -> ByteRef {
        guard let start else { return .absent }
        return ByteRef(start: UnsafePointer(start.assumingMemoryBound(to: UInt8.self)), count: count)
    }
}
