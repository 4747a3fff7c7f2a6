/// Growable bytes for encoders: cleared and refilled, never shrunk.
public final class ByteBuffer {
    public private(set) var start: UnsafeMutablePointer<UInt8>
    public private(set) var capacity: Int
    public private(set) var count = 0

    public init(capacity: Int = 256) {
        self.capacity = max(capacity, 16)
        start = .allocate(capacity: self.capacity)
    }

    deinit { start.deallocate() }

    public func clear() { count = 0 }

    /// Room for `bytes` more; returns where they go. `commit` makes them part of the buffer.
    @inline(__always)
    public func reserve(_ bytes: Int) -> UnsafeMutablePointer<UInt8> {
        if count + bytes > capacity { grow(bytes) }
        return start + count
    }
    @inline(__always)
    public func commit(_ bytes: Int) { count += bytes }

    private func grow(_ bytes: Int) {
        let target = max(count + bytes, capacity * 2)
        let new = UnsafeMutablePointer<UInt8>.allocate(capacity: target)
        new.update(from: start, count: count)
        start.deallocate()
        start = new
        capacity = target
    }

    public func append(_ byte: UInt8) {
        reserve(1).pointee = byte
        count += 1
    }
    public func append(_ bytes: ByteRef) {
        guard bytes.count > 0 else { return }
        reserve(bytes.count).update(from: bytes.start, count: bytes.count)
        count += bytes.count
    }
    public func append(_ text: StaticString) {
        reserve(text.utf8CodeUnitCount).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        count += text.utf8CodeUnitCount
    }
    /// Not for the hot path.
    public func append(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            guard let base = bytes.baseAddress else { return }
            append(ByteRef(start: base, count: bytes.count))
        }
    }

    /// Removes the bytes from `newCount` on.
    public func truncate(_ newCount: Int) { count = min(count, newCount) }

    /// The contents; valid until the next append.
    public var bytes: ByteRef { ByteRef(start: UnsafePointer(start), count: count) }
    public var text: String { bytes.text }
}
