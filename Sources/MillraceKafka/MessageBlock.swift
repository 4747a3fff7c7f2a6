import MillraceCore

/// Messages as bytes: what a transactional sink gathers until its ticket is submitted, and what `millrace.outbox` stores.
///
/// The format is little-endian: one byte 1, then for each message the topic, int32 partition (-1: by key), int64 timestamp
/// (milliseconds since 1970, 0: when it is sent), key, value, int32 number of headers, and for each its name and value. Text
/// and bytes are int32 length and the bytes; a length of -1 is none, for a topic: that of the message before.
///
/// - Note: `@unchecked Sendable`: a block belongs to one thread at a time, and is handed over as a whole.
final class MessageBlock: @unchecked Sendable {
    private let buffer = ByteBuffer(capacity: 1024)
    private(set) var count = 0
    private var lastTopic = ""
    private var headerCountAt = 0
    private var headers: Int32 = 0
    private static let version: UInt8 = 1

    init() { clear() }

    func clear() {
        buffer.clear()
        buffer.append(MessageBlock.version)
        count = 0
        lastTopic = ""
    }

    var bytes: ByteRef { buffer.bytes }

    /// Becomes a copy of a block that was stored.
    func load(_ bytes: [UInt8]) throws(Diagnostic) {
        buffer.clear()
        bytes.withUnsafeBufferPointer { source in
            if let start = source.baseAddress { buffer.append(ByteRef(start: start, count: source.count)) }
        }
        count = 0
        var reader = try MessageReader(buffer.bytes)
        while try reader.next() != nil { count += 1 }
    }

    // MARK: Writing

    /// Headers follow with `appendHeader`.
    func append(topic: String, partition: Int32, key: ByteRef, value: ByteRef, timestampMilliseconds: Int64) {
        if count > 0, topic == lastTopic {
            append(Int32(-1))
        } else {
            append(Int32(topic.utf8.count))
            buffer.append(topic)
            lastTopic = topic
        }
        append(partition)
        append(timestampMilliseconds)
        append(key)
        append(value)
        headerCountAt = buffer.count
        headers = 0
        append(headers)
        count += 1
    }

    /// One more header of the last message.
    func appendHeader(_ name: ByteRef, _ value: ByteRef) {
        append(name)
        append(value)
        headers += 1
        UnsafeMutableRawPointer(buffer.start).storeBytes(
            of: headers.littleEndian, toByteOffset: headerCountAt, as: Int32.self)
    }

    private func append(_ value: Int32) {
        UnsafeMutableRawPointer(buffer.reserve(4)).storeBytes(of: value.littleEndian, as: Int32.self)
        buffer.commit(4)
    }

    private func append(_ value: Int64) {
        UnsafeMutableRawPointer(buffer.reserve(8)).storeBytes(of: value.littleEndian, as: Int64.self)
        buffer.commit(8)
    }

    private func append(_ bytes: ByteRef) {
        append(Int32(max(-1, bytes.count)))
        buffer.append(bytes)
    }
}

/// Reads the messages of a block, in order. Its bytes may come from outside, so every length is checked.
struct MessageReader {
    struct Message {
        /// nil: that of the message before.
        var topic: String?
        var partition: Int32
        var timestampMilliseconds: Int64
        var key: ByteRef
        var value: ByteRef
        var headers: [(name: ByteRef, value: ByteRef)]
    }

    private let bytes: ByteRef
    private var position = 1

    /// - Throws: when the bytes are of another version.
    init(_ bytes: ByteRef) throws(Diagnostic) {
        guard bytes.count > 0, bytes.start[0] == 1 else { throw MessageReader.damaged }
        self.bytes = bytes
    }

    /// nil at the end; its bytes are those of the block.
    mutating func next() throws(Diagnostic) -> Message? {
        guard position < bytes.count else { return nil }
        let topic = try slice()
        var message = Message(
            topic: topic.isAbsent ? nil : topic.text, partition: try integer(Int32.self),
            timestampMilliseconds: try integer(Int64.self), key: try slice(), value: try slice(), headers: [])
        let headers = try integer(Int32.self)
        for _ in 0..<max(0, headers) { message.headers.append((try slice(), try slice())) }
        return message
    }

    private mutating func integer<T: FixedWidthInteger>(_: T.Type) throws(Diagnostic) -> T {
        let size = MemoryLayout<T>.size
        guard position + size <= bytes.count else { throw MessageReader.damaged }
        defer { position += size }
        return T(littleEndian: UnsafeRawPointer(bytes.start + position).loadUnaligned(as: T.self))
    }

    private mutating func slice() throws(Diagnostic) -> ByteRef {
        let count = Int(try integer(Int32.self))
        guard count >= 0 else { return .absent }
        guard position + count <= bytes.count else { throw MessageReader.damaged }
        defer { position += count }
        return ByteRef(start: bytes.start + position, count: count)
    }

    private static var damaged: Diagnostic {
        Diagnostic(
            "the messages in millrace.outbox cannot be read",
            hint:
                "A newer version may have written them. Start that one, or delete the rows: their messages are lost then.",
            fault: .external)
    }
}
