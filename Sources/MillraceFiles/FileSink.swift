import MillraceCore
import MillraceRuntime

/// Rows to a file of JSON or CSV lines.
///
/// A path with a file suffix is one file, emptied at the start. Another is a directory: a part file, written under a hidden
/// name and renamed when the sink closes. A partitioned table's path is always a directory, with a directory and a part file
/// for each value of the keys; the keys stand in the directories' names only.
final class FileSink: ImmediateSession, Sink {
    private let encoder: any RowEncoder
    private let path: String
    private let keys: [(name: String, column: Int)]
    private let defaultName: String
    /// Of a table without partitions.
    private let single: PartFile?
    /// By directory below `path`.
    private var parts: [String: PartFile] = [:]
    private let directory = ByteBuffer()
    private let scratch = ByteBuffer()
    private var lastDirectory = ""
    private var last: PartFile?
    static let suffixes = [".json", ".jsonl", ".ndjson", ".csv", ".txt"]

    init(_ plan: SinkPlan, formats: any FormatFactory) throws(Diagnostic) {
        guard let path = plan.options["path"], !path.isEmpty else {
            throw Diagnostic(
                "table \"\(plan.name)\" has no option \"path\"", hint: "Set 'path' to a file or directory.")
        }
        guard let format = plan.options["format"] else {
            throw Diagnostic(
                "table \"\(plan.name)\" has no option \"format\"", hint: "Set 'format' to 'json' or 'csv'.")
        }
        self.path = FileSystem.path(path)
        keys = plan.partitionKeys.compactMap { name in plan.schema.index(of: name).map { (name: name, column: $0) } }
        defaultName = plan.options["partition.default-name"] ?? PartitionPath.defaultName
        let columns = plan.schema.fields.indices.filter { !plan.partitionKeys.contains(plan.schema[$0].name) }
        encoder = try formats.makeEncoder(
            format: format, part: nil, options: plan.options, schema: plan.schema, columns: Array(columns))
        let isFile = FileSink.suffixes.contains { path.lowercased().hasSuffix($0) }
        if !keys.isEmpty {
            single = nil
        } else {
            single = try isFile ? PartFile(replacing: self.path) : PartFile(in: self.path)
        }
        super.init()
    }

    func write(_ batch: ColumnBatch, reject: (_ row: Int, RowErrorCode, _ detail: String) -> Void) throws(Diagnostic) {
        for row in 0..<batch.count {
            let part = if let single { single } else { try self.part(of: batch, row) }
            let buffer = part.buffer
            let start = buffer.count
            do throws(Diagnostic) {
                try encoder.encode(batch, row: row, into: buffer)
                buffer.append(0x0A)
                writtenRows += 1
            } catch {
                buffer.truncate(start)
                reject(row, .rejectedBySink, error.message)
            }
            if buffer.count >= 1 << 20 { try part.flush() }
        }
    }

    private func part(of batch: ColumnBatch, _ row: Int) throws(Diagnostic) -> PartFile {
        directory.clear()
        PartitionPath.append(batch, row: row, keys: keys, scratch: scratch, defaultName: defaultName, to: directory)
        let name = directory.text
        if name == lastDirectory, let last { return last }
        let part: PartFile
        if let known = parts[name] {
            part = known
        } else {
            part = try PartFile(in: (path.hasSuffix("/") ? path : path + "/") + name)
            parts[name] = part
        }
        lastDirectory = name
        last = part
        return part
    }

    override func flush() throws(Diagnostic) {
        try single?.flush()
        for part in parts.values { try part.flush() }
    }

    override func finish() throws(Diagnostic) {
        try single?.finish()
        for part in parts.values { try part.finish() }
    }
}
