import MillraceCore

/// Bytes that outlive a batch: allocated by power-of-two size class, given back one by one, never fragmented.
///
/// Steady state allocates nothing. Single-threaded.
final class StateStore {
    private var chunks: [UnsafeMutableRawPointer] = []
    private var next: UnsafeMutableRawPointer
    private var remaining = 0
    /// Heads of free lists, linked through the free blocks, by size class (16 << index).
    private var free = [UnsafeMutableRawPointer?](repeating: nil, count: 48)
    private let chunkBytes: Int
    /// Bytes of blocks in use, rounded up to their classes.
    private(set) var usedBytes = 0

    init(chunkBytes: Int = 1 << 16) {
        self.chunkBytes = chunkBytes
        next = UnsafeMutableRawPointer(bitPattern: 16)!
    }

    deinit { for chunk in chunks { chunk.deallocate() } }

    @inline(__always)
    private func sizeClass(_ bytes: Int) -> Int {
        bytes <= 16 ? 0 : Int.bitWidth - (bytes - 1).leadingZeroBitCount - 4
    }

    /// What `allocate(bytes)` really has room for.
    @inline(__always)
    func capacity(for bytes: Int) -> Int { 16 << sizeClass(bytes) }

    /// Room for `bytes`, aligned to 16, uninitialised.
    func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
        let index = sizeClass(bytes)
        let size = 16 << index
        usedBytes += size
        if let block = free[index] {
            free[index] = block.load(as: UnsafeMutableRawPointer?.self)
            return block
        }
        if size > remaining {
            let target = max(chunkBytes, size)
            let chunk = UnsafeMutableRawPointer.allocate(byteCount: target, alignment: 16)
            chunks.append(chunk)
            if size == target { return chunk }
            next = chunk
            remaining = target
        }
        let block = next
        next += size
        remaining -= size
        return block
    }

    /// Gives back what `allocate(bytes)` returned.
    func deallocate(_ block: UnsafeMutableRawPointer, _ bytes: Int) {
        let index = sizeClass(bytes)
        usedBytes -= 16 << index
        block.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
        free[index] = block
    }

    func copy(_ bytes: ByteRef) -> UnsafeMutablePointer<UInt8> {
        let block = allocate(bytes.count).assumingMemoryBound(to: UInt8.self)
        if bytes.count > 0 { block.update(from: bytes.start, count: bytes.count) }
        return block
    }
}

/// Records of one size, zeroed when handed out.
final class RecordPool {
    let stride: Int
    private var chunks: [UnsafeMutableRawPointer] = []
    private var next: UnsafeMutableRawPointer
    private var remaining = 0
    private var free: UnsafeMutableRawPointer?

    init(stride: Int) {
        self.stride = max(16, (stride + 15) & ~15)
        next = UnsafeMutableRawPointer(bitPattern: 16)!
    }

    deinit { for chunk in chunks { chunk.deallocate() } }

    @inline(__always)
    func allocate() -> UnsafeMutableRawPointer {
        let record: UnsafeMutableRawPointer
        if let block = free {
            free = block.load(as: UnsafeMutableRawPointer?.self)
            record = block
        } else {
            if remaining == 0 { addChunk() }
            record = next
            next += stride
            remaining -= 1
        }
        record.initializeMemory(as: UInt8.self, repeating: 0, count: stride)
        return record
    }

    private func addChunk() {
        let rows = max(16, min(1 << 20, (16 << 10) / stride * max(1, chunks.count)))
        next = .allocate(byteCount: rows * stride, alignment: 16)
        chunks.append(next)
        remaining = rows
    }

    @inline(__always)
    func deallocate(_ record: UnsafeMutableRawPointer) {
        record.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = record
    }
}
