import Glibc
import MillraceCore

/// Object identifiers of the types that go over the wire (`pg_type.dat`).
enum TypeOID {
    static let bool: UInt32 = 16, bytea: UInt32 = 17, int8: UInt32 = 20, int2: UInt32 = 21, int4: UInt32 = 23
    static let text: UInt32 = 25, json: UInt32 = 114, float4: UInt32 = 700, float8: UInt32 = 701
    static let bpchar: UInt32 = 1042, varchar: UInt32 = 1043, date: UInt32 = 1082, time: UInt32 = 1083
    static let timestamp: UInt32 = 1114, timestamptz: UInt32 = 1184, interval: UInt32 = 1186
    static let numeric: UInt32 = 1700, uuid: UInt32 = 2950, jsonb: UInt32 = 3802, name: UInt32 = 19
}

/// Where a row came from, for the dead letter it may become.
struct RowOrigin {
    /// Index into the plan's sources; -1 when no record stands behind the row.
    var source: Int32
    var partition: Int32
    var offset: Int64
    /// The record's bytes in `RowBlock.records`: key, then value; a count of -1 is none.
    var recordStart = 0
    var keyCount: Int32 = -1
    var valueCount: Int32 = -1
    /// Index into `RowBlock.headerLists`; -1: the record has no headers.
    var headers: Int32 = -1
    static let none = RowOrigin(source: -1, partition: -1, offset: -1)
}

/// Rows as one binary array a column, ready to be a statement's parameters. Refilled, never shrunk.
///
/// An array is: int32 dimensions, int32 has-nulls, element type, int32 length, int32 lower bound, then for each element
/// int32 length (-1 for NULL) and its bytes, all big-endian (`array_send` of PostgreSQL).
final class RowBlock {
    typealias RecordHeader = (name: String, value: [UInt8]?)
    static let headerBytes = 20
    let elementTypes: [UInt32]
    let buffers: [ByteBuffer]
    var hasNull: [Bool]
    var rows = 0
    private(set) var origins: [RowOrigin] = []
    /// Bytes of the records behind the rows: the source lets go of them with its next poll. Copying costs some 10 ns a row.
    private let records = ByteBuffer(capacity: 512)
    private var headerLists: [[RecordHeader]] = []

    init(_ elementTypes: [UInt32]) {
        self.elementTypes = elementTypes
        buffers = elementTypes.map { _ in ByteBuffer(capacity: 512) }
        hasNull = elementTypes.map { _ in false }
        clear()
    }

    func clear() {
        rows = 0
        origins.removeAll(keepingCapacity: true)
        records.clear()
        headerLists.removeAll(keepingCapacity: true)
        for i in buffers.indices {
            buffers[i].clear()
            _ = buffers[i].reserve(RowBlock.headerBytes)
            buffers[i].commit(RowBlock.headerBytes)
            hasNull[i] = false
        }
    }

    var bytes: Int {
        var total = records.count
        for buffer in buffers { total += buffer.count - RowBlock.headerBytes }
        return total
    }

    /// Writes the headers; the buffers are complete until the next append.
    func seal() {
        for i in buffers.indices {
            let start = UnsafeMutableRawPointer(buffers[i].start)
            start.storeBytes(of: Int32(1).bigEndian, as: Int32.self)
            start.storeBytes(of: Int32(hasNull[i] ? 1 : 0).bigEndian, toByteOffset: 4, as: Int32.self)
            start.storeBytes(of: elementTypes[i].bigEndian, toByteOffset: 8, as: UInt32.self)
            start.storeBytes(of: Int32(rows).bigEndian, toByteOffset: 12, as: Int32.self)
            start.storeBytes(of: Int32(1).bigEndian, toByteOffset: 16, as: Int32.self)
        }
    }

    /// The rows for which `keeps` says true, appended to `target` in order.
    func copy(to target: RowBlock, keeping keeps: (Int) -> Bool) {
        copy(Array(buffers.indices), to: target, keeping: keeps)
    }

    /// The same for some of the columns, which are all of `target`'s.
    func copy(_ columns: [Int], to target: RowBlock, keeping keeps: (Int) -> Bool) {
        for (place, i) in columns.enumerated() {
            let start = UnsafeRawPointer(buffers[i].start)
            var position = RowBlock.headerBytes
            for row in 0..<rows {
                let length = Int(Int32(bigEndian: start.loadUnaligned(fromByteOffset: position, as: Int32.self)))
                let size = 4 + max(0, length)
                if keeps(row) {
                    target.buffers[place].append(
                        ByteRef(start: UnsafePointer(buffers[i].start + position), count: size))
                    if length < 0 { target.hasNull[place] = true }
                }
                position += size
            }
        }
        for row in 0..<rows where keeps(row) {
            target.rows += 1
            if row < origins.count {
                target.appendOrigin(
                    origins[row], key: key(of: origins[row]), value: value(of: origins[row]),
                    headers: headers(of: origins[row]))
            }
        }
    }

    // MARK: Records

    func appendOrigin(_ origin: RowOrigin, key: ByteRef, value: ByteRef, headers: [RecordHeader] = []) {
        var origin = origin
        origin.headers = -1
        if !headers.isEmpty {
            origin.headers = Int32(truncatingIfNeeded: headerLists.count)
            headerLists.append(headers)
        }
        origin.recordStart = records.count
        origin.keyCount = Int32(truncatingIfNeeded: key.count)
        origin.valueCount = Int32(truncatingIfNeeded: value.count)
        records.append(key)
        records.append(value)
        origins.append(origin)
    }

    func headers(of origin: RowOrigin) -> [RecordHeader] { origin.headers < 0 ? [] : headerLists[Int(origin.headers)] }

    /// Valid until the next append.
    func key(of origin: RowOrigin) -> ByteRef {
        ByteRef(start: records.bytes.start + origin.recordStart, count: Int(origin.keyCount))
    }
    func value(of origin: RowOrigin) -> ByteRef {
        ByteRef(
            start: records.bytes.start + origin.recordStart + max(0, Int(origin.keyCount)),
            count: Int(origin.valueCount))
    }

    // Single cells: positions and dead letters, a few a transaction.
    func append(_ column: Int, _ value: Int64?) {
        guard let value else { return appendNull(column) }
        if elementTypes[column] == TypeOID.int4 {
            let target = UnsafeMutableRawPointer(buffers[column].reserve(8))
            target.storeBytes(of: Int32(4).bigEndian, as: Int32.self)
            target.storeBytes(of: Int32(truncatingIfNeeded: value).bigEndian, toByteOffset: 4, as: Int32.self)
            buffers[column].commit(8)
        } else {
            let target = UnsafeMutableRawPointer(buffers[column].reserve(12))
            target.storeBytes(of: Int32(8).bigEndian, as: Int32.self)
            target.storeBytes(of: value.bigEndian, toByteOffset: 4, as: Int64.self)
            buffers[column].commit(12)
        }
    }
    /// NUL characters, which text cannot hold, become U+FFFD.
    func append(_ column: Int, _ text: String?) {
        guard let text else { return appendNull(column) }
        if text.utf8.contains(0) {
            let clean = text.unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : String($0) }.joined()
            return append(column, clean)
        }
        var copy = text
        copy.withUTF8 { appendElement(column, $0) }
    }
    func append(_ column: Int, bytes: [UInt8]?) {
        guard let bytes else { return appendNull(column) }
        bytes.withUnsafeBufferPointer { appendElement(column, $0) }
    }
    func append(_ column: Int, bytes: ByteRef) { appendElement(column, bytes.buffer) }
    private func appendElement(_ column: Int, _ bytes: UnsafeBufferPointer<UInt8>) {
        UnsafeMutableRawPointer(buffers[column].reserve(4)).storeBytes(of: Int32(bytes.count).bigEndian, as: Int32.self)
        buffers[column].commit(4)
        if let base = bytes.baseAddress { buffers[column].append(ByteRef(start: base, count: bytes.count)) }
    }
    func appendNull(_ column: Int) {
        UnsafeMutableRawPointer(buffers[column].reserve(4)).storeBytes(of: Int32(-1), as: Int32.self)
        buffers[column].commit(4)
        hasNull[column] = true
    }
}
