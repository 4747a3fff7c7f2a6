import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceKafka

struct MessageBlockTests {
    private func ref(_ text: String, _ body: (ByteRef) -> Void) {
        var text = text
        text.withUTF8 { body(ByteRef(start: $0.baseAddress ?? ByteRef.empty.start, count: $0.count)) }
    }

    private func filled() -> MessageBlock {
        let block = MessageBlock()
        ref("value") { value in
            ref("key") { key in
                block.append(topic: "a", partition: -1, key: key, value: value, timestampMilliseconds: 7)
                block.appendHeader(key, value)
                block.appendHeader(value, .absent)
                block.append(topic: "a", partition: 3, key: .absent, value: .empty, timestampMilliseconds: 0)
                block.append(topic: "b", partition: 0, key: key, value: .absent, timestampMilliseconds: .max)
            }
        }
        return block
    }

    private func texts(_ bytes: ByteRef) throws -> [String] {
        func text(_ ref: ByteRef) -> String { ref.isAbsent ? "none" : "'\(ref.text)'" }
        var reader = try MessageReader(bytes)
        var result: [String] = []
        while let m = try reader.next() {
            result.append(
                "\(m.topic ?? "same") \(m.partition) \(m.timestampMilliseconds) \(text(m.key)) \(text(m.value))"
                    + m.headers.map { " \(text($0.name))=\(text($0.value))" }.joined())
        }
        return result
    }

    private let expected = [
        "a -1 7 'key' 'value' 'key'='value' 'value'=none", "same 3 0 none ''", "b 0 9223372036854775807 'key' none",
    ]

    @Test func readsWhatWasWritten() throws {
        let block = filled()
        #expect(block.count == 3)
        #expect(try texts(block.bytes) == expected)
        let stored = MessageBlock()
        try stored.load(block.bytes.array)
        #expect(stored.count == 3)
        #expect(try texts(stored.bytes) == expected)
        // The first message of a block always names its topic.
        block.clear()
        block.append(topic: "b", partition: 0, key: .absent, value: .empty, timestampMilliseconds: 0)
        #expect(try texts(block.bytes) == ["b 0 0 none ''"])
    }

    /// Bytes from a database may be anything.
    @Test func refusesDamagedBytes() throws {
        let bytes = filled().bytes.array
        for length in 0..<bytes.count {
            let part = Array(bytes[..<length])
            let block = MessageBlock()
            // Ends of messages are good ends.
            if (try? block.load(part)) != nil { #expect(block.count < 3 && length > 0) }
        }
        var other = bytes
        other[0] = 2
        #expect(throws: Diagnostic.self) { try MessageBlock().load(other) }
    }

    @Test(arguments: [(Int64(40), EventTime.none, EventTime.none), (42, 1_700_000_000_000, -5)])
    func positionsFitIntoOffsets(replay: Int64, watermark: Int64, emitted: Int64) {
        let position = SourcePosition(
            partition: SourcePartition(topic: "t", partition: 2), nextOffset: 42, replayOffset: replay,
            watermark: watermark, emittedWatermark: emitted)
        let offset = KafkaCheckpoint.offset(position, of: "bids", prefix: "p")
        #expect(offset.place.group == "p-bids")
        #expect(offset.offset == 42)
        #expect(
            KafkaCheckpoint.position(position.partition, offset: 42, metadata: offset.metadata) == position)
        #expect(KafkaCheckpoint.position(position.partition, offset: 42, metadata: "") == nil)
        #expect(KafkaCheckpoint.position(position.partition, offset: 42, metadata: "millrace 1 forgotten") == nil)
    }
}
