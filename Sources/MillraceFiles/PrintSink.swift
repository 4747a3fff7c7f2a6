import Glibc
import MillraceCore
import MillraceRuntime

/// Rows as lines for people, as Flink's `print`: `identifier> +I[1, text, null]`. Takes changes of every kind.
final class PrintSink: ImmediateSession, Sink {
    private let prefix: String
    private let output: Int32
    private let buffer = ByteBuffer(capacity: 1 << 14)

    init(_ plan: SinkPlan, standardOutput: Int32 = STDOUT_FILENO) throws(Diagnostic) {
        prefix = plan.options["print-identifier"].map { $0.isEmpty ? "" : "\($0)> " } ?? ""
        let text = plan.options["standard-error"] ?? "false"
        guard let isError = OptionValue.boolean(text) else {
            throw Diagnostic("option \"standard-error\" is not a boolean", hint: "Write 'true' or 'false'.")
        }
        output = isError ? STDERR_FILENO : standardOutput
    }

    func write(_ batch: ColumnBatch, reject: (_ row: Int, RowErrorCode, _ detail: String) -> Void) throws(Diagnostic) {
        for row in 0..<batch.count {
            buffer.append(prefix)
            PrintSink.append(batch, row: row, to: buffer)
            buffer.append(0x0A)
        }
        writtenRows += batch.count
        if buffer.count >= 1 << 16 { try flush() }
    }

    override func flush() throws(Diagnostic) {
        guard buffer.count > 0 else { return }
        try FileSystem.writeAll(buffer.bytes, to: output, "standard output")
        buffer.clear()
    }

    /// `+I[…]` without a line end; the kind is that of the row.
    static func append(_ batch: ColumnBatch, row: Int, to buffer: ByteBuffer) {
        buffer.append(batch.metadata.kind(row).text)
        buffer.append("[")
        for (i, column) in batch.columns.enumerated() {
            if i > 0 { buffer.append(", ") }
            append(column, row, to: buffer)
        }
        buffer.append("]")
    }

    /// One cell as Java prints it.
    static func append(_ column: Column, _ row: Int, to buffer: ByteBuffer) {
        guard column.isValid(row) else { return buffer.append("null") }
        switch column.type {
        case .boolean: if column.ints[row] != 0 { buffer.append("true") } else { buffer.append("false") }
        case .float: NumberText.appendFloat(column.doubles[row], to: buffer)
        case .double: NumberText.appendDouble(column.doubles[row], to: buffer)
        case .decimal(_, let scale): DecimalText.append(column.decimals[row], scale: scale, to: buffer)
        case .char, .varchar: buffer.append(column.refs[row])
        case .binary, .varbinary:
            // Java prints arrays of signed bytes.
            buffer.append("[")
            let bytes = column.refs[row]
            for i in 0..<max(0, bytes.count) {
                if i > 0 { buffer.append(", ") }
                NumberText.appendInteger(Int64(Int8(bitPattern: bytes.start[i])), to: buffer)
            }
            buffer.append("]")
        case .date: TimeText.appendDate(column.ints[row], to: buffer)
        case .time: TimeText.appendTime(column.ints[row], fraction: .trimmed, to: buffer)
        // As Java's LocalDateTime and Instant.
        case .timestamp:
            TimeText.appendTimestamp(column.ints[row], separator: 0x54, fraction: .trimmed, to: buffer)
        case .timestampLTZ:
            TimeText.appendTimestamp(column.ints[row], separator: 0x54, fraction: .trimmed, suffix: "Z", to: buffer)
        case .row:
            buffer.append("+I[")
            for (i, child) in column.children.enumerated() {
                if i > 0 { buffer.append(", ") }
                append(child, row, to: buffer)
            }
            buffer.append("]")
        case .array, .map, .multiset:
            let isMap = column.children.count == 2
            let list = column.lists[row]
            if isMap { buffer.append("{") } else { buffer.append("[") }
            for i in Int(list.start)..<Int(list.start + list.count) {
                if i > Int(list.start) { buffer.append(", ") }
                append(column.children[0], i, to: buffer)
                if isMap {
                    buffer.append("=")
                    append(column.children[1], i, to: buffer)
                }
            }
            if isMap { buffer.append("}") } else { buffer.append("]") }
        default: NumberText.appendInteger(column.ints[row], to: buffer)
        }
    }
}
