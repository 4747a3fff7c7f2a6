import Glibc
import MillraceCore

/// The directories of a partitioned table: `day=2024-01-01/hour=7`, as Hive and Flink name them.
enum PartitionPath {
    /// Flink's `partition.default-name`: the directory of rows whose key is NULL or empty.
    static let defaultName = "__DEFAULT_PARTITION__"

    /// Characters that a name may not hold; Flink's `PartitionPathUtils` writes them as `%` and two hexadecimal digits.
    private static func needsEscape(_ byte: UInt8) -> Bool {
        if byte < 0x20 || byte == 0x7F { return true }
        switch byte {
        case 0x22, 0x23, 0x25, 0x27, 0x2A, 0x2F, 0x3A, 0x3D, 0x3F, 0x5C, 0x5B, 0x5D, 0x5E, 0x7B, 0x7D: return true
        default: return false
        }
    }

    static func append(escaped text: ByteRef, to buffer: ByteBuffer) {
        let digits: StaticString = "0123456789ABCDEF"
        for i in 0..<text.count {
            let byte = text.start[i]
            if needsEscape(byte) {
                buffer.append(0x25)
                buffer.append(digits.utf8Start[Int(byte >> 4)])
                buffer.append(digits.utf8Start[Int(byte & 15)])
            } else {
                buffer.append(byte)
            }
        }
    }

    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        let source = Array(text.utf8)
        var at = 0
        while at < source.count {
            if source[at] == 0x25, at + 2 < source.count,
                let value = UInt8(String(decoding: source[at + 1...at + 2], as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                at += 3
            } else {
                bytes.append(source[at])
                at += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The value of `key` that a file's path names; nil when it names none, or the default name: NULL.
    static func value(of key: String, in path: String, defaultName: String) -> String? {
        for directory in path.split(separator: "/").dropLast().reversed() {
            guard let sign = directory.firstIndex(of: "="), unescaped(directory[..<sign]) == key else { continue }
            let text = unescaped(directory[directory.index(after: sign)...])
            return text == defaultName ? nil : text
        }
        return nil
    }

    /// A key's text as a cell.
    /// - Throws: `.user` when the directory's name is no value of the type.
    static func cell(_ text: String?, _ field: SourceField, _ path: String) throws(Diagnostic) -> Value {
        guard let text else { return .null }
        let value: Value? =
            switch field.type {
            case .char, .varchar: .string(text)
            case .tinyInt: Int8(text).map { .integer(Int64($0)) }
            case .smallInt: Int16(text).map { .integer(Int64($0)) }
            case .integer: Int32(text).map { .integer(Int64($0)) }
            case .bigInt: Int64(text).map { .integer($0) }
            case .boolean: OptionValue.boolean(text).map { .boolean($0) }
            case .float, .double: Double(text).map { .double($0) }
            case .date: date(text).map { .integer($0) }
            default: nil
            }
        guard let value else {
            throw Diagnostic(
                "partition key \"\(field.name)\" of file \"\(path)\" is no \(field.type): \"\(text)\"",
                hint: "Declare the column as STRING.")
        }
        return value
    }

    private static func date(_ text: String) -> Int64? {
        let buffer = ByteBuffer()
        buffer.append(text)
        return TimeText.parseDate(buffer.bytes)
    }

    /// `key=value/key=value` of one row.
    static func append(
        _ batch: ColumnBatch, row: Int, keys: [(name: String, column: Int)], scratch: ByteBuffer,
        defaultName: String, to buffer: ByteBuffer
    ) {
        for (place, key) in keys.enumerated() {
            if place > 0 { buffer.append(0x2F) }
            scratch.clear()
            scratch.append(key.name)
            append(escaped: scratch.bytes, to: buffer)
            buffer.append(0x3D)
            scratch.clear()
            let column = batch.columns[key.column]
            if column.isValid(row) { PrintSink.append(column, row, to: scratch) }
            if scratch.count == 0 { scratch.append(defaultName) }
            append(escaped: scratch.bytes, to: buffer)
        }
    }
}
