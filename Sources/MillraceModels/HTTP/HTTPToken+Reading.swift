import Glibc

extension HTTPToken {
    static func environment(_ name: String) -> String? {
        guard let text = getenv(name), text.pointee != 0 else { return nil }
        return String(cString: text)
    }

    /// A relative path of a file to read: beside the SQL file if it is there, else as given.
    static func resolve(_ path: String, from directory: String) -> String {
        guard !path.hasPrefix("/"), !directory.isEmpty else { return path }
        let beside = directory + "/" + path
        return access(beside, R_OK) == 0 ? beside : path
    }

    /// At most 64 kB of a file.
    static func read(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = Glibc.read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
