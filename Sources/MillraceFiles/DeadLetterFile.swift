import Glibc
import MillraceCore
import MillraceRuntime

/// Dead letters as JSON lines, for pipelines whose sinks keep none: `SET 'dead-letter.path' = 'rejected.jsonl'`.
///
/// Lines are appended, so the letters of earlier runs stay; shards may share the file, since each batch of lines is one
/// write. Keys, values and headers are text; bytes that are not UTF-8 stand as hexadecimal digits under `value_hex`.
final class DeadLetterFile: ImmediateSession {
    private let path: String
    private let file: Int32
    private let buffer = ByteBuffer(capacity: 1 << 12)

    override var keepsDeadLetters: Bool { true }

    init(path: String) throws(Diagnostic) {
        self.path = FileSystem.path(path)
        file = Glibc.open(self.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard file >= 0 else {
            var failure = FileSystem.failure("create file", self.path)
            failure.hint = "Check the setting 'dead-letter.path' and the file's permissions."
            throw failure
        }
    }

    deinit { Glibc.close(file) }

    override func take(_ deadLetters: [DeadLetter]) {
        for letter in deadLetters { append(letter) }
    }

    override func flush() throws(Diagnostic) {
        guard buffer.count > 0 else { return }
        try FileSystem.writeAll(buffer.bytes, to: file, path)
        buffer.clear()
    }

    // MARK: JSON

    private func append(_ letter: DeadLetter) {
        buffer.append("{\"time\":\"")
        TimeText.appendTimestamp(letter.time, separator: 0x54, fraction: .exactly(3), suffix: "Z", to: buffer)
        buffer.append("\",\"source\":")
        appendText(letter.source)
        if let partition = letter.partition {
            buffer.append(",\"topic\":")
            appendText(partition.topic)
            buffer.append(",\"partition\":")
            NumberText.appendInteger(Int64(partition.partition), to: buffer)
        }
        if let offset = letter.offset {
            buffer.append(",\"offset\":")
            NumberText.appendInteger(offset, to: buffer)
        }
        buffer.append(",\"object\":")
        appendText(letter.object)
        buffer.append(",\"reason\":")
        appendText(letter.reason.reason)
        buffer.append(",\"detail\":")
        appendText(letter.detail)
        if let key = letter.key { appendBytes(",\"key", key) }
        if let value = letter.value { appendBytes(",\"value", value) }
        if !letter.headers.isEmpty {
            buffer.append(",\"headers\":[")
            for (index, header) in letter.headers.enumerated() {
                if index > 0 { buffer.append(",") }
                buffer.append("{\"name\":")
                appendText(header.name)
                if let value = header.value { appendBytes(",\"value", value) }
                buffer.append("}")
            }
            buffer.append("]")
        }
        buffer.append("}\n")
    }

    private func appendBytes(_ opening: String, _ bytes: [UInt8]) {
        buffer.append(opening)
        if let text = String(validating: bytes, as: UTF8.self) {
            buffer.append("\":")
            appendText(text)
            return
        }
        buffer.append("_hex\":\"")
        for byte in bytes { appendHex(byte) }
        buffer.append("\"")
    }

    private func appendHex(_ byte: UInt8) {
        for digit in [byte >> 4, byte & 15] { buffer.append(digit + (digit < 10 ? 0x30 : 0x57)) }
    }

    private func appendText(_ text: String) {
        buffer.append("\"")
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C:
                buffer.append(0x5C)
                buffer.append(byte)
            case 0x0A: buffer.append("\\n")
            case 0x0D: buffer.append("\\r")
            case 0x09: buffer.append("\\t")
            case ..<0x20:
                buffer.append("\\u00")
                appendHex(byte)
            default: buffer.append(byte)
            }
        }
        buffer.append("\"")
    }
}
