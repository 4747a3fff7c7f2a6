internal import Glibc
internal import MillraceCore

/// Reads whole text files without Foundation, which would cost start-up time and memory.
enum TextFile {
    /// - Throws: `.user` naming the file and the reason.
    static func read(_ path: String) throws(Diagnostic) -> String {
        guard let file = fopen(path, "rb") else {
            throw Diagnostic("cannot read \"\(path)\": \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        if ferror(file) != 0 { throw Diagnostic("cannot read \"\(path)\": \(String(cString: strerror(errno)))") }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Diagnostic("\"\(path)\" is not UTF-8 text")
        }
        return text
    }

    /// - Throws: `.user` naming the file and the reason.
    static func write(_ text: String, to path: String) throws(Diagnostic) {
        guard let file = fopen(path, "wb") else {
            throw Diagnostic("cannot write \"\(path)\": \(String(cString: strerror(errno)))")
        }
        var text = text
        let isWritten = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
        guard fclose(file) == 0, isWritten else {
            throw Diagnostic("cannot write \"\(path)\": \(String(cString: strerror(errno)))")
        }
    }
}

/// The parts of a path.
enum Path {
    static func directory(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// A relative path of a file to read: beside the pipeline's own file if it is there, else as given.
    static func resolve(_ path: String, from directory: String) -> String {
        guard !path.hasPrefix("/") else { return path }
        let beside = directory + "/" + path
        return access(beside, R_OK) == 0 ? beside : path
    }

    /// The file name without directory and `.sql`.
    static func baseName(_ path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return name.hasSuffix(".sql") ? String(name.dropLast(4)) : name
    }
}
