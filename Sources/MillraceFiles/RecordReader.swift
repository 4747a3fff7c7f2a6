import Glibc
import MillraceCore

/// Cuts one file into records: lines, or with a quote character CSV records whose quoted fields may hold line breaks.
///
/// Records point into the read buffer and are valid until `refill`. Line ends (`\n`, `\r\n`) are left out.
final class RecordReader {
    enum Next {
        case record(ByteRef)
        /// Longer than the limit; its first bytes.
        case tooLong(ByteRef)
        /// Nothing whole in the buffer.
        case needsMore
        case end
    }
    private let descriptor: Int32
    private let path: String
    private let quote: UInt8?
    private let delimiter: UInt8
    private let escape: UInt8?
    private let recordBytes: Int
    private var buffer: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var start = 0
    private var filled = 0
    private var isAtEnd = false
    /// Where in a CSV record the search stands. A quote opens only at the start of a field.
    private enum Place { case fieldStart, plain, quoted, closed }
    /// How far the record at `start` has been searched.
    private var scanned = 0
    private var place = Place.fieldStart
    private var isSkipping = false

    init(
        _ path: String, quote: UInt8?, delimiter: UInt8, escape: UInt8?, recordBytes: Int, chunk: Int = 1 << 18
    ) throws(Diagnostic) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        self.quote = quote
        self.delimiter = delimiter
        self.escape = escape
        self.recordBytes = recordBytes
        capacity = chunk
        buffer = .allocate(capacity: chunk)
        if descriptor < 0 { throw FileSystem.failure("open file", path) }
    }

    deinit {
        buffer.deallocate()
        if descriptor >= 0 { close(descriptor) }
    }

    /// Makes earlier records invalid and reads on. Call when `next` said `needsMore`, before any record is in use.
    func refill() throws(Diagnostic) {
        if start > 0 {
            memmove(buffer, buffer + start, filled - start)
            filled -= start
            scanned -= start
            start = 0
        }
        if filled == capacity {
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
            larger.update(from: buffer, count: filled)
            buffer.deallocate()
            buffer = larger
            capacity *= 2
        }
        while true {
            let count = read(descriptor, buffer + filled, capacity - filled)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileSystem.failure("read file", path)
            }
            if count == 0 { isAtEnd = true }
            filled += count
            return
        }
    }

    func next() -> Next {
        if let at = findEnd() {
            let record = ByteRef(start: buffer + start, count: at - start)
            start = at + 1
            return finish(record)
        }
        if isAtEnd {
            guard start < filled else { return .end }
            let record = ByteRef(start: buffer + start, count: filled - start)
            start = filled
            return finish(record)
        }
        if filled - start > recordBytes {
            // Keeps the head for the message and drops what follows up to the line's end.
            isSkipping = true
            let kept = start + min(recordBytes, 1024)
            filled = kept
            scanned = kept
        }
        return .needsMore
    }

    private func finish(_ record: ByteRef) -> Next {
        var record = record
        scanned = start
        place = .fieldStart
        if record.count > 0, record.start[record.count - 1] == 0x0D { record.count -= 1 }
        if isSkipping || record.count > recordBytes {
            isSkipping = false
            record.count = min(record.count, 1024)
            return .tooLong(record)
        }
        return .record(record)
    }

    private func findEnd() -> Int? {
        guard let quote else {
            guard scanned < filled, let found = memchr(buffer + scanned, 0x0A, filled - scanned) else {
                scanned = filled
                return nil
            }
            return found.assumingMemoryBound(to: UInt8.self) - UnsafeMutablePointer(buffer)
        }
        while scanned < filled {
            let byte = buffer[scanned]
            if byte == escape, escape != quote {
                guard scanned + 1 < filled || isAtEnd else { return nil }
                if place != .quoted { place = .plain }
                scanned += 2
                continue
            }
            if place == .quoted {
                if byte == quote { place = .closed }
            } else if byte == 0x0A {
                return scanned
            } else if byte == delimiter {
                place = .fieldStart
            } else {
                // A quote right behind the closing one is a quote within the field.
                place = byte == quote && place != .plain ? .quoted : .plain
            }
            scanned += 1
        }
        scanned = filled
        return nil
    }
}
