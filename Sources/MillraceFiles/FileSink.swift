import Glibc
import MillraceCore
import MillraceRuntime

/// Rows to a file of JSON or CSV lines.
///
/// A path with a file suffix is one file, emptied at the start. Another is a directory: a part file, written under a hidden
/// name and renamed when the sink closes, numbered so that no older part is replaced.
final class FileSink: ImmediateSession, Sink {
    private let encoder: any RowEncoder
    private let buffer = ByteBuffer(capacity: 1 << 16)
    private let path: String
    private let isDirectory: Bool
    private var file: Int32 = -1
    /// Where it is written, and the name it gets at the end (nil for a single file).
    private var workingPath = ""
    private var finalPath: String?
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
        isDirectory = !FileSink.suffixes.contains { path.lowercased().hasSuffix($0) }
        encoder = try formats.makeEncoder(
            format: format, part: nil, options: plan.options, schema: plan.schema,
            columns: Array(0..<plan.schema.count))
        super.init()
        try open()
    }

    deinit { if file >= 0 { Glibc.close(file) } }

    private func open() throws(Diagnostic) {
        workingPath = path
        var flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        if isDirectory {
            let base = path.hasSuffix("/") ? path : path + "/"
            try FileSystem.createDirectory(path)
            flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
            var number = 0
            while true {
                let name = "part-0-\(number)"
                workingPath = "\(base).\(name).inprogress.\(getpid())"
                finalPath = base + name
                if FileSystem.facts(base + name) == nil, FileSystem.facts(workingPath) == nil { break }
                number += 1
            }
        }
        if !isDirectory, let end = path.lastIndex(of: "/"), end > path.startIndex {
            try FileSystem.createDirectory(String(path[..<end]))
        }
        file = Glibc.open(workingPath, flags, 0o666)
        if file < 0 { throw FileSystem.failure("create file", workingPath) }
    }

    func write(_ batch: ColumnBatch, reject: (_ row: Int, RowErrorCode, _ detail: String) -> Void) throws(Diagnostic) {
        for row in 0..<batch.count {
            let start = buffer.count
            do throws(Diagnostic) {
                try encoder.encode(batch, row: row, into: buffer)
                buffer.append(0x0A)
                writtenRows += 1
            } catch {
                buffer.truncate(start)
                reject(row, .rejectedBySink, error.message)
            }
            if buffer.count >= 1 << 20 { try flush() }
        }
    }

    override func flush() throws(Diagnostic) {
        guard buffer.count > 0 else { return }
        try FileSystem.writeAll(buffer.bytes, to: file, workingPath)
        buffer.clear()
    }

    override func finish() throws(Diagnostic) {
        guard file >= 0 else { return }
        Glibc.close(file)
        file = -1
        guard let finalPath else { return }
        if rename(workingPath, finalPath) != 0 { throw FileSystem.failure("rename file", workingPath) }
    }
}
