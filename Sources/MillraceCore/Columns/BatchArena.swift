/// Bump allocator for the bytes of one batch. The shard resets it before it takes up the next batch.
///
/// Keeps its chunks, so a steady stream allocates nothing. Single-threaded.
public final class BatchArena {
    private var chunks: [UnsafeMutableBufferPointer<UInt8>] = []
    private var chunk = -1
    /// Of its chunks, in use or not.
    public private(set) var heldBytes = 0
    // Private, and `allocate` a call: the compiler checks each access from outside for exclusivity.
    private var next: UnsafeMutablePointer<UInt8>
    private var remaining = 0
    private let chunkBytes: Int
    private let keepBytes: Int

    /// - Parameters:
    ///   - chunkBytes: size of a chunk; a larger request gets a chunk of its own.
    ///   - keepBytes: `reset` gives back what exceeds this.
    public init(chunkBytes: Int = 1 << 18, keepBytes: Int = 1 << 25) {
        self.chunkBytes = chunkBytes
        self.keepBytes = keepBytes
        next = UnsafeMutablePointer(mutating: ByteRef.empty.start)
    }

    deinit { for chunk in chunks { chunk.deallocate() } }

    /// `count` uninitialised bytes, aligned to 8.
    @inline(never)
    public func allocate(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        let rounded = (count + 7) & ~7
        if rounded > remaining { return allocateSlowly(rounded) }
        let result = next
        next += rounded
        remaining -= rounded
        return result
    }

    private func allocateSlowly(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        while chunk + 1 < chunks.count {
            chunk += 1
            if chunks[chunk].count >= count { return take(count) }
        }
        chunks.append(.allocate(capacity: max(chunkBytes, count)))
        heldBytes += max(chunkBytes, count)
        chunk = chunks.count - 1
        return take(count)
    }

    private func take(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        let base = chunks[chunk].baseAddress!
        next = base + count
        remaining = chunks[chunk].count - count
        return base
    }

    public func copy(_ bytes: ByteRef) -> ByteRef {
        guard bytes.count > 0 else { return bytes }
        let target = allocate(bytes.count)
        target.update(from: bytes.start, count: bytes.count)
        return ByteRef(start: target, count: bytes.count)
    }

    public func copy(_ text: String) -> ByteRef {
        var text = text
        return text.withUTF8 { bytes in
            guard let base = bytes.baseAddress, bytes.count > 0 else { return .empty }
            return copy(ByteRef(start: base, count: bytes.count))
        }
    }

    public func copy(_ bytes: [UInt8]) -> ByteRef {
        bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress, bytes.count > 0 else { return .empty }
            return copy(ByteRef(start: base, count: bytes.count))
        }
    }

    /// Makes every earlier allocation invalid.
    public func reset() {
        if heldBytes > keepBytes { trim() }
        chunk = chunks.isEmpty ? -1 : 0
        next = chunks.first?.baseAddress ?? UnsafeMutablePointer(mutating: ByteRef.empty.start)
        remaining = chunks.first?.count ?? 0
    }

    private func trim() {
        heldBytes = 0
        chunks.removeAll { chunk in
            guard heldBytes + chunk.count > keepBytes else {
                heldBytes += chunk.count
                return false
            }
            chunk.deallocate()
            return true
        }
    }
}
