import Glibc
import MillraceCore
import MillraceRuntime

/// Models that are a directory.
enum ModelFolder {
    /// Files, and directories inside each other, of the largest folder that is read.
    static let filesLimit = 10_000
    private static let depthLimit = 16

    static func isSavedModel(_ path: String) -> Bool {
        var status = stat()
        return stat(path + "/saved_model.pb", &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// SHA-256 over all files in the byte order of their paths; what
    /// `find . -type f | sed 's|^\./||' | LC_ALL=C sort | xargs sha256sum | sha256sum` prints in the folder.
    ///
    /// - Throws: when a file cannot be read, or the folder is too large.
    static func hash(_ path: String, label: String, range: SourceRange) throws(Diagnostic) -> String {
        var files: [String] = []
        try list(path, "", depth: 0, into: &files, label: label, range: range)
        files.sort { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
        var text = ""
        for file in files {
            let bytes = try ModelFile.read(path + "/" + file, label: label, range: range)
            text += "\(Digest.sha256Hex(bytes))  \(file)\n"
        }
        return Digest.sha256Hex(Array(text.utf8))
    }

    private static func list(
        _ root: String, _ prefix: String, depth: Int, into files: inout [String], label: String, range: SourceRange
    ) throws(Diagnostic) {
        guard depth <= depthLimit, let stream = opendir(root + "/" + prefix) else {
            throw Diagnostic(
                "\(label): could not list \"\(root)/\(prefix)\"", at: range, fault: .external)
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else { continue }
            var status = stat()
            guard stat(root + "/" + prefix + name, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                try list(root, prefix + name + "/", depth: depth + 1, into: &files, label: label, range: range)
            case S_IFREG: files.append(prefix + name)
            default: continue
            }
            guard files.count <= filesLimit else {
                throw Diagnostic("\(label): \"\(root)\" has more than \(filesLimit) files", at: range)
            }
        }
    }
}
