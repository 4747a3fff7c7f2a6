internal import CLibrdkafka
import MillraceCore

/// What the sinks of one transactional producer write into until a ticket takes it. The shard's thread's.
final class TransactionBuffer {
    let topics: ProducerTopics
    private let producer: TransactionalProducer
    private var block: MessageBlock
    private let messageBytesMax: Int
    var rows: Int { block.count }
    var bytes: Int { block.count == 0 ? 0 : block.bytes.count }

    init(_ producer: TransactionalProducer, _ properties: KafkaProperties) {
        self.producer = producer
        topics = ProducerTopics(producer.client)
        block = producer.takeBlock()
        messageBytesMax = properties.values["message.max.bytes"].flatMap { Int($0) } ?? 1_000_000
    }

    /// Headers follow with `appendHeader`. False for a message that is too long.
    func append(topic: String, partition: Int32, key: ByteRef, value: ByteRef, timestampMilliseconds: Int64) -> Bool {
        guard max(0, key.count) + max(0, value.count) <= messageBytesMax else { return false }
        block.append(
            topic: topic, partition: partition, key: key, value: value, timestampMilliseconds: timestampMilliseconds)
        return true
    }

    func appendHeader(_ name: ByteRef, _ value: ByteRef) { block.appendHeader(name, value) }

    /// What has been written since the last call; nil: nothing.
    func take() -> MessageBlock? {
        guard block.count > 0 else { return nil }
        defer { block = producer.takeBlock() }
        return block
    }
}
