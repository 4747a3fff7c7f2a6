internal import Glibc

/// What the file system says of a file, or of all files below a directory, without reading them.
struct FileStamp: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        /// Below the directory; empty for a file by itself.
        var path: String
        var device: UInt64
        var inode: UInt64
        var size: Int64
        /// Nanoseconds since 1970: of the last write, and of the last change of any kind (a rename is one).
        var written: Int64
        var changed: Int64
    }
    var entries: [Entry]

    /// More files than this are not told apart.
    private static let entriesMax = 10_000
    private static let depthMax = 16

    /// Nil when nothing is there, or only an empty directory. Symbolic links are followed.
    init?(path: String) {
        entries = []
        guard let status = FileStamp.status(path) else { return nil }
        if status.st_mode & S_IFMT == S_IFDIR {
            add(directory: path, prefix: "", depth: 0)
            entries.sort { $0.path < $1.path }
        } else {
            entries.append(FileStamp.entry("", status))
        }
        if entries.isEmpty { return nil }
    }

    init(entries: [Entry]) { self.entries = entries }

    /// The last thing that happened to each file was not a write: it was renamed to its place, or got its times and rights at
    /// the end of a copy. So it is whole.
    var isComplete: Bool { entries.allSatisfy { $0.changed > $0.written } }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    private static func entry(_ path: String, _ status: stat) -> Entry {
        Entry(
            path: path, device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            written: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec),
            changed: Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec))
    }

    private mutating func add(directory: String, prefix: String, depth: Int) {
        guard depth < FileStamp.depthMax, let stream = opendir(directory) else { return }
        defer { closedir(stream) }
        while let found = readdir(stream), entries.count < FileStamp.entriesMax {
            let name = withUnsafePointer(to: &found.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            guard let status = FileStamp.status(directory + "/" + name) else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                add(directory: directory + "/" + name, prefix: prefix + name + "/", depth: depth + 1)
            } else {
                entries.append(FileStamp.entry(prefix + name, status))
            }
        }
    }
}
