import Glibc
import MillraceCore

/// One file being written. In a directory it has a hidden name until it is whole.
final class PartFile {
    let buffer = ByteBuffer(capacity: 1 << 16)
    private let workingPath: String
    /// The name it gets at the end; nil when it is written in place.
    private let finalPath: String?
    private var file: Int32 = -1

    /// A file at `path`, emptied.
    init(replacing path: String) throws(Diagnostic) {
        workingPath = path
        finalPath = nil
        if let end = path.lastIndex(of: "/"), end > path.startIndex {
            try FileSystem.createDirectory(String(path[..<end]))
        }
        try open(O_TRUNC)
    }

    /// The next part file of a directory, which is made when it is not there. Numbered so that no older part is replaced.
    init(in directory: String) throws(Diagnostic) {
        try FileSystem.createDirectory(directory)
        let base = directory.hasSuffix("/") ? directory : directory + "/"
        var number = 0
        while true {
            let name = "part-0-\(number)"
            let working = "\(base).\(name).inprogress.\(getpid())"
            if FileSystem.facts(base + name) == nil, FileSystem.facts(working) == nil {
                workingPath = working
                finalPath = base + name
                break
            }
            number += 1
        }
        try open(O_EXCL)
    }

    deinit { if file >= 0 { Glibc.close(file) } }

    private func open(_ flags: Int32) throws(Diagnostic) {
        file = Glibc.open(workingPath, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o666)
        if file < 0 { throw FileSystem.failure("create file", workingPath) }
    }

    func flush() throws(Diagnostic) {
        guard buffer.count > 0 else { return }
        try FileSystem.writeAll(buffer.bytes, to: file, workingPath)
        buffer.clear()
    }

    func finish() throws(Diagnostic) {
        guard file >= 0 else { return }
        Glibc.close(file)
        file = -1
        guard let finalPath else { return }
        if rename(workingPath, finalPath) != 0 { throw FileSystem.failure("rename file", workingPath) }
    }
}
