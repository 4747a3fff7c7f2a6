/// Borrowed bytes: a string cell, a message payload.
///
/// Who owns them is decided by where they come from: a batch's `BatchArena` (valid until the shard takes up its next
/// batch), a message the source holds (the same), a constant or static table (for ever). State that outlives the batch copies.
public struct ByteRef {
    public var start: UnsafePointer<UInt8>
    /// Bytes; `ByteRef.absent` has -1.
    public var count: Int

    @inlinable public init(start: UnsafePointer<UInt8>, count: Int) {
        self.start = start
        self.count = count
    }

    nonisolated(unsafe) private static let nothing = {
        let pointer = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
        pointer.initialize(repeating: 0, count: 64)
        return UnsafePointer(pointer)
    }()
    /// Zero bytes.
    public static var empty: ByteRef { ByteRef(start: nothing, count: 0) }
    /// No bytes at all: a Kafka tombstone or a message without key.
    public static var absent: ByteRef { ByteRef(start: nothing, count: -1) }
    @inlinable public var isAbsent: Bool { count < 0 }

    @inlinable public var buffer: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: start, count: Swift.max(0, count))
    }

    /// The bytes as text; invalid UTF-8 is repaired. Allocates: for messages and tests.
    public var text: String { String(decoding: buffer, as: UTF8.self) }
    public var array: [UInt8] { Array(buffer) }

    @inlinable public func equals(_ other: ByteRef) -> Bool {
        guard count == other.count else { return false }
        for i in 0..<Swift.max(0, count) where start[i] != other.start[i] { return false }
        return true
    }

    /// Order by unsigned bytes, which for UTF-8 is code point order: negative, zero or positive.
    @inlinable public func compare(_ other: ByteRef) -> Int {
        let shared = Swift.min(count, other.count)
        var i = 0
        while i < shared {
            let a = start[i]
            let b = other.start[i]
            if a != b { return a < b ? -1 : 1 }
            i += 1
        }
        return count == other.count ? 0 : (count < other.count ? -1 : 1)
    }
}
