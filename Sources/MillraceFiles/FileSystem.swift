import Glibc
import MillraceCore

/// What the connectors need of the file system, with errors as diagnostics.
enum FileSystem {
    struct Facts {
        var isDirectory: Bool
        var size: Int64
        /// Microseconds since 1970.
        var modified: Int64
    }

    /// Nil when nothing is there.
    static func facts(_ path: String) -> Facts? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Facts(
            isDirectory: status.st_mode & S_IFMT == S_IFDIR, size: Int64(status.st_size),
            modified: Int64(status.st_mtim.tv_sec) * 1_000_000 + Int64(status.st_mtim.tv_nsec) / 1000)
    }

    /// Paths of the files in the directory and in those below it, in byte order. Files and directories whose names begin
    /// with `.` or `_` are left out.
    static func files(_ path: String) throws(Diagnostic) -> [String] {
        let base = path.hasSuffix("/") ? path : path + "/"
        var found: [String] = []
        for name in try list(path) {
            guard let facts = facts(base + name) else { continue }
            if facts.isDirectory { found += try files(base + name) } else { found.append(base + name) }
        }
        return found
    }

    /// Names in the directory, in byte order; those that begin with `.` or `_` left out.
    private static func list(_ path: String) throws(Diagnostic) -> [String] {
        guard let directory = opendir(path) else { throw failure("open directory", path) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix("."), !name.hasPrefix("_") { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The directory and those above it, where they are missing.
    static func createDirectory(_ path: String) throws(Diagnostic) {
        if facts(path) != nil || path.isEmpty { return }
        var parent = path[...]
        while parent.last == "/" { parent.removeLast() }
        if let end = parent.lastIndex(of: "/"), end > parent.startIndex { try createDirectory(String(parent[..<end])) }
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw failure("create directory", path) }
    }

    /// `file:` URLs are taken as paths.
    static func path(_ text: String) -> String {
        if text.hasPrefix("file://") { return String(text.dropFirst(7)) }
        if text.hasPrefix("file:") { return String(text.dropFirst(5)) }
        return text
    }

    static func name(_ path: String) -> String {
        String(path.split(separator: "/").last ?? "")
    }

    /// The diagnostic of a call that failed with `errno`.
    static func failure(_ action: String, _ path: String) -> Diagnostic {
        let code = errno
        let isUser = code == ENOENT || code == EACCES || code == ENOTDIR || code == EISDIR || code == EPERM
        return Diagnostic(
            "cannot \(action) \"\(path)\": \(String(cString: strerror(code)).lowercased())",
            hint: isUser ? "Check the option 'path' and the file's permissions." : nil,
            fault: isUser ? .user : .external)
    }

    /// Writes all bytes, waiting where the descriptor would.
    static func writeAll(_ bytes: ByteRef, to descriptor: Int32, _ path: String) throws(Diagnostic) {
        var at = 0
        while at < bytes.count {
            let written = write(descriptor, bytes.start + at, bytes.count - at)
            if written < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN {
                    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&wait, 1, 100)
                    continue
                }
                throw failure("write", path)
            }
            at += written
        }
    }
}
