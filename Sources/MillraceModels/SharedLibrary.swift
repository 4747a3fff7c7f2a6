import Glibc

/// Where a shared library that is loaded at run time may lie.
struct SharedLibrary {
    /// Environment variable with the library's path, or the path of its directory.
    var variable: String
    /// Folder below `.deps` that its script fetches it into.
    var folder: String
    /// Beginnings of its file names, the wanted one first.
    var names: [String]
    /// Names for the system's own search.
    var fallbacks: [String]

    /// Paths to try, in order: the option or else the variable alone; else `../lib/millrace` beside the program, `.deps` of
    /// the program's and the working directory and of those around them, and at last the system's search.
    func candidates(option: String?) -> [String] {
        if let option, !option.isEmpty { return isDirectory(option) ? libraries(in: option) : [option] }
        if let text = getenv(variable), text.pointee != 0 {
            let path = String(cString: text)
            return isDirectory(path) ? libraries(in: path) : [path]
        }
        var result: [String] = []
        var roots: [String] = []
        if let executable = SharedLibrary.executable() {
            let folder = SharedLibrary.parent(executable)
            result += libraries(in: SharedLibrary.parent(folder) + "/lib/millrace")
            roots.append(folder)
        }
        if let directory = getcwd(nil, 0) {
            roots.append(String(cString: directory))
            free(directory)
        }
        for root in roots {
            var around = root
            while true {
                for library in libraries(in: (around == "/" ? "" : around) + "/.deps/" + folder)
                where !result.contains(library) {
                    result.append(library)
                }
                if around == "/" || around.isEmpty { break }
                around = SharedLibrary.parent(around)
            }
        }
        return result + fallbacks
    }

    private static func executable() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    private static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Files of a directory that begin with one of the names, in their order, the newest version first.
    private func libraries(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var found: [String] = []
        while let entry = readdir(stream) {
            found.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names.flatMap { name in
            found.filter { $0.hasPrefix(name) }.sorted(by: >).map { directory + "/" + $0 }
        }
    }
}
